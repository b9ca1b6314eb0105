"""Optimizers: Muon and Adam, on parameters and gradients by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from fftool.backend.kernels import adam_, count_all_
from fftool.config import OptimizerName
from fftool.models.layers import Layer, named_parameters


class Optimizer(Protocol):
    """Moves parameters against gradients of the same names.

    The learning rate is a tensor, with shape (), so that a CUDA graph can read another one at each replay.
    """

    def step(self, gradients: Mapping[str, Tensor], learning_rate: Tensor) -> None: ...

    @property
    def state(self) -> dict[str, Tensor]:
        """Tensors that it keeps from one step to the next, by name: the tensors themselves, not copies."""


class Adam:
    """Adam (Kingma and Ba, 2015)."""

    BETAS = (0.9, 0.99)  # 0.3 to 0.8 dB better than (0.9, 0.999), on the images of `fftool.training.defaults`

    def __init__(self, parameters: Mapping[str, Tensor], betas: tuple[float, float] = BETAS) -> None:
        self.names, self.parameters, self.betas = list(parameters), list(parameters.values()), betas
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.counts = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self.parameters]

    def step(self, gradients: Mapping[str, Tensor], learning_rate: Tensor) -> None:
        """Move the parameters against the gradients."""
        count_all_(self.counts)
        ordered = [gradients[name] for name in self.names]
        adam_(self.parameters, ordered, self.means, self.squares, self.counts, learning_rate, self.betas)

    @property
    def state(self) -> dict[str, Tensor]:
        """Means, squares and step counts of each parameter, numbered in their order."""
        parts = {"means": self.means, "squares": self.squares, "counts": self.counts}
        return {f"{name}.{i}": tensor for name, tensors in parts.items() for i, tensor in enumerate(tensors)}


# Odd polynomials of degree 5, applied in turn: each brings the singular values from 0.003 to 1, as those before it have
# left them, as near to 1 as possible, as in the Polar Express (Amsel et al., 2025, arXiv 2505.16932); the third leaves
# 0.35 to 1.65. Bounds of 0.001 and 0.01 and more iterations made no difference on the images of
# `fftool.training.defaults`; fewer iterations lost 0.2 to 0.7 dB.
ORTHOGONALIZING = (
    (8.3836743896, -24.7659084415, 18.3570836972),
    (4.0434208328, -3.0114052646, 0.5695121938),
    (3.5055707528, -2.6266539836, 0.5257194395),
)


TILE_ITERATIONS = 2  # of these for the small matrices of tiles: 3 were no better, and 1 lost 3 dB


def orthogonalize(matrices: Tensor, dtype: torch.dtype, iterations: int = len(ORTHOGONALIZING)) -> Tensor:
    """Matrices with the same singular vectors, and all singular values within 0.65 of 1: roughly the polar factor.

    Singular values below 0.003 of the matrix's Frobenius norm, which are zero but for noise, stay below.

    Args:
        matrices: with shape (k, out, in).
        dtype: of the products and of the result.
        iterations: how many of the polynomials to apply.

    """
    x = matrices.to(dtype)
    if tall := x.shape[1] > x.shape[2]:
        x = x.mT.contiguous()  # bfloat16 products that add up columns take 100 times as long, or more
    x = x / torch.linalg.matrix_norm(x, keepdim=True).mul_(1.01).add_(1e-7)  # so that none is above 1
    gram, polynomial = (x.new_empty(len(x), x.shape[1], x.shape[1]) for _ in range(2))
    next_x = torch.empty_like(x)
    for a, b, c in ORTHOGONALIZING[:iterations]:
        torch.bmm(x, x.mT, out=gram)
        torch.baddbmm(gram, gram, gram, beta=b, alpha=c, out=polynomial)
        torch.baddbmm(x, polynomial, x, beta=a, out=next_x)
        x, next_x = next_x, x
    return x.mT if tall else x


def _matrices(tensors: Sequence[Tensor]) -> Tensor:
    """Matrices of one shape, (k, out, in): a single tensor of that kind, or several matrices stacked."""
    return tensors[0] if tensors[0].ndim == 3 else torch.stack(list(tensors))


class Muon:
    """Muon (Jordan et al., 2024) for the weights of all layers but the last, Adam for the other parameters.

    Each weight matrix moves by its mean gradient, orthogonalized, so that all directions advance alike. Matrices of one
    shape are computed together; those of all tiles in a layer are one tensor already.
    """

    MOMENTUM = 0.9
    ADAM_SHARE = 0.05  # of the learning rate
    ADAM_BETAS = (0.8, 0.95)  # 0.1 dB better than (0.9, 0.99), the mean of three photographs after 12 epochs

    def __init__(self, layers: Sequence[Layer], dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.tiled = layers[0].weight.ndim == 3
        self.iterations = TILE_ITERATIONS if self.tiled else len(ORTHOGONALIZING)
        hidden = {layer.weight_name: layer.weight for layer in layers[:-1]}
        groups: dict[object, dict[str, Tensor]] = {}
        for name, weight in hidden.items():
            groups.setdefault(name if self.tiled else weight.shape, {})[name] = weight
        self.groups = list(groups.values())
        self.means = [torch.zeros_like(_matrices(list(group.values()))) for group in self.groups]
        others = {name: tensor for name, tensor in named_parameters(layers).items() if name not in hidden}
        self.adam = Adam(others, self.ADAM_BETAS)

    def step(self, gradients: Mapping[str, Tensor], learning_rate: Tensor) -> None:
        """Move the parameters against the gradients."""
        for group, mean in zip(self.groups, self.means, strict=True):
            gradient = _matrices([gradients[name] for name in group])
            mean.lerp_(gradient, 1 - self.MOMENTUM)
            nesterov = gradient.lerp_(mean, self.MOMENTUM)
            growth = math.sqrt(max(1, gradient.shape[1] / gradient.shape[2]))
            update = orthogonalize(nesterov, self.dtype, self.iterations)
            directions = [update] if self.tiled else list(update)
            for weight, direction in zip(group.values(), directions, strict=True):
                weight.addcmul_(direction, learning_rate, value=-growth)
        self.adam.step(gradients, self.ADAM_SHARE * learning_rate)

    @property
    def state(self) -> dict[str, Tensor]:
        """Mean gradients of each group of matrices, and the state of Adam."""
        means = {f"means.{i}": tensor for i, tensor in enumerate(self.means)}
        return means | {f"adam.{name}": tensor for name, tensor in self.adam.state.items()}


def make_optimizer(name: OptimizerName, layers: Sequence[Layer], dtype: torch.dtype) -> Optimizer:
    """The optimizer of that name for all parameters of a network; `dtype` is that of its products."""
    return Muon(layers, dtype) if name == "muon" else Adam(named_parameters(layers))
