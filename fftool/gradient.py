"""The gradient of the loss for the coordinate network, as the matrix products that it takes and little else.

Autograd computes the same, with a tape, new memory for each intermediate result and a cast of each operand. Here the
order of the products is written out, they may be of lower precision than the weights, and the memory is used anew.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from fftool.config import Loss
from fftool.network import CoordinateMLP


def _binary_cross_entropy(logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    difference = logits.sigmoid().sub_(values)
    loss = F.binary_cross_entropy_with_logits(logits, values, reduction="sum")
    return loss, difference.square().sum(), difference


def _squared_error(logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    drawn = logits.sigmoid()
    difference = drawn - values
    squares = difference.square().sum()
    return squares, squares, difference.mul_(2).mul_(drawn).mul_(1 - drawn)


# The loss and the squared error, summed over all values, and the derivative of the first by the logits.
LOSSES: dict[Loss, Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]] = {
    "bce": _binary_cross_entropy,
    "mse": _squared_error,
}


class Gradient:
    """The mean loss of a batch, and its derivative by every weight and bias.

    `precision` is the dtype of the products' operands; they are summed in float32 or better. The weights, the loss and
    what is returned stay as precise as the network's parameters are.
    """

    def __init__(self, network: CoordinateMLP, loss: Loss, precision: torch.dtype) -> None:
        self.layers = network.weights_and_biases
        self.loss = LOSSES[loss]
        self.precision = precision
        self.memory: dict[tuple[str, int], Tensor] = {}

    def __call__(self, features: Tensor, values: Tensor) -> tuple[Tensor, list[Tensor]]:
        """One batch.

        Args:
            features: the network's first layer's input, with shape (n, 2m), of the precision of the products.
            values: with shape (n, channels), in [0, 1], of the parameters' dtype.

        Returns:
            The sums of the loss and of the squared error over all values, with shape (2,), and the gradient of the mean
            loss by each parameter in the network's order: weight, bias, weight, ….

        """
        weights, biases = zip(*self.layers, strict=True)
        exact = biases[-1].dtype
        operands = [weight.to(self.precision) for weight in weights]  # (out, in)
        inputs = [features]  # of each layer
        for i, bias in enumerate(biases[:-1]):
            x = self._empty("input", i, (len(features), len(bias)))
            torch.addmm(bias.to(self.precision), inputs[-1], operands[i].t(), out=x)
            inputs.append(x.relu_())
        logits = torch.addmm(biases[-1].to(self.precision), inputs[-1], operands[-1].t()).to(exact)
        loss, squares, slope = self.loss(logits, values)
        slope = slope.div_(values.numel())
        gradients = []
        delta = slope.to(self.precision)  # the derivative by the output of layer i, with shape (n, out)
        for i in reversed(range(len(operands))):
            gradients += [delta.sum(0), delta.t() @ inputs[i]]
            if i:
                below = self._empty("delta", i, inputs[i].shape)
                torch.mm(delta, operands[i], out=below)
                delta = torch.ops.aten.threshold_backward.grad_input(below, inputs[i], 0, grad_input=below)
        return torch.stack([loss, squares]), [each.to(exact) for each in reversed(gradients)]

    def _empty(self, name: str, layer: int, shape: tuple[int, ...]) -> Tensor:
        """Memory that the next batch uses again; the first batch is as large as any."""
        if (name, layer) not in self.memory:
            self.memory[name, layer] = torch.empty(shape, dtype=self.precision, device=self.layers[0][0].device)
        return self.memory[name, layer][: shape[0]]
