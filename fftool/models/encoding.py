"""Fourier features: γ(v) = [cos 2πvB, sin 2πvB] (Tancik et al., 2020, arXiv 2006.10739, equation 4).

The encodings differ in B alone, the (d, m) matrix of frequencies in cycles per unit length.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor, nn

from fftool.backend.isolation import exact_products
from fftool.checks import integer, require
from fftool.config import MAX_AXES, Encoding, check_scale_count
from fftool.errors import SignalError

PRECISE = (torch.float32, torch.float64)


def axis_scales(encoding: Encoding, n_axes: int) -> tuple[float, ...]:
    """σ of each axis, in coordinate order, for an encoding that has one."""
    return encoding.scale * n_axes if len(encoding.scale) == 1 else encoding.scale


def gaussian(encoding: Encoding, n_axes: int, generator: torch.Generator) -> Tensor:
    """Entries drawn from N(0, σ²), with the σ of each axis."""
    normal = torch.randn(n_axes, encoding.dimension, generator=generator, dtype=torch.float32, device="cpu")
    return normal * torch.tensor(axis_scales(encoding, n_axes), dtype=torch.float32, device="cpu")[:, None]


def positional(encoding: Encoding, n_axes: int, generator: torch.Generator) -> Tensor:
    """Frequencies along one axis at a time, log-spaced from 1 to σ; any remainder of m / d goes to the first axes."""
    B = torch.zeros(n_axes, encoding.dimension, dtype=torch.float32, device="cpu")
    parts = torch.arange(encoding.dimension, dtype=torch.int64, device="cpu").tensor_split(n_axes)
    for axis, (scale, columns) in enumerate(zip(axis_scales(encoding, n_axes), parts, strict=True)):
        frequencies = torch.logspace(0, 1, len(columns), base=scale, dtype=torch.float64, device="cpu")
        B[axis, columns] = frequencies.to(B.dtype)
    return B


def basic(encoding: Encoding, n_axes: int, generator: torch.Generator) -> Tensor:
    """B = identity: one turn of the circle along each axis."""
    return torch.eye(n_axes, dtype=torch.float32, device="cpu")


FREQUENCIES: dict[str, Callable[[Encoding, int, torch.Generator], Tensor]] = {
    "gaussian": gaussian,
    "positional": positional,
    "basic": basic,
}


def frequency_matrix(encoding: Encoding, n_axes: int, generator: torch.Generator) -> Tensor | None:
    """Frequencies B of an encoding, drawn at random where it has any randomness.

    Args:
        encoding: its kind, m and σ (in cycles per unit length).
        n_axes: d, the number of coordinates.
        generator: the source of randomness; the same state gives the same B.

    Returns:
        float32 tensor with shape (d, m), or None for `none`, the encoding without features.

    Raises SettingError for an encoding without its σ, or with another number of them than one or d.

    """
    expected = "an Encoding, as EncodingConfig(scale=25).resolve() makes it"
    require(isinstance(encoding, Encoding), "encoding", encoding, expected)
    n_axes = integer(1, MAX_AXES)("number of axes", n_axes)
    check_scale_count(encoding.scale, n_axes)
    draw = FREQUENCIES.get(encoding.kind)
    return None if draw is None else draw(encoding, n_axes, generator)


def fourier_features(v: Tensor, B: Tensor, out: Tensor | None = None) -> Tensor:
    """γ(v): all cosines, then all sines, of the phases 2πvB (the paper's equation 4 with every aⱼ = 1).

    Args:
        v: coordinates with shape (n, d), float32 or float64: phases of lower precision would be noise.
        B: frequencies with shape (d, m), in cycles per unit length, of the same dtype.
        out: memory for the result, with shape (n, 2m) and the same dtype; new unless given.

    Returns:
        Features with shape (n, 2m). Each row has squared length m.

    Raises SignalError for tensors of other shapes or dtypes.

    """
    _check_features(v, B, out)
    if out is None:
        with exact_products():
            phase = (2 * pi) * (v @ B)  # (n, m)
        return torch.cat([phase.cos(), phase.sin()], dim=-1)
    cosines, sines = out.tensor_split(2, dim=-1)
    with exact_products():
        phase = torch.mm(v, B, out=sines).mul_(2 * pi)
    torch.cos(phase, out=cosines)
    phase.sin_()
    return out


def _check_features(v: Tensor, B: Tensor, out: Tensor | None) -> None:
    for name, tensor in (("coordinates", v), ("frequencies", B)):
        if not isinstance(tensor, Tensor):
            raise SignalError(f"the {name} are of type {type(tensor).__name__}: expected a torch tensor")
    if v.dtype not in PRECISE or B.dtype != v.dtype:
        raise SignalError(
            f"the coordinates are {v.dtype} and the frequencies {B.dtype}: expected both float32 or both float64"
        )
    if B.ndim != 2 or v.shape[-1:] != B.shape[:1]:
        shapes = f"{tuple(v.shape)} and the frequencies {tuple(B.shape)}"
        raise SignalError(f"the coordinates have shape {shapes}: expected (n, d) and (d, m)")
    if out is not None and (out.shape, out.dtype) != ((len(v), 2 * B.shape[1]), v.dtype):
        expected = f"{v.dtype} with shape ({len(v)}, {2 * B.shape[1]})"
        raise SignalError(
            f"the memory for the features is {out.dtype} with shape {tuple(out.shape)}: expected {expected}"
        )


def kernel(difference: Tensor, B: Tensor) -> Tensor:
    """γ(u)·γ(v)/m, which depends on u - v alone: the influence of a sample at u on the fit at v (equation 5).

    Args:
        difference: u - v with shape (n, d).
        B: frequencies with shape (d, m), of the same dtype.

    Returns:
        Tensor with shape (n,), 1 where u = v.

    """
    return ((2 * pi) * (difference @ B)).cos().mean(dim=-1)


def expected_kernel(difference: Tensor, scale: tuple[float, ...]) -> Tensor:
    """Mean of `kernel` over all B of the gaussian encoding: exp(-2π² Σᵢ (σᵢ (uᵢ - vᵢ))²).

    Args:
        difference: u - v with shape (n, d).
        scale: one σ for all axes, or one for each.

    Returns:
        Tensor with shape (n,).

    """
    return torch.exp(-2 * pi**2 * (difference * difference.new_tensor(scale)).square().sum(dim=-1))


def above_nyquist(B: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Mask of the frequencies that a grid of that shape aliases to lower ones: bool with shape (m,).

    They make more than half a cycle from one sample to the next along some axis.
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
        if self.B.dtype in PRECISE:
            return fourier_features(v, self.B)
        return fourier_features(v.float(), self.B.float()).to(self.B.dtype)  # in a network of half precision
