"""A network as a list of layers, and the forward pass over it: training, rendering and the module itself share both.

The networks of several tiles are one list too, whose weights and biases have one more axis in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from fftool.backend.kernels import linear, linear_relu

Activation = Literal["relu", "sigmoid"]


def layer_name(i: int) -> str:
    """Name of a layer in a network and in a checkpoint."""
    return f"layers.{i}"


@dataclass(frozen=True, eq=False)
class Layer:
    """Fully connected layer: weight (out, in), bias (out,), and the activation behind it.

    Those of several tiles have shapes (tiles, out, in) and (tiles, out).
    """

    name: str  # as in a checkpoint: layers.0
    weight: Tensor
    bias: Tensor
    activation: Activation

    @property
    def weight_name(self) -> str:
        return f"{self.name}.weight"

    @property
    def bias_name(self) -> str:
        return f"{self.name}.bias"

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Weight and bias by their names in a checkpoint."""
        return {self.weight_name: self.weight, self.bias_name: self.bias}

    def to(self, dtype: torch.dtype) -> Layer:
        """The same layer in another precision."""
        return replace(self, weight=self.weight.to(dtype), bias=self.bias.to(dtype))

    def of(self, tiles: slice) -> Layer:
        """Layer of some of the tiles: views of the same memory."""
        return replace(self, weight=self.weight[tiles], bias=self.bias[tiles])

    def empty_like(self, dtype: torch.dtype, bias_dtype: torch.dtype) -> Layer:
        """A layer of the same shape with its own uninitialized memory."""
        weight, bias = torch.empty_like(self.weight, dtype=dtype), torch.empty_like(self.bias, dtype=bias_dtype)
        return replace(self, weight=weight, bias=bias)


def empty_layers(widths: Sequence[int], device: torch.device, tiles: tuple[int, ...] = ()) -> list[Layer]:
    """Layers between those widths, float32 and uninitialized; on the meta device they take no memory.

    `tiles` has the number of tiles, where there are any.
    """
    last = len(widths) - 2
    return [
        Layer(
            layer_name(i),
            torch.empty(*tiles, outputs, inputs, dtype=torch.float32, device=device),
            torch.empty(*tiles, outputs, dtype=torch.float32, device=device),
            "sigmoid" if i == last else "relu",
        )
        for i, (inputs, outputs) in enumerate(pairwise(widths))
    ]


def named_parameters(layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Weights and biases of all layers by name, in the order of the forward pass."""
    return {name: tensor for layer in layers for name, tensor in layer.parameters.items()}


def logits(layers: Sequence[Layer], features: Tensor, inputs: list[Tensor] | None = None) -> Tensor:
    """Output of a network before its last activation: the forward pass.

    Args:
        layers: all but the last one have ReLU for their activation.
        features: input of the first layer, with shape (n, in).
        inputs: list that receives the input of each layer, for a backward pass; nothing is kept unless given.

    Returns:
        Tensor with shape (n, channels), of the dtype of the last bias.

    """
    *hidden, last = layers
    x = features
    for layer in hidden:
        if inputs is not None:
            inputs.append(x)
        x = linear_relu(x, layer.weight, layer.bias)
    if inputs is not None:
        inputs.append(x)
    return linear(x, last.weight, last.bias)


def tile_logits(layers: Sequence[Layer], features: Tensor, inputs: list[Tensor] | None = None) -> Tensor:
    """Output of the networks of several tiles, at the same positions in each, before their last activation.

    The first layers of all tiles are one product. Samples are along the last axis here, which makes the others fast.

    Args:
        layers: with weights (tiles, out, in); all but the last one have ReLU for their activation.
        features: input of the first layer of every tile, with shape (n, in).
        inputs: list that receives the input of each layer behind the first, (tiles, in, n), for a backward pass.

    Returns:
        Tensor with shape (tiles, channels, n), of the dtype of the last bias.

    """
    first, *others = layers
    n_tiles, outputs, _ = first.weight.shape
    bias, weight = first.bias.view(-1, 1), first.weight.flatten(0, 1)
    same = weight.dtype == bias.dtype  # unless it is the last layer too, as linear has it
    flat = torch.addmm(bias, weight, features.t()) if same else torch.mm(weight, features.t()) + bias
    x = flat.view(n_tiles, outputs, -1)
    for layer in others:
        x.relu_()
        if inputs is not None:
            inputs.append(x)
        bias = layer.bias[..., None]
        same = x.dtype == bias.dtype  # as linear has it
        x = torch.baddbmm(bias, layer.weight, x) if same else torch.bmm(layer.weight, x) + bias
    return x


def forward(layers: Sequence[Layer], features: Tensor) -> Tensor:
    """Values in [0, 1] with shape (n, channels), for features with shape (n, in)."""
    return logits(layers, features).sigmoid_()
