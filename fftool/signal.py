"""A signal: samples on a grid of any number of axes, with any number of channels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fftool.config import CHECK_AXES, DEFAULT_MEDIUM, SignalConfig, ValueRange, check_bits
from fftool.errors import SettingError, SignalError, SizeError
from fftool.occupancy import TestPoints
from fftool.stored import StoredSamples

Samples = NDArray[np.uint8] | NDArray[np.uint16]

DTYPES: dict[int, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16}
RENDERED_DTYPES: dict[int, type[np.generic]] = {**DTYPES, 32: np.float32}  # a network's values as they are, in [0, 1]


@dataclass(frozen=True, eq=False)
class Signal:
    """Samples with shape (…, y, x, channels), uint8 or uint16 in any byte order, and their origin.

    They may be stored (see `fftool.stored`): then they stay in a file, and train networks of tiles alone.

    `axes` are in array order, `medium` is the name of the medium that reads and writes such signals. `source` is the
    name or path of its file, if it has one; `values`, `spacing` and `metadata` are those of `SignalConfig`. A shape has
    points that test a network beside the samples. Raises
    SignalError for anything but such an array: another dtype, no samples, or not one axis for each name in `axes`; and
    SettingError for what a checkpoint cannot hold.
    """

    samples: Samples | StoredSamples
    axes: tuple[str, ...] = ("y", "x")
    source: str = ""
    medium: str = DEFAULT_MEDIUM
    values: ValueRange | None = None
    spacing: tuple[float, ...] = ()
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    test_points: TestPoints | None = None

    def __post_init__(self) -> None:
        axes = tuple(self.axes) if isinstance(self.axes, str) else self.axes
        object.__setattr__(self, "axes", CHECK_AXES("axes", axes))
        object.__setattr__(self, "source", _source_text(self.source))
        if isinstance(self.samples, StoredSamples):
            _check_samples(self.samples, *self.axes, "channels")
        else:
            object.__setattr__(self, "samples", as_samples(self.samples, *self.axes, "channels"))
        self.describe()  # which checks all else

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the grid in array order: (…, height, width)."""
        return self.samples.shape[:-1]

    @property
    def channels(self) -> int:
        return int(self.samples.shape[-1])

    @property
    def bits(self) -> int:
        return 8 * int(self.samples.dtype.itemsize)

    @property
    def n_samples(self) -> int:
        """Number of samples in the grid, each with all of its channels."""
        return prod(self.shape)

    @cached_property
    def sha256(self) -> str:
        """Hash of the samples, row by row, each with its low byte first."""
        digest = hashlib.sha256()
        for band in self.bands():
            digest.update(np.ascontiguousarray(band, band.dtype.newbyteorder("<")).data)
        return digest.hexdigest()

    @property
    def is_stored(self) -> bool:
        """Whether the samples stay in their file."""
        return isinstance(self.samples, StoredSamples)

    @property
    def array(self) -> Samples:
        """The samples as an array. Raises SignalError if they are stored."""
        if isinstance(self.samples, StoredSamples):
            raise SignalError(
                f"{self.source or 'the signal'} stays in its file, as it is too large: expected a smaller one"
            )
        return self.samples

    def bands(self) -> Iterator[Samples]:
        """All samples in the order of their rows, as arrays with shape (rows, x, channels)."""
        if isinstance(self.samples, StoredSamples):
            yield from self.samples.bands()
        else:
            yield self.samples.reshape(-1, *self.samples.shape[-2:])

    def rows(self, rows: range) -> Samples:
        """Some of the rows of all planes, with shape (rows, x, channels); of a single plane, if they are stored."""
        if not isinstance(self.samples, StoredSamples):
            return self.samples.reshape(-1, *self.samples.shape[-2:])[rows.start : rows.stop]
        *leading, height, _ = self.shape
        plane, first = divmod(rows.start, height)
        place = np.unravel_index(plane, leading) if leading else ()
        part = *(slice(int(each), int(each) + 1) for each in place), slice(first, first + len(rows))
        return self.samples[part].reshape(-1, *self.samples.shape[-2:])

    @property
    def config(self) -> SignalConfig:
        """Description of this signal in a checkpoint."""
        return self.describe(self.sha256)

    def describe(self, sha256: str = "") -> SignalConfig:
        """The same with another hash of the samples, so that these need not be read."""
        return SignalConfig(
            axes=self.axes,
            shape=self.shape,
            channels=self.channels,
            bits=self.bits,
            medium=self.medium,
            source=self.source,
            sha256=sha256,
            values=self.values,
            spacing=self.spacing,
            metadata=self.metadata,
        )


def _source_text(source: object) -> str:
    """Name of a file as text that a checkpoint can hold: bytes of no known encoding are replaced."""
    if source is None:
        return ""
    if not isinstance(source, str | bytes | os.PathLike):
        raise SettingError("source", repr(source), "text or a path")
    name = os.fsdecode(source)
    return name.encode(errors="replace").decode()


def as_samples(samples: NDArray[Any], *axes: str, dtypes: Collection[type[np.generic]] = DTYPES.values()) -> Samples:
    """An array as samples: uint8 or uint16 in the machine's byte order, copied only if they are in another one.

    `axes` names its axes; "…" as the first stands for any others before them. Raises SignalError for other dtypes and
    shapes, an array without samples, one with a mask, and anything that is no array.
    """
    _check_plain_array(samples, "samples")
    _check_samples(samples, *axes, dtypes=dtypes)
    native: Samples = np.asarray(samples, samples.dtype.newbyteorder("="))
    return native


def _check_samples(
    samples: NDArray[Any] | StoredSamples, *axes: str, dtypes: Collection[type[np.generic]] = DTYPES.values()
) -> None:
    """Raise SignalError as `as_samples` does."""
    if samples.dtype.newbyteorder("=") not in dtypes:
        raise SignalError(f"samples are {samples.dtype}: expected uint8 or uint16, as fftool.quantize makes them")
    if samples.size == 0:
        raise SignalError(f"samples have shape {samples.shape}: expected at least one sample")
    missing = len(axes) - (axes[0] == "…") - samples.ndim
    if missing > 0 or (missing < 0 and axes[0] != "…"):
        hint = ": add a channel axis with array[..., None]" if missing == 1 else ""
        raise SignalError(f"samples have shape {samples.shape}: expected ({', '.join(axes)}){hint}")


def check_signal(signal: Signal) -> None:
    """Raise SignalError for anything but a signal, such as the array in one."""
    if not isinstance(signal, Signal):
        made = "as fftool.Signal(samples) and fftool.read_image make it"
        raise SignalError(f"the signal is of type {type(signal).__name__}: expected a Signal, {made}")


def _check_plain_array(array: NDArray[Any], name: str) -> None:
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise SignalError(f"{name} are of type {type(array).__name__}: expected a numpy array without a mask")


def assemble(bands: Iterable[Samples], shape: tuple[int, ...], bits: int) -> Samples:
    """Samples with shape (…, y, x, channels) from bands of rows with shape (rows, x, channels).

    Raises SizeError, before it asks for the first band, if they do not fit in memory.
    """
    try:
        samples: Samples = np.empty((prod(shape[:-2]), *shape[-2:]), RENDERED_DTYPES[bits])
    except (MemoryError, OverflowError, ValueError) as error:
        raise SizeError(prod(shape[:-1])) from error
    row = 0
    for band in bands:
        samples[row : row + len(band)] = band
        row += len(band)
    return samples.reshape(shape)


def quantize(values: NDArray[np.floating[Any]], bits: int) -> Samples:
    """Values in [0, 1] as samples of 8 or 16 bits: clamped, scaled to the full range, and rounded to the nearest.

    Raises SettingError for another bit depth, and SignalError for values that are not floating-point numbers.
    """
    check_bits(bits)
    _check_plain_array(values, "values")
    if values.dtype.kind != "f":
        raise SignalError(f"values are {values.dtype}: expected floating-point numbers in [0, 1]")
    if np.isnan(values).any():
        raise SignalError("some values are not a number (NaN): expected numbers in [0, 1]")
    dtype = DTYPES[bits]
    peak = np.iinfo(dtype).max
    exact = values.astype(np.result_type(values, np.float32), copy=False)  # float16 ends below 65535
    samples: Samples = np.rint(np.clip(exact, 0.0, 1.0) * peak).astype(dtype)
    return samples
