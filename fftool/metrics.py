"""PSNR and SSIM, by scikit-image, of pictures as they are saved."""

from __future__ import annotations

import math

import numpy as np

from fftool.signal import Samples

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
