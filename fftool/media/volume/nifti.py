"""NIfTI-1 and NIfTI-2, by nibabel."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fftool.errors import UnsupportedFileError
from fftool.media.volume.geometry import Volume, placed
from fftool.media.volume.reading import check_header, package
from fftool.pipes import content

GZIP = b"\x1f\x8b"
SIZES = {348: ("Nifti1Image", 344, b"n+1\0"), 540: ("Nifti2Image", 4, b"n+2\0")}  # of a header; place of its mark
TO_MILLIMETRES = {"meter": 1e3, "micron": 1e-3}


def recognizes(path: Path, start: bytes) -> bool:
    """Whether a file has the header of a NIfTI file, compressed or not."""
    if not start.startswith(GZIP):
        return _header_size(start) in SIZES
    with suppress(OSError, EOFError), _opened(path) as file:
        return _header_size(file.read(4)) in SIZES
    return False


def decode(path: Path) -> Volume:
    """Volume in a file. Raises MediaError, and errors of many types for a damaged one."""
    nibabel = package(path, "nibabel", "NIfTI")
    with _opened(path) as file:
        start = file.read(348)
        name, at, mark = SIZES[_header_size(start)]
        if start[at : at + 4] != mark:
            raise UnsupportedFileError(path, "is the header of a pair of files, or of Analyze, expected a .nii file")
        file.seek(0)
        image = getattr(nibabel, name).from_stream(file)
        header, proxy = image.header, image.dataobj
        check_header(path, proxy.shape, proxy.dtype)
        scaled = (proxy.slope, proxy.inter) != (1, 0)
        values = np.asarray(proxy, np.float32) if scaled else proxy.get_unscaled()
        affine = image.affine.copy()
        with suppress(KeyError):  # codes that are unknown
            affine[:3] *= TO_MILLIMETRES.get(header.get_xyzt_units()[0], 1)
        return placed(np.reshape(values, proxy.shape[:3], order="F").transpose(2, 1, 0), affine)


def encode(file: BinaryIO, volume: Volume, suffix: str) -> None:
    """Write a volume to an open file."""
    nibabel = import_module("nibabel")
    image = nibabel.Nifti1Image(volume.values.transpose(2, 1, 0), volume.affine)
    image.header.set_xyzt_units("mm")
    data = image.to_bytes()
    # Without the time, so that the same volume gives the same bytes.
    file.write(gzip.compress(data, 6, mtime=0) if suffix.endswith(".gz") else data)


def _header_size(start: bytes) -> int:
    little = int.from_bytes(start[:4], "little")
    return little if little in SIZES else int.from_bytes(start[:4], "big")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with content(path).open("rb") as file:
        is_compressed = file.read(2) == GZIP
        file.seek(0)
        if is_compressed:
            with gzip.open(file) as stream:
                yield stream
        else:
            yield file
