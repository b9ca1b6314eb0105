"""The interface of a medium: images today, clips, volumes and others in folders of their own.

A medium reads files into signals and writes samples to files. It alone knows how many axes its signals have: how to
parse a size or a crop, how to name them, which planes have an SSIM, and what to show of a signal in a figure. The
defaults here serve signals of any number of axes; a medium overrides what differs.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite, prod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from numpy.typing import NDArray

from fftool import metrics
from fftool.config import SignalConfig, ValueRange, ViewOptions, check_quality
from fftool.errors import FormatError, SettingError, SignalError, UnsupportedFileError
from fftool.holdout import Split
from fftool.region import Region
from fftool.signal import Samples, Signal
from fftool.values import to_samples, value_range

EXTENTS = {"x": "WIDTH", "y": "HEIGHT", "z": "DEPTH", "t": "FRAMES"}  # names of sizes along axes
WHOLE_NUMBER, DECIMAL = r"[1-9]\d{0,9}", r"\d{1,9}(?:\.\d*)?|\.\d+"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format that a medium writes. Subclasses add limits of their own to `check`."""

    name: str
    suffixes: tuple[str, ...]
    bits: tuple[int, ...] = (8,)
    is_folder: bool = False
    streams: bool = False  # written band by band, so that a signal may be larger than memory
    has_quality: bool = False  # trades size for loss

    def check(self, shape: tuple[int, ...], bits: int, quality: int | None = None) -> None:
        """Raise FormatError if the format cannot hold samples with that shape (…, y, x, channels), or has no quality.

        A quality of None is the default. Raises SettingError for one out of range.
        """
        if quality is not None:
            check_quality(quality)
            if not self.has_quality:
                raise FormatError("quality", f"{self.name} has no quality: it keeps samples as they are")
        if bits not in self.bits:
            held = " or ".join(map(str, self.bits))
            raise FormatError("bits", f"{self.name} holds {held} bits per channel, not {bits}")


@dataclass(frozen=True)
class Preview:
    """A part of a signal as an image with shape (height, width, channels), 1 to 4 channels, and its name if any."""

    samples: Samples
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """Samples to evaluate a network at: their shape in array order, and the region that they cover, or all if None."""

    shape: tuple[int, ...]
    region: Region | None = None

    @property
    def extent(self) -> tuple[float, ...]:
        """Part of each axis, in coordinate order."""
        return self.region.extent if self.region else (1.0,) * len(self.shape)


Bands = Iterator[Samples]  # rows with shape (rows, x, channels), one band after the other


@dataclass(frozen=True)
class View:
    """What to draw of a signal: a frame of a clip, a slice of a volume, a part of an image, at some size.

    A network is evaluated at each of the grids. `combine` turns their bands, one iterator for each, into those of the
    signal that is written, which `signal` describes and `medium` writes.
    """

    medium: Medium
    signal: SignalConfig
    grids: tuple[Grid, ...]
    combine: Callable[[Iterable[Bands]], Bands] = chain.from_iterable
    name: str = ""  # part of a file name that tells it from other views, before its size

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of what is written, in array order."""
        return self.signal.shape

    @property
    def n_samples(self) -> int:
        """Number of samples to evaluate."""
        return sum(prod(grid.shape) for grid in self.grids)

    @property
    def file_name(self) -> str:
        """Part of a file name: 640x480, frame17-640x480."""
        return "-".join(filter(None, [self.name, self.medium.format_size(self.shape)]))


@dataclass(frozen=True)
class Plane:
    """Two axes of a signal, in array order, that are shown as an image."""

    rows: int
    columns: int
    name: str = ""  # of the axis across it, where a signal has several planes
    is_flipped: bool = False  # the first row is at the bottom


@dataclass(frozen=True)
class Scene:
    """How to show a signal on a screen: its planes, the length of each axis in pixels, and a rate of frames if any."""

    planes: tuple[Plane, ...]
    lengths: tuple[float, ...]  # in array order
    rate: float | None = None  # frames per second along the first axis


def read_values(path: Path, values: NDArray[Any], *, is_light: bool = False) -> tuple[Samples, ValueRange]:
    """Numbers in a file as samples, and what these stand for. Raises UnsupportedFileError for numbers without a range.

    The samples span the range of the numbers, not that of their type: a network's error is about the same everywhere in
    the range of the samples, and would drown a quiet sound or a flat country.
    """
    try:
        found = value_range(values, is_light=is_light)
    except SignalError as error:
        raise UnsupportedFileError(path, str(error)) from error
    return to_samples(values, found), found


def in_order(paths: Sequence[Path]) -> list[Path]:
    """Numbered files in the order of their numbers: 9.png before 10.png."""
    return sorted(
        paths, key=lambda path: [part.zfill(20) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
    )


class Medium(ABC):
    """A kind of signal, and the files that hold it."""

    name: ClassVar[str]  # as in a checkpoint's signal.medium
    axes: ClassVar[tuple[str, ...]]  # in array order
    formats: ClassVar[Sequence[Format]]  # that are written; the first is the default
    noun: ClassVar[str] = "signal"  # what the user calls one
    unit: ClassVar[str] = "samples"  # what the user calls its samples
    short_unit: ClassVar[str] = "samples"  # the same in a narrow column
    simple_format: ClassVar[str] = "file of another format"  # that is read in any case
    reduction: ClassVar[str] = "make a smaller copy of it first"  # of a file that is too large
    profile_unit: ClassVar[str] = ""  # what the user calls a part along the first axis, where each has a PSNR: frame
    view_options: ClassVar[tuple[str, ...]] = ("size", "crop")  # of `ViewOptions`: those that its signals have

    @abstractmethod
    def recognizes(self, path: Path, start: bytes) -> bool:
        """Whether a file, given by its path and its first 16 bytes, is of this medium."""

    @abstractmethod
    def read(self, path: Path) -> Signal:
        """Signal in a file, which is open to reading as `pipes.content(path)`. Raises MediaError and ReadError."""

    def open(self, path: Path) -> Signal:
        """Signal in a file, as `read` returns it; one that is too large stays there, if it can be read in parts.

        Raises errors as `read` does.
        """
        return self.read(path)

    def is_series(self, paths: Sequence[Path]) -> bool:
        """Whether several files are parts of one signal: frames of a clip, slices of a volume."""
        return False

    def read_series(self, paths: Sequence[Path]) -> Signal:
        """Signal in several files, in the order of its last axis. Raises MediaError and ReadError."""
        raise UnsupportedFileError(paths[0], f"one {self.noun} is in one file, and {len(paths):,} are named")

    @abstractmethod
    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Bands,
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        """Write samples with that shape (…, y, x, channels) from bands of rows with shape (rows, x, channels).

        All bands have the same number of rows, but the last one may have fewer. The file appears complete or not at
        all. Raises FormatError, SettingError and WriteError.

        Args:
            path: its suffix names the format.
            shape: of all samples.
            bands: one after the other.
            signal: description of what is written: its values, spacing and metadata are kept as the format can.
            quality: up to 100, for formats that have one.

        """

    def outputs(self, path: Path, shape: tuple[int, ...]) -> list[Path]:
        """Files that `write` makes of a path: several where it is a pattern, such as frames/%04d.png."""
        return [path]

    @abstractmethod
    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        """Write samples in the default format to an open file, which need not be seekable; `signal` as in `write`."""

    def previews(self, samples: Samples) -> list[Preview]:
        """Images that show samples with shape (…, y, x, channels) in a figure, at least one."""
        return [Preview(samples)]

    def trainable(self, samples: Samples, split: Split | None = None) -> Samples:
        """Samples to train on: those given, or others that look the same and are easier to fit.

        Of those given, only the samples that a split trains on may have a part in it.
        """
        return samples

    def visible(self, samples: Samples) -> Samples:
        """Part of samples that can be seen: what PSNR, SSIM and error maps compare."""
        return samples

    def ssim(self, reference: Samples, samples: Samples) -> float | None:
        """Mean SSIM over the planes of two signals; None where there are none, or they are too small for its window."""
        return metrics.ssim(reference, samples) if reference.ndim > 2 else None

    def profile(self, reference: Samples, samples: Samples) -> tuple[float, ...]:
        """PSNR (dB) of each part along the first axis, where the user is to see that; empty otherwise."""
        if not self.profile_unit:
            return ()
        pairs = zip(self.visible(reference), self.visible(samples), strict=True)
        return tuple(metrics.psnr(before[None], after[None]) for before, after in pairs)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of all formats that are written."""
        return tuple(suffix for each in self.formats for suffix in each.suffixes)

    @property
    def readable_suffixes(self) -> tuple[str, ...]:
        """Suffixes by which files in a folder are taken for signals of this medium."""
        return self.suffixes

    @property
    def suffix(self) -> str:
        """Suffix of the default format."""
        return self.formats[0].suffixes[0]

    def format_of(self, path: Path) -> Format:
        """Format that a path's suffix names. Raises FormatError if it names none."""
        for each in self.formats:
            if path.name.lower().endswith(each.suffixes):
                return each
        expected = f"one of {', '.join(self.suffixes)}"
        raise FormatError("suffix", f"{path}: no suffix of a known {self.noun} format: expected {expected}")

    def accepts(self, signal: SignalConfig) -> bool:
        """Whether a signal has the axes of this medium."""
        return signal.axes == self.axes

    def format_size(self, shape: Iterable[int]) -> str:
        """Size as users type it, x first: 640x480."""
        return "x".join(map(str, reversed(tuple(shape))))

    def describe_size(self, shape: Iterable[int]) -> str:
        """Size and unit in words: 640x480 pixels."""
        return f"{self.format_size(shape)} {self.unit}"

    def size_fields(self, shape: Sequence[int]) -> dict[str, int]:
        """Size along each axis by its name in JSON: width, height."""
        names = (EXTENTS.get(axis, axis).lower() for axis in self.axes)
        return dict(reversed(list(zip(names, shape, strict=True))))

    def parse_size(self, text: str, natural: Sequence[float]) -> tuple[int, ...]:
        """Shape that a size means for a signal whose shape is `natural`: 640x480, 800 (the longest side) or 200%.

        Raises SettingError if the text is none of these.
        """
        if re.fullmatch(f"{WHOLE_NUMBER}([xX×]{WHOLE_NUMBER})+", text):
            sizes = [int(part) for part in re.split("[xX×]", text)]
            if len(sizes) == len(self.axes):
                return tuple(reversed(sizes))
        elif re.fullmatch(WHOLE_NUMBER, text):
            return _scaled(natural, int(text) / max(natural))
        elif re.fullmatch(f"({DECIMAL})%", text) and float(text[:-1]) > 0:
            return _scaled(natural, float(text[:-1]) / 100)
        raise SettingError("size", repr(text), self.expected_size)

    @property
    def example_size(self) -> str:
        """A size to show in hints: 500x500."""
        return "x".join(["500"] * len(self.axes))

    @property
    def expected_size(self) -> str:
        """Sizes that `parse_size` takes, in words."""
        extents = "x".join(EXTENTS.get(axis, axis.upper()) for axis in reversed(self.axes))
        lengths = f"{extents}, a longest side" if len(self.axes) > 1 else f"a number of {self.unit}"
        return f"{lengths} such as 800, or a percentage such as 200%"

    def parse_crop(self, text: str) -> Region:
        """Region that a crop names: its origin, then its extent, as fractions in coordinate order.

        Raises SettingError if the text has another number of parts, or the region is not within the signal.
        """
        names = [*(axis.upper() for axis in reversed(self.axes))]
        names += [EXTENTS.get(axis, axis.upper()) for axis in reversed(self.axes)]
        expected = f"{','.join(names)} as fractions, such as {self._example_crop}"
        try:
            numbers = [float(part) for part in text.split(",")]
        except ValueError:
            raise SettingError("crop", repr(text), expected) from None
        if len(numbers) != len(names) or not all(map(isfinite, numbers)):
            raise SettingError("crop", repr(text), expected)
        half = len(self.axes)
        try:
            return Region(origin=tuple(numbers[:half]), extent=tuple(numbers[half:]))
        except SettingError as error:
            raise SettingError("crop", repr(text), f"a part of the {self.noun}: {error.expected}") from error

    @property
    def _example_crop(self) -> str:
        return ",".join(["0.25"] * len(self.axes) + ["0.5"] * len(self.axes))

    def view(self, signal: SignalConfig, options: ViewOptions) -> View:
        """What those options draw of a signal. Raises SettingError for options that this medium does not have."""
        self.check_view_options(options)
        grid = self.view_grid(signal, options)
        return View(self, signal.resampled(grid.shape, grid.extent), (grid,))

    def check_view_options(self, options: ViewOptions) -> None:
        """Raise SettingError for options that this medium does not have."""
        for name in options.given:
            if name not in self.view_options:
                known = ", ".join(each.replace("_", " ") for each in self.view_options)
                expected = f"none, as {self.noun}s have only these options: {known}"
                raise SettingError(name.replace("_", " "), getattr(options, name), expected)

    def view_grid(self, signal: SignalConfig, options: ViewOptions) -> Grid:
        """Grid of the crop and the size that the options name."""
        region = None if options.crop is None else self.aligned(self.parse_crop(options.crop), signal)
        natural = self.natural_shape(signal, region)
        return Grid(self.parse_size("100%" if options.size is None else options.size, natural), region)

    def natural_shape(self, signal: SignalConfig, region: Region | None) -> tuple[float, ...]:
        """Shape to draw at unless told otherwise: the signal's; for a region, the largest of its aspect that fits."""
        if region is None:
            return signal.shape
        zoom = 1 / max(region.extent)
        extents = reversed(region.extent)
        return tuple(length * extent * zoom for length, extent in zip(signal.shape, extents, strict=True))

    def aligned(self, region: Region, signal: SignalConfig) -> Region:
        """The region to render for one that was asked for."""
        return region

    def scene(self, signal: SignalConfig) -> Scene | None:
        """How to show a signal on a screen; None if it has no plane."""
        return None

    def describe(self, signal: SignalConfig) -> str:
        """Signal in words: 640x480 pixels, 3 × 8 bits."""
        return f"{self.describe_size(signal.shape)}, {signal.channels} × {signal.bits} bits"

    def count(self, shape: Iterable[int]) -> str:
        """Number of samples in a grid, in words: 1,228,800 pixels."""
        return f"{prod(shape):,} {self.unit}"


def _scaled(natural: Sequence[float], factor: float) -> tuple[int, ...]:
    return tuple(max(1, round(length * factor)) for length in natural)
