"""Samples that stay in their file, and are read part by part: signals may be larger than memory."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fftool.decoding import decoding

CACHE_BYTES = 2**27  # of chunks: those that a row of tiles has in common with the next one
BAND_SAMPLES = 2**22  # read at once by `bands`

Part = tuple[slice, ...]


class ChunkedArray(Protocol):
    """An array on disk, such as one of Zarr: parts are decoded chunk by chunk."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, part: Any, /) -> Any: ...


class StoredSamples:
    """Samples with shape (…, y, x, channels) in a file, in the machine's byte order.

    Args:
        array: on disk, whose axes may be in another order.
        path: of the file, for errors.
        chunks: size of what is decoded at once, in the order of the samples; None where any part can be read alone, as
            of memory-mapped files.
        axes: for each axis of the samples, that of the array; None for channels that the array lacks.
        close: called when nothing reads the samples any more.
        convert: makes samples of a part that was read, of the same shape and type.

    """

    def __init__(
        self,
        array: ChunkedArray,
        path: Path,
        chunks: tuple[int, ...] | None = None,
        axes: Sequence[int | None] | None = None,
        close: Callable[[], object] | None = None,
        convert: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    ) -> None:
        self.array, self.path = array, path
        self.axes = tuple(range(len(array.shape))) if axes is None else tuple(axes)
        self.shape = tuple(1 if axis is None else int(array.shape[axis]) for axis in self.axes)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        self.chunks, self.convert = chunks, convert
        self.cache = OrderedDict[tuple[int, ...], NDArray[Any]]()
        if close:
            weakref.finalize(self, close)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    def __getitem__(self, part: Part) -> NDArray[Any]:
        """A part of the samples, one slice for each of the first axes, without steps. Raises DamagedFileError."""
        whole = (*part, *[slice(None)] * (self.ndim - len(part)))
        ranges = [range(length)[each] for each, length in zip(whole, self.shape, strict=True)]
        if self.chunks is None:
            return self._read(ranges)
        found = np.empty([len(each) for each in ranges], self.dtype)
        spans = (
            range(each.start // size, -(-each.stop // size) if each else 0)
            for each, size in zip(ranges, self.chunks, strict=True)
        )
        for place in product(*spans):
            chunk = self._chunk(place)
            inside, outside = [], []
            for number, size, each, length in zip(place, self.chunks, ranges, chunk.shape, strict=True):
                first = number * size
                start, stop = max(each.start, first), min(each.stop, first + length)
                inside.append(slice(start - first, stop - first))
                outside.append(slice(start - each.start, stop - each.start))
            found[tuple(outside)] = chunk[tuple(inside)]
        return found

    def bands(self) -> Iterator[NDArray[Any]]:
        """All samples in the order of their rows: arrays with shape (rows, x, channels), one after the other.

        A band has as many rows as chunks do, or several times that.
        """
        *leading, y, x, _ = self.shape
        rows = max(1, BAND_SAMPLES // x)
        if self.chunks:
            rows = max(rows // self.chunks[-3], 1) * self.chunks[-3]
        for place in product(*map(range, leading)):
            for first in range(0, y, rows):
                part = *(slice(each, each + 1) for each in place), slice(first, min(first + rows, y))
                yield self[part].reshape(-1, *self.shape[-2:])

    def _chunk(self, place: tuple[int, ...]) -> NDArray[Any]:
        if place in self.cache:
            self.cache.move_to_end(place)
            return self.cache[place]
        assert self.chunks is not None
        ranges = [
            range(number * size, min((number + 1) * size, length))
            for number, size, length in zip(place, self.chunks, self.shape, strict=True)
        ]
        chunk = self._read(ranges)
        most = max(1, CACHE_BYTES // (prod(self.chunks) * self.dtype.itemsize))
        while len(self.cache) >= most:
            self.cache.popitem(last=False)
        self.cache[place] = chunk
        return chunk

    def _read(self, ranges: Sequence[range]) -> NDArray[Any]:
        parts: list[slice] = [slice(None)] * len(self.array.shape)
        for axis, each in zip(self.axes, ranges, strict=True):
            if axis is not None:
                parts[axis] = slice(each.start, each.stop)
        with decoding(self.path, "a part of it"):
            found = np.asarray(self.array[tuple(parts)])
        order = [axis for axis in self.axes if axis is not None]
        alone = [axis for axis in range(found.ndim) if axis not in order]  # of length 1
        found = found.transpose(alone + order).reshape([len(each) for each in ranges])
        found = np.ascontiguousarray(found, self.dtype)
        return self.convert(found) if self.convert and found.size else found
