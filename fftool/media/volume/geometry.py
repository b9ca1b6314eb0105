"""Place of a volume in space: the distances of its voxels, and a map of their indices to coordinates in the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fftool.config import SignalConfig
from fftool.media.base import Grid

AFFINE = "affine"  # in the metadata of a signal: 16 float64, low byte first, row by row
Affine = NDArray[np.float64]


@dataclass(frozen=True)
class Volume:
    """Values with shape (z, y, x), and their place.

    `spacing` has the distance of neighbouring voxels along z, y and x, or is empty. `affine`, of shape (4, 4), maps an
    index (x, y, z, 1) to coordinates in the world, in millimetres where the format has a unit, x to the right, y to the
    front and z up, as in NIfTI.
    """

    values: NDArray[Any]
    spacing: tuple[float, ...] = ()
    affine: Affine | None = None


def spacing_of(affine: Affine) -> tuple[float, ...]:
    """Distances of neighbouring voxels along z, y and x."""
    return tuple(float(length) for length in np.linalg.norm(affine[:3, :3], axis=0)[::-1])


def is_valid(affine: Affine) -> bool:
    """Whether a map has finite numbers, and gives each voxel a place of its own."""
    return bool(np.isfinite(affine).all()) and abs(float(np.linalg.det(affine[:3, :3]))) > 0


def placed(values: NDArray[Any], affine: Affine) -> Volume:
    """Volume with that place, or with none if the map is invalid, as headers may hold anything."""
    affine = np.asarray(affine, np.float64)
    return Volume(values, spacing_of(affine), affine) if is_valid(affine) else Volume(values)


def to_metadata(affine: Affine | None) -> dict[str, bytes]:
    """Metadata that holds a map."""
    return {} if affine is None else {AFFINE: affine.astype("<f8").tobytes()}


def affine_of(signal: SignalConfig | None) -> Affine | None:
    """The map of a signal to the world, if it has one that is valid."""
    data = signal.metadata.get(AFFINE, b"") if signal else b""
    if len(data) != 128:
        return None
    affine = np.frombuffer(data, "<f8").reshape(4, 4).astype(np.float64)
    return affine if is_valid(affine) else None


def world_map(signal: SignalConfig | None) -> Affine:
    """The map of a signal to the world; one without gets the first corner of its box as the origin."""
    if (affine := affine_of(signal)) is not None:
        return affine
    steps = np.array((signal.spacing if signal and signal.spacing else (1.0, 1.0, 1.0))[::-1])
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = steps / 2
    return affine


def resampled(signal: SignalConfig, grid: Grid) -> SignalConfig:
    """Description of a volume on another grid: its voxels lie where they are in the world."""
    found = signal.resampled(grid.shape, grid.extent)
    if (affine := affine_of(signal)) is None:
        return found
    origin = grid.region.origin if grid.region else (0.0, 0.0, 0.0)
    sides, new_sides = np.array(signal.shape[::-1]), np.array(grid.shape[::-1])
    change = np.diag([*(sides * grid.extent / new_sides), 1.0])
    change[:3, 3] = (np.array(origin) + 0.5 * np.array(grid.extent) / new_sides) * sides - 0.5
    return replace(found, metadata={**found.metadata, **to_metadata(affine @ change)})


def points_up(signal: SignalConfig) -> Sequence[bool]:
    """Whether coordinates in the world grow along x, y and z. Without a map, rows go down, as in an image."""
    if (affine := affine_of(signal)) is None:
        return (False, False, False)
    main = np.abs(affine[:3, :3]).argmax(axis=0)
    return [bool(affine[main[axis], axis] > 0) for axis in range(3)]
