"""Outcome of one variant: a network trained or loaded for a signal, and its quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fftool.backend.device import select_device
from fftool.checkpoint.reading import load
from fftool.checkpoint.writing import checkpoint_size
from fftool.config import Device, ScaleSearch, TrainingConfig, Variant
from fftool.evaluation import assess, record
from fftool.files import readable_name
from fftool.metrics import Quality
from fftool.models.network import CoordinateMLP
from fftool.pipes import content
from fftool.rendering import Callback, no_callback
from fftool.signal import Samples, Signal
from fftool.training.history import Epoch
from fftool.training.trainer import Progress, fit


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A network, and its rendering of the signal at the signal's size and bit depth."""

    name: str
    network: CoordinateMLP
    samples: Samples
    quality: Quality
    bytes: int  # of its checkpoint
    checkpoint: Path | None = None  # the file that holds it
    seconds: float | None = None  # of training, where it was trained here
    scale_seconds: float | None = None  # of these, for choosing σ
    history: tuple[Epoch, ...] = ()

    @property
    def scale_search(self) -> ScaleSearch | None:
        """Search for σ in this signal; a checkpoint's was in the signal that it was trained on."""
        return None if self.scale_seconds is None else self.network.config.encoding.search


def train_variant(
    signal: Signal,
    variant: Variant,
    training: TrainingConfig,
    callback: Callable[[Progress], object] = lambda progress: None,
) -> Outcome:
    """Outcome of a new network; `callback` is called after each step. Raises errors as `fit` does."""
    for progress in fit(signal, variant.encoding, variant.network, training):
        callback(progress)
    samples, quality = assess(progress.network, signal)
    record(progress, quality)
    return Outcome(
        name=", ".join(filter(None, [progress.network.config.encoding.name, variant.tile_name])),
        network=progress.network,
        samples=samples,
        quality=quality,
        bytes=checkpoint_size(progress.network),
        seconds=progress.seconds,
        scale_seconds=progress.scale_seconds,
        history=progress.history,
    )


def load_variant(path: Path, signal: Signal, device: Device = "auto", callback: Callback = no_callback) -> Outcome:
    """Outcome of a checkpoint; `callback` is called as by `render`. Raises errors as `load` does."""
    network = load(path).to(select_device(device))
    samples, quality = assess(network, signal, callback)
    return Outcome(
        name=readable_name(path),
        network=network,
        samples=samples,
        quality=quality,
        bytes=content(path).stat().st_size,
        checkpoint=path,
    )


def are_comparable(outcomes: Sequence[Outcome]) -> bool:
    """Whether there are several, with the same samples held out from all, so that one of them may be the best."""
    return len(outcomes) > 1 and len({_held_out(outcome) for outcome in outcomes}) == 1


def _held_out(outcome: Outcome) -> tuple[object, ...]:
    config = outcome.network.config
    if config.signal.shape != outcome.samples.shape[:-1] or config.training.holdout == "none":
        return ()
    if config.training.holdout == "lattice":
        return ("lattice",)
    return config.training.holdout, config.training.seed
