"""What to draw of a volume: slices, projections and surfaces, with the aspect of its voxels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fftool.config import SignalConfig, ViewOptions
from fftool.errors import SettingError
from fftool.media.base import DECIMAL, Bands, Grid, Plane, Scene, View
from fftool.media.image.medium import ImageMedium
from fftool.media.shape.surface import SurfaceMedium
from fftool.media.volume.geometry import points_up, resampled
from fftool.region import Region

AXES = ("z", "y", "x")
GAP = 4  # pixels between planes
ROUNDING = 1e-6  # pixels
THIN = 1e-6  # extent of a slice along its axis, in which its one sample lies
WHOLE = Region((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
IMAGE = ImageMedium()

Values = NDArray[Any]


def parse_slice(text: str) -> tuple[int, float]:
    """Axis in array order and place from 0 to 1 that a slice names: z=0.5. Raises SettingError."""
    found = re.fullmatch(f"([xyz])=({DECIMAL})", text)
    if not found or not 0 <= float(found[2]) <= 1:
        raise SettingError("slice", repr(text), "an axis and a place from 0 to 1, such as z=0.5")
    return AXES.index(found[1]), float(found[2])


def slice_view(signal: SignalConfig, options: ViewOptions, region: Region | None, text: str) -> View:
    """One slice, as an image."""
    axis, place = parse_slice(text)
    shape = _image_shape(signal, options, region, axis)

    def combine(parts: list[Values]) -> Values:
        return _upright(signal, axis, parts[0].reshape(*shape, -1))

    return _image_view(signal, [_slice_grid(region, axis, place, shape)], shape, combine, text.replace("=", ""))


def mip_view(signal: SignalConfig, options: ViewOptions, region: Region | None, text: str) -> View:
    """The highest value along an axis, as an image."""
    if text not in AXES:
        raise SettingError("mip", repr(text), "an axis: x, y or z")
    axis = AXES.index(text)
    shape = _image_shape(signal, options, region, axis)
    depth = max(1, round(signal.shape[axis] * (region or WHOLE).extent[2 - axis]))
    grid = Grid((*shape[:axis], depth, *shape[axis:]), region)

    def combine(parts: list[Values]) -> Values:
        return _upright(signal, axis, parts[0].reshape(*grid.shape, -1).max(axis=axis))

    return _image_view(signal, [grid], shape, combine, f"mip-{text}")


def planes_view(signal: SignalConfig, options: ViewOptions, region: Region | None) -> View:
    """The slices through the middle, across z, y and x, side by side as one image."""
    natural = [_natural_plane(signal, region, axis) for axis in range(3)]
    height, width = max(height for height, _ in natural), sum(width for _, width in natural)
    size = IMAGE.parse_size(options.size or "100%", (height, width + 2 * GAP))
    factor = min(size[0] / height, max(size[1] - 2 * GAP, 3) / width)
    shapes = [tuple(max(1, int(factor * side + ROUNDING)) for side in plane) for plane in natural]
    part = region or WHOLE
    middle = [origin + extent / 2 for origin, extent in zip(part.origin, part.extent, strict=True)][::-1]
    grids = [_slice_grid(region, axis, middle[axis], shape) for axis, shape in enumerate(shapes)]

    def combine(parts: list[Values]) -> Values:
        planes = [_upright(signal, axis, part.reshape(*shapes[axis], -1)) for axis, part in enumerate(parts)]
        return _side_by_side(planes, size)

    return _image_view(signal, grids, size, combine, "planes")


def surface_view(signal: SignalConfig, options: ViewOptions, grid: Grid, level: float) -> View:
    """The surface at a level, a fraction of the range of values."""
    if not 0 < level < 1:
        raise SettingError("isosurface", level, "a fraction of the range of values between 0 and 1, such as 0.5")
    return View(
        SurfaceMedium(level, options.simplify, options.largest), resampled(signal, grid), (grid,), name="surface"
    )


def _image_view(
    signal: SignalConfig,
    grids: Sequence[Grid],
    shape: tuple[int, ...],
    combine: Callable[[list[Values]], Values],
    name: str,
) -> View:
    """View whose image `combine` makes of the samples at all grids, each with shape (rows, x, channels)."""
    image = replace(signal, axes=IMAGE.axes, shape=shape, medium=IMAGE.name, spacing=(), metadata={}, sha256="")

    def whole(grids: Iterable[Bands]) -> Bands:
        yield combine([np.concatenate(list(bands)) for bands in grids])

    return View(IMAGE, image, tuple(grids), whole, name)


def _plane(axis: int) -> tuple[int, int]:
    """Axes of the rows and of the columns of an image across an axis."""
    rows, columns = (each for each in range(3) if each != axis)
    return rows, columns


def _natural_plane(signal: SignalConfig, region: Region | None, axis: int) -> tuple[float, float]:
    """Height and width of an image across an axis, in pixels as small as the shortest side of a voxel."""
    lengths, extents = _lengths(signal), (region or WHOLE).extent[::-1]
    zoom = 1 / max(extents)
    height, width = (lengths[i] * extents[i] * zoom for i in _plane(axis))
    return height, width


def _lengths(signal: SignalConfig) -> tuple[float, ...]:
    """Length of each axis, in pixels as small as the shortest side of a voxel."""
    spacing = signal.spacing or (1.0, 1.0, 1.0)
    return tuple(length * step / min(spacing) for length, step in zip(signal.shape, spacing, strict=True))


def _image_shape(signal: SignalConfig, options: ViewOptions, region: Region | None, axis: int) -> tuple[int, ...]:
    return IMAGE.parse_size(options.size or "100%", _natural_plane(signal, region, axis))


def _slice_grid(region: Region | None, axis: int, place: float, shape: Sequence[int]) -> Grid:
    part, at = region or WHOLE, 2 - axis  # in coordinate order
    origin, extent = list(part.origin), list(part.extent)
    origin[at], extent[at] = min(max(place - THIN / 2, 0.0), 1 - THIN), THIN
    return Grid((*shape[:axis], 1, *shape[axis:]), Region(tuple(origin), tuple(extent)))


def scene(signal: SignalConfig) -> Scene:
    """The planes across z, y and x, in pixels as small as the shortest side of a voxel."""
    planes = []
    for axis, name in enumerate(AXES):
        rows, columns = _plane(axis)
        planes.append(Plane(rows, columns, name, _is_flipped(signal, axis)))
    return Scene(tuple(planes), _lengths(signal))


def _is_flipped(signal: SignalConfig, axis: int) -> bool:
    """Whether an image across an axis has its first row at the bottom: coordinates in the world grow upwards."""
    return points_up(signal)[2 - _plane(axis)[0]]


def _upright(signal: SignalConfig, axis: int, image: Values) -> Values:
    """Image across an axis with its rows as scans are shown."""
    return image[::-1] if _is_flipped(signal, axis) else image


def _side_by_side(images: Sequence[Values], size: tuple[int, ...]) -> Values:
    """Images on a background of that size, in the middle of its height."""
    whole = np.zeros((*size, images[0].shape[-1]), images[0].dtype)
    left = max(0, (size[1] - sum(image.shape[1] for image in images) - 2 * GAP) // 2)
    for image in images:
        top = (size[0] - image.shape[0]) // 2
        whole[top : top + image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + GAP
    return whole
