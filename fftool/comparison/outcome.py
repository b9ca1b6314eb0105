"""Outcome of one variant: a network trained or loaded for a signal, or a resize of its samples, and its quality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

from fftool import media, metrics
from fftool.backend.device import select_device
from fftool.checkpoint.reading import load
from fftool.checkpoint.writing import checkpoint_size
from fftool.config import Baseline, Config, Device, Holdout, ResizeKernel, ScaleSearch, TrainingConfig, Variant
from fftool.errors import SettingError
from fftool.evaluation import assess, record
from fftool.files import readable_name
from fftool.holdout import split
from fftool.metrics import Quality
from fftool.models.network import CoordinateMLP
from fftool.pipes import content
from fftool.rendering import Callback, no_callback, render
from fftool.resampling import resize
from fftool.signal import Samples, Signal
from fftool.training.history import Epoch
from fftool.training.trainer import Progress, fit

Measure = Literal["psnr", "ssim", "holdout_psnr", "iou", "near_iou"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome(ABC):
    """A variant of the signal at the signal's size and bit depth, and its quality.

    Figures that only networks have are None where there is none.
    """

    name: str
    samples: Samples
    quality: Quality
    bytes: int | None = None  # of its checkpoint
    checkpoint: Path | None = None  # the file that holds it
    seconds: float | None = None  # of training, where it was trained here
    scale_seconds: float | None = None  # of these, for choosing σ
    history: tuple[Epoch, ...] = ()

    @property
    def config(self) -> Config | None:
        """Settings of its network."""
        return None

    @property
    def baseline(self) -> ResizeKernel | None:
        """Kernel of the resize that made it, if no network did."""
        return None

    @property
    def scale_search(self) -> ScaleSearch | None:
        """Search for σ in this signal; a checkpoint's was in the signal that it was trained on."""
        return None if self.config is None or self.scale_seconds is None else self.config.encoding.search

    @property
    @abstractmethod
    def held_out(self) -> tuple[object, ...]:
        """Description of the samples held out, the same for the same ones; empty for none."""

    @abstractmethod
    def render(self, shape: tuple[int, ...], callback: Callback = no_callback) -> Samples:
        """Samples at another size; `callback` is called as by `render`. Raises FFToolError."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkOutcome(Outcome):
    """A network, and its rendering of the signal."""

    network: CoordinateMLP

    @property
    def config(self) -> Config:
        return self.network.config

    @property
    def held_out(self) -> tuple[object, ...]:
        training = self.config.training
        is_same_grid = self.config.signal.shape == self.samples.shape[:-1]
        return _held_out(training.holdout, training.seed) if is_same_grid else ()

    def render(self, shape: tuple[int, ...], callback: Callback = no_callback) -> Samples:
        return render(self.network, shape, callback=callback)


@dataclass(frozen=True, kw_only=True, eq=False)
class BaselineOutcome(Outcome):
    """A resize of the trained samples: those of `signal` that `grid` has, or all of them."""

    signal: Signal
    grid: tuple[slice, ...] | None
    kernel: ResizeKernel

    @property
    def baseline(self) -> ResizeKernel:
        return self.kernel

    @property
    def held_out(self) -> tuple[object, ...]:
        return _held_out("lattice" if self.grid else "none")

    def render(self, shape: tuple[int, ...], callback: Callback = no_callback) -> Samples:
        samples = resize(self.signal.array, shape, self.kernel, self.grid)
        callback(prod(shape))
        return samples


def _held_out(holdout: Holdout, seed: int | None = None) -> tuple[object, ...]:
    return () if holdout == "none" else (holdout,) if holdout == "lattice" else (holdout, seed)


def train_variant(
    signal: Signal,
    variant: Variant,
    training: TrainingConfig,
    callback: Callable[[Progress], object] = lambda progress: None,
) -> NetworkOutcome:
    """Outcome of a new network; `callback` is called after each step. Raises errors as `fit` does."""
    for progress in fit(signal, variant.encoding, variant.network, training):
        callback(progress)
    samples, quality = assess(progress.network, signal)
    record(progress, quality)
    return NetworkOutcome(
        name=", ".join(filter(None, [progress.network.config.encoding.name, variant.tile_name])),
        network=progress.network,
        samples=samples,
        quality=quality,
        bytes=checkpoint_size(progress.network),
        seconds=progress.seconds,
        scale_seconds=progress.scale_seconds,
        history=progress.history,
    )


def load_variant(
    path: Path, signal: Signal, device: Device = "auto", callback: Callback = no_callback
) -> NetworkOutcome:
    """Outcome of a checkpoint; `callback` is called as by `render`. Raises errors as `load` does."""
    network = load(path).to(select_device(device))
    samples, quality = assess(network, signal, callback)
    return NetworkOutcome(
        name=readable_name(path),
        network=network,
        samples=samples,
        quality=quality,
        bytes=content(path).stat().st_size,
        checkpoint=path,
    )


def resize_variant(
    signal: Signal, baseline: Baseline, training: TrainingConfig, callback: Callback = no_callback
) -> BaselineOutcome:
    """Outcome of a baseline; `callback` is called as by `render`. Raises SettingError for a random holdout."""
    held_out = split(signal.shape, training.holdout, training.seed)
    if held_out and held_out.grid is None:
        raise SettingError("holdout", training.holdout, "'lattice' or 'none', as a baseline resizes a grid")
    known, grid = media.trainable(signal, held_out), held_out.grid if held_out else None
    samples = resize(known.array, signal.shape, baseline.kernel, grid)
    medium = media.get(signal.medium)
    quality = metrics.compare(medium.visible(signal.array), medium.visible(samples), held_out, medium.ssim)
    callback(signal.n_samples)
    return BaselineOutcome(
        name=baseline.name, samples=samples, quality=quality, signal=known, grid=grid, kernel=baseline.kernel
    )


def are_comparable(outcomes: Sequence[Outcome]) -> bool:
    """Whether the same samples were held out from all, so that one of them may be the best."""
    return len({outcome.held_out for outcome in outcomes}) == 1


def best(outcomes: Sequence[Outcome], measure: Measure) -> list[Outcome]:
    """Outcomes with the best figure; none where all have the same one, or they are not comparable.

    A baseline repeats the trained samples, which is no merit: it has a part in the held-out PSNR alone.
    """
    values = {
        outcome: value
        for outcome in outcomes
        if (value := getattr(outcome.quality, measure)) is not None
        and (measure == "holdout_psnr" or not outcome.baseline)
    }
    if len(set(values.values())) < 2 or not are_comparable(outcomes):
        return []
    return [outcome for outcome, value in values.items() if value == max(values.values())]
