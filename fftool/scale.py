"""σ from the signal itself: how fast it changes, against how finely it is sampled.

A σ far below the signal's frequencies blurs it; one near the rate of its samples leaves the network free to invent
noise between them. The best lies between the two, as `LAWS` say from the mean frequency of the signal and its number of
cells along an axis. Both are per unit length, so that σ follows a picture's size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from fftool.changes import measure
from fftool.config import (
    MAX_PARAMETERS,
    EncodingConfig,
    NetworkConfig,
    ScaleCandidate,
    ScaleGoal,
    ScaleSearch,
    TrainingConfig,
    layer_widths,
    parameter_count,
)
from fftool.errors import SettingError
from fftool.holdout import Split, split, trained_cells
from fftool.signal import Signal

METHOD = "mean frequency"
LEAST = 0.5  # σ, for signals that hardly change
OCTAVES = (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2)  # where candidates are, from the chosen one
CAPACITY = 2.5  # cells for each parameter of a network: more are lost on it, as on mosaics of 1.6 to 12.6 megapixels
EPOCHS, LEAST_EPOCHS, MOST_EPOCHS = 20, 5, 150  # for which `LAWS` were measured, and between which σ was seen to fall


@dataclass(frozen=True, kw_only=True)
class Law:
    """The best σ is factor · frequency^frequency_power · rate^rate_power · (EPOCHS / epochs)^fall."""

    factor: float
    frequency_power: float
    rate_power: float
    fall: float
    positional: float  # times as high is positional's σ, the highest of its frequencies, as gaussian's
    below: float  # dB lost one octave below the best σ, and above it; they grow with the square
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
    signal: Signal, encoding: EncodingConfig, network: NetworkConfig, training: TrainingConfig, held: Split | None
) -> EncodingConfig:
    """The encoding, whose σ is chosen from the trained cells if it is open; `scale_search` tells how, or is None."""
    if not encoding.is_open:
        return replace(encoding, scale_search=None)
    search = _search(signal, encoding, network, training, held)
    return replace(encoding, scale=search.chosen, scale_search=search)


def search_scale(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
) -> ScaleSearch:
    """The σ that "auto" is for a signal and settings, and what others are expected to lose.

    Nothing is drawn at random: the same trained cells give the same σ.

    Args:
        signal: what is to be learnt.
        encoding: its kind, which has to be one that uses σ, and what σ is for. `resize` has in view what lies between
            the cells, and leaves noise alone; `detail` the cells themselves.
        network: how large it is. Of a signal with far more cells than it has parameters, it sees a coarser one.
        training: how many epochs there will be, if time does not decide, and which cells are held out.

    Returns:
        The chosen σ in two digits, in cycles per unit length, and what it is made of.

    Raises:
        SettingError: for an encoding that has no σ.
        FFToolError: if the signal is too small to hold cells out of it.

    """
    if not encoding.uses_scale:
        raise SettingError(f"the {encoding.kind} encoding has no scale", "gaussian and positional have one")
    return _search(signal, encoding, network, training, split(signal.shape, training))


def _search(
    signal: Signal, encoding: EncodingConfig, network: NetworkConfig, training: TrainingConfig, held: Split | None
) -> ScaleSearch:
    parameters = min(parameter_count(layer_widths(signal.config, encoding, network)), MAX_PARAMETERS)
    room = CAPACITY * parameters
    law, changes = LAWS[encoding.scale_for], measure(signal, held, room)
    frequency = changes.frequency * (changes.signal if encoding.scale_for == "resize" else 1)
    factor = law.factor * (law.positional if encoding.kind == "positional" else 1)
    factor *= (EPOCHS / _epochs(training, trained_cells(signal.shape, training.holdout) / room)) ** law.fall
    best = factor * frequency**law.frequency_power * changes.rate**law.rate_power
    best = max(min(best, changes.rate), LEAST)
    scales = [_rounded(best * 2**octave) for octave in OCTAVES]
    return ScaleSearch(
        method=METHOD,
        frequency=frequency,
        rate=changes.rate,
        cells=changes.cells,
        candidates=tuple(ScaleCandidate(scale=scale, score=law.score(scale, best)) for scale in scales),
        chosen=_rounded(best),
    )


def _epochs(training: TrainingConfig, crowd: float) -> float:
    """How long a signal is learnt, for σ: as many epochs as were measured, where nobody knows how many there will be.

    With more cells than there is room for, by a factor of `crowd`, few epochs already are as good as many.
    """
    if training.seconds is not None:
        return EPOCHS
    epochs = min(max(training.epochs, LEAST_EPOCHS), MOST_EPOCHS)
    return max(epochs, min(epochs * crowd, EPOCHS))


def _rounded(scale: float) -> float:
    return float(f"{scale:.2g}")
