"""Checks that all decoders of volumes share."""

from __future__ import annotations

from importlib import import_module
from math import prod
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fftool.errors import DamagedFileError, LargeFileError, MissingPackageError, UnsupportedFileError
from fftool.interrupts import uninterrupted
from fftool.media.volume.formats import EXTRA, PACKAGES

MAX_VOXELS = 2**29  # which take 4 GB in float64
READ_KINDS = "biuf"  # of numpy


def package(path: Path, module: str, name: str) -> ModuleType:
    """A module of an optional package, which reads a format. Raises MissingPackageError."""
    try:
        with uninterrupted():
            return import_module(module)
    except ImportError as error:
        problem = f"is {name}, which takes the package {PACKAGES[module]} to read"
        raise MissingPackageError(path, problem, PACKAGES[module], EXTRA) from error


def check_header(path: Path, shape: tuple[int, ...], dtype: DTypeLike, n_bytes: int | None = None) -> None:
    """Raise MediaError for a volume that is not read, by its shape and its type, before its voxels are.

    Axes of length 1 may follow the three of a volume. `n_bytes` are those that the file has for it, where it is not
    compressed.
    """
    found = np.dtype(dtype)
    if any(side < 1 for side in shape):
        raise DamagedFileError(path, "damaged: the volume has no voxels")
    if len(shape) < 3 or prod(shape[3:]) > 1:
        size = "x".join(map(str, shape))
        raise UnsupportedFileError(path, f"holds an array of {size}, expected three axes and one channel")
    if found.names or found.kind not in READ_KINDS:
        kind = "colours" if found.names else {"c": "complex numbers"}.get(found.kind, f"of type {found}")
        raise UnsupportedFileError(path, f"its voxels are {kind}, expected one real number each")
    if prod(shape) > MAX_VOXELS:
        raise LargeFileError(path, f"too large: {prod(shape):,} voxels, expected at most {MAX_VOXELS:,}")
    if n_bytes is not None and n_bytes < prod(shape) * found.itemsize:
        raise DamagedFileError(path, "damaged: some voxels are missing")


def check_finite(path: Path, values: NDArray[np.generic]) -> None:
    """Raise UnsupportedFileError where voxels are no numbers."""
    if values.dtype.kind == "f" and (n_bad := int(values.size - np.isfinite(values).sum())):
        raise UnsupportedFileError(path, f"{n_bad:,} of its voxels are not finite (NaN or ∞), expected numbers")
