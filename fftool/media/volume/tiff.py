"""TIFF stacks: a page for each slice along z, with the distances of voxels as ImageJ stores them."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from tifffile import PHOTOMETRIC, TiffFile, TiffFrame, TiffPage

from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.volume.geometry import Volume
from fftool.media.volume.reading import check_header
from fftool.pipes import content

IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
AXES = "YX"  # of each page


def recognizes(path: Path, start: bytes) -> bool:
    """Whether a file is a TIFF with several grey pages, all of one size."""
    with suppress(Exception), TiffFile(content(path)) as tiff:  # of many types; images say what is wrong
        return len(tiff.series) == 1 and _is_stack(tiff)
    return False


def decode(path: Path) -> Volume:
    """Volume in a file. Raises MediaError, and errors of many types for a damaged one."""
    with TiffFile(content(path)) as tiff:
        if len(tiff.series) != 1:
            raise UnsupportedFileError(path, f"holds images of {len(tiff.series)} kinds, expected slices of one size")
        series, page = tiff.series[0], tiff.series[0].keyframe
        shape = tuple(side for side in series.shape if side > 1 or len(series.shape) <= 3)
        if page.samplesperpixel > 1 or page.photometric != PHOTOMETRIC.MINISBLACK:
            raise UnsupportedFileError(path, "its slices have colours, expected one channel")
        check_header(path, shape, series.dtype)
        if not all(each is not None and _is_complete(each, tiff.filehandle.size) for each in series.pages):
            raise DamagedFileError(path, "damaged: some voxels are missing")
        return Volume(np.reshape(series.asarray(), shape[:3]), _spacing(tiff, page))


def _is_stack(tiff: TiffFile) -> bool:
    series = tiff.series[0]
    page = series.keyframe
    is_grey = page.samplesperpixel == 1 and page.photometric == PHOTOMETRIC.MINISBLACK
    return is_grey and page.axes == AXES and sum(side > 1 for side in series.shape) == 3 and len(series.pages) > 1


def _is_complete(page: TiffPage | TiffFrame, size: int) -> bool:
    """Whether a file of that size holds all of a page, which tifffile would fill with zeros."""
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
    return 0 not in page.databytecounts and max(ends, default=size + 1) <= size


def _spacing(tiff: TiffFile, page: TiffPage) -> tuple[float, ...]:
    """Distances along z, y and x by ImageJ's description, or by ours, which is as tifffile writes it."""
    described: dict[str, Any] = tiff.imagej_metadata or (tiff.shaped_metadata or [{}])[0]
    with suppress(TypeError, ValueError, ZeroDivisionError):
        x, y = (den / num for num, den in (page.tags.valueof(name) for name in ("XResolution", "YResolution")))
        spacing = (float(described["spacing"]), y, x)
        if all(0 < step < np.inf for step in spacing):
            return spacing
    return ()


def encode(file: BinaryIO, volume: Volume, suffix: str) -> None:
    """Write a volume to an open file."""
    spacing = volume.spacing
    options: dict[str, Any] = {"metadata": {"axes": "ZYX"}}
    if spacing:
        options = {"resolution": (1 / spacing[2], 1 / spacing[1]), "metadata": {"axes": "ZYX", "spacing": spacing[0]}}
    is_imagej = volume.values.dtype.name in IMAGEJ_DTYPES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that only other readers want
        tifffile.imwrite(file, volume.values, imagej=is_imagej, photometric="minisblack", software="", **options)
