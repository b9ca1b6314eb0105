"""A network into samples, block by block, so that memory grows with the rendered signal and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fftool.backend.isolation import isolated
from fftool.backend.memory import Buffers, block_size, enough_memory, in_blocks
from fftool.config import check_rendered_bits
from fftool.errors import NonFiniteError
from fftool.grid import blocks, check_grid, sample_coordinates
from fftool.models.grid_features import GridFeatures, interleaved
from fftool.models.layers import forward
from fftool.models.network import CoordinateMLP
from fftool.region import Region
from fftool.signal import RENDERED_DTYPES, Samples, assemble, quantize
from fftool.tile_rendering import TileRenderer

RENDER_BLOCK = {"cpu": 8192}  # samples; 4096 are 3 to 10 % slower, fewer more so, and 16384 no faster
LARGE_RENDER_BLOCK = 2**16  # on other devices, which have to be kept busy
MIN_RENDER_BLOCK = 256  # where memory is short
TILE_NUMBERS = {"cpu": 2**19}  # in the output of one layer, for the tiles in a row of tiles
LARGE_TILE_NUMBERS = 2**24
MIN_TILE_BLOCK = 32
BAND = 2**18  # samples that are returned at once

Callback = Callable[[int], object]  # receives the number of samples done so far


def no_callback(n_samples: int) -> None:
    """Callback that does nothing."""


def render(
    network: CoordinateMLP,
    shape: tuple[int, ...] | None = None,
    *,
    region: Region | None = None,
    bits: int | None = None,
    callback: Callback = no_callback,
) -> Samples:
    """Render a network at any size.

    Args:
        network: on the device that is to do the work.
        shape: size of the grid in array order, (height, width) for an image; the trained size unless given.
        region: the part of the signal to render; all of it unless given.
        bits: 8 or 16, or 32 for the network's values as they are; those of the trained signal unless given.
        callback: called now and then with the number of samples rendered so far.

    Returns:
        uint8 or uint16 array with shape (*shape, channels), or float32 from 0 to 1.

    Raises:
        SettingError: for a shape, region or bit depth that the network cannot have.
        SizeError: if the result does not fit in memory.
        OutOfMemoryError: if even the smallest block does not.
        NonFiniteError: if the network's values are not finite.

    """
    signal = network.config.signal
    shape, region = check_grid(signal.shape if shape is None else shape, region, signal.axes)
    bits = signal.bits if bits is None else bits
    bands = render_bands(network, shape, region=region, bits=bits, callback=callback)
    return assemble(bands, (*shape, signal.channels), bits)


def render_bands(
    network: CoordinateMLP,
    shape: tuple[int, ...],
    *,
    region: Region | None = None,
    rows: range | None = None,
    bits: int,
    callback: Callback = no_callback,
) -> Iterator[Samples]:
    """Result of `render` in bands of rows: arrays with shape (rows, width, channels), one after the other.

    All have the same number of rows, but the last one may have fewer. `rows` are those to render, of all the rows of
    the grid one after the other; they have the same samples as in the whole if they begin with a band.
    """
    shape, region = check_grid(shape, region, network.config.signal.axes)
    check_rendered_bits(bits)
    rows = range(prod(shape[:-1])) if rows is None else rows
    return _bands(network, shape, region, rows, bits, callback)


def band_rows(width: int) -> int:
    """Number of rows in a band."""
    return max(1, BAND // width)


def _bands(
    network: CoordinateMLP, shape: tuple[int, ...], region: Region | None, rows: range, bits: int, callback: Callback
) -> Iterator[Samples]:
    width, channels, size = shape[-1], network.config.signal.channels, band_rows(shape[-1])
    with enough_memory("rendering"):
        renderer = _renderer(network, shape, region)
        for first in range(rows.start, rows.stop, size):
            band = np.empty((min(size, rows.stop - first), width, channels), RENDERED_DTYPES[bits])
            renderer.fill(band, first, bits, callback)
            yield band


def _renderer(network: CoordinateMLP, shape: tuple[int, ...], region: Region | None) -> _Renderer | _BandRenderer:
    if (tiles := network.tiles) is None:
        return _Renderer(network, shape, region)
    return _BandRenderer(TileRenderer(network, tiles, shape, region), network.config.network.hidden)


def _converted(values: Tensor, bits: int) -> NDArray[Any]:
    """Values as samples of a bit depth. Raises NonFiniteError."""
    array = values.numpy(force=True)
    if not np.isfinite(array).all():
        raise NonFiniteError("the network's values")
    return array if bits == 32 else quantize(array, bits)


class _BandRenderer:
    """A tiled network on a grid, a band at a time."""

    def __init__(self, tiles: TileRenderer, units: int) -> None:
        """`units` is the number of hidden units."""
        self.tiles = tiles
        most = TILE_NUMBERS.get(tiles.device.type, LARGE_TILE_NUMBERS)
        self.block = max(most // (units * tiles.n_columns), MIN_TILE_BLOCK)

    def fill(self, band: Samples, first: int, bits: int, callback: Callback) -> None:
        """Render the rows of a band, whose first one has that number in the grid."""
        work = partial(self.tiles.values, first, len(band))
        values, self.block = in_blocks(work, self.block, MIN_TILE_BLOCK)
        band[:] = _converted(values, bits)
        callback((first + len(band)) * band.shape[1])


class _Renderer:
    """A network on a grid, in blocks of up to so many samples."""

    def __init__(self, network: CoordinateMLP, shape: tuple[int, ...], region: Region | None) -> None:
        self.device, self.shape, self.region, self.B = network.device, shape, region, network.B
        self.layers = [layer.to(torch.float32) for layer in network.detached_layers]
        if self.B is not None:
            self.layers[0] = interleaved(self.layers[0])
        most = RENDER_BLOCK.get(self.device.type, LARGE_RENDER_BLOCK)
        self.block = block_size(most, 4 * sum(network.config.widths), MIN_RENDER_BLOCK)
        self.grid_features: GridFeatures | None = None
        self.buffers = Buffers(self.device)

    def fill(self, band: Samples, first: int, bits: int, callback: Callback) -> None:
        """Render the rows of a band, whose first one has that number in the grid."""
        work = partial(self._fill, band, first, bits, callback)
        _, self.block = in_blocks(work, self.block, MIN_RENDER_BLOCK)

    def _fill(self, band: Samples, first: int, bits: int, callback: Callback, block: int) -> None:
        if block < self.block:
            self.grid_features, self.buffers = None, Buffers(self.device)
        width = band.shape[1]
        if self.B is not None and self.grid_features is None:
            self.grid_features = GridFeatures(self.B, self.shape, self.region, min(width, block))
        for y, x in blocks(len(band), width, block):
            part = band[y, x]
            values = self.values(first + y.start, x.start, part.shape[:2])
            part[:] = _converted(values, bits).reshape(part.shape)
            callback((first + y.start) * width + len(part) * x.stop)

    @isolated()
    def values(self, row: int, column: int, shape: tuple[int, int]) -> Tensor:
        """Values of a block with that first row and column: float32 with shape (rows × columns, channels)."""
        return forward(self.layers, self._features(row, column, shape))

    def _features(self, row: int, column: int, shape: tuple[int, int]) -> Tensor:
        rows, columns = shape
        if self.grid_features is None:
            starts = torch.arange(row, row + rows, dtype=torch.int64, device="cpu") * self.shape[-1] + column
            index = starts[:, None] + torch.arange(columns, dtype=torch.int64, device="cpu")
            return sample_coordinates(index.flatten().to(self.device), self.shape, self.region)
        features = self.buffers("features", rows * columns, self.layers[0].weight.shape[1])
        self.grid_features.fill(row, column, torch.view_as_complex(features.view(rows, columns, -1, 2)))
        return features
