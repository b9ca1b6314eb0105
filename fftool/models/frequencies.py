"""Frequencies of an encoding: its features on a grid, and its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf, pi, sqrt

import numpy as np
import torch
from torch import Tensor

from fftool.config import Encoding
from fftool.grid import coordinates
from fftool.models.encoding import above_nyquist, expected_kernel, fourier_features, kernel
from fftool.signal import Samples, quantize

DIRECTIONS = 64  # over which the kernel is averaged


@dataclass(frozen=True, eq=False)
class Frequencies:
    """B of an encoding, float32 with shape (d, m), and the grid to show it on.

    `shape` is in array order, (…, height, width). The kernel is measured in the plane of the first two coordinates, or
    along the only one.
    """

    encoding: Encoding
    B: Tensor
    shape: tuple[int, ...]

    @property
    def n_axes(self) -> int:
        return len(self.shape)

    @property
    def title(self) -> str:
        """Name of the encoding, with room around its σ: gaussian σ = 25."""
        return self.encoding.name.replace("=", " = ").replace(",", ", ")

    @property
    def above_nyquist(self) -> Tensor:
        """Which frequencies alias on the grid, bool with shape (m,)."""
        return above_nyquist(self.B, self.shape)

    @property
    def spacing(self) -> float:
        """Distance of neighbouring samples along the longer axis of that plane."""
        return 1 / max(self.shape[-2:])

    @property
    def fastest(self) -> float:
        """Highest frequency ‖b‖, in cycles per unit length."""
        return float(self.B.double().norm(dim=0).max())  # whose square may overflow float32

    @property
    def plane_frequencies(self) -> Tensor:
        """Frequencies along x and y, shape (2, m); those along y are 0 if there is one coordinate."""
        return self.B[:2] if self.n_axes > 1 else torch.cat([self.B, torch.zeros_like(self.B)])

    def features(self) -> Iterator[tuple[Samples, Samples]]:
        """Cosine and sine of each frequency on the grid, uint8 with shape (*shape, 1).

        Values from -1 to 1 become 0 to 255. They are computed in float64, so that only rounding them is lossy.
        """
        v = coordinates(self.shape, dtype=torch.float64)
        for b in self.B.double().T:
            cos, sin = fourier_features(v, b[:, None]).T.reshape(2, *self.shape, 1).numpy()
            yield quantize((cos + 1) / 2, 8), quantize((sin + 1) / 2, 8)

    def kernel_profile(self, distance: Tensor) -> Tensor:
        """Kernel at distances with shape (n,), float64, along each direction: shape (directions, n)."""
        return torch.stack([kernel(distance[:, None] * unit, self.B.double()) for unit in self._directions()])

    def expected_profile(self, distance: Tensor) -> Tensor | None:
        """Mean of the kernel over all B and directions, at distances with shape (n,); None unless gaussian."""
        if self.encoding.kind != "gaussian":
            return None
        scale = self.encoding.scale
        along = [expected_kernel(distance[:, None] * unit, scale) for unit in self._directions()]
        return torch.stack(along).mean(dim=0)

    @cached_property
    def half_width(self) -> float:
        """Distance at which the kernel's mean over directions first falls to one half; infinite if it never does."""
        nearest = 0.01 / max(self.fastest, 1)  # where the kernel is still above 0.99
        distance = np.geomspace(nearest, sqrt(min(self.n_axes, 2)), 400)
        mean = self.kernel_profile(torch.from_numpy(distance)).mean(dim=0).numpy()
        fallen = np.flatnonzero(mean < 0.5)
        if not len(fallen):
            return inf
        around = slice(fallen[0] - 1, fallen[0] + 1)
        return float(np.exp(np.interp(-0.5, -mean[around], np.log(distance[around]))))

    def _directions(self) -> Tensor:
        """Unit vectors over half a turn in the plane of the first two coordinates, shape (directions, d)."""
        if self.n_axes == 1:
            return torch.ones(1, 1, dtype=torch.float64, device="cpu")
        angle = torch.arange(DIRECTIONS, dtype=torch.float64, device="cpu") * (pi / DIRECTIONS)
        units = torch.zeros(DIRECTIONS, self.n_axes, dtype=torch.float64, device="cpu")
        units[:, 0], units[:, 1] = angle.cos(), angle.sin()
        return units
