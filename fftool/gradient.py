"""The gradient of the loss for the coordinate network, as the matrix products that it takes and little else.

Autograd computes the same, with a tape, new memory for each intermediate result and a cast of each operand. Here the
order of the products is written out, they may be of lower precision than the weights, and the memory is used anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from fftool.buffers import Buffers
from fftool.config import Loss
from fftool.network import CoordinateMLP, rectified


def _binary_cross_entropy(logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    difference = logits.sigmoid().sub_(values)
    loss = F.binary_cross_entropy_with_logits(logits, values, reduction="sum")
    return loss, _squares(difference), difference


def _squared_error(logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    drawn = logits.sigmoid()
    difference = drawn - values
    squares = _squares(difference)
    return squares, squares, difference.mul_(2).mul_(drawn).mul_(1 - drawn)


def _squares(difference: Tensor) -> Tensor:
    return difference.flatten().dot(difference.flatten())


# The loss and the squared error, summed over all values, and the derivative of the first by the logits.
LOSSES: dict[Loss, Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]] = {
    "bce": _binary_cross_entropy,
    "mse": _squared_error,
}


def masked_(slope: Tensor, output: Tensor) -> Tensor:
    """The derivative by a ReLU's input, in place of that by its output; 0 where that output is."""
    a, b = slope, output
    if slope.is_cpu and slope.dtype == torch.bfloat16:
        # the bits are an integer above 0 where the number is; bfloat16 would be made float32, and take twice as long
        a, b = slope.view(torch.int16), output.view(torch.int16)
    torch.ops.aten.threshold_backward.grad_input(a, b, 0, grad_input=a)
    return slope


PARTS = 4  # 256×3072 by 3072×256 in bfloat16 with AMX takes 0.87 of the time of one product; float32 the same


def _parts(rows: Tensor) -> Tensor:
    """Rows in up to PARTS equal parts, with shape (parts, n, columns)."""
    parts: Tensor = rows.unflatten(0, (math.gcd(len(rows), PARTS), -1))
    return parts


def summed(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """The sum over rows: part by part, each of which is still in the cache of the core that has made it."""
    return _parts(rows).sum(1).sum(0, dtype=dtype)


def crossed(delta: Tensor, inputs: Tensor, dtype: torch.dtype) -> Tensor:
    """δᵀx, the sum over rows of their outer products; that of the parts is taken in `dtype`."""
    return torch.bmm(_parts(delta).mT, _parts(inputs)).sum(0, dtype=dtype)


class Gradient:
    """The mean loss of a batch, and its derivative by every weight and bias.

    `precision` is the dtype of the products' operands; they are summed in float32 or better. The weights, the loss and
    what is returned stay as precise as the network's parameters are.
    """

    def __init__(self, network: CoordinateMLP, loss: Loss, precision: torch.dtype) -> None:
        self.parameters = [parameter.detach() for parameter in network.parameters()]
        self.operands = [torch.empty_like(parameter, dtype=precision) for parameter in self.parameters]
        self.loss = LOSSES[loss]
        self.precision = precision
        self.buffers = Buffers(network.device, precision)

    def __call__(self, features: Tensor, values: Tensor) -> tuple[Tensor, list[Tensor]]:
        """One batch.

        Args:
            features: the network's first layer's input, with shape (n, 2m), of the precision of the products.
            values: with shape (n, channels), in [0, 1], of the parameters' dtype.

        Returns:
            The sums of the loss and of the squared error over all values, with shape (2,), and the gradient of the mean
            loss by each parameter in the network's order: weight, bias, weight, ….

        """
        torch._foreach_copy_(self.operands, self.parameters)
        weights, biases = self.operands[::2], self.operands[1::2]  # (out, in) and (out,)
        inputs = [features]  # of each layer
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            inputs.append(rectified(inputs[-1], weight, bias))
        logits = torch.mm(inputs[-1], weights[-1].t()) + self.parameters[-1]  # of the parameters' dtype
        loss, squares, slope = self.loss(logits, values)
        delta = self.buffers("delta", *slope.shape)  # the derivative by the output of layer i, with shape (n, out)
        torch.div(slope, values.numel(), out=delta)
        gradients: list[Tensor] = []
        for i in reversed(range(len(weights))):
            gradients += [summed(delta, values.dtype), crossed(delta, inputs[i], values.dtype)]
            if i:
                below = self.buffers(f"delta {i}", *inputs[i].shape)
                delta = masked_(torch.mm(delta, weights[i], out=below), inputs[i])
        return torch.stack([loss, squares]), gradients[::-1]
