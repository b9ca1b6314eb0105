"""Meshes in files, by trimesh."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fftool.decoding import decoding
from fftool.errors import (
    DamagedFileError,
    LargeFileError,
    MissingPackageError,
    OpenMeshError,
    UnsupportedFileError,
)
from fftool.interrupts import uninterrupted
from fftool.media.shape.surface import EXTRA, PACKAGE, Mesh
from fftool.pipes import content

SUFFIXES = (".stl", ".ply", ".obj", ".glb")
SIGNATURES = {b"ply\n": "ply", b"ply\r": "ply", b"glTF": "glb"}
MAX_BYTES = 2**30


def file_type(path: Path, start: bytes) -> str:
    """Type of a mesh by the start of its file, or by its suffix; empty for other files."""
    found = SIGNATURES.get(start[:4]) or ("stl" if start.startswith(b"solid ") else "")
    return found or (path.suffix.lower()[1:] if path.suffix.lower() in SUFFIXES else "")


def read_mesh(path: Path) -> Mesh:
    """The closed surface in a file, with all parts of a scene in their places.

    Raises MissingPackageError, OpenMeshError for a surface with holes, and other MediaErrors.
    """
    try:
        with uninterrupted():
            trimesh = import_module(PACKAGE)
    except ImportError as error:
        raise MissingPackageError(
            path, f"is a mesh, which takes the package {PACKAGE} to read", PACKAGE, EXTRA
        ) from error
    source = content(path)
    if source.stat().st_size > MAX_BYTES:
        raise LargeFileError(path, f"too large: {source.stat().st_size:,} bytes, expected at most {MAX_BYTES:,}")
    with decoding(path, "the mesh"):
        with source.open("rb") as file:
            kind = file_type(path, file.read(16))
            file.seek(0)
            found: Any = trimesh.load(file, file_type=kind, force="mesh", process=True)
        _check(path, trimesh, found)
        return Mesh(np.asarray(found.vertices, np.float64), np.asarray(found.faces, np.int64))


def _check(path: Path, trimesh: Any, mesh: Any) -> None:
    if not len(getattr(mesh, "faces", ())):
        raise UnsupportedFileError(path, "has no triangles, expected a closed surface")
    if not np.isfinite(mesh.vertices).all():
        raise DamagedFileError(path, "damaged: some corners are not finite (NaN or ∞)")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.update_faces(mesh.nondegenerate_faces())
    if not mesh.is_watertight:
        counts = np.unique(mesh.edges_sorted, axis=0, return_counts=True)[1]
        raise OpenMeshError(path, int((counts != 2).sum()))
    if not mesh.is_winding_consistent:
        raise UnsupportedFileError(path, "has triangles that face in, and others that face out, expected the same")
    if not np.ptp(mesh.vertices, axis=0).all() or not abs(mesh.volume) > 0:
        raise UnsupportedFileError(path, "is flat, expected a solid with a volume")
