"""TIFF, by tifffile: the kinds that viewers show are decoded; written band by band."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import Any, BinaryIO, cast

import numpy as np
import tifffile
from numpy.typing import DTypeLike, NDArray
from PIL import Image
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, RESUNIT, TiffPage

from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.image import exif, raw
from fftool.media.image.decoded import Decoded, DecodeError, check_count, check_size
from fftool.media.image.exif import Directory, Layout, Value
from fftool.media.image.metadata import Metadata
from fftool.signal import Samples

COLOUR_CHANNELS: dict[int, int] = {  # those without alpha, by colour model
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
VALUE_TYPES = {"float16", "float32", "float64", "int8", "int16", "int32", "uint32"}
GDAL_NODATA = 42113  # tag
SIXTEEN_BIT = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.RGB)  # colour models read with 16 bits
# Compressions whose segments (strips or tiles) are image files with a size of their own, and Pillow's names for them.
SELF_CONTAINED: dict[int, str] = {COMPRESSION.JPEG: "JPEG", COMPRESSION.WEBP: "WEBP"}
COMPRESSIONS = {
    *SELF_CONTAINED,
    COMPRESSION.NONE,
    COMPRESSION.CCITTRLE,
    COMPRESSION.CCITTFAX3,
    COMPRESSION.CCITTFAX4,
    COMPRESSION.LZW,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.PACKBITS,
    COMPRESSION.LZMA,
    COMPRESSION.ZSTD,
}
MAX_EXAMINED_PAGES = 32  # to find the one that is no reduced copy, and as many of those nested in them
# Signs of a camera's raw file, whose first page is a thumbnail: a tag of DNG, colour models, a mark after the header.
DNG_VERSION = 50706
RAW_COLOURS = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
RAW_MARKS = (b"CR\2\0", b"IIII", b"MMMM")  # Canon's, and Phase One's
MARK = slice(8, 12)
XMP = 700
RESOLUTION_UNITS = ((1,), (2,), (3,))  # none, inch, centimetre
RATIONALS = {exif.RATIONAL: "I", exif.SIGNED_RATIONAL: "i"}  # numbers in each, in the notation of `struct`
PARTS = {exif.EXIF: "ExifTag", exif.GPS: "GPSTag"}  # by name, as tifffile takes no numbers of tags that hold places


def decode(file: BinaryIO) -> Decoded:
    """Decode the only image in a TIFF, which may have reduced copies beside it, or a camera's raw image.

    Raises DecodeError if there are several, or the image is incomplete, too large or of an unsupported kind. tifffile
    and its codecs raise errors of many types if it is damaged.
    """
    if file.read(MARK.stop)[MARK] in RAW_MARKS:
        return raw.decode(file)
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        count, pages = _first_pages(tiff)
        nested = _nested_pages(tiff, pages)
        if not any(map(_is_raw, [*pages, *nested])):
            page = _main_page(pages, nested, count)
            _check_page(page)
            return replace(described(page, tiff), samples=_samples(page))
    return raw.decode(file)


def described(page: TiffPage, tiff: tifffile.TiffFile) -> Decoded:
    """What a file says of a page, without its samples."""
    first = cast(TiffPage, tiff.pages.get(0))
    profile = _valueof(page, first, "InterColorProfile")
    return Decoded(
        np.empty(0, np.uint8),
        profile if isinstance(profile, bytes) else None,
        _valueof(page, first, "Orientation"),
        is_cmyk=page.photometric == PHOTOMETRIC.SEPARATED,
        exif=_exif(cast(BinaryIO, tiff.filehandle)),
        xmp=_valueof(page, first, "XMP"),
    )


def main_page(tiff: tifffile.TiffFile) -> TiffPage:
    """The only image in a file, which may have reduced copies beside it. Raises DecodeError if there is none."""
    count, pages = _first_pages(tiff)
    return _main_page(pages, _nested_pages(tiff, pages), count)


def _first_pages(tiff: tifffile.TiffFile) -> tuple[int, list[TiffPage]]:
    """Number of pages, and the first ones."""
    count = len(tiff.pages)  # to iterate over tiff.pages never ends if the last page points to the first
    return count, [cast(TiffPage, tiff.pages.get(i)) for i in range(min(count, MAX_EXAMINED_PAGES))]


def _nested_pages(tiff: tifffile.TiffFile, pages: list[TiffPage]) -> list[TiffPage]:
    """The first pages that are listed within others, as SubIFDs."""
    offsets = [offset for page in pages for offset in page.subifds or () if offset]
    nested = []
    for i, offset in enumerate(offsets[:MAX_EXAMINED_PAGES]):
        tiff.filehandle.seek(offset)
        nested.append(TiffPage(tiff, index=(0, i)))
    return nested


def _is_raw(page: TiffPage) -> bool:
    """Whether a page belongs to a camera's raw file."""
    return DNG_VERSION in page.tags or page.photometric in RAW_COLOURS


def _n_pixels(page: TiffPage) -> int:
    sides = page.imagewidth, page.imagelength
    if not all(isinstance(side, int) for side in sides):  # but several numbers, whose product would repeat them
        raise DecodeError(DamagedFileError, "damaged: its size is not a number")
    return page.imagewidth * page.imagelength


def _main_page(pages: list[TiffPage], nested: list[TiffPage], count: int) -> TiffPage:
    """The page that the others are copies of. Raises DecodeError if there is no such page."""
    if not pages:
        raise DecodeError(DamagedFileError, "damaged: no image in the file")
    images = [page for page in pages if not page.is_reduced]
    if len(images) > 1:
        check_count(count)
    images += [page for page in nested if not page.is_reduced]
    if not images:
        problem = "holds only a reduced copy of its image, expected the image"
        raise DecodeError(UnsupportedFileError, problem)
    main = max(images, key=_n_pixels)  # the first of them
    if main in nested:
        check_count(sum(_n_pixels(page) == _n_pixels(main) for page in images))
    if any(_n_pixels(page) > _n_pixels(main) for page in (*pages, *nested)):
        problem = "holds a reduced copy that is larger than its image, expected a smaller one"
        raise DecodeError(UnsupportedFileError, problem)
    return main


def _valueof(page: TiffPage, first: TiffPage, tag: str) -> object:
    """Value of a tag, which a nested page may leave to the first one."""
    return page.tags.valueof(tag, first.tags.valueof(tag))


def _exif(file: BinaryIO) -> bytes | None:
    tags = exif.read(file)
    return tags.block() if tags else None


def _check_page(page: TiffPage) -> None:
    """Raise DecodeError unless a page is small, complete, and can be decoded to the samples that it stands for."""
    check_size(page.imagewidth, page.imagelength)
    check_complete(page)


def check_complete(page: TiffPage) -> None:
    """Raise DecodeError unless a page of any size is complete, and can be decoded."""
    if page.is_tiled:
        check_size(page.tilewidth, page.tilelength)
    if not is_supported(page):
        photometric, compression, dtype = (
            getattr(kind, "name", "unknown") for kind in (page.photometric, page.compression, page.dtype)
        )
        samples = f"{page.samplesperpixel} × {dtype}"
        problem = f"unsupported kind of TIFF: photometric {photometric}, compression {compression}, samples {samples}"
        raise DecodeError(UnsupportedFileError, problem)
    # tifffile fills missing pixels with zeros.
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
    sizes_known = len(page.dataoffsets) == prod(page.chunked) and 0 not in page.databytecounts
    if not sizes_known or max(ends) > page.parent.filehandle.size:
        raise DecodeError(DamagedFileError, "damaged: some pixels are missing")
    if page.compression in SELF_CONTAINED:
        _check_segments(page)


def _holds_values(page: TiffPage) -> bool:
    """Whether a page holds numbers that are no colours of a display, such as heights or light."""
    return (
        page.dtype is not None
        and page.dtype.name in VALUE_TYPES
        and page.compression in COMPRESSIONS - SELF_CONTAINED.keys()
        and page.axes in ("YX", "YXS", "SYX")
        and page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB)
        and page.samplesperpixel == COLOUR_CHANNELS[page.photometric]
    )


def _check_no_data(page: TiffPage, samples: NDArray[Any]) -> None:
    """Raise DecodeError if some pixels have the value that stands for none, as in maps."""
    text = page.tags.valueof(GDAL_NODATA)
    with suppress(TypeError, ValueError):
        if text is not None and (samples == float(str(text).strip(" \0"))).any():
            problem = f"some pixels have no data ({str(text).strip()}), expected a value in each"
            raise DecodeError(UnsupportedFileError, problem)


def is_supported(page: TiffPage) -> bool:
    """Whether a page is of a kind that is read."""
    if _holds_values(page):
        return True
    n_colours = COLOUR_CHANNELS.get(page.photometric)
    return (
        page.compression in COMPRESSIONS
        and page.axes in ("YX", "YXS", "SYX")
        and page.dtype in (np.bool_, np.uint8, np.uint16)
        and (page.bitspersample in (1, 2, 4, 8) or (page.bitspersample == 16 and page.photometric in SIXTEEN_BIT))
        and (page.bitspersample >= 8 or page.samplesperpixel == 1)
        and len(page.extrasamples) <= 1
        and page.samplesperpixel == (n_colours or 0) + len(page.extrasamples)
        and (page.photometric != PHOTOMETRIC.YCBCR or page.compression in SELF_CONTAINED)  # which decode to RGB
    )


def _check_segments(page: TiffPage) -> None:
    """Raise DecodeError for a strip or tile that would decode to more pixels than it has room for."""
    height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    formats, file = [SELF_CONTAINED[page.compression]], page.parent.filehandle
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        with Image.open(io.BytesIO(file.read(size)), formats=formats) as segment:
            if segment.width > width or segment.height > height:
                found, expected = f"{segment.width}x{segment.height}", f"{width}x{height}"
                problem = f"damaged: a strip or tile has {found} pixels, expected at most {expected}"
                raise DecodeError(DamagedFileError, problem)


def _samples(page: TiffPage) -> NDArray[Any]:
    samples = page.asarray()
    if page.axes == "SYX":  # planar
        samples = np.moveaxis(samples, 0, -1)
    if _holds_values(page):
        _check_no_data(page, samples)
        return samples
    if page.photometric == PHOTOMETRIC.PALETTE:
        return _palette(page)[samples.astype(np.uint8)]
    if page.bitspersample < 8:
        samples = samples.astype(np.uint8) * np.uint8(255 // (2**page.bitspersample - 1))
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        samples = np.iinfo(samples.dtype).max - samples
    if page.extrasamples == (EXTRASAMPLE.ASSOCALPHA,):
        return _unpremultiply(samples)
    if page.extrasamples == (EXTRASAMPLE.UNSPECIFIED,) or page.photometric == PHOTOMETRIC.SEPARATED:
        return samples[..., : COLOUR_CHANNELS[page.photometric]]
    return samples


def _palette(page: TiffPage) -> NDArray[np.uint8]:
    colours = np.asarray(page.colormap).T
    return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)  # some writers store 8 bits, not 16


def _unpremultiply(samples: NDArray[Any]) -> NDArray[Any]:
    """Samples with straight alpha, from colours that are multiplied by their alpha."""
    peak = np.iinfo(samples.dtype).max
    colour, alpha = samples[..., :-1], samples[..., -1:]
    straight = colour.astype(np.float32) * peak / np.maximum(alpha, 1)
    return np.concatenate([np.minimum(np.rint(straight), peak).astype(samples.dtype), alpha], axis=-1)


def write(
    file: BinaryIO,
    shape: tuple[int, ...],
    bands: Iterable[Samples],
    *,
    rows: int,
    dtype: DTypeLike,
    big: bool,
    metadata: Metadata,
) -> None:
    """Write an image with that shape (height, width, channels), as a BigTIFF if `big`.

    Each band becomes a strip: all have that number of rows, but the last one may have fewer.
    """
    channels = shape[2]
    with tifffile.TiffWriter(file, bigtiff=big) as tiff:
        tiff.write(
            (np.ascontiguousarray(band).tobytes() for band in bands),
            shape=shape if channels > 1 else shape[:2],
            dtype=dtype,
            rowsperstrip=rows,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            metadata=None,
            iccprofile=metadata.profile,
            **_tags(file, Layout(tiff.tiff.byteorder, big), metadata),
        )


def _tags(file: BinaryIO, layout: Layout, metadata: Metadata) -> dict[str, Any]:
    """Options that give a page its EXIF and XMP. Directories within EXIF are written to the file before it."""
    main = dict(metadata.exif.ordered(layout.order).main) if metadata.exif else {}
    options = _own_options(main, layout.order)
    tags = options["extratags"] = list[tuple[int | str, int, int, bytes | int | tuple[int, ...], bool]]()
    for tag, value in main.items():
        if isinstance(value, dict):
            at = file.tell()
            file.write(layout.pack(value, at))
            tags.append((PARTS[tag], exif.LONG, 1, at, True))
        elif value.kind in RATIONALS:  # tifffile counts packed ones twice
            numbers = _numbers(value, layout.order, RATIONALS[value.kind])
            tags.append((tag, value.kind, len(numbers) // 2, numbers, True))
        else:
            data = value.data.rstrip(b"\0") if value.kind == exif.ASCII else value.data  # tifffile ends it again
            tags.append((tag, value.kind, 0, data, True))
    if metadata.xmp:
        tags.append((XMP, exif.BYTE, 0, metadata.xmp, True))
    return options


def _own_options(main: Directory, order: str) -> dict[str, Any]:
    """Options of their own that tifffile has for some tags, which are taken out of the others."""
    software = main.pop(exif.SOFTWARE, None)
    options: dict[str, Any] = {"software": ""}  # or tifffile names itself
    if isinstance(software, Value) and software.kind == exif.ASCII:
        options["software"] = software.data.rstrip(b"\0")
    kinds = zip(exif.RESOLUTION, "IIH", strict=True)
    x, y, unit = (_numbers(main.pop(tag, None), order, kind) for tag, kind in kinds)
    if x and y and all(x + y) and unit in RESOLUTION_UNITS:
        options |= {"resolution": (x, y), "resolutionunit": RESUNIT(*unit)}
    return options


def _numbers(value: Value | Directory | None, order: str, kind: str) -> tuple[int, ...]:
    """Numbers in a value, of that kind in the notation of `struct`; none where there is no value."""
    if not isinstance(value, Value):
        return ()
    return struct.unpack(f"{order}{len(value.data) // struct.calcsize(kind)}{kind}", value.data)
