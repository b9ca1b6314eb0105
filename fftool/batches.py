"""What training learns from: the order of cells, and the features and values of each batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from fftool.grid import cell_centres, index_dtype
from fftool.network import CoordinateMLP
from fftool.signal import Signal

KEPT_BYTES = 2**29  # features of a whole grid are kept up to here, and beyond it computed for each batch
CHUNK = 2**14  # cells whose features are computed at once


class Features:
    """What the first layer is given for each cell of a grid.

    Phases are computed in float32. Computing takes a fifth as long as the step's products do, and fetching what was
    kept a twentieth; so the features are kept where they fit into KEPT_BYTES.
    """

    def __init__(self, network: CoordinateMLP, shape: tuple[int, ...], precision: torch.dtype) -> None:
        self.encoding, self.shape, self.precision = network.encoding, shape, precision
        self.kept: Tensor | None = None
        cells = torch.Size(shape).numel()
        width = network.config.widths[0]
        if cells * width * precision.itemsize <= KEPT_BYTES:
            kept = torch.empty(cells, width, dtype=precision, device=network.device)
            for index in torch.arange(cells, device=network.device).split(CHUNK):
                kept[index[0] : index[-1] + 1] = self[index]
            self.kept = kept

    def __getitem__(self, index: Tensor) -> Tensor:
        """Those of some cells, by their row-major number: with shape (n, 2m)."""
        if self.kept is not None:
            return torch.index_select(self.kept, 0, index)
        features: Tensor = self.encoding(cell_centres(index, self.shape))
        return features.to(self.precision)


class Values:
    """A signal's samples on a device, in their own 8 or 16 bits, made into values in [0, 1] batch by batch."""

    def __init__(self, signal: Signal, device: torch.device) -> None:
        rows = np.require(signal.samples.reshape(-1, signal.channels), requirements=["C", "W"])
        self.peak = np.iinfo(rows.dtype).max
        # torch cannot index uint16: the same bits are kept as int16, and the sign is masked off again
        self.rows = torch.from_numpy(rows.view(np.int16) if signal.bits == 16 else rows).to(device)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Those of some cells, by their row-major number: float32 with shape (n, channels)."""
        return (torch.index_select(self.rows, 0, index).to(torch.int32) & self.peak).to(torch.float32) / self.peak


def shuffled(cells: int, size: int, generator: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    """The numbers from 0 to cells - 1 in a new order, in batches. The order is the same on every device."""
    order = torch.randperm(cells, generator=generator, dtype=index_dtype(cells))
    yield from order.to(device).split(size)
