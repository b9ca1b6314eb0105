"""From requests to the config of a network for one signal, and whether a signal is the one of a config."""

from __future__ import annotations

from fftool import __version__, media
from fftool.backend.device import select_device, select_precision
from fftool.checks import require
from fftool.config import Config, EncodingConfig, NetworkConfig, SignalConfig, TrainingConfig
from fftool.errors import SignalMismatchError, shorten
from fftool.holdout import split, training_size
from fftool.models.capacity import resolve_network
from fftool.scale.search import resolve_scale
from fftool.signal import Signal
from fftool.training.defaults import resolve_defaults


def resolve(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
    trained: Signal | None = None,
) -> Config:
    """Config that `fit` gives the network for the same arguments. Raises errors as `fit` does.

    `trained` is what `media.trainable` makes of the signal, if it has been made.
    """
    held_out = split(signal.shape, training.holdout, training.seed)
    trained = trained or media.trainable(signal, held_out)
    sized, encoding = resolve_network(signal.config, encoding, network, training)
    if signal.is_stored:
        require(bool(sized.tile), "tile", "none", "tiles, as the signal is too large for memory")
        expected = "none, as the signal is too large for memory"
        require(training.holdout == "none", "share of samples to hold out", training.holdout, expected)
    device = select_device(training.device)
    precision = select_precision(training.precision, device)
    n_trained = training_size(signal.shape, training.holdout)
    return Config(
        signal=signal.config,
        encoding=resolve_scale(trained, encoding, sized, training, held_out),
        network=sized,
        training=resolve_defaults(training, n_trained, device, precision, sized),
        version=__version__,
    )


def check_same_signal(seen: SignalConfig, trained: SignalConfig) -> None:
    """Raise SignalMismatchError for another signal than the one that a network was trained on."""
    for name in ("axes", "shape", "channels", "bits", "values", "spacing"):
        value, expected = getattr(seen, name), getattr(trained, name)
        if value != expected:
            raise SignalMismatchError(seen.source, f"{name} {value}, expected {shorten(expected)}")
    if trained.sha256 and seen.sha256 != trained.sha256:
        raise SignalMismatchError(seen.source, "its samples differ")
