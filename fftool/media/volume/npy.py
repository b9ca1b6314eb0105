"""NumPy's .npy: an array with shape (z, y, x)."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from fftool.media.volume.geometry import Volume
from fftool.media.volume.reading import check_header
from fftool.pipes import content


def recognizes(path: Path, start: bytes) -> bool:
    """True: its signature tells."""
    return True


def decode(path: Path) -> Volume:
    """Volume in a file. Raises MediaError, and errors of many types for a damaged one."""
    source = content(path)
    with source.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        check_header(path, shape, dtype, source.stat().st_size - file.tell())
        file.seek(0)
        values = np.load(file, allow_pickle=False)
    return Volume(values.reshape(shape[:3]))


def encode(file: BinaryIO, volume: Volume, suffix: str) -> None:
    """Write a volume to an open file."""
    np.save(file, volume.values)
