"""Tiles that cover a grid of samples, each with a small network of its own. Nothing here needs torch or numpy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod


def even_tile(length: int, side: int) -> int:
    """Side of the tiles that cover so many samples, all alike and no longer than asked for, but for being even.

    Where there are several tiles, an even side makes every other sample of the signal every other one of each tile.
    """
    count = ceil(length / side)
    exact = ceil(length / count)
    return exact if count == 1 else exact + exact % 2


def balanced_sides(shape: tuple[int, ...], n_samples: int) -> tuple[int, ...]:
    """Sides of a part with so many samples, as alike as a grid of that shape has room for."""
    sides, left = dict[int, int](), n_samples
    for n_axes, axis in zip(range(len(shape), 0, -1), sorted(range(len(shape)), key=shape.__getitem__), strict=False):
        sides[axis] = min(shape[axis], round(left ** (1 / n_axes)))
        left //= sides[axis]
    return tuple(sides[axis] for axis in range(len(shape)))


@dataclass(frozen=True)
class TileGrid:
    """Tiles of one size, in row-major order. Sizes are in samples and in array order, (…, y, x).

    The last tile along an axis may reach beyond the signal. A window is a tile with its margins, where it overlaps its
    neighbours; along an axis with a single tile there is none.
    """

    shape: tuple[int, ...]  # of the signal
    tile: tuple[int, ...]
    margin: int

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each axis."""
        return tuple(ceil(length / side) for length, side in zip(self.shape, self.tile, strict=True))

    @cached_property
    def n_tiles(self) -> int:
        return prod(self.counts)

    @cached_property
    def margins(self) -> tuple[int, ...]:
        """Margin along each axis."""
        return tuple(self.margin if count > 1 else 0 for count in self.counts)

    @property
    def largest_margin(self) -> int | None:
        """Half the side of a tile, so that no more than two meet along an axis; None if there is only one tile."""
        sides = [side for side, count in zip(self.tile, self.counts, strict=True) if count > 1]
        return min(sides) // 2 if sides else None

    @cached_property
    def window(self) -> tuple[int, ...]:
        """Size of a window."""
        return tuple(side + 2 * margin for side, margin in zip(self.tile, self.margins, strict=True))
