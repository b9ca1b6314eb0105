"""How the weights move: Muon or Adam, and the schedule of the learning rate."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Protocol

import torch
from torch import Tensor

from fftool.config import OptimizerName, Schedule
from fftool.network import CoordinateMLP


class Optimizer(Protocol):
    """Moves parameters against gradients that are given in the same order.

    The learning rate is a tensor, with shape (), so that a CUDA graph can read another one at each replay.
    """

    def step(self, gradients: list[Tensor], learning_rate: Tensor) -> None: ...

    @property
    def state(self) -> dict[str, Tensor]:
        """What it remembers from one step to the next, by name: the tensors themselves, and no copies."""


class Adam:
    """Adam (Kingma and Ba, 2015), by torch's fused kernel.

    `torch.optim.Adam` does the same after importing a compiler, which takes longer than learning a small picture.
    """

    BETAS = (0.9, 0.99)  # 0.3 to 0.8 dB better than (0.9, 0.999), on pictures as those of `fftool.recipe`

    def __init__(self, parameters: list[Tensor], betas: tuple[float, float] = BETAS) -> None:
        self.parameters, self.betas = parameters, betas
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.counts = [torch.zeros((), device=p.device) for p in parameters]

    def step(self, gradients: list[Tensor], learning_rate: Tensor) -> None:
        """Move the parameters against the gradients."""
        torch._foreach_add_(self.counts, 1)
        torch._fused_adam_(
            self.parameters, gradients, self.means, self.squares, [], self.counts,
            lr=learning_rate, beta1=self.betas[0], beta2=self.betas[1], eps=1e-8,
            weight_decay=0, amsgrad=False, maximize=False,
        )  # fmt: skip

    @property
    def state(self) -> dict[str, Tensor]:
        """The means, squares and counts of steps of each parameter."""
        parts = {"means": self.means, "squares": self.squares, "counts": self.counts}
        return {f"{name}.{i}": tensor for name, tensors in parts.items() for i, tensor in enumerate(tensors)}


# Odd polynomials of degree 5, one after the other: each brings what those before it have made of the singular values
# from 0.003 to 1 as near to 1 as can be, as in the Polar Express (Amsel et al., 2025, arXiv 2505.16932); the third
# leaves 0.35 to 1.65. Bounds of 0.001 and 0.01 and more iterations made no difference on the pictures of
# `fftool.recipe`; fewer iterations lost 0.2 to 0.7 dB.
ORTHOGONALIZING = (
    (8.3836743896, -24.7659084415, 18.3570836972),
    (4.0434208328, -3.0114052646, 0.5695121938),
    (3.5055707528, -2.6266539836, 0.5257194395),
)


def orthogonalized(matrices: Tensor, precision: torch.dtype) -> Tensor:
    """Matrices with the same singular vectors, and all singular values within 0.65 of 1: the polar factor, roughly.

    But those below 0.003 of the matrix's Frobenius norm, which are zero but for noise, stay below.

    Args:
        matrices: with shape (k, out, in).
        precision: the dtype of the products and of the result.

    """
    x = matrices.to(precision)
    if tall := x.shape[1] > x.shape[2]:
        x = x.mT.contiguous()  # bfloat16 products that are added by columns take 100 times as long, or more
    x = x / torch.linalg.matrix_norm(x, keepdim=True).mul_(1.01).add_(1e-7)  # so that none is above 1
    gram, polynomial = (x.new_empty(len(x), x.shape[1], x.shape[1]) for _ in range(2))
    next_x = torch.empty_like(x)
    for a, b, c in ORTHOGONALIZING:
        torch.bmm(x, x.mT, out=gram)
        torch.baddbmm(gram, gram, gram, beta=b, alpha=c, out=polynomial)
        torch.baddbmm(x, polynomial, x, beta=a, out=next_x)
        x, next_x = next_x, x
    return x.mT if tall else x


class Muon:
    """Muon (Jordan et al., 2024) for the matrices of all layers but the last, Adam for the rest.

    Each matrix moves by its mean gradient, made orthogonal, so that no direction is left behind.
    """

    MOMENTUM = 0.9
    ADAMS_SHARE = 0.05  # of the learning rate
    ADAMS_BETAS = (0.8, 0.95)  # 0.1 dB better than (0.9, 0.99), the mean of three photographs after 12 epochs

    def __init__(self, network: CoordinateMLP, precision: torch.dtype) -> None:
        self.precision = precision
        parameters = [parameter.detach() for parameter in network.parameters()]
        groups: dict[torch.Size, list[int]] = defaultdict(list)  # matrices of one shape are computed together
        for i in range(0, len(parameters) - 2, 2):
            groups[parameters[i].shape].append(i)
        self.groups = [(group, [parameters[i] for i in group]) for group in groups.values()]
        self.means = [torch.zeros_like(torch.stack(matrices)) for _, matrices in self.groups]
        self.rest = [i for i in range(len(parameters)) if i % 2 or i == len(parameters) - 2]
        self.adam = Adam([parameters[i] for i in self.rest], self.ADAMS_BETAS)

    def step(self, gradients: list[Tensor], learning_rate: Tensor) -> None:
        """Move the parameters against the gradients."""
        for (group, matrices), mean in zip(self.groups, self.means, strict=True):
            gradient = torch.stack([gradients[i] for i in group])
            mean.lerp_(gradient, 1 - self.MOMENTUM)
            update = orthogonalized(gradient.lerp_(mean, self.MOMENTUM), self.precision)  # Nesterov's look ahead
            growth = math.sqrt(max(1, gradient.shape[1] / gradient.shape[2]))
            for matrix, direction in zip(matrices, update, strict=True):
                matrix.addcmul_(direction, learning_rate, value=-growth)
        self.adam.step([gradients[i] for i in self.rest], self.ADAMS_SHARE * learning_rate)

    @property
    def state(self) -> dict[str, Tensor]:
        """The mean gradients of each group of matrices, and Adam's."""
        means = {f"means.{i}": tensor for i, tensor in enumerate(self.means)}
        return means | {f"adam.{name}": tensor for name, tensor in self.adam.state.items()}


def make_optimizer(name: OptimizerName, network: CoordinateMLP, precision: torch.dtype) -> Optimizer:
    """The optimizer of that name for all parameters of a network."""
    if name == "muon":
        return Muon(network, precision)
    return Adam([parameter.detach() for parameter in network.parameters()])


WARM_UP_STEPS = 5


def learning_rate_factor(schedule: Schedule, step: int, done: float) -> float:
    """The share of the learning rate for a step, the first being 0, once a share `done` of the training is over.

    Up within the first WARM_UP_STEPS, then `constant`, or down to 0 along a line or half a cosine.
    """
    down = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[schedule]
    return min(1.0, (step + 1) / WARM_UP_STEPS) * down
