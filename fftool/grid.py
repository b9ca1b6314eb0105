"""Cell-centred coordinates: the centre of cell i of n is (i + 0.5) / n, on every axis.

So the grid has no preferred resolution, an axis of size 1 works, and a render at another size lines up with a standard
resize of the picture. Shapes are in array order (…, y, x); coordinates are ordered (x, y, …).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

import torch
from torch import Tensor

from fftool.region import Region


def index_dtype(cells: int) -> torch.dtype:
    """The smallest that numbers so many cells: a 100-megapixel picture's order takes 400 MB in it, and not 800."""
    return torch.int32 if cells <= torch.iinfo(torch.int32).max else torch.int64


def cell_centres(
    index: Tensor, shape: tuple[int, ...], region: Region | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The centres of cells, given by their row-major number.

    Args:
        index: integer tensor with shape (n,), on any device.
        shape: the grid's size in array order.
        region: the part of the unit square that the grid covers; all of it unless given.
        dtype: of the result, and of the arithmetic.

    Returns:
        Tensor with shape (n, d), ordered (x, y, …), in units of the picture's sides.

    """
    axes = []
    for size in reversed(shape):  # the last array axis is x, and varies fastest
        axes.append((index % size).to(dtype).add_(0.5).div_(size))
        index = index // size
    v = torch.stack(axes, dim=-1)  # (n, d)
    return v if region is None else v * v.new_tensor(region.extent) + v.new_tensor(region.origin)


def coordinates(shape: tuple[int, ...], region: Region | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """The centres of all cells of a grid, row by row, with shape (cells, d), ordered (x, y, …)."""
    return cell_centres(torch.arange(prod(shape)), shape, region, dtype)


def pieces(rows: int, columns: int, cells: int) -> Iterator[tuple[slice, slice]]:
    """The rows and columns of rectangles of up to so many cells that cover a grid, in row-major order.

    Several whole rows, where they fit, else equal parts of one.
    """
    high = max(1, cells // columns)
    wide = ceil(columns / ceil(columns / cells))
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            yield slice(top, min(top + high, rows)), slice(left, min(left + wide, columns))
