"""Fourier features: γ(v) = [cos 2πvB, sin 2πvB] (Tancik et al., 2020, arXiv 2006.10739, equation 4).

The encodings differ in B alone, the (d, m) matrix of frequencies in cycles per unit length.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor, nn

from fftool.config import EncodingConfig


def gaussian(config: EncodingConfig, axes: int, generator: torch.Generator) -> Tensor:
    """Entries drawn from N(0, σ²)."""
    return torch.randn(axes, config.dimension, generator=generator) * config.sigma


def positional(config: EncodingConfig, axes: int, generator: torch.Generator) -> Tensor:
    """Frequencies along one axis at a time, log-spaced from 1 to σ; any remainder of m / d goes to the first axes."""
    B = torch.zeros(axes, config.dimension)
    for axis, columns in enumerate(torch.arange(config.dimension).tensor_split(axes)):
        B[axis, columns] = torch.logspace(0, 1, len(columns), base=config.sigma, dtype=torch.float64).to(B.dtype)
    return B


def basic(config: EncodingConfig, axes: int, generator: torch.Generator) -> Tensor:
    """B = identity: one turn of the circle along each axis."""
    return torch.eye(axes)


FREQUENCIES: dict[str, Callable[[EncodingConfig, int, torch.Generator], Tensor]] = {
    "gaussian": gaussian,
    "positional": positional,
    "basic": basic,
}


def frequency_matrix(config: EncodingConfig, axes: int, generator: torch.Generator) -> Tensor | None:
    """Draw B for an encoding.

    Args:
        config: the kind of encoding, m and σ (in cycles per unit length).
        axes: d, the number of coordinates.
        generator: the source of randomness; the same state gives the same B.

    Returns:
        float32 tensor with shape (d, m), or None for `none`, the encoding without features.

    """
    draw = FREQUENCIES.get(config.kind)
    return None if draw is None else draw(config, axes, generator)


def fourier_features(v: Tensor, B: Tensor, out: Tensor | None = None) -> Tensor:
    """γ(v): all cosines, then all sines, of the phases 2πvB (the paper's equation 4 with every aⱼ = 1).

    Args:
        v: coordinates with shape (n, d), float32 or better.
        B: frequencies with shape (d, m), in cycles per unit length, of the same dtype.
        out: memory for the result, with shape (n, 2m) and the same dtype, if there is some already.

    Returns:
        Features with shape (n, 2m). Each row has squared length m.

    """
    if out is None:
        phase = (2 * pi) * (v @ B)  # (n, m)
        return torch.cat([phase.cos(), phase.sin()], dim=-1)
    cosines, sines = out.tensor_split(2, dim=-1)
    phase = torch.mm(v, B, out=sines).mul_(2 * pi)
    torch.cos(phase, out=cosines)
    phase.sin_()
    return out


def kernel(difference: Tensor, B: Tensor) -> Tensor:
    """γ(u)·γ(v)/m, which depends on u - v alone: how much what is learnt at u says of v (the paper's equation 5).

    Args:
        difference: u - v with shape (n, d).
        B: frequencies with shape (d, m), of the same dtype.

    Returns:
        Tensor with shape (n,), 1 where u = v.

    """
    return ((2 * pi) * (difference @ B)).cos().mean(dim=-1)


def expected_kernel(distance: Tensor, scale: float) -> Tensor:
    """The mean of `kernel` over all B of the gaussian encoding: exp(-2π²σ²‖u - v‖²), for ‖u - v‖ of any shape."""
    return torch.exp(-2 * (pi * scale * distance) ** 2)


def above_nyquist(B: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Which frequencies a grid of that shape shows as lower ones: bool with shape (m,).

    They make more than half a cycle from one cell to the next along some axis.
    """
    limit = B.new_tensor(shape[::-1]) / 2  # axes are ordered (x, y, …), and shapes the other way
    return (B.abs() > limit[:, None]).any(dim=0)


class FourierFeatures(nn.Module):
    """`fourier_features` with a B that moves and is saved with the network, and is never trained."""

    B: Tensor

    def __init__(self, B: Tensor) -> None:
        super().__init__()
        self.register_buffer("B", B)

    def forward(self, v: Tensor) -> Tensor:
        return fourier_features(v, self.B)
