"""Private functions of torch, each with a public fallback: the one place that knows them.

Which of the two is used is decided once, by whether torch has the private one. Tests run both and compare them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def _private(owner: Any, name: str) -> Any:
    """An attribute that a version of torch may not have, or None."""
    for part in name.split("."):
        try:
            owner = getattr(owner, part)
        except (AttributeError, RuntimeError):
            return None
    return owner


_linear_pointwise = _private(torch.ops, "mkldnn._linear_pointwise")
_threshold_backward = _private(torch.ops, "aten.threshold_backward.grad_input")
_fused_adam = _private(torch, "_fused_adam_")
_foreach_copy = _private(torch, "_foreach_copy_")
_foreach_add = _private(torch, "_foreach_add_")
_foreach_mul = _private(torch, "_foreach_mul_")
_has_amx = _private(torch, "cpu._is_amx_tile_supported")


def multiplies_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 faster than float32: it has AMX, and oneDNN, which uses it, is enabled.

    A training step at 768×512 takes 0.35 of the time in bfloat16 with AMX, and 1.35 times as long with AVX-512 BF16
    alone (one Xeon with both, restricted to each by ONEDNN_MAX_CPU_ISA).
    """
    mkldnn = torch.backends.mkldnn
    return bool(mkldnn.is_available() and mkldnn.enabled and _has_amx is not None and _has_amx())


def linear_relu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """ReLU(xWᵀ + b), with shape (n, out).

    In one pass by oneDNN where it applies, which saves two passes over the result: a twentieth of a training step.
    """
    if _linear_pointwise is not None and _fuses(x) and not _records_gradient(x, weight, bias):
        fused: Tensor = _linear_pointwise(x, weight, bias, "relu", [], "")
        return fused
    return F.relu(linear(x, weight, bias))


def _fuses(x: Tensor) -> bool:
    mkldnn = torch.backends.mkldnn
    return x.is_cpu and x.dtype in (torch.float32, torch.bfloat16) and mkldnn.is_available() and bool(mkldnn.enabled)


def _records_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The product xWᵀ + b, with shape (n, out). A bias of higher precision than x gives a result of its own."""
    if x.dtype == bias.dtype:
        return torch.addmm(bias, x, weight.t())
    return torch.mm(x, weight.t()) + bias


def relu_backward_(gradient: Tensor, output: Tensor) -> Tensor:
    """Gradient by a ReLU's input, in place of that by its output: 0 where the output is 0."""
    if _threshold_backward is None:
        return gradient.mul_(output > 0)
    grad_input, out = gradient, output
    if gradient.is_cpu and gradient.dtype == torch.bfloat16:
        # The bits are a positive integer where the number is positive. A bfloat16 kernel would convert both to float32,
        # and take twice as long.
        grad_input, out = gradient.view(torch.int16), output.view(torch.int16)
    _threshold_backward(grad_input, out, 0, grad_input=grad_input)
    return gradient


def copy_all_(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Copy each source into its target, converting its dtype."""
    if _foreach_copy is not None:
        _foreach_copy(targets, sources)
        return
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)


def scale_all_(tensors: Sequence[Tensor], factor: float) -> None:
    """Multiply each tensor by a number."""
    if _foreach_mul is not None:
        _foreach_mul(tensors, factor)
        return
    for tensor in tensors:
        tensor.mul_(factor)


def add_all_(tensors: Sequence[Tensor], others: Sequence[Tensor], alpha: float = 1) -> None:
    """Add `alpha` times another tensor to each."""
    if _foreach_add is not None:
        _foreach_add(tensors, others, alpha=alpha)
        return
    for tensor, other in zip(tensors, others, strict=True):
        tensor.add_(other, alpha=alpha)


def count_all_(counts: Sequence[Tensor]) -> None:
    """Add 1 to each counter."""
    if _foreach_add is not None:
        _foreach_add(counts, 1)
        return
    for count in counts:
        count.add_(1)


ADAM_EPS = 1e-8


def adam_(
    parameters: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    counts: list[Tensor],
    learning_rate: Tensor,
    betas: tuple[float, float],
) -> None:
    """One step of Adam (Kingma and Ba, 2015), in place, for counters that include this step.

    `torch.optim.Adam` does the same after importing a compiler, which takes longer than training on a small image.
    """
    beta1, beta2 = betas
    if _fused_adam is not None:
        _fused_adam(
            parameters, gradients, means, squares, [], counts,
            lr=learning_rate, beta1=beta1, beta2=beta2, eps=ADAM_EPS,
            weight_decay=0, amsgrad=False, maximize=False,
        )  # fmt: skip
        return
    for parameter, gradient, mean, square, count in zip(parameters, gradients, means, squares, counts, strict=True):
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        denominator = (square / (1 - beta2**count)).sqrt_().add_(ADAM_EPS)
        parameter.sub_(learning_rate / (1 - beta1**count) * mean / denominator)
