"""Pictures: files to signals with axes ("y", "x"), and samples to files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import imageio.v3 as iio
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from fftool.errors import FFToolError
from fftool.files import check_readable, readable_name, replacing
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

# What tifffile finds odd in a file, the error says in other words or does not matter.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAX_PIXELS = 178_956_970  # where Pillow refuses, for what is decoded without it

# What Pillow may decode: none that starts another program, as Ghostscript for EPS.
PILLOW_FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "GIF",
    "BMP",
    "PPM",
    "TGA",
    "JPEG2000",
    "AVIF",
    "ICO",
    "QOI",
    "PCX",
    "SGI",
    "TIFF",
)

# What Pillow decodes each of its modes to, unless the picture is transparent as well.
DECODED_MODES = {"1": "L", "La": "LA", "RGBX": "RGB", "RGBa": "RGBA", "P": "RGB", "PA": "RGBA"} | dict.fromkeys(
    ("CMYK", "YCbCr", "LAB", "HSV"), "RGB"
)
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


def read_image(path: str | Path) -> Signal:
    """Read a picture, upright by its EXIF orientation, with the channels that it has.

    Grey gives 1 channel, grey with alpha 2, colour 3, colour with alpha 4. Palettes become colours, and CMYK becomes
    RGB. PNG and TIFF keep 16 bits, and so does grey in other formats; all else is read with 8.

    Raises FFToolError if the file is missing, damaged, no picture, animated, or too large to be meant: above 179
    megapixels, which is Pillow's limit.
    """
    path = Path(path)
    check_readable(path)
    try:
        with warnings.catch_warnings():
            # From half of that limit on, Pillow warns. The refusal is enough.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            samples = _decode(path)
    except FFToolError:
        raise
    except MemoryError as error:
        raise FFToolError(f"{path} does not fit in memory", "make a smaller copy of it first") from error
    except Exception as error:
        # Four decoders, in C and in Python, raise whatever the damage leads to (struct.error, SyntaxError, KeyError,
        # zlib.error, …): a list of them would miss one, and show a traceback. Nothing goes on from here.
        raise _unreadable(path, error) from error
    if samples.dtype not in (np.uint8, np.uint16):
        raise FFToolError(f"{path} has samples of type {samples.dtype}", "save it with 8 or 16 bits a channel first")
    if samples.ndim == 2:
        samples = samples[:, :, np.newaxis]
    return Signal(samples, source=readable_name(Path(path.name)))


def _decode(path: Path) -> NDArray[Any]:
    """An array with shape (height, width) or (height, width, channels)."""
    with path.open("rb") as file:
        header = file.read(32)
    if header.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        with tifffile.TiffFile(path) as tiff:
            _check_pages(path, len(tiff.pages))
            page = tiff.pages.first
            if _is_plain(page):
                return _decode_tiff(page)
            if page.bitspersample not in (1, 2, 4, 8):  # Pillow would give other values than the file's
                kind = f"{getattr(page.photometric, 'name', 'unknown')}, {page.dtype}, {page.bitspersample} bits"
                raise FFToolError(f"{path} is a TIFF of a kind that is not read: {kind}", "save it as a PNG first")
    with Image.open(path, formats=PILLOW_FORMATS) as image:
        if image.format != "MPO":  # a camera's still picture, with a preview behind it
            _check_pages(path, getattr(image, "n_frames", 1))
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        if image.format == "TIFF":  # which Pillow itself turns when it decodes
            orientation = 1
        if image.format == "PNG" and header[24] == 16:  # the bit depth, of which Pillow would keep 8
            return _upright(imagecodecs.png_decode(path.read_bytes()), orientation)
        if image.mode.startswith("I"):
            return _upright(_narrowed(iio.imread(path, plugin="pillow", index=0)), orientation)
        mode = DECODED_MODES.get(image.mode, image.mode)
        mode = WITH_ALPHA.get(mode, mode) if image.has_transparency_data else mode
    return _upright(iio.imread(path, plugin="pillow", index=0, mode=mode), orientation)


def _check_pages(path: Path, pages: int) -> None:
    if pages > 1:
        raise FFToolError(f"{path} holds {pages} pictures, and one is needed", "save the one you want as a PNG first")


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether a TIFF holds what needs no conversion: grey or RGB of 8 or 16 bits, perhaps with straight alpha."""
    kinds = tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.RGB
    colours = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1
    return (
        page.photometric in kinds
        and page.dtype in (np.uint8, np.uint16)
        and page.bitspersample in (8, 16)
        and page.axes in ("YX", "YXS", "SYX")
        and page.samplesperpixel == colours + len(page.extrasamples)
        and page.extrasamples in ((), (tifffile.EXTRASAMPLE.UNASSALPHA,))
    )


def _decode_tiff(page: tifffile.TiffPage) -> NDArray[Any]:
    if page.imagewidth * page.imagelength > MAX_PIXELS:
        raise Image.DecompressionBombError(f"it would have {page.imagewidth}×{page.imagelength} pixels")
    samples = page.asarray()
    if page.axes == "SYX":  # one plane after the other
        samples = np.moveaxis(samples, 0, -1)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        samples = np.iinfo(samples.dtype).max - samples
    return _upright(samples, page.tags.valueof("Orientation", 1))


def _narrowed(samples: NDArray[Any]) -> NDArray[Any]:
    """Pillow gives some 16-bit grey pictures as 32-bit integers."""
    return samples.astype(np.uint16) if 0 <= samples.min() <= samples.max() < 2**16 else samples


def _upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror by the EXIF orientation, 1 to 8, as shown by its first row and column: 5 to 8 swap the two."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def _unreadable(path: Path, error: Exception) -> FFToolError:
    if path.stat().st_size == 0:
        return FFToolError(f"{path} is empty", "save or copy the picture again")
    if isinstance(error, Image.DecompressionBombError):
        return FFToolError(f"{path} is too large: {error}", "make a smaller copy of it first")
    if isinstance(error, UnidentifiedImageError):
        return FFToolError(
            f"{path} is not a picture of a known format", "PNG, JPEG, WebP, TIFF and BMP are read, among others"
        )
    return FFToolError(f"{path} is damaged: {error}", "save or copy the picture again")


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
            _stream_tiff(file, shape, first, bands)
        return
    samples = first if len(first) == shape[0] else assembled(bands, shape, bits)
    with replacing(Path(path)) as file:
        encode_image(file, samples, form)


def _stream_tiff(file: BinaryIO, shape: tuple[int, ...], first: Samples, bands: Iterator[Samples]) -> None:
    """Each band becomes a strip; what is too large for other formats is a BigTIFF."""
    height, width, channels = shape
    with tifffile.TiffWriter(file, bigtiff=height * width > MAX_WHOLE_PIXELS) as tiff:
        tiff.write(
            (np.ascontiguousarray(band).tobytes() for band in bands),
            shape=shape if channels > 1 else shape[:2],
            dtype=first.dtype,
            rowsperstrip=len(first),
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            metadata=None,
        )


def encode_image(file: BinaryIO, samples: Samples, form: Format) -> None:
    """Write a picture to an open file, which needs not be seekable, in any format but TIFF."""
    if samples.shape[-1] == 1:
        samples = samples[:, :, 0]
    if samples.dtype == np.uint16:
        file.write(imagecodecs.png_encode(samples))
    else:
        iio.imwrite(file, samples, plugin="pillow", extension=form.suffixes[0], is_batch=False, **form.options)
