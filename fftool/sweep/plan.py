"""Runs of a sweep, and which of them an earlier one has left complete or unfinished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from fftool.cache import LastUsed
from fftool.checkpoint.reading import describe
from fftool.config import Config, TrainingConfig, Variant
from fftool.errors import DifferentRunError, SignalMismatchError, shorten
from fftool.media.source import SignalSource
from fftool.signal import Signal
from fftool.training.resolving import check_same_signal, resolve

State = Literal["new", "unfinished", "complete"]
MACHINE = ("device", "threads", "precision")  # settings of a training that may follow the machine


@dataclass(frozen=True)
class Run:
    """One network to train on the signal in some files, and its checkpoint."""

    source: SignalSource
    variant: Variant
    training: TrainingConfig
    model: Path
    keeps_metadata: bool = True

    @property
    def name(self) -> str:
        return self.model.stem

    def read(self) -> Signal:
        """Its signal. Raises MediaError and ReadError."""
        signal = self.source.read()
        return signal if self.keeps_metadata else replace(signal, metadata={})

    def state(self, signal: Signal) -> State:
        """What an earlier sweep has left of this run.

        Raises DifferentRunError if its checkpoint is of another signal or of other settings, and errors as `describe`
        does.
        """
        if not self.model.exists():
            return "new"
        description = describe(self.model)
        self._check(description.config, signal)
        return "unfinished" if description.resume or description.result is None else "complete"

    def _check(self, found: Config, signal: Signal) -> None:
        try:
            check_same_signal(signal.config, found.signal)
        except SignalMismatchError as error:
            raise DifferentRunError(self.model, f"was trained on another signal: {error.difference}") from error
        expected = resolve(signal, self.variant.encoding, self.variant.network, self.training)
        for name, value in _settings(expected, self.training).items():
            if (seen := _settings(found, self.training)[name]) != value:
                problem = f"was trained with other settings: {name} {shorten(seen)}, expected {shorten(value)}"
                raise DifferentRunError(self.model, problem)


def _settings(config: Config, request: TrainingConfig) -> dict[str, Any]:
    """Settings that two configs of one run have in common, by name; the machine may decide some of them."""
    training = {
        name: value
        for name, value in asdict(config.training).items()
        if name not in MACHINE or getattr(request, name) not in (None, "auto")
    }
    encoding = config.encoding
    return {
        "encoding": encoding.kind,
        "scale": encoding.request.scale,
        "number of frequencies": encoding.n_frequencies(len(config.signal.axes)),
        **asdict(config.network),
        **training,
    }


class SignalReader:
    """Signals of runs, of which the last one is kept."""

    def __init__(self) -> None:
        self.last = LastUsed[Signal]()

    def read(self, run: Run) -> Signal:
        """Signal of a run. Raises errors as `Run.read` does."""
        return self.last((run.source.files, run.source.kind, run.keeps_metadata), run.read)


def plan(
    sources: Mapping[str, SignalSource],
    variants: Sequence[Variant],
    seeds: Iterable[int],
    training: TrainingConfig,
    folder: Path,
    keeps_metadata: bool = True,
) -> list[Run]:
    """Every combination of signals, networks and seeds; `sources` has the name of each signal in file names."""
    return [
        Run(
            source=source,
            variant=variant,
            training=replace(training, seed=seed),
            model=folder / f"{name}-{variant.file_name}-seed-{seed}.st",
            keeps_metadata=keeps_metadata,
        )
        for (name, source), variant, seed in product(sources.items(), variants, seeds)
    ]
