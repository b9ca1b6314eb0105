"""PSNR and SSIM, by scikit-image, of pictures as they are saved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fftool.signal import Samples

if TYPE_CHECKING:
    from fftool.holdout import Split

SSIM_WINDOW = 7  # samples along each axis: scikit-image's default


def psnr(reference: Samples, samples: Samples) -> float:
    """Peak signal-to-noise ratio in dB, over all channels, of two arrays of equal shape and dtype.

    The peak is the dtype's: 255 or 65535. Equal arrays give infinity.
    """
    from skimage.metrics import peak_signal_noise_ratio

    if np.array_equal(reference, samples):
        return math.inf
    return float(peak_signal_noise_ratio(reference, samples, data_range=np.iinfo(reference.dtype).max))


def ssim(reference: Samples, samples: Samples) -> float | None:
    """Structural similarity (Wang et al., 2004), at most 1, of two arrays with shape (…, y, x, channels).

    The mean over channels and over 7-wide windows; None where an axis is shorter than the window.
    """
    from skimage.metrics import structural_similarity

    if min(reference.shape[:-1]) < SSIM_WINDOW:
        return None
    peak = np.iinfo(reference.dtype).max
    return float(structural_similarity(reference, samples, win_size=SSIM_WINDOW, data_range=peak, channel_axis=-1))


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
    rows, drawn = (array.reshape(-1, array.shape[-1]) for array in (reference, samples))
    return Quality(
        psnr=psnr(rows[split.train.numpy()], drawn[split.train.numpy()]),
        ssim=None if split.grid is None else ssim(reference[split.grid], samples[split.grid]),
        holdout_psnr=psnr(rows[split.test.numpy()], drawn[split.test.numpy()]),
    )


def finite(decibels: float | None) -> float | None:
    """As JSON can hold it: None for the infinite PSNR of an exact picture."""
    return None if decibels is None or math.isinf(decibels) else decibels


def decibels(psnr: float | None) -> str:
    """A PSNR as people read it; None, as in JSON, is that of an exact picture."""
    return "exact" if finite(psnr) is None else f"{psnr:.2f} dB"
