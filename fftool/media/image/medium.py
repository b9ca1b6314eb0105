"""The image medium: files to signals with axes ("y", "x"), and samples to files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from fftool.config import SignalConfig, ValueRange
from fftool.decoding import decoding
from fftool.errors import DamagedFileError, LargeFileError, UnsupportedFileError
from fftool.files import check_readable, is_zarr, replacing, replacing_folder, source_name
from fftool.holdout import Split
from fftool.interrupts import uninterrupted
from fftool.media.base import Bands, Medium, Plane, Scene, read_values
from fftool.media.image.alpha import bled, premultiplied
from fftool.media.image.formats import FORMATS, PNG, RADIANCE, READABLE_SUFFIXES, ImageFormat, is_large
from fftool.media.zarr_folder import ZarrArray, open_zarr, write_zarr
from fftool.pipes import content
from fftool.signal import DTYPES, RENDERED_DTYPES, Samples, Signal, as_samples, assemble
from fftool.values import from_samples

if TYPE_CHECKING:
    from fftool.media.image.decoded import Decoded
    from fftool.media.image.metadata import Metadata
    from fftool.media.image.stored import StoredImage

SHAPE = ("height", "width", "channels")


class ImageMedium(Medium):
    """Images with 1 to 4 channels: grey, grey with alpha, RGB, RGB with alpha."""

    name = "image"
    axes = ("y", "x")
    formats = FORMATS
    noun = "image"
    unit = "pixels"
    short_unit = "px"

    @property
    def readable_suffixes(self) -> tuple[str, ...]:
        return READABLE_SUFFIXES

    def recognizes(self, path: Path, start: bytes) -> bool:
        """True for every file: images are asked last, and `read` says what is wrong with a file."""
        return True

    def read(self, path: Path) -> Signal:
        """Image in a file, as `read_image` returns it."""
        check_readable(path)
        if is_zarr(path):
            return self._of_zarr(path)
        decoded, samples = _decode(path)
        if samples.size == 0:
            raise DamagedFileError(path, "damaged: the image has no pixels")
        values = None
        if samples.dtype not in DTYPES.values():
            samples, values = read_values(path, samples, is_light=decoded.is_light)
        return Signal(
            samples,
            axes=self.axes,
            source=source_name(path),
            medium=self.name,
            values=values,
            metadata=decoded.metadata,
        )

    def open(self, path: Path) -> Signal:
        """The same; an image that is too large to be read stays in its file: tiled TIFF, NumPy array or Zarr folder."""
        try:
            return self.read(path)
        except LargeFileError:
            found = open_zarr(path) if is_zarr(path) else _stored(path)
            if found is None:
                raise
            metadata = {} if isinstance(found, ZarrArray) else found.metadata
            source = source_name(path)
            return Signal(found.samples, axes=self.axes, source=source, medium=self.name, metadata=metadata)

    def _of_zarr(self, path: Path) -> Signal:
        with uninterrupted():
            from fftool.media.image.decoded import MAX_PIXELS

        found = open_zarr(path)
        height, width, _ = found.samples.shape
        if found.axes != self.axes:
            raise UnsupportedFileError(path, "is a volume, expected an image")
        if height * width > MAX_PIXELS:
            raise LargeFileError(path, f"too large: {width}x{height} pixels, expected at most {MAX_PIXELS:,}")
        samples, values = found.samples[()], None
        if samples.dtype not in DTYPES.values():
            samples, values = read_values(path, samples)
        return Signal(samples, axes=self.axes, source=source_name(path), medium=self.name, values=values)

    def scene(self, signal: SignalConfig) -> Scene:
        return Scene((Plane(rows=0, columns=1),), signal.shape)

    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Bands,
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        """Write an image with that shape (height, width, channels), in the format that the suffix names.

        All bands have the same number of rows, but the last one may have fewer. A TIFF is written as they come, so
        that it may be larger than memory; for other formats they are assembled first. The file appears complete or not
        at all. Raises SignalError, FormatError, SettingError and WriteError.
        """
        image_format = cast(ImageFormat, self.format_of(path))
        first = as_samples(next(bands), *SHAPE, dtypes=RENDERED_DTYPES.values())
        bits = 8 * first.dtype.itemsize
        image_format.check(shape, bits, quality)
        bands, metadata = chain([first], bands), _metadata(signal, shape)
        if image_format.streams:
            with uninterrupted():
                from fftool.media.image import tiff

            values = signal.values if signal and bits == 32 else None
            dtype = values.dtype if values else first.dtype
            if values:
                bands = (from_samples(band, values) for band in bands)
            if image_format.is_folder:
                with replacing_folder(path) as folder:
                    write_zarr(folder, shape, bands, np.dtype(dtype))
                return
            with replacing(path) as file:
                big = is_large(shape)
                tiff.write(file, shape, bands, rows=len(first), dtype=dtype, big=big, metadata=metadata)
            return
        samples = first if len(first) == shape[0] else assemble(bands, shape, bits)
        with replacing(path) as file:
            if image_format.is_light:
                _encode_light(file, samples, image_format, signal.values if signal else None)
            else:
                _encode(file, samples, image_format, metadata, quality)

    def trainable(self, samples: Samples, split: Split | None = None) -> Samples:
        """The same image with its visible colours bled into the invisible part."""
        if split is None:
            return bled(samples)
        known = np.zeros(samples.shape[:2], bool)
        known.flat[split.train.numpy()] = True
        return bled(samples, known)

    def visible(self, samples: Samples) -> Samples:
        """The image with its colours multiplied by alpha."""
        return premultiplied(samples)

    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        """Write samples with shape (height, width, channels) as a PNG to an open file, which need not be seekable.

        Raises SignalError and FormatError.
        """
        samples = as_samples(samples, *SHAPE)
        PNG.check(samples.shape, 8 * samples.dtype.itemsize)
        _encode(file, samples, PNG, _metadata(signal, samples.shape))


_MEDIUM = ImageMedium()


def read_image(path: str | Path) -> Signal:
    """Read an image, upright by its EXIF orientation, with the channels that it has.

    Grey gives 1 channel, grey with alpha 2, RGB 3, RGB with alpha 4. Palettes and CMYK are converted to RGB, and
    colours with an ICC profile to sRGB. PNG, TIFF and JPEG XL keep 16 bits, and so does grey in other formats. HEIC
    with 10 or 12 bits, and raw files, are read with 16, and everything else with 8. `metadata` of the signal has `exif`
    and `xmp` without what tells about the stored pixels, and `icc` where colours were described by a valid profile.

    Raises ReadError if the file is missing or may not be read, and MediaError if it is not an image (the subclass
    UnknownFormatError), is damaged (DamagedFileError), is animated or has unusual samples (UnsupportedFileError), has
    more than 179 million pixels, which is Pillow's limit (LargeFileError), or takes a package that is not installed
    (MissingPackageError).
    """
    return _MEDIUM.read(Path(path))


def write_image(
    path: str | Path, samples: Samples, *, quality: int | None = None, metadata: Mapping[str, bytes] | None = None
) -> None:
    """Write an image with shape (height, width, channels), uint8 or uint16, in the format that the suffix names.

    `quality`, 1 to 100 and 95 unless given, is for JPEG, WebP and AVIF. JPEG and AVIF keep the resolution of colours;
    WebP halves it, but has no loss at all with a quality of 100, or where that makes the file no larger. `metadata` is
    that of a signal; what the format cannot hold, or is malformed, is left out.

    Raises SignalError for other arrays, FormatError if the format cannot hold the image or has no quality,
    SettingError for a quality out of range and for metadata that is no mapping of names to bytes, and WriteError if the
    file cannot be written.
    """
    samples = as_samples(samples, *SHAPE)
    *shape, channels = samples.shape
    bits, axes = 8 * samples.dtype.itemsize, _MEDIUM.axes
    signal = SignalConfig(axes=axes, shape=tuple(shape), channels=channels, bits=bits, metadata=metadata or {})
    _MEDIUM.write(Path(path), samples.shape, iter([samples]), signal=signal, quality=quality)


def _decode(path: Path) -> tuple[Decoded, NDArray[Any]]:
    """An image and its samples with shape (height, width, channels), by its content, whatever its suffix.

    Raises MediaError if the file has no image that is read.
    """
    with uninterrupted():
        from fftool.media.image import reading  # 40 ms, and most uses of a medium need no decoder

    with _decoding(path), content(path).open("rb") as file, warnings.catch_warnings():
        # Pillow warns of odd metadata and of large images, which are read all the same.
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        decoded = reading.decode(file)
        return decoded, decoded.upright_srgb()


def _stored(path: Path) -> StoredImage | None:
    """An image that stays in its file; None for formats that are read whole. Raises MediaError."""
    with uninterrupted():
        from fftool.media.image.stored import open_image

    with _decoding(path):
        return open_image(path)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Section of `decoding` for the decoders of images, which do not know the path of their file."""
    with uninterrupted():
        from fftool.media.image.decoded import DecodeError

    with decoding(path, "the image"):
        try:
            yield
        except DecodeError as error:
            raise error.kind(path, error.problem) from error


def _metadata(signal: SignalConfig | None, shape: tuple[int, ...]) -> Metadata:
    with uninterrupted():
        from fftool.media.image.metadata import to_write

    return to_write(signal, shape[2])


def _encode_light(file: BinaryIO, samples: Samples, image_format: ImageFormat, values: ValueRange | None) -> None:
    """Write float32 samples as light: the values that they stand for, or that of a display which shows them."""
    with uninterrupted():
        from fftool.media.image import hdr
        from fftool.media.image.colour import srgb_to_linear

    light = from_samples(samples, values) if values else srgb_to_linear(samples)
    file.write(hdr.encode_radiance(light) if image_format is RADIANCE else hdr.encode_exr(light))


def _encode(
    file: BinaryIO, samples: Samples, image_format: ImageFormat, metadata: Metadata, quality: int | None = None
) -> None:
    """Write an image to an open file in any format but TIFF."""
    with uninterrupted():
        import imageio.v3 as iio
        from imagecodecs import png_encode

        from fftool.media.image import png

        import_module("imageio.plugins.pillow")  # or else `imwrite` imports it
        with suppress(ImportError):
            import_module("pillow_heif")  # or else imageio imports it when it writes, if it is installed

    chunks = png.metadata_chunks(metadata) if image_format is PNG else b""
    options = metadata.options(image_format.longest_metadata) if image_format is not PNG else {}
    encodings = [each | options for each in image_format.encodings(samples.shape[-1], quality)]
    if samples.shape[-1] == 1:
        samples = samples[:, :, 0]
    write = partial(iio.imwrite, image=samples, plugin="pillow", extension=image_format.suffixes[0], is_batch=False)
    if samples.dtype == np.uint16:  # only PNG holds 16 bits here, and Pillow writes only 8
        data = png_encode(np.ascontiguousarray(samples))
    elif chunks or len(encodings) > 1:
        data = min((write("<bytes>", **options) for options in encodings), key=len)
    else:
        write(file, **encodings[0])
        return
    file.writelines((data[: png.HEADER_END], chunks, memoryview(data)[png.HEADER_END :]))
