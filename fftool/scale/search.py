"""σ from the signal itself: how fast it changes, against how finely it is sampled.

A σ far below the signal's frequencies blurs it; one near its sampling rate leaves the network free to invent noise
between the samples. The best lies between the two, as `LAWS` state from the mean frequency of the signal and its number
of samples along an axis. Both are per unit length, so that σ follows the size of a signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from math import log2

from fftool import media
from fftool.config import (
    BY_CHANGE,
    BY_FREQUENCY,
    BY_SAMPLES,
    MAX_PARAMETERS,
    Encoding,
    EncodingConfig,
    NetworkConfig,
    NetworkSettings,
    ScaleCandidate,
    ScaleGoal,
    ScaleSearch,
    TrainingConfig,
    count_parameters,
    layer_widths,
)
from fftool.errors import SettingError
from fftool.holdout import Split, split, training_size
from fftool.models.capacity import SAMPLES_PER_PARAMETER, resolve_network
from fftool.scale.frequency import FrequencyEstimate, estimate_frequency, relative_frequencies
from fftool.signal import Signal, check_signal

MIN_SCALE = 0.5  # for signals that hardly change
OCTAVES = (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2)  # of the candidates, from the chosen one
# For which `LAWS` were measured, and between which σ was seen to fall.
EPOCHS, FEWEST_EPOCHS, MOST_EPOCHS = 20, 5, 150


@dataclass(frozen=True, kw_only=True)
class _LawBase:
    """What a σ other than the best one loses."""

    positional: float  # factor for the positional encoding, whose σ is the highest of its frequencies
    below: float  # dB lost one octave below the best σ, and above it; they grow with the square
    above: float

    def score(self, scale: float, best: float) -> float:
        """PSNR (dB) expected of a σ relative to that of the best, 0 at most."""
        octaves = log2(scale / best)
        return -(self.above if octaves > 0 else self.below) * octaves**2


@dataclass(frozen=True, kw_only=True)
class Law(_LawBase):
    """The best σ is factor · frequency^frequency_power · rate^rate_power · (EPOCHS / epochs)^epochs_power."""

    factor: float
    frequency_power: float
    rate_power: float
    epochs_power: float


# From sweeps of σ on 60 photographs, textures, texts and drawings, from 48×32 to 768×512 pixels, after 20 epochs, and
# on some after 5, 50 and 150. `python -m benchmarks --only scale` measures what held-out pixels lose by `resize`.
LAWS: dict[ScaleGoal, Law] = {
    "resize": Law(
        factor=0.2, frequency_power=1 / 2, rate_power=1 / 2, epochs_power=0.25, positional=2.6, below=0.5, above=1.1
    ),
    "detail": Law(factor=2.5, frequency_power=3 / 8, rate_power=1 / 4, epochs_power=0, positional=5, below=3, above=4),
}


@dataclass(frozen=True, kw_only=True)
class TileLaw(_LawBase):
    """The best σ of tiles, which have room for each sample, is a number of cycles, whatever the signal."""

    cycles: float  # per sample, or per tile where there are three axes, of the gaussian encoding


# From sweeps of σ on parts of Kodak images 1, 3, 5 and 7, with tiles of 32×32, after 50 epochs. `resize` is measured by
# images halved by box averaging, and rendered at their first size. Where every other sample is held out, those between
# the pixels are not in the average of any, and a lower σ predicts them best.
TILE_LAWS: dict[ScaleGoal, TileLaw] = {
    "resize": TileLaw(cycles=1 / 16, positional=3, below=0.9, above=0.4),
    "detail": TileLaw(cycles=1 / 6, positional=3, below=3, above=3),
}
LATTICE_LAW = TileLaw(cycles=1 / 32, positional=3, below=0.8, above=0.6)


# From sweeps of σ on 8 parts of three clips and a scan, 64×64×64 samples each, after 5 to 20 epochs: with tiles of side
# 16, 24 and 32, the best is at 10, 15 and 20 samples for each cycle. It is a geometric mean over the axes; the σ of one
# is in proportion to the FREQUENCY_POWER-th power of how fast the signal changes along it, which is 1.5 dB better for a
# clip of fast bicycles than one σ for all. `resize` is measured by samples between those of parts that were halved.
SOLID_LAWS: dict[ScaleGoal, TileLaw] = {
    "resize": TileLaw(cycles=1.0, positional=3, below=0.3, above=1.7),
    "detail": TileLaw(cycles=1.6, positional=3, below=1.5, above=1.7),
}
FREQUENCY_POWER, MAX_SHARE = 2 / 3, 4


def resolve_scale(
    signal: Signal, encoding: EncodingConfig, network: NetworkSettings, training: TrainingConfig, held_out: Split | None
) -> Encoding:
    """The encoding with its σ, chosen from the trained samples where it is "auto"; `search` then tells how."""
    if not encoding.needs_search:
        return encoding.resolve()
    search = _search(signal, encoding, network, training, held_out)
    if not network.tile:
        return encoding.resolve(search)
    scales = _tile_scales(signal, encoding, network, training, held_out)
    if len(set(scales)) == 1:
        return encoding.resolve(search)
    return encoding.resolve(search, tuple(_round(search.chosen * each / max(scales)) for each in reversed(scales)))


def search_scale(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
) -> ScaleSearch:
    """The σ that "auto" means for a signal and settings, and what others are expected to lose.

    Nothing is drawn at random: the same trained samples give the same σ.

    Args:
        signal: the samples to fit.
        encoding: its kind, which must use σ, and the purpose of σ: `resize` serves values between the samples, and
            ignores noise; `detail` serves the samples themselves.
        network: its size. A signal with far more samples than it has parameters is measured more coarsely.
        training: the number of epochs, unless a time limit decides, and the samples held out.

    Returns:
        The chosen σ in two digits, in cycles per unit length, and the evidence for it.

    Raises:
        SettingError: for an encoding without σ.
        SignalError: for anything but a signal.
        HoldoutError: if the signal is too small to hold samples out.

    """
    check_signal(signal)
    if not encoding.uses_scale:
        raise SettingError("encoding", repr(encoding.kind), "gaussian or positional, which use a scale")
    held_out = split(signal.shape, training.holdout, training.seed)
    sized, encoding = resolve_network(signal.config, encoding, network, training)
    return _search(media.trainable(signal, held_out), encoding, sized, training, held_out)


def _search(
    signal: Signal, encoding: EncodingConfig, network: NetworkSettings, training: TrainingConfig, held_out: Split | None
) -> ScaleSearch:
    if network.tile:
        best = max(_tile_scales(signal, encoding, network, training, held_out))
        return _evidence(
            BY_SAMPLES if len(signal.shape) < 3 else BY_CHANGE,
            _tile_law(signal, encoding, training),
            best,
            estimate_frequency(signal, held_out, math.inf),
        )
    parameters = min(count_parameters(layer_widths(signal.config, encoding, network)), MAX_PARAMETERS)
    capacity = SAMPLES_PER_PARAMETER * parameters
    law, estimate = LAWS[encoding.scale_for], estimate_frequency(signal, held_out, capacity)
    frequency = estimate.frequency * (estimate.signal_share if encoding.scale_for == "resize" else 1)
    factor = law.factor * (law.positional if encoding.kind == "positional" else 1)
    crowding = training_size(signal.shape, training.holdout) / capacity
    factor *= (EPOCHS / _effective_epochs(training, crowding)) ** law.epochs_power
    best = factor * frequency**law.frequency_power * estimate.rate**law.rate_power
    return _evidence(
        BY_FREQUENCY, law, max(min(best, estimate.rate), MIN_SCALE), replace(estimate, frequency=frequency)
    )


def _tile_law(signal: Signal, encoding: EncodingConfig, training: TrainingConfig) -> TileLaw:
    if len(signal.shape) == 3:
        return SOLID_LAWS[encoding.scale_for]
    is_between = training.holdout == "lattice" and encoding.scale_for == "resize"
    return LATTICE_LAW if is_between else TILE_LAWS[encoding.scale_for]


def _tile_scales(
    signal: Signal, encoding: EncodingConfig, network: NetworkSettings, training: TrainingConfig, held_out: Split | None
) -> tuple[float, ...]:
    """The best σ of tiles along each axis, in array order."""
    law = _tile_law(signal, encoding, training)
    cycles = law.cycles * (law.positional if encoding.kind == "positional" else 1)
    shares = [1.0] * len(signal.shape)
    if len(signal.shape) == 3:
        cycles /= math.prod(network.tile) ** (1 / 3)
        shares = [
            min(max(frequency**FREQUENCY_POWER, 1 / MAX_SHARE), MAX_SHARE)
            for frequency in relative_frequencies(signal, held_out)
        ]
    elif training.holdout == "lattice":
        cycles /= 2  # as trained samples are that far apart; a tile has as many of them
    return tuple(max(cycles * share * length, MIN_SCALE) for share, length in zip(shares, signal.shape, strict=True))


def _evidence(method: str, law: Law | TileLaw, best: float, estimate: FrequencyEstimate) -> ScaleSearch:
    scales = [_round(best * 2**octave) for octave in OCTAVES]
    return ScaleSearch(
        method=method,
        frequency=estimate.frequency,
        rate=estimate.rate,
        n_samples=estimate.n_samples,
        candidates=tuple(ScaleCandidate(scale=scale, score=law.score(scale, best)) for scale in scales),
        chosen=_round(best),
    )


def _effective_epochs(training: TrainingConfig, crowding: float) -> float:
    """Length of a training as far as it matters to σ; as long as the measurements where a time limit decides.

    With `crowding` times as many samples as there is capacity for, few epochs are already as good as many.
    """
    if training.seconds is not None:
        return EPOCHS
    epochs = min(max(training.epochs, FEWEST_EPOCHS), MOST_EPOCHS)
    return max(epochs, min(epochs * crowding, EPOCHS))


def _round(scale: float) -> float:
    return float(f"{scale:.2g}")
