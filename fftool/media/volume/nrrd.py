"""NRRD in one file, by pynrrd."""

from __future__ import annotations

import bz2
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.volume.geometry import Affine, Volume, placed
from fftool.media.volume.reading import check_header, package
from fftool.pipes import content

CHUNK = 2**20
# Directions of the axes of the world, against right, front and up.
SPACES = {
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip


def recognizes(path: Path, start: bytes) -> bool:
    """True: its signature tells."""
    return True


def decode(path: Path) -> Volume:
    """Volume in a file. Raises MediaError, and errors of many types for a damaged one."""
    nrrd = package(path, "nrrd", "NRRD")
    with content(path).open("rb") as file:
        header = nrrd.read_header(file)
        if "data file" in header or "datafile" in header:
            raise UnsupportedFileError(path, "keeps its voxels in another file, expected both in one")
        shape = tuple(int(side) for side in header["sizes"])
        dtype = nrrd.reader._determine_datatype(header)
        check_header(path, shape, dtype)
        _check_length(path, file, header, int(np.prod(shape)) * dtype.itemsize)
        values = nrrd.read_data(header, file)
    values = values.reshape(shape[:3], order="F").transpose(2, 1, 0)
    if header.get("space directions") is not None:
        return placed(values, _affine(header))
    steps = np.asarray(header.get("spacings", []), float)[:3]
    return Volume(values, tuple(map(float, steps[::-1])) if len(steps) == 3 and (steps > 0).all() else ())


def _check_length(path: Path, file: BinaryIO, header: dict[str, Any], expected: int) -> None:
    """Raise DamagedFileError if a compressed file has more voxels than its header says, or fewer."""
    encoding = header["encoding"]
    if encoding in ("gzip", "gz"):
        decompressor: Any = zlib.decompressobj(zlib.MAX_WBITS | 32)
    elif encoding in ("bzip2", "bz2"):
        decompressor = bz2.BZ2Decompressor()
    else:
        return
    start, size = file.tell(), 0
    while size <= expected and (chunk := file.read(CHUNK)):
        size += len(decompressor.decompress(chunk, expected + 1 - size))
    file.seek(start)
    if size != expected:
        raise DamagedFileError(path, f"damaged: its voxels take {size:,} bytes or more, expected {expected:,}")


def _affine(header: dict[str, Any]) -> Affine:
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"], float)[-3:, :3].T
    origin = header.get("space origin")
    if origin is not None:
        affine[:3, 3] = origin
    affine[:3] *= np.array(SPACES.get(str(header.get("space", "ras")).lower(), (1, 1, 1)))[:, None]
    return affine


def encode(file: BinaryIO, volume: Volume, suffix: str) -> None:
    """Write a volume to an open file."""
    nrrd = import_module("nrrd")
    header: dict[str, Any] = {"encoding": "gzip"}
    if volume.affine is not None:
        header |= {
            "space": "right-anterior-superior",
            "space directions": volume.affine[:3, :3].T,
            "space origin": volume.affine[:3, 3],
        }
    elif volume.spacing:
        header["spacings"] = list(volume.spacing[::-1])
    nrrd.write(file, volume.values.transpose(2, 1, 0), header)
