"""PSNR and SSIM of signals as they are saved, and both with held-out samples apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fftool.config import exact_figures
from fftool.errors import SignalError
from fftool.interrupts import uninterrupted
from fftool.signal import Samples, as_samples

if TYPE_CHECKING:
    from torch import Tensor

    from fftool.holdout import Split

SSIM_WINDOW = 7  # samples along each axis: scikit-image's default
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
    return _decibels(_squared_error(rows, rendered, index), count * rows.shape[-1], rows.dtype)


def _squared_error(rows: Samples, rendered: Samples, index: Tensor | None = None) -> int:
    """Exact sum of the squared differences of two arrays with shape (n, channels), at an index if there is one."""
    total = 0
    for start in range(0, len(rows) if index is None else len(index), CHUNK):
        part = slice(start, start + CHUNK)
        chosen = part if index is None else index[part].numpy()
        difference = rows[chosen].astype(np.int64) - rendered[chosen]
        total += int(np.vdot(difference, difference))
    return total


def _decibels(squared_error: int, n_values: int, dtype: np.dtype[Any]) -> float:
    """PSNR in dB of so many values with that sum of squared errors."""
    peak = int(np.iinfo(dtype).max)
    return 10 * math.log10(peak**2 * n_values / squared_error) if squared_error else math.inf


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
    return sum(_plane_ssim(*pair) for pair in zip(planes, rendered, strict=True)) / len(planes)


def _plane_ssim(reference: Samples, samples: Samples) -> float:
    """SSIM of two arrays with shape (y, x, channels), some rows at a time."""
    windows = len(reference) - SSIM_WINDOW + 1  # along y
    rows = max(1, CHUNK // reference.shape[1])
    total = 0.0
    for start in range(0, windows, rows):
        count = min(rows, windows - start)
        band = slice(start, start + count + SSIM_WINDOW - 1)  # that many windows fit into it
        total += count * _band_ssim(reference[band], samples[band])
    return total / windows


def _band_ssim(reference: NDArray[Any], samples: NDArray[Any]) -> float:
    """The same at once, in memory that grows with the arrays."""
    with uninterrupted():
        from skimage.metrics import structural_similarity

    peak = np.iinfo(reference.dtype).max
    mean = structural_similarity(reference, samples, win_size=SSIM_WINDOW, data_range=peak, channel_axis=-1)
    return float(mean)


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


def compare_bands(bands: Iterable[tuple[Samples, Samples]], plane_rows: int) -> Quality:
    """Quality of samples that come in bands, each beside its reference: both with shape (rows, x, channels).

    Planes of so many rows follow each other, and a band may have rows of several.
    """
    total, n_values, structure = 0, 0, _BandedSSIM(plane_rows)
    for reference, samples in bands:
        reference, samples = _alike(reference, samples, "y", "x", "channels")
        channels = reference.shape[-1]
        total += _squared_error(reference.reshape(-1, channels), samples.reshape(-1, channels))
        n_values += reference.size
        structure.add(reference, samples)
    return Quality(psnr=_decibels(total, n_values, reference.dtype), ssim=structure.mean)


class _BandedSSIM:
    """SSIM as `ssim` computes it, of planes whose rows come in bands."""

    def __init__(self, plane_rows: int) -> None:
        self.plane_rows, self.row = plane_rows, 0  # rows of this plane so far
        self.kept: list[NDArray[Any]] = []  # reference and samples whose windows are not complete
        self.total, self.windows = 0.0, 0

    @property
    def mean(self) -> float | None:
        return self.total / self.windows if self.windows else None

    def add(self, reference: Samples, samples: Samples) -> None:
        """Add rows of both."""
        if min(self.plane_rows, reference.shape[1]) < SSIM_WINDOW:
            return
        start = 0
        while start < len(reference):
            rows = slice(start, start + min(self.plane_rows - self.row, len(reference) - start))
            bands: list[NDArray[Any]] = [each[rows] for each in (reference, samples)]
            self.kept = [np.concatenate(pair) for pair in zip(self.kept, bands, strict=True)] if self.kept else bands
            self.row, start = self.row + len(bands[0]), rows.stop
            is_over = self.row == self.plane_rows
            windows = len(self.kept[0]) - SSIM_WINDOW + 1
            if windows > 0 and (is_over or windows * reference.shape[1] >= CHUNK):
                self.total += windows * _band_ssim(*self.kept)
                self.windows += windows
                self.kept = [each[windows:] for each in self.kept]
            if is_over:
                self.kept, self.row = [], 0
