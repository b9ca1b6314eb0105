"""Zarr folders, with the optional package zarr: OME-Zarr of microscopes and maps, and plain arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fftool.decoding import decoding
from fftool.errors import MissingPackageError, UnsupportedFileError
from fftool.interrupts import uninterrupted
from fftool.stored import StoredSamples

EXTRA = "zarr"  # of fftool, which has the package
SPATIAL = ("z", "y", "x")
PLAIN_AXES = {2: ("y", "x"), 3: SPATIAL}  # of arrays that do not name them
MAX_CHANNELS = 4
CHUNK = 512  # pixels on each side of a chunk that is written


@dataclass(frozen=True)
class ZarrArray:
    """Samples in a folder, with channels last, and the names of their other axes."""

    samples: StoredSamples
    axes: tuple[str, ...]


def open_zarr(path: Path) -> ZarrArray:
    """The array in a folder; of several sizes, the largest, as OME-Zarr orders them.

    Raises MediaError if the folder is damaged, or holds no signal with y and x.
    """
    try:
        with uninterrupted():
            import zarr
    except ImportError as error:
        problem = "is a Zarr folder, which takes the package zarr to read"
        raise MissingPackageError(path, problem, "zarr", EXTRA) from error
    with decoding(path, "the array"):
        found = zarr.open(str(path), mode="r")
        if isinstance(found, zarr.Group):
            return _of_group(path, found)
        names = getattr(found.metadata, "dimension_names", None)
        return _array(path, found, tuple(names) if names and all(names) else ())


def _of_group(path: Path, group: Any) -> ZarrArray:
    described = dict(group.attrs)
    scales = described.get("ome", described).get("multiscales")
    if not scales:
        raise UnsupportedFileError(path, "holds a group that is no OME-Zarr, expected an image or an array")
    names = tuple(axis["name"] if isinstance(axis, dict) else axis for axis in scales[0].get("axes", "tczyx"))
    return _array(path, group[scales[0]["datasets"][0]["path"]], names)


def _array(path: Path, array: Any, names: tuple[str, ...]) -> ZarrArray:
    shape = array.shape
    if not names:
        has_channels = len(shape) == 3 and shape[-1] <= MAX_CHANNELS
        names = ("y", "x", "c") if has_channels else PLAIN_AXES.get(len(shape), ())
    size = "x".join(map(str, shape))
    if len(names) != len(shape):
        raise UnsupportedFileError(path, f"holds an array of {size}, expected axes y and x, or z, y and x")
    places = {name: i for i, name in enumerate(names)}
    axes = tuple(name for name in SPATIAL if name in places and (name != "z" or shape[places[name]] > 1))
    others = [name for name in names if name not in axes and name != "c" and shape[places[name]] > 1]
    channels = shape[places["c"]] if "c" in places else 1
    if axes[-2:] != ("y", "x") or others or channels > (MAX_CHANNELS if len(axes) == 2 else 1):
        described = ", ".join(f"{name} {length}" for name, length in zip(names, shape, strict=True))
        raise UnsupportedFileError(
            path, f"holds axes {described}: expected y and x with up to {MAX_CHANNELS} channels, or z, y and x"
        )
    order = [places[name] for name in axes] + [places.get("c")]
    chunks = tuple(1 if axis is None else array.chunks[axis] for axis in order)
    return ZarrArray(StoredSamples(array, path, chunks, order), axes)


def write_zarr(folder: Path, shape: tuple[int, ...], bands: Iterable[NDArray[Any]], dtype: DTypeLike) -> None:
    """Write an image with that shape (height, width, channels) as OME-Zarr, from bands of rows, into an empty folder.

    The array has axes c, y and x, as OME-Zarr orders them, and chunks with all channels.
    """
    with uninterrupted():
        import zarr

    height, width, channels = shape
    group = zarr.open_group(str(folder), mode="w", zarr_format=3)
    axes: Any = [{"name": "c", "type": "channel"}, *({"name": name, "type": "space"} for name in "yx")]
    scale = {"type": "scale", "scale": [1.0, 1.0, 1.0]}
    dataset: Any = {"path": "0", "coordinateTransformations": [scale]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    chunks = channels, min(CHUNK, height), min(CHUNK, width)
    array = group.create_array(
        "0", shape=(channels, height, width), chunks=chunks, dtype=dtype, dimension_names=["c", "y", "x"]
    )
    first, rows, kept = 0, list[NDArray[Any]](), 0
    for band in bands:
        while len(band):
            part, band = np.split(band, [chunks[1] - kept])
            rows.append(part)
            kept += len(part)
            if kept == chunks[1] or first + kept == height:  # chunks are written whole
                array[:, first : first + kept] = np.concatenate(rows).transpose(2, 0, 1)
                first, rows, kept = first + kept, [], 0
