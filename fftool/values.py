"""Values that samples stand for: heights, amplitudes, light. A range maps them to samples of 16 bits, and back.

Scene-linear light has no useful linear range: a sun is a million times as bright as a shadow. Its samples are spaced as
log(1 + μ v), v in [0, 1], as Kalantari and Ramamoorthi (2017, equation 2) do it with μ = 5000.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log1p
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fftool.config import MAX_MU, ValueRange, ValueType
from fftool.errors import SignalError
from fftool.signal import Samples

MEDIAN_SHARE = 100  # μ times the median of light: a hundredth of it still has a twentieth of the samples, or more
CHUNK = 2**22  # values converted at once
PEAK = 2**16 - 1
MAX_RANGE = np.finfo(np.float64).max


def value_range(values: NDArray[Any], *, is_light: bool = False) -> ValueRange:
    """Range of an array of numbers, from the lowest to the highest, or from 0 to the only one.

    Raises SignalError if some are not finite, or too far apart.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise SignalError("some values are not finite: expected numbers")
    if not np.isfinite(high - low):
        raise SignalError(f"values are from {low:g} to {high:g}: expected a range below {MAX_RANGE:g}")
    if high == low:
        low, high = min(low, 0.0), max(high, 0.0) or float(low == 0)
    dtype: Any = values.dtype.name
    if dtype not in get_args(ValueType):
        raise SignalError(f"values are {dtype}: expected one of {', '.join(get_args(ValueType))}")
    return ValueRange(low=low, high=high, dtype=dtype, mu=_light_mu(values, low, high) if is_light else 0.0)


def _light_mu(values: NDArray[Any], low: float, high: float) -> float:
    """μ for light: by the median of what is not black."""
    lit = values[values > low]
    median = (float(np.median(lit)) - low) / (high - low) if lit.size else 1.0
    return min(max(MEDIAN_SHARE / median, 1.0), MAX_MU)


def to_samples(values: NDArray[Any], within: ValueRange) -> Samples:
    """Values as uint16 samples of the same shape, each the nearest in a range."""
    samples = np.empty(values.size, np.uint16)
    for part in _chunks(values.size):
        share = (values.reshape(-1)[part].astype(np.float64) - within.low) / (within.high - within.low)
        if within.mu:
            share = np.log1p(within.mu * share) / log1p(within.mu)
        samples[part] = np.rint(np.clip(share, 0, 1) * PEAK)
    return samples.reshape(values.shape)


def from_samples(samples: NDArray[Any], within: ValueRange) -> NDArray[Any]:
    """Values that samples stand for, in their own type: of uint8 or uint16 samples, or of float32 from 0 to 1."""
    peak = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
    dtype = np.dtype(within.dtype)
    values = np.empty(samples.size, dtype)
    for part in _chunks(samples.size):
        share = samples.reshape(-1)[part].astype(np.float64) / peak
        if within.mu:
            share = np.expm1(share * log1p(within.mu)) / within.mu
        exact = within.low + share * (within.high - within.low)
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            exact = np.clip(np.rint(exact), limits.min, limits.max)
        values[part] = exact
    return values.reshape(samples.shape)


def _chunks(size: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, size, CHUNK))
