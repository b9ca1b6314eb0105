"""Frame rates: timestamps of frames, and the constant rate that a clip has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd

import numpy as np

from fftool.config import SignalConfig

DEFAULT_RATE = 25.0  # frames per second, of frames without times
LARGEST_DENOMINATOR = 1001  # of the rates of television, such as 30000/1001
MOST_REPEATS = 4  # frames at a constant rate for each that is stored
TOLERANCE = 0.3  # of the time between frames: containers round timestamps to milliseconds


@dataclass(frozen=True)
class Timing:
    """A constant rate, in frames per second, and the stored frame that is shown at each of its times."""

    rate: float
    index: tuple[int, ...]
    is_resampled: bool = False


def constant(starts: Sequence[float], end: float, likely: float | None = None) -> Timing:
    """Constant rate for frames that are shown from those times, in seconds, until the next one, the last to the end.

    Frames that are regular keep their number. Others are repeated or left out, at the rate at which no time is lost, if
    that makes no more than MOST_REPEATS of them, or else at the average rate. `likely` is a rate that a file claims.
    """
    n, times = len(starts), np.array([*starts, end]) - starts[0]
    if n == 1 or times[-1] <= 0:
        return Timing(likely or DEFAULT_RATE, tuple(range(n)))
    step = times[-2] / (n - 1) if times[-2] > 0 else times[-1] / n
    if np.abs(times[:-1] - step * np.arange(n)).max() <= TOLERANCE * step and times[-1] - times[-2] < 1.5 * step:
        exact = likely if likely and abs(likely * step - 1) < TOLERANCE / n else 1 / step
        return Timing(exact, tuple(range(n)))
    milliseconds = [round(1000 * time) for time in times]
    unit = gcd(*milliseconds) / 1000
    rate = 1 / unit if unit and times[-1] / unit <= MOST_REPEATS * n else n / float(times[-1])
    count = max(1, round(float(times[-1]) * rate))
    shown = np.searchsorted(times[:-1], (np.arange(count) + 0.5) / rate, side="right") - 1
    return Timing(rate, tuple(map(int, np.clip(shown, 0, n - 1))), is_resampled=True)


def rate_of(signal: SignalConfig | None) -> float:
    """Frames per second."""
    return 1 / signal.spacing[0] if signal and signal.spacing else DEFAULT_RATE


def as_fraction(rate: float) -> Fraction:
    """The rate as containers store it."""
    return Fraction(rate).limit_denominator(LARGEST_DENOMINATOR)


def milliseconds(n_frames: int, rate: float, step: int = 1) -> list[int]:
    """Duration of each frame in milliseconds, a multiple of `step`, such that no time is lost over all."""
    ends = [step * round(1000 * i / rate / step) for i in range(n_frames + 1)]
    return [max(step, end - start) for start, end in pairwise(ends)]
