"""A signal: samples on a grid of any number of axes, with any number of channels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fftool.config import SignalConfig
from fftool.errors import FFToolError

Samples = NDArray[np.uint8] | NDArray[np.uint16]

DTYPES: dict[int, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16}


@dataclass(frozen=True, eq=False)
class Signal:
    """Samples with shape (…, y, x, channels), uint8 or uint16, and where they came from.

    Raises FFToolError if the array has another dtype, no cells, or not one axis for each name in `axes`.
    """

    samples: Samples
    axes: tuple[str, ...] = ("y", "x")
    source: str = ""

    def __post_init__(self) -> None:
        samples = self.samples
        if samples.dtype not in DTYPES.values():
            raise FFToolError(
                f"samples are {samples.dtype}, not uint8 or uint16", "see fftool.quantize for values in [0, 1]"
            )
        if samples.ndim != len(self.axes) + 1 or samples.size == 0:
            wanted = ", ".join((*self.axes, "channel"))
            raise FFToolError(f"samples have shape {samples.shape}, not ({wanted})", "a grey picture has one channel")

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid's size in array order: (…, height, width)."""
        return self.samples.shape[:-1]

    @property
    def channels(self) -> int:
        return int(self.samples.shape[-1])

    @property
    def bits(self) -> int:
        return 8 * int(self.samples.dtype.itemsize)

    @property
    def cells(self) -> int:
        return prod(self.shape)

    @cached_property
    def sha256(self) -> str:
        """That of the samples, row by row, each with its low byte first."""
        little = np.ascontiguousarray(self.samples, self.samples.dtype.newbyteorder("<"))
        return hashlib.sha256(little.data).hexdigest()

    @property
    def config(self) -> SignalConfig:
        """The part of a checkpoint's config that describes this signal."""
        return SignalConfig(
            axes=self.axes,
            shape=self.shape,
            channels=self.channels,
            bits=self.bits,
            source=self.source,
            sha256=self.sha256,
        )


def assembled(bands: Iterable[Samples], shape: tuple[int, ...], bits: int) -> Samples:
    """Samples with that shape (…, y, x, channels), from bands of rows with shape (rows, x, channels).

    Raises FFToolError, before it asks for the first one, if they do not fit in memory.
    """
    try:
        samples: Samples = np.empty((prod(shape[:-2]), *shape[-2:]), DTYPES[bits])
    except (MemoryError, OverflowError, ValueError) as error:
        raise FFToolError(f"{prod(shape[:-1]):,} cells do not fit in memory", "ask for a smaller size") from error
    row = 0
    for band in bands:
        samples[row : row + len(band)] = band
        row += len(band)
    return samples.reshape(shape)


def quantize(values: NDArray[np.floating[Any]], bits: int) -> Samples:
    """Values in [0, 1] as samples of 8 or 16 bits: clamped, scaled to the full range, and rounded to nearest."""
    dtype = DTYPES[bits]
    peak = np.iinfo(dtype).max
    samples: Samples = np.rint(np.clip(values, 0.0, 1.0) * peak).astype(dtype)
    return samples
