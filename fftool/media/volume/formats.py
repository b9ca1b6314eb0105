"""File formats of volumes. Each is read and written by a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from fftool.errors import FormatError, FormatPackageError
from fftool.interrupts import uninterrupted
from fftool.media.base import Format
from fftool.media.image.formats import TIFF_SIGNATURES

EXTRA = "volume"  # of fftool, which has the packages below


@dataclass(frozen=True, kw_only=True)
class VolumeFormat(Format):
    """A format of volumes with one channel.

    Its module has `recognizes(path, start)`, `decode(path)` and `encode(file, volume, suffix)`. `held_as` names the
    types that it can only hold as another one, or not at all if that is empty.
    """

    module: str
    signatures: tuple[bytes, ...] = (b"",)  # with which a file may begin
    bits: tuple[int, ...] = (8, 16, 32)
    package: str = ""  # that reads and writes it, where not every installation has it
    held_as: Mapping[str, str] = field(default_factory=dict)

    @property
    def codec(self) -> ModuleType:
        with uninterrupted():
            return import_module(f"fftool.media.volume.{self.module}")

    def recognizes(self, path: Path, start: bytes) -> bool:
        """Whether a file, given by its path and its first 16 bytes, is of this format."""
        return start.startswith(self.signatures) and bool(self.codec.recognizes(path, start))

    def check(self, shape: tuple[int, ...], bits: int, quality: int | None = None) -> None:
        """Raise FormatError if the format cannot hold a volume with that shape (z, y, x, channels)."""
        super().check(shape, bits, quality)
        if shape[-1] > 1:
            raise FormatError("channels", f"volumes have one channel, not {shape[-1]}")
        if self.package and find_spec(self.package) is None:
            package = PACKAGES[self.package]
            raise FormatPackageError(f"{self.name} takes the package {package} to write", package, EXTRA)

    def dtype(self, dtype: str) -> str:
        """Type that holds values of a type without loss. Raises FormatError if there is none."""
        if not (held := self.held_as.get(dtype, dtype)):
            raise FormatError("values", f"{self.name} holds no values of type {dtype}")
        return held


PACKAGES = {"nibabel": "nibabel", "nrrd": "pynrrd", "mrcfile": "mrcfile"}  # by the module that they have
TIFF = VolumeFormat(name="TIFF", suffixes=(".tif", ".tiff"), module="tiff", signatures=TIFF_SIGNATURES)
FORMATS = (
    TIFF,
    VolumeFormat(name="NumPy", suffixes=(".npy",), module="npy", signatures=(b"\x93NUMPY",)),
    VolumeFormat(
        name="NIfTI",
        suffixes=(".nii.gz", ".nii"),
        module="nifti",
        signatures=(b"\x1f\x8b", *(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))),
        package="nibabel",
        held_as={"float16": "float32"},
    ),
    VolumeFormat(
        name="NRRD",
        suffixes=(".nrrd",),
        module="nrrd",
        signatures=(b"NRRD000",),
        package="nrrd",
        held_as={"float16": "float32"},
    ),
    VolumeFormat(
        name="MRC",
        suffixes=(".mrc", ".map", ".ccp4", ".rec"),
        module="mrc",
        package="mrcfile",
        held_as={"uint8": "uint16", "float64": "", "int32": "", "uint32": ""},
    ),
)  # fmt: skip
