"""Sample-centred coordinates: the centre of sample i of n is (i + 0.5) / n, on every axis.

So the grid has no preferred resolution, an axis of size 1 works, and a render at another size lines up with a standard
resize of the signal. Shapes are in array order (…, y, x); coordinates are ordered (x, y, …).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, prod

import torch
from torch import Tensor

from fftool.checks import integer, require
from fftool.config import MAX_COUNT
from fftool.errors import SettingError, SignalError
from fftool.region import Region

_CHECK_SIZE = integer(1, MAX_COUNT)


def check_grid(
    shape: Iterable[int], region: Region | None, axes: Sequence[str] | None = None
) -> tuple[tuple[int, ...], Region | None]:
    """Size of a grid, and the region that it covers, where both have a number for each axis. Raises SettingError."""
    which = f"each of the axes {', '.join(axes)}" if axes else "each axis"
    expected = f"a size from 1 up for {which}"
    try:
        sizes = tuple(_CHECK_SIZE("size", size) for size in shape)
    except (TypeError, SettingError) as error:
        raise SettingError("shape", shape, expected) from error
    require(len(sizes) == len(axes) if axes else bool(sizes), "shape", shape, expected)
    if region is not None and not (isinstance(region, Region) and len(region.extent) == len(sizes)):
        raise SettingError("region", region, f"a Region with an origin and an extent for {which}")
    return sizes, region


INDEX_DTYPES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


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

    Raises SignalError for an index of another kind, and SettingError for another shape, region or dtype.

    """
    shape, region = check_grid(shape, region)
    if not isinstance(index, Tensor) or index.ndim != 1 or index.dtype not in INDEX_DTYPES:
        seen = f"{index.dtype} with shape {tuple(index.shape)}" if isinstance(index, Tensor) else type(index).__name__
        raise SignalError(f"the index is {seen}: expected a tensor of integers with shape (n,)")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise SettingError("dtype", dtype, "that of floating-point numbers, such as torch.float32")
    axes = []
    for size in reversed(shape):  # the last array axis is x, and varies fastest
        axes.append((index % size).to(dtype).add_(0.5).div_(size))
        index = index // size
    v = torch.stack(axes, dim=-1)  # (n, d)
    return v if region is None else v * v.new_tensor(region.extent) + v.new_tensor(region.origin)


def coordinates(shape: tuple[int, ...], region: Region | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """Centres of all samples of a grid, row by row, with shape (n, d), ordered (x, y, …). Raises SettingError."""
    shape, region = check_grid(shape, region)
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
