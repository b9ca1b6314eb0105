"""The volume medium: files to signals with axes ("z", "y", "x"), and samples to files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from fftool.config import SignalConfig, ViewOptions
from fftool.decoding import decoding
from fftool.errors import LargeFileError, SettingError, UnsupportedFileError
from fftool.files import check_readable, is_zarr, replacing, source_name
from fftool.interrupts import uninterrupted
from fftool.media.base import Bands, Format, Medium, Preview, Scene, View, in_order, read_values
from fftool.media.image.formats import READABLE_SUFFIXES
from fftool.media.image.medium import read_image
from fftool.media.volume.formats import FORMATS, TIFF, VolumeFormat
from fftool.media.volume.geometry import Volume, affine_of, resampled, to_metadata, world_map
from fftool.media.zarr_folder import open_zarr
from fftool.pipes import content
from fftool.region import Region
from fftool.signal import DTYPES, Samples, Signal, as_samples, assemble
from fftool.stored import StoredSamples
from fftool.values import from_samples

SLICES = ("slice", "planes", "mip", "isosurface")  # of `ViewOptions`, of which one at a time is drawn


class VolumeMedium(Medium):
    """Volumes with one channel: scans, maps, and other arrays of three axes."""

    name = "volume"
    axes = ("z", "y", "x")
    formats: ClassVar[Sequence[Format]] = FORMATS
    noun = "volume"
    unit = "voxels"
    short_unit = "vx"
    simple_format = ".npy file of one array with three axes, z, y and x"
    view_options = ("size", "crop", *SLICES, "simplify", "largest")

    def recognizes(self, path: Path, start: bytes) -> bool:
        return _format(path, start) is not None

    def read(self, path: Path) -> Signal:
        """Volume in a file, by its content, whatever its suffix.

        Unsigned integers of 8 and 16 bits are its samples if they span half of their range or more. Other numbers are
        stored with the range that they have. Raises ReadError and MediaError.
        """
        check_readable(path)
        volume = _of_zarr(path) if is_zarr(path) else _decode(path)
        values = np.ascontiguousarray(volume.values)
        if values.dtype == bool:
            values = values.astype(np.uint8)
        return self._signal(
            path, source_name(path), replace(volume, values=values.astype(values.dtype.newbyteorder("="), copy=False))
        )

    def open(self, path: Path) -> Signal:
        """The same; a NumPy array or a Zarr folder of 8 or 16 bits that is too large to be read stays there."""
        try:
            return self.read(path)
        except LargeFileError:
            samples = open_zarr(path).samples if is_zarr(path) else _stored(path)
            if samples is None or samples.dtype not in DTYPES.values():
                raise
            return Signal(samples, axes=self.axes, source=source_name(path), medium=self.name)

    def is_series(self, paths: Sequence[Path]) -> bool:
        """Whether several files are the slices of one volume: images."""
        return len(paths) > 1 and all(path.suffix.lower() in READABLE_SUFFIXES for path in paths)

    def read_series(self, paths: Sequence[Path]) -> Signal:
        """Volume whose slices along z are grey images, by their numbers. Raises MediaError and ReadError."""
        paths = in_order(paths)
        first = read_image(paths[0])
        shape = (*first.shape, 1)
        samples = np.empty((len(paths), *shape), first.samples.dtype)
        for z, path in enumerate(paths):
            image = first if z == 0 else read_image(path)
            if image.channels > 1 or image.values:
                raise UnsupportedFileError(path, "is not a grey image of 8 or 16 bits, as a slice of a volume is")
            if (image.samples.shape, image.samples.dtype) != (shape, samples.dtype):
                found, expected = (
                    f"{each.shape[1]}x{each.shape[0]} pixels of {each.bits} bits" for each in (image, first)
                )
                raise UnsupportedFileError(path, f"has {found}, expected {expected}, as {paths[0].name} has")
            samples[z] = image.samples
        return self._signal(paths[0], source_name(paths[0].parent), Volume(samples[..., 0]))

    def _signal(self, path: Path, source: str, volume: Volume) -> Signal:
        values, value_range = volume.values, None
        samples: Samples = values
        if values.dtype not in DTYPES.values() or values.max() < np.iinfo(values.dtype).max // 2:
            samples, value_range = read_values(path, values)
        return Signal(
            samples[..., np.newaxis],
            axes=self.axes,
            source=source,
            medium=self.name,
            values=value_range,
            spacing=volume.spacing,
            metadata=to_metadata(volume.affine),
        )

    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Bands,
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        """Write a volume with that shape (z, y, x, 1), in the format and at the place in the world that it has.

        Samples of 32 bits become the values that they stand for, in their own type. Raises FormatError, SignalError and
        WriteError.
        """
        first = next(bands)
        bits = 8 * first.dtype.itemsize
        volume_format = cast(VolumeFormat, self.format_of(path))
        volume_format.check(shape, bits, quality)
        volume = _volume(assemble(chain([first], bands), shape, bits), signal)
        held = volume_format.dtype(volume.values.dtype.name)
        with replacing(path) as file:
            volume_format.codec.encode(
                file, replace(volume, values=volume.values.astype(held, copy=False)), path.name.lower()
            )

    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        """Write samples with shape (z, y, x, 1) as a TIFF to an open file."""
        samples = as_samples(samples, *self.axes, "channels")
        TIFF.codec.encode(file, _volume(samples, signal), self.suffix)

    def view(self, signal: SignalConfig, options: ViewOptions) -> View:
        """What those options draw: the volume, or an image of a slice, of planes or of a projection, or a surface."""
        with uninterrupted():
            from fftool.media.volume import views

        self.check_view_options(options)
        asked = [name for name in options.given if name in SLICES]
        if len(asked) > 1:
            raise SettingError(asked[1], getattr(options, asked[1]), f"none beside --{asked[0]}")
        region = None if options.crop is None else self.parse_crop(options.crop)
        if options.slice is not None:
            return views.slice_view(signal, options, region, options.slice)
        if options.mip is not None:
            return views.mip_view(signal, options, region, options.mip)
        if options.planes:
            return views.planes_view(signal, options, region)
        grid = self.view_grid(signal, options)
        if options.isosurface is not None:
            return views.surface_view(signal, options, grid, options.isosurface)
        return View(self, resampled(signal, grid), (grid,))

    def scene(self, signal: SignalConfig) -> Scene:
        """The planes across each axis, with the aspect of the voxels."""
        with uninterrupted():
            from fftool.media.volume import views

        return views.scene(signal)

    def natural_shape(self, signal: SignalConfig, region: Region | None) -> tuple[float, ...]:
        """Shape with the voxels of the signal, of a region too."""
        extents = reversed(region.extent if region else (1.0, 1.0, 1.0))
        return tuple(length * extent for length, extent in zip(signal.shape, extents, strict=True))

    def previews(self, samples: Samples) -> list[Preview]:
        """The slices through the middle, across each axis."""
        middle = [side // 2 for side in samples.shape[:3]]
        return [
            Preview(samples.take(at, axis), f"{name} = {at}")
            for axis, (name, at) in enumerate(zip(self.axes, middle, strict=True))
        ]

    def describe(self, signal: SignalConfig) -> str:
        """Signal in words: 197x233x189 voxels of 1 × 1 × 1, 1 × 8 bits."""
        text = self.describe_size(signal.shape)
        if signal.spacing:
            text += f" of {' × '.join(f'{step:.4g}' for step in reversed(signal.spacing))}"
        return f"{text}, {signal.channels} × {signal.bits} bits"


def _format(path: Path, start: bytes) -> VolumeFormat | None:
    """Format of a file by its content; None if it is not of a volume."""
    return next((each for each in FORMATS if each.recognizes(path, start)), None)


def _of_zarr(path: Path) -> Volume:
    with uninterrupted():
        from fftool.media.volume.reading import check_header

    found = open_zarr(path)
    if found.axes != VolumeMedium.axes:
        raise UnsupportedFileError(path, "is an image, expected a volume")
    check_header(path, found.samples.shape, found.samples.dtype)
    return Volume(found.samples[()][..., 0])


def _stored(path: Path) -> StoredSamples | None:
    """Samples of a NumPy array with three axes, as they are on disk; None for other files. Raises MediaError."""
    source = content(path)
    with decoding(path, "the volume"):
        with source.open("rb") as file:
            found = _format(path, file.read(16))
        if found is None or found.suffixes != (".npy",):
            return None
        array = np.load(source, mmap_mode="r", allow_pickle=False)
        return StoredSamples(array, path, axes=(0, 1, 2, None)) if array.ndim == 3 else None


def _decode(path: Path) -> Volume:
    with uninterrupted():
        from fftool.media.volume.reading import check_finite

    with decoding(path, "the volume"):
        with content(path).open("rb") as file:
            start = file.read(16)
        found = _format(path, start) or (TIFF if start.startswith(TIFF.signatures) else None)  # whatever its pages are
        if found is None:
            raise UnsupportedFileError(path, "is not a volume: expected .npy, a TIFF stack, NIfTI, NRRD or MRC")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd headers, which are read all the same
            volume: Volume = found.codec.decode(path)
    check_finite(path, volume.values)
    return volume


def _volume(samples: NDArray[Any], signal: SignalConfig | None) -> Volume:
    """Values of samples with shape (z, y, x, 1) at their place."""
    values = samples[..., 0]
    if signal and signal.values and samples.dtype == np.float32:
        values = from_samples(np.ascontiguousarray(values), signal.values)
    spacing = signal.spacing if signal else ()
    affine = world_map(signal) if spacing or affine_of(signal) is not None else None
    return Volume(values, spacing, affine)
