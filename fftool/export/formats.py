"""Formats of exported networks, by the suffix of their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fftool.config import Config
from fftool.errors import FormatError
from fftool.export.glsl import check_glsl, write_glsl
from fftool.export.npz import write_npz
from fftool.export.onnx import check_onnx, write_onnx

if TYPE_CHECKING:
    from fftool.models.network import CoordinateMLP


def _holds_all(config: Config) -> None:
    pass


@dataclass(frozen=True)
class ExportFormat:
    """A format: `check` raises ExportError for a network that it cannot hold, and FormatPackageError."""

    write: Callable[[Path, CoordinateMLP], None]
    check: Callable[[Config], None] = _holds_all


FORMATS = {
    ".onnx": ExportFormat(write_onnx, check_onnx),
    ".glsl": ExportFormat(write_glsl, check_glsl),
    ".npz": ExportFormat(write_npz),
}


def format_of(path: Path) -> ExportFormat:
    """Format that a path's suffix names. Raises FormatError if it names none."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise FormatError("suffix", f"{path}: no suffix of a format for export: expected one of {', '.join(FORMATS)}")
    return FORMATS[suffix]
