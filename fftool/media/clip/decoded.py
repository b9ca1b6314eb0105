"""Frames of a file, decoded, and what decoders share."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fftool.errors import DamagedFileError, FFToolWarning, LargeFileError
from fftool.media.clip.timing import Timing
from fftool.signal import Samples

MAX_BYTES = 2**32  # of the samples of a clip: 1,550 frames of 1280x720


@dataclass(frozen=True)
class Frames:
    """Frames with shape (t, y, x, channels), and the constant rate that they are shown at."""

    samples: Samples
    rate: float


def check_size(path: Path, n_frames: float, width: int, height: int, bytes_per_pixel: int) -> None:
    """Raise LargeFileError for more frames than fit in memory, before they are decoded, as far as a file tells."""
    size = n_frames * width * height * bytes_per_pixel
    if size > MAX_BYTES:
        held = f"{n_frames:,.0f} frames of {width}x{height} pixels"
        raise LargeFileError(
            path, f"too large: {held} take {size / 1e9:.1f} GB, expected at most {MAX_BYTES / 1e9:.1f}"
        )


def stacked(path: Path, frames: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
    """Frames of one size, all of which fit in memory. Raises DamagedFileError and LargeFileError."""
    found: list[NDArray[Any]] = []
    for frame in frames:
        if found and frame.shape != found[0].shape:
            raise DamagedFileError(path, "damaged: the size of its frames changes")
        found.append(frame)
        height, width = frame.shape[:2]
        check_size(path, len(found), width, height, frame.nbytes // (width * height))
    if not found:
        raise DamagedFileError(path, "damaged: it has no frames")
    return found


def timed(path: Path, frames: list[NDArray[Any]], timing: Timing) -> Frames:
    """Frames at a constant rate, which takes them out of the list. Warns where theirs was not constant."""
    height, width = frames[0].shape[:2]
    check_size(path, len(timing.index), width, height, frames[0].nbytes // (width * height))
    samples: NDArray[Any] = np.empty((len(timing.index), *frames[0].shape), frames[0].dtype)
    for t, i in enumerate(timing.index):
        samples[t] = frames[i]
        if not timing.is_resampled:
            frames[i] = np.empty(0, samples.dtype)  # or there would be two of each in memory
    if timing.is_resampled:
        note(path, f"its frame rate varies, and is {timing.rate:.4g} per second here")
    return Frames(without_alpha(samples), timing.rate)


def without_alpha(samples: Samples) -> Samples:
    """The same frames without an alpha channel that is opaque everywhere."""
    if samples.shape[-1] not in (2, 4) or (samples[..., -1] < np.iinfo(samples.dtype).max).any():
        return samples
    colours: NDArray[Any] = np.ascontiguousarray(samples[..., :-1])
    return colours


def note(path: Path, text: str) -> None:
    """Warn of what a clip does not keep of its file."""
    warnings.warn(f"{path.name}: {text}", FFToolWarning, stacklevel=2)


def whole_frames(bands: Iterator[Samples], shape: tuple[int, ...]) -> Iterator[Samples]:
    """Frames with shape (y, x, channels) from bands of rows with shape (rows, x, channels)."""
    height = shape[1]
    rows: NDArray[Any] = next(bands)
    while len(rows):
        while len(rows) < height:
            rows = np.concatenate([rows, next(bands)])
        yield np.ascontiguousarray(rows[:height])
        rows = rows[height:] if len(rows) > height else next(bands, rows[:0])
