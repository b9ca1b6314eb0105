"""Parts of a network that are trained one after the other: a single network as a whole, or tiles in groups.

A group of tiles fits the cache of a processor, so that memory follows the group and not the signal. The numbers of a
tile depend on the seed and on its place alone, not on the tiles beside it in its group, but for rounding.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from fftool import media
from fftool.config import Config
from fftool.holdout import split, training_size
from fftool.metrics import psnr
from fftool.models.network import CoordinateMLP
from fftool.rendering import render
from fftool.signal import Signal
from fftool.tiling import TileGrid
from fftool.training.history import HeldOutError
from fftool.training.step import Step, TileStep, TrainingStep
from fftool.training.tile_batches import held_out_positions, trained_positions

# Numbers in the output of one layer, for all tiles of a group. On two cores with 1 MB of second-level cache each, 2^18
# are 1.3 times as fast as 2^20.
GROUP_NUMBERS = {"cpu": 2**18}
LARGE_GROUP_NUMBERS = 2**24  # on other devices, which have to be kept busy
# Groups hold multiples of so many tiles, but for the last one. Processors compute up to 16 numbers at once, and round
# those that are left over otherwise: so a number is left over in every grouping or in none.
GROUP_MULTIPLE = 16

MEASURED = 2**13  # samples held out that are measured after each epoch, which takes a tenth of its time or less


class Groups(ABC):
    """Groups of a network, in the order of their tiles; a single network counts as one tile."""

    n_tiles: int  # up to the last one that is trained
    n_positions: int  # samples that an epoch visits in each tile
    positions: Tensor | None  # their numbers, where these are not those from 0 up
    held_out_numbers: Tensor | None  # of some samples that are held out, or may be
    trained: Signal
    step: Step  # of the current group
    tiles: range  # numbers of the tiles in it

    @abstractmethod
    def begin(self, first: int, size: int | None = None) -> None:
        """Turn to the group that begins with a tile, and has so many; by default, as many as fit the cache.

        The parameters of its step are the network's own.
        """

    @abstractmethod
    def psnr(self) -> float:
        """PSNR in dB of the trained samples of the current group, as they would be saved; infinite without any."""

    def held_out_error(self) -> HeldOutError | None:
        """Squared error of some of the samples held out of the current group; None where none are."""
        if self.held_out_numbers is None:
            return None
        visible = media.get(self.trained.medium).visible
        original, fitted = map(visible, self.step.samples(self.held_out_numbers, trained=False))
        difference = (original.astype(np.float64) - fitted) / np.iinfo(original.dtype).max
        return HeldOutError(float(np.vdot(difference, difference)), difference.size)


def group_size(config: Config) -> int:
    """Number of tiles that are trained together."""
    most = GROUP_NUMBERS.get(config.training.device, LARGE_GROUP_NUMBERS)
    multiples = most // (config.network.hidden * config.training.batch_size * GROUP_MULTIPLE)
    return GROUP_MULTIPLE * max(1, multiples)


class SingleGroup(Groups):
    """A single network, trained as a whole. Samples have their row-major numbers."""

    def __init__(self, network: CoordinateMLP, signal: Signal, trained: Signal) -> None:
        """Train on `trained`, which looks the same as the signal."""
        self.network, self.signal, self.trained = network, signal, trained
        self.n_tiles = 1
        training = network.config.training
        held_out = split(signal.shape, training.holdout, training.seed)
        self.n_positions = training_size(signal.shape, training.holdout)
        self.held_out_numbers = None if held_out is None else _spread(held_out.test, MEASURED).to(network.device)
        self.index = None if held_out is None else held_out.train
        self.positions = None if self.index is None else self.index.to(network.device)

    def begin(self, first: int, size: int | None = None) -> None:
        self.tiles = range(1)
        self.step = TrainingStep(self.network, self.trained)

    def psnr(self) -> float:
        samples = render(self.network, self.signal.shape, bits=self.signal.bits)
        visible = media.get(self.signal.medium).visible
        return psnr(visible(self.signal.array), visible(samples), self.index)


class TileGroups(Groups):
    """Groups of tiles. Samples have the numbers of their positions in the window of a tile."""

    def __init__(self, network: CoordinateMLP, trained: Signal, tiles: TileGrid) -> None:
        self.network, self.trained, self.grid = network, trained, tiles
        self.n_tiles = network.part.stop
        training = network.config.training
        self.positions = self.trained_positions = trained_positions(tiles, training.holdout).to(network.device)
        self.n_positions = len(self.positions)
        self.held_out_numbers = None
        if training.holdout != "none":
            numbers = _spread(held_out_positions(tiles, training.holdout), MEASURED // group_size(network.config))
            self.held_out_numbers = numbers.to(network.device)
        at_random = training.holdout not in ("none", "lattice")
        self.held_out = split(trained.shape, training.holdout, training.seed) if at_random else None

    def begin(self, first: int, size: int | None = None) -> None:
        self.tiles = range(first, min(first + (size or group_size(self.network.config)), self.n_tiles))
        tiles = slice(self.tiles.start, self.tiles.stop)
        self.step = TileStep(self.network, self.trained, self.grid, tiles, self.held_out)

    def psnr(self) -> float:
        """Measured in the windows of the tiles, each by its own network."""
        size = self.network.config.training.batch_size
        pairs = [self.step.samples(index, trained=True) for index in self.trained_positions.split(size)]
        visible = media.get(self.trained.medium).visible
        original, fitted = (visible(np.concatenate(rows)) for rows in zip(*pairs, strict=True))
        return psnr(original[None], fitted[None]) if len(original) else math.inf


def _spread(numbers: Tensor, count: int) -> Tensor:
    """About so many of the numbers, at even distances; at least one."""
    return numbers[:: max(1, len(numbers) // max(count, 1))]


def make_groups(network: CoordinateMLP, signal: Signal, trained: Signal) -> Groups:
    """Groups of a network, to train on `trained`, which looks the same as the signal."""
    if (tiles := network.tiles) is None:
        return SingleGroup(network, signal, trained)
    return TileGroups(network, trained, tiles)
