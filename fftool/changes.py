"""How a signal changes from cell to cell: its mean frequency, and how much of that is noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, prod, sqrt

import numpy as np
from numpy.typing import NDArray

from fftool.holdout import Split
from fftool.signal import Signal

LOOKED_AT = 2**16  # cells: more would change the mean frequency by less than a hundredth
# By which changes side by side agree, at least, unless a part of them is noise: 0.31 and more in 60 pictures, and 0.01
# to 0.17 in three to which noise of standard deviation 25 or 60 was added.
SHARED = 0.3
LEAST = 0.05  # the part of them that is never taken for noise
GOLDEN = (sqrt(5) - 1) / 2

Index = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How a signal changes along its axes, on average. Frequencies are in cycles per unit length."""

    frequency: float
    signal: float  # the share of it that is not noise
    rate: float  # cells along an axis, weighed by how fast the signal changes along each
    cells: int  # looked at


def measure(signal: Signal, held: Split | None, most: float) -> Changes:
    """The mean frequency of a signal, from how much neighbours differ.

    A Gaussian random field with standard deviation s whose spectrum has the standard deviation f along an axis changes
    by √(8π) f s per unit length there, and that is the f meant here. Of the edges of a drawing it counts less than the
    spectrum does. Noise shows in changes that lie side by side: those of a line or an edge agree, and those of noise do
    not.

    Only trained cells count; where they form a grid, it is that one. Where there are more of them than `most`,
    neighbours are as far apart as if there were so many.
    """
    if held is not None and held.grid is not None:
        return measure(Signal(signal.samples[held.grid], signal.axes), None, most)
    dimensions = max(sum(length > 1 for length in signal.shape), 1)
    trained = signal.cells if held is None else len(held.train)
    step = max(1, round((trained / most) ** (1 / dimensions)))
    cells = _Cells(signal, held, step)
    axes = [axis for axis, length in enumerate(signal.shape) if length > step]
    pairs = {axis: cells.pairs(axis) for axis in axes}
    speeds = {axis: signal.shape[axis] / step * _size(cells.change(*pair)) for axis, pair in pairs.items()}
    rate, speed = float(min(trained, most) ** (1 / dimensions)), sum(speeds.values())
    if not speed:
        return Changes(frequency=0.0, signal=1.0, rate=rate, cells=len(cells.index))
    length = sum(signal.shape[axis] * speed for axis, speed in speeds.items()) / speed
    return Changes(
        frequency=speed / len(axes) / (sqrt(8 * pi) * cells.deviation),
        signal=min(max(_agreement(cells, pairs) / SHARED, LEAST), 1.0),
        rate=rate * length / signal.cells ** (1 / dimensions),
        cells=len(cells.index),
    )


def _size(change: NDArray[np.float64]) -> float:
    return float(np.abs(change).mean()) if change.size else 0.0


def _agreement(cells: _Cells, pairs: dict[int, tuple[Index, Index]]) -> float:
    """The correlation of changes along each axis with those a step beside them; 1 where there is no beside."""
    shared = total = 0.0
    for axis, (first, second) in pairs.items():
        for other in pairs.keys() - {axis}:
            (first_beside, there), (second_beside, also) = cells.moved(first, other), cells.moved(second, other)
            both = there & also
            change = cells.change(first[both], second[both])
            shared += float((change * cells.change(first_beside[both], second_beside[both])).sum())
            total += float((change**2).sum())
    return shared / total if total else 1.0


class _Cells:
    """The cells of a signal that are looked at, by their row-major number, and those that lie a step from them."""

    def __init__(self, signal: Signal, held: Split | None, step: int) -> None:
        self.shape, self.step, self.trained = signal.shape, step, None
        self.rows = signal.samples.reshape(-1, signal.channels)
        self.index = _spread(signal.cells)
        if held is not None:
            self.index = held.train[:LOOKED_AT].numpy()  # which has a random order
            self.trained = np.ones(signal.cells, bool)
            self.trained[held.test.numpy()] = False
        deviations = self.rows[self.index].std(axis=0)
        self.varying = np.flatnonzero(deviations)  # a channel that never changes, as alpha often does not, has no say
        self.deviation = sqrt(float((deviations[self.varying] ** 2).mean())) if len(self.varying) else 0.0

    def pairs(self, axis: int) -> tuple[Index, Index]:
        """Those cells that have one a step along the axis, and these."""
        further, there = self.moved(self.index, axis)
        return self.index[there], further[there]

    def moved(self, index: Index, axis: int) -> tuple[Index, NDArray[np.bool_]]:
        """The cells a step along the axis, and whether they are there and trained on."""
        length, stride = self.shape[axis], prod(self.shape[axis + 1 :])
        there = index // stride % length + self.step < length
        further = np.where(there, index + self.step * stride, index)
        return further, there if self.trained is None else there & self.trained[further]

    def change(self, first: Index, second: Index) -> NDArray[np.float64]:
        """From each of the first cells to the second, in each channel that varies: (n, channels)."""
        change: NDArray[np.float64] = self.rows[second].astype(np.float64) - self.rows[first]
        return change[:, self.varying]


def _spread(cells: int) -> Index:
    """The numbers of all cells; of some that lie evenly, and in no step with the rows, where there are too many."""
    if cells <= LOOKED_AT:
        return np.arange(cells)
    return (np.arange(LOOKED_AT) * GOLDEN % 1 * cells).astype(np.int64)
