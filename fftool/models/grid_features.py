"""Fourier features on a grid by angle addition, without a sine for each sample.

Along a row, the phase of a feature is the phase at the start of the row plus that of the steps along it, and both are
angles of a unit complex number: e^i(α + β) = e^iα e^iβ. So one table of steps serves every row.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from fftool.grid import sample_coordinates
from fftool.models.layers import Layer
from fftool.region import Region


class GridFeatures:
    """e^(2πi vB) for v on a grid: the cosine of each frequency, and its sine as the imaginary part.

    Phases are computed in float64, and products of the two angles in float32.
    """

    def __init__(self, B: Tensor, shape: tuple[int, ...], region: Region | None, columns: int) -> None:
        """For blocks of up to so many columns, on the device of B."""
        self.B, self.device = B.cpu().double(), B.device
        self.shape, self.region = shape, region
        first = self._phases(torch.arange(columns, dtype=torch.int64, device="cpu"))
        self.steps = self._unit_numbers(first - first[0])  # (columns, m)

    def fill(self, row: int, column: int, out: Tensor) -> None:
        """Features of a block with that first row and column, into a complex64 tensor with shape (rows, columns, m)."""
        starts = torch.arange(row, row + out.shape[0], dtype=torch.int64, device="cpu") * self.shape[-1] + column
        torch.mul(self._unit_numbers(self._phases(starts))[:, None], self.steps[: out.shape[1]], out=out)

    def _phases(self, index: Tensor) -> Tensor:
        """2πvB with shape (n, m)."""
        return 2 * pi * (sample_coordinates(index, self.shape, self.region, torch.float64) @ self.B)

    def _unit_numbers(self, phases: Tensor) -> Tensor:
        return torch.polar(torch.ones_like(phases), phases).to(self.device, torch.complex64)


def interleaved(layer: Layer) -> Layer:
    """First layer for features as `GridFeatures` orders them, with each cosine next to its sine."""
    weight = layer.weight.unflatten(1, (2, -1)).mT.flatten(1)
    return Layer(layer.name, weight, layer.bias, layer.activation)
