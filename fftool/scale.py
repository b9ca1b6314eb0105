"""σ from the signal itself: how fast it changes, against how finely it is sampled.

A σ far below the signal's frequencies blurs it; one near the rate of its samples leaves the network free to invent
noise between them. The best lies between the two, as `LAWS` say from the mean frequency of the signal and its number of
cells along an axis. Both are in cycles per unit length, so that σ follows a picture's size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2, pi, prod, sqrt

import numpy as np
from numpy.typing import NDArray

from fftool.config import (
    EncodingConfig,
    NetworkConfig,
    ScaleCandidate,
    ScaleGoal,
    ScaleSearch,
    TrainingConfig,
    layer_widths,
    parameter_count,
)
from fftool.holdout import Split
from fftool.signal import Signal

METHOD = "mean frequency"
LEAST = 0.5  # σ, for signals that hardly change
OCTAVES = (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2)  # where candidates are, from the chosen one
CAPACITY = 2.5  # cells for each parameter of a network: more are lost on it
LOOKED_AT = 2**16  # cells: more would change σ by less than a hundredth
GROWTH = 0.3  # by which differences grow from one cell to two, at least, unless a part of them is noise
GOLDEN = (sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class Law:
    """The best σ = factor · frequency^frequency_power · rate^rate_power · (20 / epochs)^fall, and what others lose."""

    factor: float
    frequency_power: float
    rate_power: float
    fall: float
    positional: float  # times as high is positional's σ, the highest of its frequencies, as gaussian's
    below: float  # dB lost one octave below the best σ; it grows with the square
    above: float

    def score(self, scale: float, best: float) -> float:
        """The PSNR (dB) that a σ is expected to have beyond that of the best, which is not above 0."""
        octaves = log2(scale / best)
        return -(self.above if octaves > 0 else self.below) * octaves**2


# From sweeps of σ on 60 photographs, textures, texts and drawings, from 48×32 to 768×512 pixels, after 20 epochs, and
# on some after 5, 50 and 150. `python -m benchmarks --only scale` measures what held-out pixels lose by `resize`.
LAWS: dict[ScaleGoal, Law] = {
    "resize": Law(factor=0.2, frequency_power=1 / 2, rate_power=1 / 2, fall=0.25, positional=2.6, below=0.5, above=1.1),
    "detail": Law(factor=2.5, frequency_power=3 / 8, rate_power=1 / 4, fall=0, positional=5, below=3, above=4),
}


def choose_scale(
    signal: Signal,
    encoding: EncodingConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    split: Split | None = None,
) -> EncodingConfig:
    """The encoding, whose σ is chosen if it is "auto" and has a part in B; `scale_search` tells how."""
    if encoding.scale != "auto" or not encoding.uses_scale:
        return encoding
    search = search_scale(signal, encoding, network, training, split)
    return replace(encoding, scale=search.chosen, scale_search=search)


def search_scale(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
    split: Split | None = None,
) -> ScaleSearch:
    """The σ that suits a signal, in two digits, and what others are expected to lose.

    Nothing is drawn at random: the same cells give the same σ.

    Args:
        signal: what is to be learnt.
        encoding: its kind, which has to be one that uses σ, and what σ is for. `resize` has in view what lies between
            the cells, and leaves noise alone; `detail` the cells themselves.
        network: how large it is. Of a signal with far more cells than it has parameters, it sees a coarser one.
        training: how many epochs there will be.
        split: the cells to look at, where some are held out.

    """
    parameters = parameter_count(layer_widths(signal.config, encoding, network))
    law, changes = LAWS[encoding.scale_for], _changes(signal, split, CAPACITY * parameters)
    frequency = changes.frequency * (changes.predictable if encoding.scale_for == "resize" else 1)
    factor = law.factor * (law.positional if encoding.kind == "positional" else 1) * (20 / training.epochs) ** law.fall
    best = max(factor * frequency**law.frequency_power * changes.rate**law.rate_power, LEAST)
    scales = [_rounded(best * 2**octave) for octave in OCTAVES]
    return ScaleSearch(
        method=METHOD,
        frequency=changes.frequency,
        rate=changes.rate,
        cells=changes.cells,
        candidates=tuple(ScaleCandidate(scale=scale, score=law.score(scale, best)) for scale in scales),
        chosen=_rounded(best),
    )


def _rounded(scale: float) -> float:
    return float(f"{scale:.2g}")


@dataclass(frozen=True)
class _Changes:
    """How a signal changes from cell to cell. Frequencies are in cycles per unit length."""

    frequency: float
    predictable: float  # the share of it that is more than noise
    rate: float  # cells along an axis, weighed by how fast the signal changes along each
    cells: int  # looked at


def _changes(signal: Signal, split: Split | None, most: float) -> _Changes:
    """The mean frequency of a signal, from how much neighbours differ on average.

    A Gaussian random field with standard deviation s whose spectrum has the standard deviation f along an axis changes
    by √(8π) f s per unit length there, and that is the f meant here. Of the edges of a drawing it counts less than the
    spectrum does, and is nearer to the best σ for it. Only trained cells count; where they form a grid, it is that one.
    Where there are more of them than `most`, neighbours are as far apart as if there were so many.
    """
    if split is not None and split.grid is not None:
        return _changes(Signal(signal.samples[split.grid], signal.axes), None, most)
    rows = signal.samples.reshape(-1, signal.channels)
    trained = np.ones(len(rows), bool)
    if split is not None:
        trained[split.test.numpy()] = False
    index = _spread(len(rows)) if split is None else split.train[:LOOKED_AT].numpy()  # which has a random order
    here = rows[index].astype(np.float64)
    deviation = sqrt(here.var(axis=0).mean())
    axes = [axis for axis, length in enumerate(signal.shape) if length > 2]
    root = 1 / max(len(axes), 1)
    cells = float(trained.sum())
    step = max(1, round((cells / most) ** root))
    seen = (min(cells, most) / len(rows)) ** root  # of the cells along each axis

    def difference(axis: int, step: int) -> float:
        length, stride = signal.shape[axis], prod(signal.shape[axis + 1 :])
        inside = np.flatnonzero(index // stride % length + step < length)
        other = index[inside] + step * stride
        both = trained[other]
        changes = np.abs(rows[other[both]] - here[inside[both]])
        return float(changes.mean()) if changes.size else 0.0

    near, far = ([difference(axis, steps) for axis in axes] for steps in (step, 2 * step))
    if not (any(near) and deviation):
        return _Changes(frequency=0, predictable=1, rate=min(cells, most) ** root, cells=len(index))
    lengths = [signal.shape[axis] for axis in axes]
    speeds = [length / step * change / deviation for length, change in zip(lengths, near, strict=True)]
    return _Changes(
        frequency=sum(speeds) / len(axes) / sqrt(8 * pi),
        predictable=min(max((sum(far) / sum(near) - 1) / GROWTH, 0.0), 1.0),
        rate=seen * sum(length * speed for length, speed in zip(lengths, speeds, strict=True)) / sum(speeds),
        cells=len(index),
    )


def _spread(cells: int) -> NDArray[np.int64]:
    """The numbers of all cells; of some that lie evenly, and in no step with the rows, where there are too many."""
    if cells <= LOOKED_AT:
        return np.arange(cells)
    return (np.arange(LOOKED_AT) * GOLDEN % 1 * cells).astype(np.int64)
