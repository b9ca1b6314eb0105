"""Mean frequency of a signal, from the differences of neighbouring samples, and the share of it that is noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log, pi, prod, sqrt

import numpy as np
from numpy.typing import NDArray

from fftool.holdout import Split
from fftool.signal import Signal
from fftool.stored import StoredSamples
from fftool.tiling import balanced_sides

MIDDLE_SAMPLES = 2**20  # of a stored signal, which are read
MAX_EXAMINED = 2**16  # samples: more would change the mean frequency by less than a hundredth
# Agreement of adjacent differences below which a part of them is noise: 0.31 and more in 60 images, and 0.01 to 0.17
# in three to which noise of standard deviation 25 or 60 was added.
NOISELESS_AGREEMENT = 0.3
MIN_SIGNAL_SHARE = 0.05  # of the differences, never taken for noise
GOLDEN_RATIO = (sqrt(5) - 1) / 2

Index = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FrequencyEstimate:
    """Change of a signal along its axes, on average. Frequencies are in cycles per unit length."""

    frequency: float
    signal_share: float  # of the frequency; the rest is noise
    rate: float  # samples along an axis, weighted by how fast the signal changes along each
    n_samples: int  # examined


def estimate_frequency(signal: Signal, held_out: Split | None, capacity: float) -> FrequencyEstimate:
    """Mean frequency of a signal, from the mean difference of neighbouring samples.

    A Gaussian random field with standard deviation s whose spectrum has the standard deviation f along an axis changes
    by √(8π) f s per unit length there, which defines f. The edges of a drawing count less in it than in the spectrum.
    Noise shows in adjacent differences: across a line or an edge they agree, in noise they do not.

    Only trained samples count; where they form a grid, it is used in place of the signal's. Where there are more of
    them than `capacity`, neighbours are taken as far apart as if there were only so many. Of a stored signal, its
    middle is examined.
    """
    if held_out is not None and held_out.grid is not None:
        return estimate_frequency(Signal(signal.array[held_out.grid], signal.axes), None, capacity)
    if isinstance(signal.samples, StoredSamples):
        middle = _middle(signal)
        times = (signal.n_samples / middle.n_samples) ** (1 / len(signal.shape))  # as long, in its own units
        estimate = estimate_frequency(middle, None, capacity)
        return replace(estimate, frequency=estimate.frequency * times, rate=estimate.rate * times)
    dimensions = max(sum(length > 1 for length in signal.shape), 1)
    n_trained = signal.n_samples if held_out is None else len(held_out.train)
    step = max(1, round((n_trained / capacity) ** (1 / dimensions)))
    examined = _Examined(signal, held_out, step)
    axes = [axis for axis, length in enumerate(signal.shape) if length > step]
    pairs = {axis: examined.pairs(axis) for axis in axes}
    speeds = {axis: signal.shape[axis] / step * _mean_size(examined.difference(*pair)) for axis, pair in pairs.items()}
    rate, speed = float(min(n_trained, capacity) ** (1 / dimensions)), sum(speeds.values())
    if not speed:
        return FrequencyEstimate(frequency=0.0, signal_share=1.0, rate=rate, n_samples=len(examined.index))
    length = sum(signal.shape[axis] * speed for axis, speed in speeds.items()) / speed
    return FrequencyEstimate(
        frequency=speed / len(axes) / (sqrt(8 * pi) * examined.deviation),
        signal_share=min(max(_agreement(examined, pairs) / NOISELESS_AGREEMENT, MIN_SIGNAL_SHARE), 1.0),
        rate=rate * length / signal.n_samples ** (1 / dimensions),
        n_samples=len(examined.index),
    )


def relative_frequencies(signal: Signal, held_out: Split | None) -> tuple[float, ...]:
    """Mean frequency along each axis, in array order, relative to their geometric mean; in cycles per sample.

    It is proportional to the mean difference of neighbouring samples. An axis along which the signal does not change
    has 0, and no part in the mean.
    """
    if held_out is not None and held_out.grid is not None:
        return relative_frequencies(Signal(signal.array[held_out.grid], signal.axes), None)
    if isinstance(signal.samples, StoredSamples):
        return relative_frequencies(_middle(signal), None)
    examined = _Examined(signal, held_out, 1)
    changes = [_mean_size(examined.difference(*examined.pairs(axis))) for axis in range(len(signal.shape))]
    logs = [log(change) for change in changes if change]
    mean = exp(sum(logs) / len(logs)) if logs else 1.0
    return tuple(change / mean for change in changes)


def _middle(signal: Signal) -> Signal:
    """The middle of a stored signal."""
    sides = balanced_sides(signal.shape, MIDDLE_SAMPLES)
    starts = [(length - side) // 2 for length, side in zip(signal.shape, sides, strict=True)]
    part = tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    return Signal(signal.samples[part], signal.axes)


def _mean_size(difference: NDArray[np.float64]) -> float:
    return float(np.abs(difference).mean()) if difference.size else 0.0


def _agreement(examined: _Examined, pairs: dict[int, tuple[Index, Index]]) -> float:
    """Correlation of the differences along each axis with those one step to their side; 1 with a single axis."""
    shared = total = 0.0
    for axis, (first, second) in pairs.items():
        for other in pairs.keys() - {axis}:
            (first_beside, first_inside), (second_beside, second_inside) = (
                examined.shifted(index, other) for index in (first, second)
            )
            inside = first_inside & second_inside
            difference = examined.difference(first[inside], second[inside])
            beside = examined.difference(first_beside[inside], second_beside[inside])
            shared += float((difference * beside).sum())
            total += float((difference**2).sum())
    return shared / total if total else 1.0


class _Examined:
    """Samples of a signal that are examined, by their row-major index, and their neighbours a step away."""

    def __init__(self, signal: Signal, held_out: Split | None, step: int) -> None:
        self.shape, self.step, self.trained = signal.shape, step, None
        self.rows = signal.array.reshape(-1, signal.channels)
        self.index = _spread(signal.n_samples)
        if held_out is not None:
            self.index = held_out.train[:MAX_EXAMINED].numpy()  # which is in random order
            self.trained = np.ones(signal.n_samples, bool)
            self.trained[held_out.test.numpy()] = False
        deviations = self.rows[self.index].std(axis=0)
        self.varying = np.flatnonzero(deviations)  # without constant channels, such as an opaque alpha
        self.deviation = sqrt(float((deviations[self.varying] ** 2).mean())) if len(self.varying) else 0.0

    def pairs(self, axis: int) -> tuple[Index, Index]:
        """The samples that have a neighbour along the axis, and these neighbours."""
        neighbours, inside = self.shifted(self.index, axis)
        return self.index[inside], neighbours[inside]

    def shifted(self, index: Index, axis: int) -> tuple[Index, NDArray[np.bool_]]:
        """The samples a step along the axis, and whether they are inside the signal and trained on."""
        length, stride = self.shape[axis], prod(self.shape[axis + 1 :])
        inside = index // stride % length + self.step < length
        neighbours = np.where(inside, index + self.step * stride, index)
        return neighbours, inside if self.trained is None else inside & self.trained[neighbours]

    def difference(self, first: Index, second: Index) -> NDArray[np.float64]:
        """Difference of the second samples from the first, in each varying channel: (n, channels)."""
        difference: NDArray[np.float64] = self.rows[second].astype(np.float64) - self.rows[first]
        return difference[:, self.varying]


def _spread(n_samples: int) -> Index:
    """All indices; where there are too many, some that lie evenly, and out of step with the rows."""
    if n_samples <= MAX_EXAMINED:
        return np.arange(n_samples)
    return (np.arange(MAX_EXAMINED) * GOLDEN_RATIO % 1 * n_samples).astype(np.int64)
