"""Surfaces of samples on a grid, as meshes of triangles."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fftool.config import SignalConfig
from fftool.errors import FormatError, FormatPackageError, SettingError, UnsupportedFileError
from fftool.files import replacing
from fftool.interrupts import uninterrupted
from fftool.media.base import Bands, Format, Medium
from fftool.media.volume.geometry import Affine, world_map
from fftool.signal import Samples, Signal, assemble

PACKAGE, SIMPLIFICATION, EXTRA = "trimesh", "fast_simplification", "mesh"
PACKAGES = {PACKAGE: PACKAGE, SIMPLIFICATION: "fast-simplification"}  # by the module that they have


@dataclass(frozen=True, kw_only=True)
class MeshFormat(Format):
    """A format of meshes, made from the values of a network as they are."""

    bits: tuple[int, ...] = (32,)

    def check(self, shape: tuple[int, ...], bits: int, quality: int | None = None) -> None:
        """Raise FormatError if no mesh can be made of samples with that shape (z, y, x, channels)."""
        super().check(shape, bits, quality)
        if shape[-1] > 1:
            raise FormatError("channels", f"a surface is that of one channel, not of {shape[-1]}")
        for module, package in PACKAGES.items():
            if find_spec(module) is None:
                raise FormatPackageError(f"{self.name} takes the package {package} to write", package, EXTRA)


FORMATS = (
    MeshFormat(name="GLB", suffixes=(".glb",)),
    MeshFormat(name="STL", suffixes=(".stl",)),
    MeshFormat(name="PLY", suffixes=(".ply",)),
    MeshFormat(name="OBJ", suffixes=(".obj",)),
)


@dataclass(frozen=True)
class Mesh:
    """Triangles with their outer sides to the front. `vertices` has shape (n, 3), x, y, z; `faces` has shape (m, 3)."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]


class SurfaceMedium(Medium):
    """Surfaces at a level of one channel, a number between 0 and 1. They are written, and not read."""

    name = "surface"
    axes = ("z", "y", "x")
    formats = FORMATS
    noun = "surface"
    unit = short_unit = "voxels"

    def __init__(self, level: float, simplify: float | None = None, largest: bool = False) -> None:
        """Keep a fraction of the triangles, and only the largest piece, if asked for."""
        self.level, self.simplify, self.largest = level, simplify, largest

    def recognizes(self, path: Path, start: bytes) -> bool:
        return False

    def read(self, path: Path) -> Signal:
        """Raise UnsupportedFileError."""
        raise UnsupportedFileError(path, "is a mesh, which is not read")

    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Bands,
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        """Write the surface of float32 samples with that shape (z, y, x, 1). Raises FormatError and SettingError."""
        self.format_of(path).check(shape, 32, quality)
        data = _encoded(self._mesh(assemble(bands, shape, 32), signal), path.suffix.lower().removeprefix("."))
        with replacing(path) as file:
            file.write(data)

    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        """Write the surface of float32 samples with shape (z, y, x, 1) as a GLB to an open file."""
        file.write(_encoded(self._mesh(samples, signal), "glb"))

    def _mesh(self, samples: NDArray[Any], signal: SignalConfig | None) -> Mesh:
        mesh = isosurface(samples[..., 0], self.level, world_map(signal))
        mesh = largest_piece(mesh) if self.largest else mesh
        return simplified(mesh, self.simplify) if self.simplify else mesh


def isosurface(values: NDArray[Any], level: float, affine: Affine) -> Mesh:
    """The surface around what is above a level, closed at the sides of the box, by scikit-image's marching cubes.

    Args:
        values: shape (z, y, x), from 0 to 1.
        level: the value on the surface.
        affine: of shape (4, 4): a map from an index (x, y, z, 1) to coordinates in the world.

    Raises:
        SettingError: if nothing is above the level, or everything is no lower.

    """
    with uninterrupted():
        from skimage.measure import marching_cubes

    if not values.max() > level:
        raise SettingError("isosurface", level, f"a level below {values.max():g}, the highest value of the rendering")
    vertices, faces, *_ = marching_cubes(_closed(values, level), level)
    indices = vertices[:, ::-1].astype(np.float64) - 1
    world = indices @ affine[:3, :3].T + affine[:3, 3]
    is_mirrored = np.linalg.det(affine[:3, :3]) < 0
    return Mesh(world, faces[:, ::-1] if is_mirrored else faces)


def largest_piece(mesh: Mesh) -> Mesh:
    """The connected part of a mesh with the most triangles."""
    with uninterrupted():
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([mesh.faces[:, :2], mesh.faces[:, 1:]])
    graph = coo_array((np.ones(len(edges), bool), tuple(edges.T)), shape=(len(mesh.vertices),) * 2)
    pieces = connected_components(graph, directed=False)[1][mesh.faces[:, 0]]
    faces = mesh.faces[pieces == np.bincount(pieces).argmax()]
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(mesh.vertices[used], renumbered.reshape(-1, 3))


def simplified(mesh: Mesh, fraction: float) -> Mesh:
    """A mesh with about that fraction of the triangles, by quadric edge collapse (Garland and Heckbert, 1997)."""
    simplify = import_module(SIMPLIFICATION).simplify
    vertices, faces = simplify(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), 1 - fraction)
    return Mesh(np.asarray(vertices, np.float64), np.asarray(faces, np.int64))


def _closed(values: NDArray[Any], level: float) -> NDArray[np.float32]:
    """Values with one more on each side, such that the surface crosses halfway to it: at the side of the box."""
    padded = np.pad(np.asarray(values, np.float32), 1, mode="edge")
    for axis in range(3):
        for side in (0, -1):
            face = np.moveaxis(padded, axis, 0)[side]
            np.minimum(face, 2 * np.float32(level) - face, out=face)
    return padded


def _encoded(mesh: Mesh, kind: str) -> bytes:
    with uninterrupted():
        import trimesh

    data: Any = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(file_type=kind)
    return data.encode() if isinstance(data, str) else bytes(data)
