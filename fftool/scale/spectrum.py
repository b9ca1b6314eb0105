"""Spectra of a signal and of an encoding, as shares per octave, so that a figure can compare the two."""

from __future__ import annotations

from math import ceil, gamma, log, log2, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from fftool.config import EncodingKind
from fftool.signal import Samples

MAX_SAMPLES = 2**22  # analysed; larger signals are reduced first
BINS_PER_OCTAVE = 2

Floats = NDArray[np.float64]


def density(kind: EncodingKind, scale: float, frequency: Floats, n_axes: int) -> Floats:
    """Share of an encoding's frequencies in the octave around each given one, shape (n,).

    Args:
        kind: `gaussian` or `positional`.
        scale: the one σ of all axes, in cycles per unit length.
        frequency: lengths ‖b‖ of columns of B, shape (n,).
        n_axes: d, the number of coordinates.

    """
    if kind == "positional":  # log-uniform between 1 and σ, along one axis at a time
        inside = (frequency >= min(scale, 1)) & (frequency <= max(scale, 1))
        return inside / max(abs(log2(scale)), 1 / BINS_PER_OCTAVE)
    ratio = frequency / scale  # ‖b‖ / σ has a chi distribution with d degrees of freedom
    shares: Floats = log(2) * 2 ** (1 - n_axes / 2) / gamma(n_axes / 2) * ratio**n_axes * np.exp(-(ratio**2) / 2)
    return shares


def radial_spectrum(samples: Samples) -> tuple[Floats, Floats]:
    """Frequencies, and the share of a signal's variance in the octave around each, both with shape (n,).

    Frequencies are lengths over all axes in cycles per unit length, from half a cycle up. The cosine transform needs no
    window: it extends a signal by its reflection, without a jump at the edges. All shares are 0 for a constant signal.

    Args:
        samples: a signal of any number of axes, shape (…, channels).

    """
    steps = _reduction(samples.shape[:-1])
    power: Floats = np.zeros([ceil(length / step) for length, step in zip(samples.shape, steps, strict=False)])
    for channel in np.moveaxis(samples, -1, 0):
        values = _block_means(channel, steps) / np.iinfo(samples.dtype).max
        power += dctn(values - values.mean(), norm="ortho") ** 2
    power.flat[0] = 0  # the mean, up to rounding
    squares = sum(axis**2 for axis in np.ix_(*(np.arange(length) / 2 for length in power.shape)))
    octaves = np.log2(np.maximum(np.sqrt(squares), 0.5))
    bins, index = np.unique(np.round(BINS_PER_OCTAVE * octaves), return_inverse=True)
    sums = np.bincount(index.ravel(), power.ravel())
    shares: Floats = sums * BINS_PER_OCTAVE / max(float(sums.sum()), 1e-12)
    return 2 ** (bins / BINS_PER_OCTAVE), shares


def _reduction(shape: tuple[int, ...]) -> list[int]:
    """Factors by which to reduce each axis, the longest first, to at most MAX_SAMPLES samples."""
    steps = [1] * len(shape)
    while prod(reduced := [ceil(length / step) for length, step in zip(shape, steps, strict=True)]) > MAX_SAMPLES:
        steps[reduced.index(max(reduced))] += 1
    return steps


def _block_means(values: Samples, steps: list[int]) -> Floats:
    """Means over blocks with `steps` samples along each axis; the last block of an axis may have fewer."""
    means: NDArray[Any] = values
    for axis, step in enumerate(steps):
        if step > 1:
            starts = np.arange(0, values.shape[axis], step)
            counts = np.diff(starts, append=values.shape[axis])
            sums = np.add.reduceat(means, starts, axis, dtype=np.float64)
            means = sums / counts.reshape(-1, *[1] * (values.ndim - axis - 1))
    return means.astype(np.float64, copy=False)
