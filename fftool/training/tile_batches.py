"""Batches of tiles: the samples at the same positions in the window of each, and the features of these positions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fftool.config import Holdout
from fftool.holdout import Split
from fftool.models.network import CoordinateMLP
from fftool.signal import Signal
from fftool.stored import StoredSamples
from fftool.tiling import TileGrid
from fftool.training.batches import BatchFeatures, BatchValues


def windows(tiles: TileGrid, samples: NDArray[Any] | StoredSamples, group: slice) -> NDArray[Any]:
    """Samples in the windows of some tiles: shape (tiles, *window, …), for an array with shape (*shape, …).

    Beyond its edges, the signal is continued by its reflection about the outermost samples. That leaves every other
    sample in its place, so that what a lattice holds out stands nowhere for what is trained.
    """
    if isinstance(samples, StoredSamples):
        rows = _rows(tiles, range(tiles.n_tiles)[group])
        return np.concatenate([_stored_windows(tiles, samples, row) for row in rows])
    index = _window_index(tiles, range(tiles.n_tiles)[group])
    found: NDArray[Any] = samples[_crossed(index)]
    return found


def _rows(tiles: TileGrid, numbers: range) -> Iterator[range]:
    """Numbers of tiles, split into those of each row of tiles."""
    count = tiles.counts[-1]
    edges = [numbers.start, *range((numbers.start // count + 1) * count, numbers.stop, count), numbers.stop]
    yield from (range(*ends) for ends in pairwise(edges))


def _stored_windows(tiles: TileGrid, samples: StoredSamples, numbers: range) -> NDArray[Any]:
    """The same for tiles in one row of tiles, from the part of the samples that they cover together."""
    index = _window_index(tiles, numbers)
    starts = [int(along.min()) for along in index]
    part = samples[tuple(slice(start, int(along.max()) + 1) for start, along in zip(starts, index, strict=True))]
    found: NDArray[Any] = part[_crossed([along - start for start, along in zip(starts, index, strict=True)])]
    return found


def _window_index(tiles: TileGrid, numbers: range) -> list[NDArray[np.int64]]:
    """Numbers of the samples in the windows of some tiles along each axis, with shape (tiles, side of a window)."""
    places = np.unravel_index(np.asarray(numbers), tiles.counts)
    return [
        _reflected(place[:, None] * side - margin + np.arange(length), size)
        for place, side, margin, length, size in zip(
            places, tiles.tile, tiles.margins, tiles.window, tiles.shape, strict=True
        )
    ]


def _crossed(index: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], ...]:
    """Index of all samples in windows, from their numbers along each axis."""
    return tuple(
        along.reshape(len(along), *(-1 if i == axis else 1 for i in range(len(index))))
        for axis, along in enumerate(index)
    )


def _reflected(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Numbers of samples, with those beyond the first and the last one reflected about these."""
    if length == 1:
        return np.zeros_like(index)
    within = np.abs(index) % (2 * length - 2)
    reflected: NDArray[np.int64] = np.minimum(within, 2 * length - 2 - within)
    return reflected


def held_out_positions(tiles: TileGrid, holdout: Holdout) -> Tensor:
    """Positions in a tile without its margins that may be held out: every other one along each axis, or all."""
    index = np.arange(prod(tiles.window)).reshape(tiles.window)
    first, step = (1, 2) if holdout == "lattice" else (0, 1)
    ends = zip(tiles.margins, tiles.tile, strict=True)
    index = index[tuple(slice(margin + first, margin + side, step) for margin, side in ends)]
    return torch.from_numpy(index.flatten())


def trained_positions(tiles: TileGrid, holdout: Holdout) -> Tensor:
    """Positions in a window to train on, by their row-major index: all, or every other one along each axis."""
    index = np.arange(prod(tiles.window)).reshape(tiles.window)
    if holdout == "lattice":  # tiles have even sides where there are several, so all have theirs at the same positions
        index = index[tuple(slice(margin % 2, None, 2) for margin in tiles.margins)]
    return torch.from_numpy(index.flatten())


class WindowFeatures(BatchFeatures):
    """Input of the first layers for each position in a window, whose coordinates begin at the origin of its tile."""

    def __init__(self, network: CoordinateMLP, tiles: TileGrid, dtype: torch.dtype) -> None:
        self.tiles = tiles
        super().__init__(network, tiles.window, dtype)

    def coordinates(self, index: Tensor) -> Tensor:
        axes = []
        for length, size, margin in zip(*(reversed(each) for each in self._sizes), strict=True):
            axes.append((index % size - margin).to(torch.float32).add_(0.5).div_(length))
            index = index // size
        return torch.stack(axes, dim=-1)

    @property
    def _sizes(self) -> tuple[tuple[int, ...], ...]:
        return self.tiles.shape, self.tiles.window, self.tiles.margins


class WindowValues:
    """Samples in the windows of a group of tiles, made into values batch by batch, and whether they are trained on."""

    def __init__(
        self, signal: Signal, tiles: TileGrid, group: slice, held_out: Split | None, device: torch.device
    ) -> None:
        """`held_out` is needed where the samples held out are at other positions in each tile."""
        found = windows(tiles, signal.samples, group)
        self.n_tiles, self.channels = len(found), signal.channels
        self.values = BatchValues(_by_position(found, tiles), device)
        self.trained: Tensor | None = None
        self.fraction_trained = 1.0
        if held_out is not None:
            trained = np.ones(signal.n_samples, bool)
            trained[held_out.test.numpy()] = False
            mask = windows(tiles, trained.reshape(*signal.shape, 1), group)
            self.trained = torch.from_numpy(_by_position(mask, tiles)).to(device)
            self.fraction_trained = float(mask.mean())

    def __getitem__(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Values at positions, float32 with shape (tiles, channels, n), and 1 for each trained one, (tiles, 1, n)."""
        values = self.values[index].t().reshape(self.n_tiles, self.channels, -1)
        if self.trained is None:
            return values, None
        return values, self.trained[index].t().to(values.dtype).view(self.n_tiles, 1, -1)


def _by_position(found: NDArray[Any], tiles: TileGrid) -> NDArray[Any]:
    """Samples with shape (tiles, *window, channels) as one row for each position: (positions, tiles · channels)."""
    rows = found.reshape(len(found), prod(tiles.window), -1).transpose(1, 0, 2)
    return np.ascontiguousarray(rows).reshape(rows.shape[0], -1)
