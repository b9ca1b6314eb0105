"""Gradient of the loss for the coordinate network: its matrix products and little else.

Autograd computes the same, with a tape, new memory for each intermediate result and a cast of each operand. Here the
order of the products is written out, they may be of lower precision than the weights, and memory is reused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from fftool.backend.kernels import copy_all_, relu_backward_
from fftool.backend.memory import Buffers
from fftool.config import Loss
from fftool.models.layers import Layer, logits, named_parameters


def _binary_cross_entropy(logits: Tensor, values: Tensor, trained: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    difference = _masked(logits.sigmoid().sub_(values), trained)
    loss = F.binary_cross_entropy_with_logits(logits, values, trained, reduction="sum")
    return loss, _sum_of_squares(difference), difference


def _squared_error(logits: Tensor, values: Tensor, trained: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    output = logits.sigmoid()
    difference = _masked(output - values, trained)
    squares = _sum_of_squares(difference)
    return squares, squares, difference.mul_(2).mul_(output).mul_(1 - output)


def _masked(difference: Tensor, trained: Tensor | None) -> Tensor:
    """Difference at the trained samples, and 0 elsewhere."""
    return difference if trained is None else difference.mul_(trained)


def _sum_of_squares(difference: Tensor) -> Tensor:
    return difference.flatten().dot(difference.flatten())


# Sums of the loss and of the squared error over all values, and the derivative of the former by the logits; of the
# values where the last argument is 1, if there is one.
LOSSES: dict[Loss, Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor, Tensor]]] = {
    "bce": _binary_cross_entropy,
    "mse": _squared_error,
}

PARTS = 4  # 256×3072 by 3072×256 in bfloat16 with AMX takes 0.87 of the time of one product; float32 the same


def _in_parts(rows: Tensor) -> Tensor:
    """Rows in up to PARTS equal parts, with shape (parts, n, columns)."""
    parts: Tensor = rows.unflatten(0, (math.gcd(len(rows), PARTS), -1))
    return parts


def bias_gradient(delta: Tensor, dtype: torch.dtype) -> Tensor:
    """Sum of δ over its rows: part by part, each of which is still in the cache of the core that computed it."""
    return _in_parts(delta).sum(1).sum(0, dtype=dtype)


def weight_gradient(delta: Tensor, inputs: Tensor, dtype: torch.dtype) -> Tensor:
    """δᵀx, the sum over rows of their outer products; the sum over parts is taken in `dtype`."""
    return torch.bmm(_in_parts(delta).mT, _in_parts(inputs)).sum(0, dtype=dtype)


class Operands:
    """Layers in the precision of the products: the layers themselves, or copies to be rounded before each step."""

    def __init__(self, layers: Sequence[Layer], dtype: torch.dtype) -> None:
        *hidden, last = layers
        self.layers = list(layers)
        if dtype != last.weight.dtype:
            self.layers = [layer.empty_like(dtype, dtype) for layer in hidden]
            # The last bias keeps its precision, and the logits with it.
            self.layers.append(replace(last, weight=torch.empty_like(last.weight, dtype=dtype)))
        pairs = zip(named_parameters(self.layers).values(), named_parameters(layers).values(), strict=True)
        separate = [(operand, exact) for operand, exact in pairs if operand is not exact]
        self.rounded, self.exact = ([pair[i] for pair in separate] for i in (0, 1))

    def rounded_layers(self) -> list[Layer]:
        """The layers as they are now."""
        if self.rounded:
            copy_all_(self.rounded, self.exact)
        return self.layers


class Gradient:
    """Mean loss of a batch, and its derivative by every weight and bias.

    `dtype` is that of the products' operands; they are summed in float32 or better. Weights, loss and gradients have
    the precision of the layers.
    """

    def __init__(self, layers: Sequence[Layer], loss: Loss, dtype: torch.dtype) -> None:
        self.operands, self.loss = Operands(layers, dtype), LOSSES[loss]
        self.buffers = Buffers(layers[-1].weight.device, dtype)

    def __call__(self, features: Tensor, values: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and gradient of one batch.

        Args:
            features: input of the first layer, with shape (n, 2m), of the precision of the products.
            values: with shape (n, channels), in [0, 1], of the layers' dtype.

        Returns:
            Sums of the loss and of the squared error over all values, with shape (2,), and the gradient of the mean
            loss by each parameter, by its name.

        """
        layers = self.operands.rounded_layers()
        inputs: list[Tensor] = []  # of each layer
        loss, squares, slope = self.loss(logits(layers, features, inputs), values, None)
        delta = self.buffers("delta", *slope.shape)  # derivative by the output of layer i, with shape (n, out)
        torch.div(slope, values.numel(), out=delta)
        gradients: dict[str, Tensor] = {}
        for i, layer in reversed(list(enumerate(layers))):
            gradients[layer.bias_name] = bias_gradient(delta, values.dtype)
            gradients[layer.weight_name] = weight_gradient(delta, inputs[i], values.dtype)
            if i:
                below = self.buffers(f"delta {i}", *inputs[i].shape)
                delta = relu_backward_(torch.mm(delta, layer.weight, out=below), inputs[i])
        return torch.stack([loss, squares]), gradients
