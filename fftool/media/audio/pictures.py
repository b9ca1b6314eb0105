"""Pictures of a sound for figures: its waveform and its spectrogram, one above the other for each channel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from fftool.signal import Samples

WIDTH, HEIGHT = 512, 192  # pixels, of each channel
MAX_CHANNELS = 4  # that are drawn
RANGE = 80.0  # dB from a sine of full scale down to black
MAX_WINDOW = 512  # samples in a spectrum
FLOOR = 1e-6  # of a magnitude


def waveform(samples: Samples) -> Samples:
    """Grey image of samples with shape (samples, channels), from the lowest to the highest in each column."""
    return _stacked(samples, _waveform)


def spectrogram(samples: Samples) -> Samples:
    """Grey image of samples with shape (samples, channels), high frequencies above, loud ones white."""
    return _stacked(samples, _spectrogram)


def _stacked(samples: Samples, draw: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Samples:
    values = samples[:, :MAX_CHANNELS] / np.iinfo(samples.dtype).max * 2 - 1
    image = np.concatenate([draw(channel) for channel in values.T])
    pixels: Samples = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)[..., np.newaxis]
    return pixels


def _waveform(values: NDArray[np.float64]) -> NDArray[np.float64]:
    starts = np.arange(WIDTH) * len(values) // WIDTH
    low, high = (reduce.reduceat(values, starts) for reduce in (np.minimum, np.maximum))
    edges = np.linspace(1, -1, HEIGHT + 1)[:, np.newaxis]
    line = 1 / HEIGHT  # half of a row, so that silence is a line too
    covered = np.minimum(high + line, edges[:-1]) - np.maximum(low - line, edges[1:])
    return 1 - np.clip(covered * HEIGHT / 2, 0, 1)


def _spectrogram(values: NDArray[np.float64]) -> NDArray[np.float64]:
    window = hann(min(MAX_WINDOW, len(values)), sym=False)
    transform = ShortTimeFFT(window, hop=max(1, len(values) // WIDTH), fs=1, scale_to="magnitude")
    magnitudes = 2 * np.abs(transform.stft(values - values.mean()))[::-1]  # half of it is at negative frequencies
    brightness: NDArray[np.float64] = 1 + 20 * np.log10(np.maximum(magnitudes, FLOOR)) / RANGE
    return brightness
