"""PSNR and SSIM of pictures as they are saved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fftool.signal import Samples

if TYPE_CHECKING:
    from torch import Tensor

    from fftool.holdout import Split

SSIM_WINDOW = 7  # samples along each axis: scikit-image's default
CHUNK = 2**18  # cells compared at once, so that memory does not grow with the picture


def psnr(reference: Samples, samples: Samples, cells: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB, over all channels, of two arrays with shape (…, channels) and one dtype.

    The peak is the dtype's: 255 or 65535. Equal arrays give infinity. It is scikit-image's figure, from an exact sum of
    squares, without float64 copies of both arrays. `cells` are the row-major numbers of those to compare, else all.
    """
    rows, drawn = (array.reshape(-1, array.shape[-1]) for array in (reference, samples))
    count = len(rows) if cells is None else len(cells)
    total = 0
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        chosen = part if cells is None else cells[part].numpy()
        difference = rows[chosen].astype(np.int64) - drawn[chosen]
        total += int(np.vdot(difference, difference))
    peak = np.iinfo(reference.dtype).max
    return 10 * math.log10(peak**2 * count * rows.shape[-1] / total) if total else math.inf


def ssim(reference: Samples, samples: Samples) -> float | None:
    """Structural similarity (Wang et al., 2004), at most 1, of two arrays with shape (…, y, x, channels).

    The mean over channels and over 7-wide windows, by scikit-image; None where an axis is shorter than the window.
    """
    from skimage.metrics import structural_similarity

    if min(reference.shape[:-1]) < SSIM_WINDOW:
        return None
    windows = len(reference) - SSIM_WINDOW + 1  # along the first axis
    rows = max(1, CHUNK // math.prod(reference.shape[1:-1]))
    total = 0.0
    for start in range(0, windows, rows):
        count = min(rows, windows - start)
        band = slice(start, start + count + SSIM_WINDOW - 1)  # that many windows fit into it
        mean = structural_similarity(
            reference[band],
            samples[band],
            win_size=SSIM_WINDOW,
            data_range=np.iinfo(reference.dtype).max,
            channel_axis=-1,
        )
        total += count * float(mean)
    return total / windows


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How near a picture is to its source. PSNR is in dB, and infinite where the two are equal.

    Where cells were held out, `holdout_psnr` is theirs, and the other two are those of the trained cells alone; `ssim`
    is None unless these form a grid large enough for its window.
    """

    psnr: float
    ssim: float | None
    holdout_psnr: float | None = None


def measure(reference: Samples, samples: Samples, split: Split | None = None) -> Quality:
    """Compare two arrays with shape (…, y, x, channels), with held-out cells apart from all others."""
    if split is None:
        return Quality(psnr=psnr(reference, samples), ssim=ssim(reference, samples))
    return Quality(
        psnr=psnr(reference, samples, split.train),
        ssim=None if split.grid is None else ssim(reference[split.grid], samples[split.grid]),
        holdout_psnr=psnr(reference, samples, split.test),
    )


def finite(decibels: float | None) -> float | None:
    """As JSON can hold it: None for the infinite PSNR of an exact picture."""
    return None if decibels is None or math.isinf(decibels) else decibels


def decibels(psnr: float | None) -> str:
    """A PSNR as people read it; None, as in JSON, is that of an exact picture."""
    return "exact" if finite(psnr) is None else f"{psnr:.2f} dB"
