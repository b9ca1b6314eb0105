"""The shape medium: closed meshes to occupancy on a grid with axes ("z", "y", "x"), and samples to meshes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fftool.config import SignalConfig, ViewOptions
from fftool.files import check_readable, source_name
from fftool.interrupts import uninterrupted
from fftool.media.base import Bands, View
from fftool.media.shape.surface import FORMATS, SurfaceMedium
from fftool.media.volume.geometry import to_metadata
from fftool.media.volume.medium import SLICES, VolumeMedium
from fftool.occupancy import TestPoints
from fftool.signal import Samples, Signal

LONGEST, BOX_MARGIN = 128, 4  # cubes of the grid along the longest side, and around the shape
LEVEL = 0.5  # of the surface
N_POINTS = 2**17  # that test a network, half of them near the surface
NEAR = 0.01  # standard deviation of their distance from the surface, in longest sides (Tancik et al., 2020)


class ShapeMedium(VolumeMedium):
    """Solids, by the part of each cube of a grid that is inside. Surfaces are where half of it is."""

    name = "shape"
    formats = FORMATS
    noun = "shape"
    simple_format = "STL or PLY of a closed surface"
    reduction = "simplify it first, in Blender or MeshLab"

    def recognizes(self, path: Path, start: bytes) -> bool:
        with uninterrupted():
            from fftool.media.shape.reading import file_type

        return bool(file_type(path, start))

    def read(self, path: Path) -> Signal:
        """The solid in a closed mesh, with points to test a network by. Raises ReadError and MediaError."""
        with uninterrupted():
            from fftool.media.shape import solid
            from fftool.media.shape.reading import read_mesh

        check_readable(path)
        mesh = read_mesh(path)
        box = solid.surrounding_box(mesh, LONGEST, BOX_MARGIN)
        samples = np.rint(255 * solid.coverage(mesh, box)).astype(np.uint8)
        generator = np.random.default_rng(0)
        uniform = box.corner + generator.random((N_POINTS // 2, 3)) * box.sides
        surface, normals = solid.surface_points(mesh, N_POINTS // 2, generator)
        near = surface + normals * generator.normal(0, NEAR * box.sides.max(), (N_POINTS // 2, 1))
        points = np.concatenate([uniform, near])
        affine = np.diag([box.edge, box.edge, box.edge, 1.0])
        affine[:3, 3] = box.corner + box.edge / 2
        return Signal(
            samples[..., np.newaxis],
            axes=self.axes,
            source=source_name(path),
            medium=self.name,
            spacing=(box.edge,) * 3,
            metadata=to_metadata(affine),
            test_points=TestPoints(
                coordinates=((points - box.corner) / box.sides).clip(0, 1).astype(np.float32),
                inside=solid.contains(mesh, points),
                near=np.arange(N_POINTS) >= N_POINTS // 2,
            ),
        )

    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Bands,
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        """Write the surface of samples with that shape (z, y, x, 1) as a mesh. Raises FormatError and WriteError."""
        SurfaceMedium(LEVEL).write(path, shape, bands, signal=signal, quality=quality)

    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        """Write the surface of samples with shape (z, y, x, 1) as a GLB to an open file."""
        SurfaceMedium(LEVEL).encode(file, samples, signal=signal)

    def view(self, signal: SignalConfig, options: ViewOptions) -> View:
        """What those options draw: a mesh, or an image of a slice, of planes or of a projection."""
        if not any(name in SLICES for name in options.given):
            options = replace(options, isosurface=LEVEL)
        return super().view(signal, options)
