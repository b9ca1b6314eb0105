"""NumPy's .npy: an image as an array with shape (y, x), or (y, x, channels). By itself, such a file is a volume."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.image.decoded import Decoded, DecodeError, check_size
from fftool.pipes import content
from fftool.stored import StoredSamples

SIGNATURE = b"\x93NUMPY"
MAX_CHANNELS = 4


def decode(file: BinaryIO) -> Decoded:
    """Decode an array. Raises DecodeError for other shapes and types, and errors of other types if it is damaged."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] > MAX_CHANNELS):
        problem = f"holds an array of {'x'.join(map(str, shape))}, expected y, x and up to {MAX_CHANNELS} channels"
        raise DecodeError(UnsupportedFileError, problem)
    if dtype.kind not in "uif":
        raise DecodeError(UnsupportedFileError, f"holds numbers of type {dtype}, expected real ones")
    if 0 in shape:
        raise DecodeError(DamagedFileError, "damaged: the image has no pixels")
    check_size(shape[1], shape[0])
    file.seek(0)
    values = np.load(file, allow_pickle=False)
    return Decoded(values.astype(values.dtype.newbyteorder("="), copy=False))


def open_npy(path: Path) -> StoredSamples | None:
    """An array of unsigned integers as it is on disk; None for other types."""
    array = np.load(content(path), mmap_mode="r", allow_pickle=False)
    if array.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        return None
    return StoredSamples(array, path, axes=(0, 1, None) if array.ndim == 2 else (0, 1, 2))
