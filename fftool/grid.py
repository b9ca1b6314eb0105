"""Sample-centred coordinates: the centre of sample i of n is (i + 0.5) / n, on every axis.

So the grid has no preferred resolution, an axis of size 1 works, and a render at another size lines up with a standard
resize of the signal. Shapes are in array order (…, y, x); coordinates are ordered (x, y, …).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

import torch
from torch import Tensor

from fftool.region import Region


def index_dtype(n_samples: int) -> torch.dtype:
    """Smallest integer type that numbers so many samples: the order of 100 million takes 400 MB in it, not 800."""
    return torch.int32 if n_samples <= torch.iinfo(torch.int32).max else torch.int64


def sample_coordinates(
    index: Tensor, shape: tuple[int, ...], region: Region | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Centres of samples given by their row-major index.

    Args:
        index: integer tensor with shape (n,), on any device.
        shape: size of the grid in array order.
        region: the part of the unit square that the grid covers; all of it unless given.
        dtype: of the result, and of the arithmetic.

    Returns:
        Tensor with shape (n, d), ordered (x, y, …), in units of the signal's sides.

    """
    axes = []
    for size in reversed(shape):  # the last array axis is x, and varies fastest
        axes.append((index % size).to(dtype).add_(0.5).div_(size))
        index = index // size
    v = torch.stack(axes, dim=-1)  # (n, d)
    return v if region is None else v * v.new_tensor(region.extent) + v.new_tensor(region.origin)


def coordinates(shape: tuple[int, ...], region: Region | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """Centres of all samples of a grid, row by row, with shape (n, d), ordered (x, y, …)."""
    return sample_coordinates(torch.arange(prod(shape), dtype=torch.int64, device="cpu"), shape, region, dtype)


def blocks(n_rows: int, n_columns: int, n_samples: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of rectangles of up to so many samples that cover a grid, in row-major order.

    Several whole rows, where they fit, else equal parts of one.
    """
    height = max(1, n_samples // n_columns)
    width = ceil(n_columns / ceil(n_columns / n_samples))
    for top in range(0, n_rows, height):
        for left in range(0, n_columns, width):
            yield slice(top, min(top + height, n_rows)), slice(left, min(left + width, n_columns))
