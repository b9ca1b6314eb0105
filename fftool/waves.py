"""Fourier features on a grid, without a sine for each cell.

Along a row, the phase of a feature is that of the row's first cell and that of the steps along it, and both are angles
of a unit complex number: e^i(α + β) = e^iα e^iβ. So one table of steps serves every row.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from fftool.grid import cell_centres
from fftool.region import Region


class Waves:
    """e^(2πi vB) for v at the cells of a grid: the cosine of each frequency, and its sine as the imaginary part.

    Phases are computed in float64, and products of the two angles in float32.
    """

    def __init__(self, B: Tensor, shape: tuple[int, ...], region: Region | None, columns: int) -> None:
        """For pieces of up to so many columns, on the device of B."""
        self.B, self.device = B.cpu().double(), B.device
        self.shape, self.region = shape, region
        first = self._phases(torch.arange(columns))
        self.steps = self._on_device(first - first[0])  # (columns, m)

    def draw(self, row: int, column: int, out: Tensor) -> None:
        """Those of a piece with that first row and column, into a complex64 tensor with shape (rows, columns, m)."""
        starts = torch.arange(row, row + out.shape[0]) * self.shape[-1] + column
        torch.mul(self._on_device(self._phases(starts))[:, None], self.steps[: out.shape[1]], out=out)

    def _phases(self, cells: Tensor) -> Tensor:
        """2πvB with shape (n, m)."""
        return 2 * pi * (cell_centres(cells, self.shape, self.region, torch.float64) @ self.B)

    def _on_device(self, phases: Tensor) -> Tensor:
        return torch.polar(torch.ones_like(phases), phases).to(self.device, torch.complex64)
