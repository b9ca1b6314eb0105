"""The files of one signal, and its medium."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fftool import media
from fftool.interrupts import uninterrupted

if TYPE_CHECKING:
    from fftool.media.base import Medium
    from fftool.signal import Signal


@dataclass(frozen=True)
class SignalSource:
    """Files of one signal: one, or the parts of a series. `kind` is the name of its medium, if it was given."""

    files: tuple[Path, ...]
    kind: str | None = None

    @property
    def path(self) -> Path:
        """Path that stands for the files: that of a file, or the folder of a series."""
        return self.files[0] if len(self.files) == 1 else self.files[0].parent

    @cached_property
    def medium(self) -> Medium:
        """The medium of the signal. Raises ReadError."""
        with uninterrupted():
            return media.get(self.kind) if self.kind else media.recognize(self.files[0])

    def read(self) -> Signal:
        """The signal. Raises MediaError and ReadError."""
        return self.medium.read(self.files[0]) if len(self.files) == 1 else self.medium.read_series(self.files)

    def open(self) -> Signal:
        """The signal, which stays in its file if that is too large. Raises MediaError and ReadError."""
        return self.medium.open(self.files[0]) if len(self.files) == 1 else self.read()
