"""MRC and CCP4 maps, by mrcfile. Distances are in Å."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fftool.media.volume.geometry import Volume
from fftool.media.volume.reading import check_header, package
from fftool.pipes import content

MARK, MARK_PLACE = b"MAP ", 208


def recognizes(path: Path, start: bytes) -> bool:
    """Whether a file is of this format, by its first 16 bytes."""
    with content(path).open("rb") as file:
        file.seek(MARK_PLACE)
        return file.read(len(MARK)) == MARK


def decode(path: Path) -> Volume:
    """Volume in a file. Raises MediaError, and errors of many types for a damaged one."""
    mrcfile = package(path, "mrcfile", "MRC")
    source = content(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of odd statistics in the header, which are not used
        with mrcfile.open(source, header_only=True) as file:
            header = file.header
            shape = tuple(int(header[name]) for name in ("nz", "ny", "nx"))
            if int(header.ispg) == 401:  # a stack of volumes
                shape = (shape[0] // max(int(header.mz), 1), int(header.mz), *shape[1:])
            dtype = mrcfile.utils.data_dtype_from_header(header)
            offset = header.nbytes + int(header.nsymbt)
            check_header(path, shape, dtype, source.stat().st_size - offset)
        with mrcfile.open(source) as file:
            axes = tuple(int(file.header[name]) for name in ("maps", "mapr", "mapc"))
            values = np.array(file.data)
            if sorted(axes) == [1, 2, 3]:
                values = values.transpose([axes.index(axis) for axis in (3, 2, 1)])
            spacing = tuple(float(file.voxel_size[axis]) for axis in "zyx")
    return Volume(values, spacing if all(0 < step < np.inf for step in spacing) else ())


def encode(file: BinaryIO, volume: Volume, suffix: str) -> None:
    """Write a volume to an open file."""
    mrcfile = import_module("mrcfile")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.mrc"
        with mrcfile.new(path) as new:
            new.set_data(np.ascontiguousarray(volume.values))
            if volume.spacing:
                new.voxel_size = volume.spacing[::-1]
            new.header.label[0], new.header.nlabl = b"", 0  # which would hold the time
        with path.open("rb") as written:
            shutil.copyfileobj(written, file)
