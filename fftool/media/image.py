"""Pictures: files to signals with axes ("y", "x"), and samples to files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import imageio.v3 as iio
import numpy as np
from PIL import Image, UnidentifiedImageError

from fftool.errors import FFToolError
from fftool.files import check_readable, readable_name, replacing
from fftool.media import pillow, png, tiff
from fftool.media.decoded import MAX_PIXELS, SMALLER, Decoded
from fftool.signal import Samples, Signal, assembled


@dataclass(frozen=True)
class Format:
    """What a kind of picture file can hold, and how it is written."""

    name: str
    suffixes: tuple[str, ...]
    bits: tuple[int, ...] = (8,)
    alpha: bool = False
    longest_side: int = 2**31 - 1
    streams: bool = False  # written band by band, so that no picture is too large
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, shape: tuple[int, ...], bits: int) -> None:
        """Raise FFToolError if the format cannot hold a picture with that shape (height, width, channels)."""
        height, width, channels = shape
        if bits not in self.bits:
            raise FFToolError(
                f"{self.name} holds 8 bits a channel, not {bits}", "use --bits 8, or a .png or .tiff file"
            )
        if channels > 4:
            raise FFToolError(f"a picture has up to 4 channels, not {channels}", "write them one by one")
        if channels in (2, 4) and not self.alpha:
            raise FFToolError(
                f"{self.name} holds no alpha channel, and this picture has one", "use a .png, .tiff or .webp file"
            )
        if not self.streams and width * height > MAX_WHOLE_PIXELS:
            raise FFToolError(
                f"{self.name} is written as a whole, with up to {MAX_WHOLE_PIXELS:,} pixels, not {width}x{height}",
                "use a .tif file, which is written while it is drawn, or a smaller --size",
            )
        if max(width, height) > self.longest_side:
            raise FFToolError(
                f"{self.name} holds pictures of up to {self.longest_side} pixels a side, not {width}x{height}",
                "use a smaller --size, or a .tiff file",
            )


MAX_WHOLE_PIXELS = 100_000_000  # 300 MB of colour, and its encoder may need as much again

PNG = Format("PNG", (".png",), bits=(8, 16), alpha=True, longest_side=1_000_000)  # libpng's own limit
FORMATS = (
    PNG,
    Format("JPEG", (".jpg", ".jpeg"), longest_side=65535, options={"quality": 95}),
    Format("WebP", (".webp",), alpha=True, longest_side=16383, options={"quality": 95}),
    Format("TIFF", (".tiff", ".tif"), bits=(8, 16), alpha=True, streams=True),
    Format("BMP", (".bmp",)),
)

# What the decoders find odd in a file, the error says in other words or does not matter.
for _library in ("PIL", "imagecodecs", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


def read_image(path: str | Path) -> Signal:
    """Read a picture, upright by its EXIF orientation, with the channels that it has.

    Grey gives 1 channel, grey with alpha 2, colour 3, colour with alpha 4. Palettes become colours, CMYK becomes RGB,
    and so do the colours of an ICC profile become those of sRGB. PNG and TIFF keep 16 bits, and so does grey in other
    formats; all else is read with 8.

    Raises FFToolError if the file is missing, damaged, no picture, animated, or too large to be meant: above 179
    megapixels, which is Pillow's limit.
    """
    path = Path(path)
    check_readable(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Pillow warns of odd metadata and of large pictures. What is refused is enough.
            for category in (UserWarning, RuntimeWarning):
                warnings.simplefilter("ignore", category)
            samples = _decoder(file)(file).shown()
    except FFToolError as error:
        raise FFToolError(f"{path} {error.message}", error.hint) from error
    except MemoryError as error:
        raise FFToolError(f"{path} does not fit in memory", "make a smaller copy of it first") from error
    except Exception as error:
        # Four decoders, in C and in Python, raise whatever the damage leads to (struct.error, SyntaxError, KeyError,
        # zlib.error, …): a list of them would miss one, and show a traceback. Nothing goes on from here.
        raise _unreadable(path, error) from error
    if samples.dtype not in (np.uint8, np.uint16):
        raise FFToolError(f"{path} has samples of type {samples.dtype}", "save it with 8 or 16 bits a channel first")
    if samples.size == 0:
        raise _damaged(path, "it has no pixels")
    return Signal(samples, source=readable_name(Path(path.name)))


def _decoder(file: BinaryIO) -> Callable[[BinaryIO], Decoded]:
    """What decodes an open file, by how it begins, whatever it is called."""
    start = file.read(len(png.SIGNATURE))
    file.seek(0)
    if start.startswith(png.SIGNATURE):
        return png.decode
    return tiff.decode if start.startswith(tiff.SIGNATURES) else pillow.decode


def _unreadable(path: Path, error: Exception) -> FFToolError:
    if path.stat().st_size == 0:
        return FFToolError(f"{path} is empty", "save or copy the picture again")
    if isinstance(error, Image.DecompressionBombError):
        return FFToolError(f"{path} is too large: up to {MAX_PIXELS / 1e6:.0f} million pixels are read", SMALLER)
    if isinstance(error, UnidentifiedImageError):
        return FFToolError(
            f"{path} is not a picture of a known format", "PNG, JPEG, WebP, TIFF and BMP are read, among others"
        )
    # Pillow tells what is wrong in words with an OSError; what other errors say is of the decoder, not of the picture.
    in_words = isinstance(error, OSError) and error.errno is None
    return _damaged(path, str(error) if in_words else "it cannot be decoded")


def _damaged(path: Path, why: str) -> FFToolError:
    return FFToolError(f"{path} is damaged: {why}", "save or copy the picture again")


def image_format(path: Path) -> Format:
    """The format that a path's suffix names. Raises FFToolError if the suffix is unknown."""
    for form in FORMATS:
        if path.suffix.lower() in form.suffixes:
            return form
    known = ", ".join(suffix for form in FORMATS for suffix in form.suffixes)
    raise FFToolError(f"{path} has no suffix of a known picture format", f"use one of {known}")


def write_image(path: str | Path, samples: Samples) -> None:
    """Write a picture with shape (height, width, channels), 8- or 16-bit, in the format that the suffix names.

    Raises FFToolError where the format cannot hold it or the file cannot be written.
    """
    if samples.ndim != 3:
        raise FFToolError(f"a picture has the shape (height, width, channels), not {samples.shape}", "add an axis")
    write_bands(path, samples.shape, iter([samples]))


def write_bands(path: str | Path, shape: tuple[int, ...], bands: Iterator[Samples]) -> None:
    """Write a picture with that shape (height, width, channels), as `write_image` does, given some rows at a time.

    All bands have the same number of rows, but the last one may have fewer. A TIFF is written as they come, so that
    it may be larger than memory; for all other formats they are put together first.
    """
    form = image_format(Path(path))
    first = next(bands)
    bits = 8 * first.dtype.itemsize
    form.check(shape, bits)
    bands = chain([first], bands)
    if form.streams:
        with replacing(Path(path)) as file:
            tiff.stream(file, shape, first, bands, big=shape[0] * shape[1] > MAX_WHOLE_PIXELS)
        return
    samples = first if len(first) == shape[0] else assembled(bands, shape, bits)
    with replacing(Path(path)) as file:
        encode_image(file, samples, form)


def encode_image(file: BinaryIO, samples: Samples, form: Format) -> None:
    """Write a picture to an open file, which needs not be seekable, in any format but TIFF."""
    if samples.shape[-1] == 1:
        samples = samples[:, :, 0]
    if samples.dtype == np.uint16:
        file.write(imagecodecs.png_encode(samples))
    else:
        iio.imwrite(file, samples, plugin="pillow", extension=form.suffixes[0], is_batch=False, **form.options)
