"""Solids: where a closed mesh is filled, by the winding number of its surface along vertical lines.

A line through a triangle's projection crosses it. Each edge is tested in one direction, whichever triangle asks, so
that a line through an edge or a vertex that triangles share crosses just one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fftool.media.shape.surface import Mesh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PAIRS = 2**22  # of triangles and lines, tested at once
LINES = 16  # through each voxel: a plane across x or y is placed to a 16th of it, and one across z exactly


@dataclass(frozen=True)
class Box:
    """A grid of cubes: their number along x, y and z, the length of their edge, and the lowest corner of the grid."""

    shape: tuple[int, int, int]
    edge: float
    corner: Floats

    @property
    def sides(self) -> Floats:
        return np.array(self.shape) * self.edge


def surrounding_box(mesh: Mesh, longest: int, margin: int) -> Box:
    """Box around a mesh with a margin, in cubes, on all sides, and so many along the longest one."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    edge = float((high - low).max()) / (longest - 2 * margin)
    shape = tuple(ceil(length / edge - 1e-9) + 2 * margin for length in high - low)
    return Box((shape[0], shape[1], shape[2]), edge, (low + high) / 2 - np.array(shape) * edge / 2)


def coverage(mesh: Mesh, box: Box) -> Floats:
    """Part of each cube that is inside a closed mesh, with shape (z, y, x), from 0 to 1."""
    width, height, depth = box.shape
    solid = _Solid(Mesh((mesh.vertices - box.corner) / box.edge, mesh.faces))
    full, part = np.zeros((2, height * width, depth + 1))
    for i in range(LINES):
        x, y = (i + 0.5) / LINES, ((7 * i) % LINES + 0.5) / LINES
        line, z, sign = solid.crossings_of_grid(x, y, width, height)
        entering, leaving = _changes(line, sign)
        for index, factor in ((entering, -1), (leaving, 1)):
            below = np.clip(z[index], 0, depth)
            whole = below.astype(np.int64)
            np.add.at(full, (line[index], whole), factor)
            np.add.at(part, (line[index], whole), factor * (below - whole))
    # A surface at z adds to all cubes below it, and in part to its own.
    beneath = np.cumsum(full[:, ::-1], axis=1)[:, ::-1] - full
    filled: Floats = ((beneath + part)[:, :depth] / LINES).reshape(height, width, depth)
    return np.clip(filled, 0, 1).transpose(2, 0, 1)


def contains(mesh: Mesh, points: Floats) -> NDArray[np.bool_]:
    """Whether points with shape (n, 3) are inside a closed mesh."""
    inside: NDArray[np.bool_] = _Solid(mesh).winding(points) != 0
    return inside


def surface_points(mesh: Mesh, count: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Points that lie evenly on the surface of a mesh, and its normals there, both with shape (count, 3)."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1)
    faces = generator.choice(len(areas), count, p=areas / areas.sum())
    u, v = np.sort(generator.random((2, count)), axis=0)[..., None]
    points: Floats = a[faces] * u + b[faces] * (v - u) + c[faces] * (1 - v)
    return points, normals[faces] / areas[faces, None]


def _changes(line: Ints, sign: Ints) -> tuple[Ints, Ints]:
    """Crossings, in the order of lines and of z along each, where a line enters the solid, and where it leaves it."""
    winding = np.cumsum(sign)
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    before_line = np.repeat(winding[starts] - sign[starts], np.diff(starts, append=len(line)))
    after = winding - before_line
    before = after - sign
    return np.flatnonzero((before == 0) & (after != 0)), np.flatnonzero((before != 0) & (after == 0))


class _Solid:
    """Triangles of a mesh, as vertical lines see them."""

    def __init__(self, mesh: Mesh) -> None:
        faces = mesh.faces
        self.corners = mesh.vertices[faces]  # (n, 3, 3)
        (ax, ay), (bx, by), (cx, cy) = (self.corners[:, i, :2].T for i in range(3))
        self.area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        self.order = [
            faces[:, i] < faces[:, (i + 1) % 3] for i in range(3)
        ]  # of each edge, the same for both triangles
        self.low, self.high = self.corners[..., :2].min(axis=1), self.corners[..., :2].max(axis=1)

    def crossings_of_grid(self, x: float, y: float, width: int, height: int) -> tuple[Ints, Floats, Ints]:
        """Lines at (i + x, j + y): number j · width + i of the line, z, and direction of each crossing, in their order.

        The direction is 1 where the surface faces down, and a line that goes up enters.
        """
        offset, most = np.array([x, y]), np.array([width, height]) - 1
        first = np.clip(np.ceil(self.low - offset), 0, most + 1).astype(np.int64)
        last = np.clip(np.floor(self.high - offset), -1, most).astype(np.int64)
        sizes = np.maximum(last - first + 1, 0)
        found = []
        for faces, nth in _expanded(sizes[:, 0] * sizes[:, 1]):
            i = first[faces, 0] + nth % sizes[faces, 0]
            j = first[faces, 1] + nth // sizes[faces, 0]
            hit = self._is_hit(faces, i + x, j + y)
            faces, i, j = faces[hit], i[hit], j[hit]
            found.append((j * width + i, self._height(faces, i + x, j + y), np.where(self.area[faces] < 0, 1, -1)))
        line, z, sign = (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else _nothing()
        order = np.lexsort((z, line))
        return line[order], z[order], sign[order]

    def winding(self, points: Floats) -> Ints:
        """How often the surface winds around each point."""
        faces_of, starts, low, scale, side = self.cells
        cell = np.clip(((points[:, :2] - low) * scale).astype(np.int64), 0, side - 1)
        number = cell[:, 1] * side + cell[:, 0]
        winding = np.zeros(len(points), np.int64)
        for index, nth in _expanded(starts[number + 1] - starts[number]):
            faces = faces_of[starts[number[index]] + nth]
            x, y, z = points[index].T
            hit = self._is_hit(faces, x, y)
            hit[hit] = self._height(faces[hit], x[hit], y[hit]) < z[hit]
            np.add.at(winding, index[hit], np.where(self.area[faces[hit]] < 0, 1, -1))
        return winding

    @cached_property
    def cells(self) -> tuple[Ints, Ints, Floats, Floats, int]:
        """Triangles by the squares of a grid over x and y, one square after the other, and where each square begins."""
        side = int(np.clip(np.sqrt(len(self.area)), 1, 512))
        low = self.low.min(axis=0)
        scale = side / np.maximum(self.high.max(axis=0) - low, 1e-300)
        first, last = (np.clip(((at - low) * scale).astype(np.int64), 0, side - 1) for at in (self.low, self.high))
        sizes = last - first + 1
        pairs = []
        for faces, nth in _expanded(sizes[:, 0] * sizes[:, 1]):
            i, j = first[faces, 0] + nth % sizes[faces, 0], first[faces, 1] + nth // sizes[faces, 0]
            pairs.append((j * side + i, faces))
        cells, faces = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        order = np.argsort(cells, kind="stable")
        starts = np.searchsorted(cells[order], np.arange(side * side + 1))
        return faces[order], starts, low, scale, side

    def _is_hit(self, faces: Ints, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Whether the line at (x, y) crosses each of those triangles."""
        corners = self.corners[faces]
        inside: NDArray[np.bool_] = self.area[faces] != 0
        is_left = self.area[faces] > 0
        for i in range(3):
            a, b = corners[:, i], corners[:, (i + 1) % 3]
            forward = self.order[i][faces]
            first, second = np.where(forward[:, None], a, b), np.where(forward[:, None], b, a)
            cross = (second[:, 0] - first[:, 0]) * (y - first[:, 1]) - (second[:, 1] - first[:, 1]) * (x - first[:, 0])
            inside &= ((cross >= 0) == forward) == is_left
        return inside

    def _height(self, faces: Ints, x: Floats, y: Floats) -> Floats:
        """Z of those triangles at (x, y)."""
        a, b, c = (self.corners[faces, i] for i in range(3))
        v = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / self.area[faces]
        w = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])) / self.area[faces]
        height: Floats = a[:, 2] + v * (b[:, 2] - a[:, 2]) + w * (c[:, 2] - a[:, 2])
        return height


def _expanded(counts: Ints) -> Iterator[tuple[Ints, Ints]]:
    """For each index, as many pairs as it counts, of the index and a number from 0; up to about PAIRS at once."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PAIRS, side="right")))
        part = counts[start:stop]
        index = np.repeat(np.arange(start, stop), part)
        yield index, np.arange(len(index)) - np.repeat(np.cumsum(part) - part, part)
        start = stop


def _nothing() -> tuple[Ints, Floats, Ints]:
    return np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
