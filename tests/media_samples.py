"""A toy medium with one axis: samples over x in `.npy` files. An example of everything that a medium needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fftool.config import SignalConfig
from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.files import replacing, source_name
from fftool.media.base import Format, Medium, Preview
from fftool.pipes import content
from fftool.signal import DTYPES, Samples, Signal, assemble

MAGIC = b"\x93NUMPY"


class SamplesMedium(Medium):
    """Samples with shape (n, channels), or (n,) for one channel."""

    name = "samples"
    axes = ("x",)
    formats = (Format(name="NPY", suffixes=(".npy",), bits=(8, 16)),)

    def recognizes(self, path: Path, start: bytes) -> bool:
        return start.startswith(MAGIC)

    def read(self, path: Path) -> Signal:
        try:
            samples = np.load(content(path), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise DamagedFileError(path, f"damaged: {error}") from error
        samples = samples[:, None] if samples.ndim == 1 else samples
        if samples.ndim != 2 or samples.dtype not in DTYPES.values():
            raise UnsupportedFileError(
                path, f"samples are {samples.dtype} with shape {samples.shape}, expected uint8 or uint16 over one axis"
            )
        return Signal(samples, axes=self.axes, source=source_name(path), medium=self.name)

    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Iterator[Samples],
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        first = next(bands)  # one row is all of it
        self.format_of(path).check(shape, 8 * first.dtype.itemsize, quality)
        with replacing(path) as file:
            self.encode(file, assemble([first], shape, 8 * first.dtype.itemsize))

    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        np.save(file, samples)

    def previews(self, samples: Samples) -> list[Preview]:
        """A strip as wide as the signal is long, an eighth as high."""
        return [Preview(np.repeat(samples[None], max(1, len(samples) // 8), axis=0))]
