"""What training learns from: the order of cells, and the features and values of each batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import prod

import numpy as np
import torch
from torch import Tensor

from fftool.buffers import Buffers
from fftool.device import memory_errors
from fftool.encoding import fourier_features
from fftool.grid import cell_centres, index_dtype
from fftool.network import CoordinateMLP
from fftool.signal import Signal

KEPT_BYTES = 2**29  # features of a whole grid are kept up to here, and beyond it computed for each batch
BLOCK = 2**12  # cells whose features are computed at once to be kept


class Features:
    """What the first layer is given for each cell of a grid.

    They are kept if they take up to KEPT_BYTES, and there is memory for them. A step takes 1.1 µs a cell, of which 0.04
    are for fetching features that were kept; computing them takes 0.14. (On two cores with AMX, in batches of 3072.)
    """

    def __init__(self, network: CoordinateMLP, shape: tuple[int, ...], precision: torch.dtype) -> None:
        self.B, self.shape, self.width = network.B, shape, network.config.widths[0]
        self.exact, self.buffers = Buffers(network.device), Buffers(network.device, precision)
        self.kept = None
        if self.B is not None and prod(shape) * self.width * precision.itemsize <= KEPT_BYTES:
            with suppress(MemoryError), memory_errors():
                self.kept = self._all()

    def __getitem__(self, index: Tensor) -> Tensor:
        """Those of some cells, by their row-major number: with shape (n, 2m). The next ones overwrite them."""
        out = self.buffers("batch", len(index), self.width)
        if self.kept is None:
            return self._compute(index, out)
        return torch.index_select(self.kept, 0, index, out=out)

    def _compute(self, index: Tensor, out: Tensor) -> Tensor:
        v = cell_centres(index, self.shape)
        return out.copy_(v if self.B is None else fourier_features(v, self.B, self.exact("batch", *out.shape)))

    def _all(self) -> Tensor:
        cells = torch.arange(prod(self.shape), device=self.buffers.device)
        kept = torch.empty(len(cells), self.width, dtype=self.buffers.dtype, device=cells.device)
        for index, out in zip(cells.split(BLOCK), kept.split(BLOCK), strict=True):
            self._compute(index, out)
        return kept


class Values:
    """A signal's samples on a device, in their own 8 or 16 bits, made into values in [0, 1] batch by batch."""

    def __init__(self, signal: Signal, device: torch.device) -> None:
        rows = np.require(signal.samples.reshape(-1, signal.channels), requirements=["C", "W"])
        self.peak = np.iinfo(rows.dtype).max
        self.rows = torch.from_numpy(rows).to(device)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Those of some cells, by their row-major number: float32 with shape (n, channels)."""
        bits = self.rows.view({1: torch.uint8, 2: torch.int16}[self.rows.itemsize])  # torch cannot index uint16
        return torch.index_select(bits, 0, index).view(self.rows.dtype) / self.peak


def shuffled(
    cells: int, size: int, generator: torch.Generator, device: torch.device, first: int = 0
) -> Iterator[Tensor]:
    """The numbers from 0 to cells - 1 in a new order, in batches; without the `first` ones, if they are done already.

    The order is the same on every device.
    """
    order = torch.randperm(cells, generator=generator, dtype=index_dtype(cells))
    yield from order[first:].to(device).split(size)
