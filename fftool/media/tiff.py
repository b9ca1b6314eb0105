"""TIFF, by tifffile: the kinds that a viewer shows, and written band by band."""

from __future__ import annotations

import io
from collections.abc import Iterator
from math import prod
from typing import Any, BinaryIO, cast

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffPage

from fftool.errors import FFToolError
from fftool.media.decoded import Decoded, check_pages, check_size
from fftool.signal import Samples

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

COLOURS: dict[int, int] = {  # channels without alpha
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
DEEP = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.RGB)  # which may have 16 bits
WITH_SIZE: dict[int, str] = {COMPRESSION.JPEG: "JPEG", COMPRESSION.WEBP: "WEBP"}  # each part is a whole picture
COMPRESSIONS = {
    *WITH_SIZE,
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
MAX_PREVIEWS = 32  # pages that are looked at, to find the one that is the picture


def decode(file: BinaryIO) -> Decoded:
    """Decode the one picture in a TIFF, which may have smaller copies beside it.

    Raises FFToolError if it holds several, is of a kind that needs to be interpreted, is incomplete, or too large to
    be meant; and whatever tifffile and its decoders raise if it is damaged.
    """
    with tifffile.TiffFile(file) as tiff:
        page = _picture(tiff)
        _check(page)
        profile = page.tags.valueof("InterColorProfile")
        return Decoded(
            _samples(page),
            profile if isinstance(profile, bytes) else None,
            page.tags.valueof("Orientation", 1),
            inks=page.photometric == PHOTOMETRIC.SEPARATED,
        )


def _picture(tiff: tifffile.TiffFile) -> TiffPage:
    count = len(tiff.pages)  # tiff.pages itself goes round for ever where a file does
    pages = [cast(TiffPage, tiff.pages.get(i)) for i in range(min(count, MAX_PREVIEWS))]
    pictures = [page for page in pages if not page.is_reduced] or pages[:1]
    if len(pictures) > 1:
        check_pages(count)
    return pictures[0]


def _check(page: TiffPage) -> None:
    """Raise FFToolError unless a page can be decoded to what its file means, and is all there."""
    check_size(page.imagewidth, page.imagelength)
    if page.is_tiled:
        check_size(page.tilewidth, page.tilelength)
    if not _is_known(page):
        kind = [getattr(kind, "name", "unknown") for kind in (page.photometric, page.compression, page.dtype)]
        raise FFToolError(f"is a TIFF of a kind that is not read: {', '.join(kind)}", "save it as a PNG first")
    # What is not there, tifffile would fill with zeros.
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
    sizes_known = len(page.dataoffsets) == prod(page.chunked) and 0 not in page.databytecounts
    if not sizes_known or max(ends) > page.parent.filehandle.size:
        raise FFToolError("is damaged: some of its pixels are missing", "save or copy the picture again")
    if page.compression in WITH_SIZE:
        _check_parts(page)


def _is_known(page: TiffPage) -> bool:
    colours = COLOURS.get(page.photometric)
    return (
        page.compression in COMPRESSIONS
        and page.axes in ("YX", "YXS", "SYX")
        and page.dtype in (np.bool_, np.uint8, np.uint16)
        and (page.bitspersample in (1, 2, 4, 8) or (page.bitspersample == 16 and page.photometric in DEEP))
        and (page.bitspersample >= 8 or page.samplesperpixel == 1)
        and len(page.extrasamples) <= 1
        and page.samplesperpixel == (colours or 0) + len(page.extrasamples)
        and (page.photometric != PHOTOMETRIC.YCBCR or page.compression in WITH_SIZE)  # which decode to RGB
    )


def _check_parts(page: TiffPage) -> None:
    """Raise FFToolError for a strip or tile that would be larger than its place, before it is decoded."""
    height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        page.parent.filehandle.seek(offset)
        with Image.open(io.BytesIO(page.parent.filehandle.read(size)), formats=[WITH_SIZE[page.compression]]) as part:
            if part.width > width or part.height > height:
                seen = f"is damaged: a part of it has {part.width}×{part.height} pixels, not {width}×{height}"
                raise FFToolError(seen, "save or copy the picture again")


def _samples(page: TiffPage) -> NDArray[Any]:
    samples = page.asarray()
    if page.axes == "SYX":  # one plane after the other
        samples = np.moveaxis(samples, 0, -1)
    if page.photometric == PHOTOMETRIC.PALETTE:
        return _palette(page)[samples.astype(np.uint8)]
    if page.bitspersample < 8:
        samples = samples.astype(np.uint8) * np.uint8(255 // (2**page.bitspersample - 1))
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        samples = np.iinfo(samples.dtype).max - samples
    if page.extrasamples == (EXTRASAMPLE.ASSOCALPHA,):
        return _unmultiplied(samples)
    if page.extrasamples == (EXTRASAMPLE.UNSPECIFIED,) or page.photometric == PHOTOMETRIC.SEPARATED:
        return samples[..., : COLOURS[page.photometric]]
    return samples


def _palette(page: TiffPage) -> NDArray[np.uint8]:
    colours = np.asarray(page.colormap).T
    return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)  # some writers have 8 bits there, not 16


def _unmultiplied(samples: NDArray[Any]) -> NDArray[Any]:
    """Straight alpha from colours that are multiplied with it."""
    peak = np.iinfo(samples.dtype).max
    colour, alpha = samples[..., :-1], samples[..., -1:]
    straight = colour.astype(np.float32) * peak / np.maximum(alpha, 1)
    return np.concatenate([np.minimum(np.rint(straight), peak).astype(samples.dtype), alpha], axis=-1)


def stream(file: BinaryIO, shape: tuple[int, ...], first: Samples, bands: Iterator[Samples], big: bool) -> None:
    """Write a picture with that shape (height, width, channels): each band becomes a strip as long as the first."""
    channels = shape[2]
    with tifffile.TiffWriter(file, bigtiff=big) as tiff:
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
