"""Images that are larger than memory: samples of tiled TIFF and of NumPy arrays, which stay in their file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import EXTRASAMPLE, PHOTOMETRIC, TiffPage

from fftool.errors import MissingPackageError
from fftool.interrupts import uninterrupted
from fftool.media.image import npy, tiff
from fftool.media.image.colour import to_srgb
from fftool.media.image.formats import TIFF_SIGNATURES
from fftool.media.zarr_folder import EXTRA
from fftool.pipes import content
from fftool.stored import StoredSamples

PLAIN_COLOURS = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
MAX_CHUNK = 2**28  # bytes of a strip or tile, which is decoded at once


@dataclass(frozen=True)
class StoredImage:
    """Samples of an image in sRGB, and what a checkpoint keeps of its metadata."""

    samples: StoredSamples
    metadata: dict[str, bytes] = field(default_factory=dict)


def open_image(path: Path) -> StoredImage | None:
    """The image in a file; None for formats that are read whole.

    Raises MissingPackageError, and errors of many types for a damaged file.
    """
    with content(path).open("rb") as opened:
        start = opened.read(8)
    if start.startswith(npy.SIGNATURE):
        array = npy.open_npy(path)
        return StoredImage(array) if array else None
    return _open_tiff(path) if start.startswith(TIFF_SIGNATURES) else None


def _open_tiff(path: Path) -> StoredImage | None:
    opened = tifffile.TiffFile(content(path))
    try:
        page = tiff.main_page(opened)
        tiff.check_complete(page)
        decoded = tiff.described(page, opened) if _is_plain(page) else None
        samples = _samples(path, page, opened, decoded.profile) if decoded else None
    except BaseException:
        opened.close()
        raise
    if decoded is None or samples is None:
        opened.close()
        return None
    like_samples = cast(NDArray[Any], samples)  # the number of channels and the type are all that matters
    return StoredImage(samples, replace(decoded, samples=like_samples).metadata)


def _samples(path: Path, page: TiffPage, opened: tifffile.TiffFile, profile: bytes | None) -> StoredSamples | None:
    """Samples of a page; None if a strip or tile of it is too large."""
    axes = {"YX": (0, 1, None), "YXS": (0, 1, 2), "SYX": (1, 2, 0)}[page.axes]
    convert = partial(to_srgb, profile=profile) if profile else None
    if page.is_memmappable:
        dtype = np.dtype(page.dtype).newbyteorder(opened.byteorder)
        mapped = np.memmap(opened.filehandle.path, dtype, "r", page.dataoffsets[0], page.shape)
        return StoredSamples(mapped, path, None, axes, opened.close, convert)
    array = _zarr(path, page)
    chunks = tuple(1 if axis is None else array.chunks[axis] for axis in axes)
    if np.prod(chunks) * array.dtype.itemsize > MAX_CHUNK:
        return None
    return StoredSamples(array, path, chunks, axes, opened.close, convert)


def _zarr(path: Path, page: TiffPage) -> Any:
    try:
        with uninterrupted():
            import zarr
    except ImportError as error:
        problem = "is too large to be read whole, and takes the package zarr to be read in parts"
        raise MissingPackageError(path, problem, "zarr", EXTRA) from error
    return zarr.open_array(page.aszarr(), mode="r")


def _is_plain(page: TiffPage) -> bool:
    """Whether a page holds samples as they are shown, upright."""
    return (
        tiff.is_supported(page)
        and page.photometric in PLAIN_COLOURS
        and page.dtype in (np.uint8, np.uint16)
        and page.bitspersample in (8, 16)
        and page.extrasamples in ((), (EXTRASAMPLE.UNASSALPHA,))
        and page.tags.valueof("Orientation", 1) == 1
    )
