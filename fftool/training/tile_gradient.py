"""Gradient of the loss for the networks of many tiles at once, which see the same positions, each in its own tile.

The first layers of all tiles are one product, and the other layers batched ones. Samples are along the last axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fftool.backend.kernels import relu_backward_
from fftool.config import Loss
from fftool.models.layers import Layer, tile_logits
from fftool.training.gradient import LOSSES, Operands


class TileGradient:
    """Mean loss of a batch in each tile, and its derivative by every weight and bias of the tile's network.

    `dtype` is that of the products' operands. Weights, loss and gradients have the precision of the layers.
    """

    def __init__(self, layers: Sequence[Layer], loss: Loss, dtype: torch.dtype) -> None:
        self.operands, self.loss, self.dtype = Operands(layers, dtype), LOSSES[loss], dtype

    def __call__(
        self, features: Tensor, values: Tensor, trained: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and gradient of one batch.

        Args:
            features: input of every first layer, with shape (n, 2m), of the precision of the products.
            values: with shape (tiles, channels, n), in [0, 1], of the layers' dtype.
            trained: 1 for samples to train on and 0 for others, with shape (tiles, 1, n); all are, unless given.

        Returns:
            Sums of the loss and of the squared error over all trained values, with shape (2,), and the gradient of the
            loss by each parameter, by its name: the loss of a tile is its sum over the trained values, over their
            number if all were.

        """
        layers = self.operands.rounded_layers()
        inputs: list[Tensor] = []  # of each layer behind the first
        loss, squares, slope = self.loss(tile_logits(layers, features, inputs), values, trained)
        n_values = values.shape[1] * values.shape[2]
        delta = slope.div_(n_values).to(self.dtype)  # derivative by the output of layer i, with shape (tiles, out, n)
        gradients: dict[str, Tensor] = {}
        for i, layer in reversed(list(enumerate(layers))):
            gradients[layer.bias_name] = delta.sum(-1, dtype=values.dtype)
            if i == 0:
                weight = torch.mm(delta.flatten(0, 1), features).view(layer.weight.shape)
            else:
                weight = torch.bmm(delta, inputs[i - 1].mT)
                delta = relu_backward_(torch.bmm(layer.weight.mT, delta), inputs[i - 1])
            gradients[layer.weight_name] = weight.to(values.dtype)
        return torch.stack([loss, squares]), gradients
