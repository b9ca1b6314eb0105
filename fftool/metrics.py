"""PSNR and SSIM of signals as they are saved, and both with held-out samples apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from fftool.config import exact_figures
from fftool.errors import SignalError
from fftool.interrupts import uninterrupted
from fftool.signal import Samples, as_samples

if TYPE_CHECKING:
    from torch import Tensor

    from fftool.holdout import Split

SSIM_WINDOW = 7  # samples along each axis: scikit-image's default
SSIM_ROWS = 128  # of windows in a block: tall ones have fewer rows in common
CHUNK = 2**18  # samples compared at once, so that memory does not grow with the signal


def psnr(reference: Samples, samples: Samples, index: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB, over all channels, of two arrays with one shape (…, channels) and dtype.

    The peak is the dtype's: 255 or 65535. Equal arrays give infinity. It is scikit-image's figure, from an exact sum of
    squares, without float64 copies of both arrays. `index` has the row-major numbers of the samples to compare; all
    unless given. Raises SignalError if the arrays differ in shape or dtype, or hold no samples.
    """
    reference, samples = _alike(reference, samples, "…", "x", "channels")
    if index is not None and len(index) == 0:
        raise SignalError("there are no samples to compare: expected one number in the index or more")
    rows, rendered = (array.reshape(-1, array.shape[-1]) for array in (reference, samples))
    count = len(rows) if index is None else len(index)
    return _decibels(_squared_error(rows, rendered, index), count * rows.shape[-1], np.iinfo(rows.dtype).max)


def _squared_error(rows: Samples, rendered: Samples, index: Tensor | None = None) -> int:
    """Exact sum of the squared differences of two arrays with shape (n, channels), at an index if there is one."""
    total = 0
    for start in range(0, len(rows) if index is None else len(index), CHUNK):
        part = slice(start, start + CHUNK)
        chosen = part if index is None else index[part].numpy()
        difference = rows[chosen].astype(np.int64) - rendered[chosen]
        total += int(np.vdot(difference, difference))
    return total


def _decibels(squared_error: int, n_values: int, peak: int) -> float:
    """PSNR in dB of so many values with that sum of squared errors."""
    return 10 * math.log10(int(peak) ** 2 * n_values / squared_error) if squared_error else math.inf


def flat_psnr(reference: Samples) -> float:
    """PSNR in dB of the best single value for each channel of an array with shape (…, channels): their means."""
    rows = reference.reshape(-1, reference.shape[-1])
    sums, squares = (np.zeros(rows.shape[-1], np.int64) for _ in range(2))
    for start in range(0, len(rows), CHUNK):
        values = rows[start : start + CHUNK].astype(np.int64)
        sums += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    pairs = zip(sums.tolist(), squares.tolist(), strict=True)
    total = sum(len(rows) * square - each**2 for each, square in pairs)  # of squared errors, times their number
    peak = int(np.iinfo(reference.dtype).max)
    return 10 * math.log10(peak**2 * len(rows) ** 2 * rows.shape[-1] / total) if total else math.inf


def ssim(reference: Samples, samples: Samples) -> float | None:
    """Structural similarity (Wang et al., 2004), at most 1, of two arrays with one shape (…, y, x, channels) and dtype.

    The mean over channels, 7×7 windows and planes (y, x), by scikit-image: for a clip over frames, for a volume over
    slices along z. None where the planes are smaller than the window. Raises SignalError if the arrays differ in shape
    or dtype, hold no samples, or have fewer axes: grey images need one for their channel too.
    """
    reference, samples = _alike(reference, samples, "…", "y", "x", "channels")
    if min(reference.shape[-3:-1]) < SSIM_WINDOW:
        return None
    planes, rendered = (array.reshape(-1, *array.shape[-3:]) for array in (reference, samples))
    sums = [_ssim_sum(*pair) for pair in zip(planes, rendered, strict=True)]
    return sum(total / count for total, count in sums) / len(sums)


def _ssim_sum(reference: Samples, samples: Samples) -> tuple[float, int]:
    """Sum of SSIM over all windows of two arrays with shape (y, x, channels), and their number; block by block."""
    with uninterrupted():
        from skimage.metrics import structural_similarity

    rows, columns = (length - SSIM_WINDOW + 1 for length in reference.shape[:2])
    height, peak, total = min(rows, SSIM_ROWS), np.iinfo(reference.dtype).max, 0.0
    width = max(1, CHUNK // height)
    for y, x in product(range(0, rows, height), range(0, columns, width)):
        n_rows, n_columns = min(height, rows - y), min(width, columns - x)
        part = slice(y, y + n_rows + SSIM_WINDOW - 1), slice(x, x + n_columns + SSIM_WINDOW - 1)
        mean = structural_similarity(
            reference[part], samples[part], win_size=SSIM_WINDOW, data_range=peak, channel_axis=-1
        )
        total += n_rows * n_columns * float(mean)
    return total, rows * columns


def _alike(reference: Samples, samples: Samples, *axes: str) -> tuple[Samples, Samples]:
    """Two arrays as samples with those axes. Raises SignalError if they cannot be compared."""
    reference, samples = as_samples(reference, *axes), as_samples(samples, *axes)
    if (reference.shape, reference.dtype) != (samples.shape, samples.dtype):
        raise SignalError(
            f"arrays of one shape and dtype expected: {reference.shape} of {reference.dtype} "
            f"against {samples.shape} of {samples.dtype}"
        )
    return reference, samples


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Similarity of a signal to its reference. PSNR is in dB, and infinite where the two are equal.

    Where samples were held out, `holdout_psnr` is theirs, and the other two are those of the trained samples alone;
    `ssim` is None unless these form a grid with room for its window.
    """

    psnr: float
    ssim: float | None
    holdout_psnr: float | None = None
    iou: float | None = None  # of a shape, at points in all of its box
    near_iou: float | None = None  # at points near its surface

    @property
    def exact(self) -> tuple[str, ...]:
        """Names of the figures whose PSNR is infinite, which JSON cannot hold."""
        return exact_figures(psnr=self.psnr, holdout_psnr=self.holdout_psnr)


def compare(
    reference: Samples,
    samples: Samples,
    split: Split | None = None,
    ssim: Callable[[Samples, Samples], float | None] = ssim,
) -> Quality:
    """Quality of samples with shape (…, y, x, channels), with held-out samples apart from all others."""
    if split is None:
        return Quality(psnr=psnr(reference, samples), ssim=ssim(reference, samples))
    return Quality(
        psnr=psnr(reference, samples, split.train),
        ssim=None if split.grid is None else ssim(reference[split.grid], samples[split.grid]),
        holdout_psnr=psnr(reference, samples, split.test),
    )


@dataclass(frozen=True)
class Errors:
    """Sums over a part of a signal, which add up to the quality of the whole."""

    squared_error: int = 0
    n_values: int = 0
    ssim: float = 0.0  # its sum over so many windows
    windows: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.squared_error + other.squared_error,
            self.n_values + other.n_values,
            self.ssim + other.ssim,
            self.windows + other.windows,
        )

    def quality(self, bits: int) -> Quality:
        """Quality of a signal with samples of so many bits."""
        psnr = _decibels(self.squared_error, self.n_values, (1 << bits) - 1)
        return Quality(psnr=psnr, ssim=self.ssim / self.windows if self.windows else None)


def errors(reference: Samples, samples: Samples, n_rows: int) -> Errors:
    """Errors in the first rows of two arrays with shape (rows, x, channels).

    The rows behind these, up to SSIM_WINDOW - 1 in the same plane, are there for the windows that begin above them.
    """
    reference, samples = _alike(reference, samples, "y", "x", "channels")
    channels = reference.shape[-1]
    total, windows = _ssim_sum(reference, samples) if min(reference.shape[:2]) >= SSIM_WINDOW else (0.0, 0)
    return Errors(
        squared_error=_squared_error(reference[:n_rows].reshape(-1, channels), samples[:n_rows].reshape(-1, channels)),
        n_values=reference[:n_rows].size,
        ssim=total,
        windows=windows,
    )
