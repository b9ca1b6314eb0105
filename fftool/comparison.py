"""Several networks for one signal: trained alike or loaded as they are, and how near each comes to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fftool.checkpoint import encode, load
from fftool.config import Device, EncodingConfig, NetworkConfig, ScaleSearch, TrainingConfig
from fftool.device import select_device
from fftool.files import readable_name
from fftool.metrics import Quality
from fftool.network import CoordinateMLP
from fftool.rendering import Report, ignore
from fftool.signal import Samples, Signal
from fftool.training import Progress, assess, fit, record


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What an epoch came to. Loss and PSNR are means over it, so that they lag behind the network."""

    epoch: int
    seconds: float  # since training began
    loss: float
    psnr: float  # dB, of the trained cells


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A network, and what it makes of the signal at the signal's size and bit depth."""

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
    def chosen_scale(self) -> ScaleSearch | None:
        """How σ was chosen for this signal: of a checkpoint, it was for the one that it was trained on."""
        return None if self.scale_seconds is None else self.network.config.encoding.scale_search


def learn(
    signal: Signal,
    encoding: EncodingConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    report: Callable[[Progress], object] = lambda progress: None,
) -> Outcome:
    """Train a network, and measure it; `report` is called after each step. Raises FFToolError as `fit` does."""
    history: list[Epoch] = []
    for progress in fit(signal, encoding, network, training):
        report(progress)
        if progress.epochs > len(history):
            history.append(
                Epoch(epoch=progress.epochs, seconds=progress.seconds, loss=progress.loss, psnr=progress.psnr)
            )
    samples, quality = assess(progress.network, signal)
    record(progress, quality)
    return Outcome(
        name=progress.network.config.encoding.name,
        network=progress.network,
        samples=samples,
        quality=quality,
        bytes=len(encode(progress.network)),
        seconds=progress.seconds,
        scale_seconds=progress.scale_seconds,
        history=tuple(history),
    )


def recall(path: Path, signal: Signal, device: Device = "auto", report: Report = ignore) -> Outcome:
    """Load a checkpoint, and measure it; `report` is called as by `render`. Raises FFToolError as `load` does."""
    network = load(path).to(select_device(device))
    samples, quality = assess(network, signal, report)
    return Outcome(
        name=readable_name(path),
        network=network,
        samples=samples,
        quality=quality,
        bytes=path.stat().st_size,
        checkpoint=path,
    )


def comparable(outcomes: Sequence[Outcome]) -> bool:
    """Whether there are several, and the same pixels were held out from all, so that one of them may be the best."""
    return len(outcomes) > 1 and len({_held_out(outcome) for outcome in outcomes}) == 1


def _held_out(outcome: Outcome) -> tuple[object, ...]:
    config = outcome.network.config
    if config.signal.shape != outcome.samples.shape[:-1] or config.training.holdout is None:
        return ()
    if config.training.holdout == "lattice":
        return ("lattice",)
    return config.training.holdout, config.training.seed
