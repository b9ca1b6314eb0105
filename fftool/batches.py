"""What training learns from: the order of cells, and the features and values of each batch."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import torch
from torch import Tensor

from fftool.buffers import Buffers
from fftool.grid import cell_centres, index_dtype, pieces
from fftool.network import CoordinateMLP
from fftool.signal import Signal
from fftool.waves import Waves

KEPT_BYTES = 2**29  # features of a whole grid are kept up to here, and beyond it computed for each batch
BLOCK = 2**11  # cells whose features are computed at once to be kept, in cache


class Features:
    """What the first layer is given for each cell of a grid.

    Computing it for a batch takes a sixth as long as the step's products do, and fetching what was kept a fortieth; so
    the features are kept where they fit into KEPT_BYTES. (0.19 and 0.027 µs a cell at 384×256, of 1.16 on two cores.)
    """

    def __init__(self, network: CoordinateMLP, shape: tuple[int, ...], precision: torch.dtype) -> None:
        self.encoding, self.shape, self.precision = network.encoding, shape, precision
        self.buffers = Buffers(network.device, precision)
        size = prod(shape) * network.config.widths[0] * precision.itemsize
        self.kept = None if network.B is None or size > KEPT_BYTES else self._on_grid(network.B)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Those of some cells, by their row-major number: with shape (n, 2m)."""
        if self.kept is not None:
            return torch.index_select(self.kept, 0, index, out=self.buffers("batch", len(index), self.kept.shape[1]))
        features: Tensor = self.encoding(cell_centres(index, self.shape))
        return features.to(self.precision)

    def _on_grid(self, B: Tensor) -> Tensor:
        """Those of all cells, with shape (cells, 2m)."""
        rows, columns = prod(self.shape[:-1]), self.shape[-1]
        waves = Waves(B, self.shape, None, min(columns, BLOCK))
        kept = torch.empty(rows, columns, 2, B.shape[1], dtype=self.precision, device=B.device)
        memory = torch.empty(min(rows * columns, BLOCK), B.shape[1], dtype=torch.complex64, device=B.device)
        for y, x in pieces(rows, columns, BLOCK):
            piece = kept[y, x]
            out = memory[: piece.shape[0] * piece.shape[1]].view(*piece.shape[:2], -1)
            waves.draw(y.start, x.start, out)
            piece.copy_(torch.view_as_real(out).mT)  # all cosines first
        return kept.view(rows * columns, -1)


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


def shuffled(cells: int, size: int, generator: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    """The numbers from 0 to cells - 1 in a new order, in batches. The order is the same on every device."""
    order = torch.randperm(cells, generator=generator, dtype=index_dtype(cells))
    yield from order.to(device).split(size)
