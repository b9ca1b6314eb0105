"""A network as a list of layers, and the forward pass over it: training, rendering and the module itself share both."""

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
    """Fully connected layer: weight (out, in), bias (out,), and the activation behind it."""

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

    def empty_like(self, dtype: torch.dtype, bias_dtype: torch.dtype) -> Layer:
        """A layer of the same shape with its own uninitialized memory."""
        weight, bias = torch.empty_like(self.weight, dtype=dtype), torch.empty_like(self.bias, dtype=bias_dtype)
        return replace(self, weight=weight, bias=bias)


def empty_layers(widths: Sequence[int], device: torch.device) -> list[Layer]:
    """Layers between those widths, float32 and uninitialized; on the meta device they take no memory."""
    last = len(widths) - 2
    return [
        Layer(
            layer_name(i),
            torch.empty(outputs, inputs, dtype=torch.float32, device=device),
            torch.empty(outputs, dtype=torch.float32, device=device),
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


def forward(layers: Sequence[Layer], features: Tensor) -> Tensor:
    """Values in [0, 1] with shape (n, channels), for features with shape (n, in)."""
    return logits(layers, features).sigmoid_()
