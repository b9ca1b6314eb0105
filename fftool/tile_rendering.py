"""A tiled network on a grid, many tiles at once.

All tiles in a row of tiles see the same features: those of a pixel's place behind the first pixel of its tile. The
distance of that pixel from the origin of the tile is in the weights of the tile's first layer. A shift by s turns the
phase of each frequency b by 2πbs, and turning the pair of weights of its cosine and sine back is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fftool.backend.isolation import isolated
from fftool.grid import blocks
from fftool.models.layers import Layer, tile_logits
from fftool.models.network import CoordinateMLP
from fftool.models.tiles import covering_tiles, tile_weight
from fftool.region import Region
from fftool.tiling import TileGrid


@dataclass(frozen=True)
class _Columns:
    """Pixels along the last axis in the windows of some tiles: `count` pixels of each, from its first one on.

    The last pixels of a tile may be beyond its window, and beyond the grid; their weight is 0.
    """

    tiles: range  # places along the axis, of tiles that have pixels
    first: list[int]  # pixel of each tile
    count: int
    offsets: Tensor  # of the first pixels from the origins of their tiles, float64 with shape (tiles,), in coordinates
    weights: Tensor  # float32 with shape (tiles, count)


@dataclass(frozen=True)
class _TileRow:
    """Tiles that differ in their last place alone, and rows of the grid that they cover."""

    number: int  # of its first tile
    rows: Tensor  # numbers within the band, with shape (n,)
    weights: Tensor  # float32 with shape (n,)
    coordinates: Tensor  # from the origin of the tiles, float64 with shape (n, d - 1), without x


class TileRenderer:
    """Values of a tiled network on a grid or a region of it."""

    def __init__(self, network: CoordinateMLP, tiles: TileGrid, shape: tuple[int, ...], region: Region | None) -> None:
        self.tiles, self.shape, self.device, self.B = tiles, shape, network.device, network.B
        d = len(shape)
        self.origin = region.origin if region else (0.0,) * d
        self.extent = region.extent if region else (1.0,) * d
        self.layers = [layer.to(torch.float32) for layer in network.detached_layers]
        self.columns = self._columns()
        self.step = self.extent[0] / shape[-1]  # from a pixel to the next along a row
        self.shifted_layers = lru_cache(maxsize=2 ** len(shape[1:]))(self._shifted_layers)

    @property
    def n_columns(self) -> int:
        """Number of tiles in a row of tiles that have pixels."""
        return len(self.columns.tiles)

    @isolated()
    def values(self, first: int, n_rows: int, block: int) -> Tensor:
        """Values of rows of the grid: float32 with shape (n_rows, width, channels), computed in blocks of pixels."""
        channels = self.layers[-1].weight.shape[1]
        found = torch.zeros(n_rows, self.shape[-1], channels, dtype=torch.float32, device=self.device)
        for row in self._tile_rows(first, n_rows):
            values = self._tile_values(row, block).mul_(row.weights[:, None])  # (tiles, channels, n, count)
            for i, start in enumerate(self.columns.first):
                weights = self.columns.weights[i]
                stop = min(start + self.columns.count, self.shape[-1])
                part = (values[i] * weights)[..., : stop - start].permute(1, 2, 0)
                found[:, start:stop].index_add_(0, row.rows, part)
        return found

    def _tile_values(self, row: _TileRow, block: int) -> Tensor:
        """Values of the tiles in a row of tiles at its pixels: shape (tiles, channels, rows, columns)."""
        layers, count = self.shifted_layers(row.number), self.columns.count
        found = torch.empty(*layers[-1].weight.shape[:2], len(row.rows), count, dtype=torch.float32, device=self.device)
        features = _RowFeatures(self.B, self.step, count, row.coordinates, self.device)
        for y, x in blocks(len(row.rows), count, block):
            part = found[..., y, x]
            part.copy_(tile_logits(layers, features[y, x]).view(part.shape))
        return found.sigmoid_()

    def _shifted_layers(self, number: int) -> list[Layer]:
        """Layers of the tiles in a row of tiles, for features that are 1 + 0i at the first pixel of each."""
        columns = self.columns
        begin = number + columns.tiles.start
        first, *others = (layer.of(slice(begin, begin + len(columns.tiles))) for layer in self.layers)
        if self.B is None:
            shift = first.weight[..., 0] * columns.offsets[:, None].to(first.weight)
            return [replace(first, bias=first.bias + shift), *others]
        angle = -2 * pi * columns.offsets[:, None] * self.B[0].double().cpu()
        turn = torch.polar(torch.ones_like(angle), angle).to(self.device, torch.complex64)
        pairs = torch.complex(*first.weight.tensor_split(2, dim=-1)) * turn[:, None]
        return [replace(first, weight=torch.view_as_real(pairs).flatten(-2)), *others]

    def _columns(self) -> _Columns:
        n, side, margin = self.shape[-1], self.tiles.tile[-1], self.tiles.margins[-1]
        length, count = self.tiles.shape[-1], self.tiles.counts[-1]
        position = self._positions(-1, np.arange(n))
        edges = torch.arange(count + 1, dtype=torch.float64, device="cpu") * side
        starts = torch.searchsorted(position, edges[:-1] - margin)
        stops = torch.searchsorted(position, edges[1:] + margin)
        starts[0], stops[-1] = 0, n
        with_pixels = (stops > starts).nonzero()[:, 0]
        tiles = range(int(with_pixels[0]), int(with_pixels[-1]) + 1)
        first = [min(int(start), n - 1) for start in starts[tiles.start : tiles.stop]]
        weights = torch.zeros(len(tiles), int((stops - starts).max()), dtype=torch.float32, device="cpu")
        for i, (tile, start) in enumerate(zip(tiles, first, strict=True)):
            inside = position[start : int(stops[tile])]
            weights[i, : len(inside)] = tile_weight(inside, tile, count, side, margin)
        origins = edges[tiles.start : tiles.stop]
        offsets = (position[first] - origins) / length
        return _Columns(tiles, first, weights.shape[1], offsets, weights.to(self.device))

    def _tile_rows(self, first: int, n_rows: int) -> Iterator[_TileRow]:
        """Rows of tiles that cover some rows of the grid."""
        leading = self.tiles.counts[:-1]
        index = np.unravel_index(np.arange(first, first + n_rows), self.shape[:-1]) if leading else ()
        positions = [self._positions(axis, along) for axis, along in enumerate(index)]
        covering = [
            covering_tiles(position, self.tiles.counts[axis], self.tiles.tile[axis], self.tiles.margins[axis])
            for axis, position in enumerate(positions)
        ]
        ones = torch.ones(n_rows, dtype=torch.float64, device="cpu")
        for corner in product(*covering):
            number, weight = torch.zeros(n_rows, dtype=torch.int64, device="cpu"), ones
            coordinates: list[Tensor] = []
            for axis, (place, each) in enumerate(corner):
                number, weight = number * self.tiles.counts[axis] + place, weight * each
                coordinates.insert(0, (positions[axis] - place * self.tiles.tile[axis]) / self.tiles.shape[axis])
            v = torch.stack(coordinates, dim=-1) if coordinates else ones.new_empty(n_rows, 0)
            for each_number in number[weight > 0].unique().tolist():
                rows = ((number == each_number) & (weight > 0)).nonzero()[:, 0]
                first_tile = each_number * self.tiles.counts[-1]
                weights = weight[rows].to(self.device, torch.float32)
                yield _TileRow(first_tile, rows.to(self.device), weights, v[rows])

    def _positions(self, axis: int, index: NDArray[np.int64]) -> Tensor:
        """Positions of pixels along an axis, in samples of the signal: float64."""
        place = -1 - axis if axis < 0 else len(self.shape) - 1 - axis  # of the axis among the coordinates
        centre = (torch.from_numpy(index).double() + 0.5) / self.shape[axis]
        return (self.origin[place] + self.extent[place] * centre) * self.tiles.shape[axis]


class _RowFeatures:
    """Features of pixels by their row and their column behind the first pixel of a tile."""

    def __init__(self, B: Tensor | None, step: float, count: int, coordinates: Tensor, device: torch.device) -> None:
        along = step * torch.arange(count, dtype=torch.float64, device="cpu")
        self.is_encoded = B is not None
        if B is None:
            self.rows, self.columns = (each.to(device, torch.float32) for each in (coordinates, along[:, None]))
            return
        frequencies = B.double().cpu()
        phases = coordinates @ frequencies[1:], along[:, None] * frequencies[0]
        self.rows, self.columns = (
            torch.polar(torch.ones_like(each), 2 * pi * each).to(device, torch.complex64) for each in phases
        )

    def __getitem__(self, block: tuple[slice, slice]) -> Tensor:
        """Features of a rectangle, row by row: float32 with shape (n, 2m), with each cosine next to its sine."""
        rows, columns = self.rows[block[0]], self.columns[block[1]]
        if self.is_encoded:
            return torch.view_as_real(rows[:, None] * columns).flatten(2).flatten(0, 1)
        x = columns.repeat(len(rows), 1)
        return torch.cat([x, rows.repeat_interleave(len(columns), dim=0)], dim=1)
