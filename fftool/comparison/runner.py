"""Variants run one after the other: what fails is left out, and an interruption leaves out the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fftool.backend.device import use_threads
from fftool.checkpoint.writing import save
from fftool.comparison.outcome import Outcome, load_variant, resize_variant, train_variant
from fftool.config import Baseline, TrainingConfig, Variant
from fftool.errors import FFToolError, without_frames
from fftool.files import readable_name
from fftool.holdout import training_size
from fftool.rendering import Callback
from fftool.signal import Signal
from fftool.training.trainer import Progress

Source = Variant | Path | Baseline  # a network to train, a checkpoint as it is, or a resize


@dataclass(frozen=True)
class VariantCallback:
    """Callbacks of one variant: after each step of its training, and while it is rendered."""

    trained: Callable[[Progress], object]
    rendered: Callback


@dataclass
class Results:
    """Outcomes of the variants so far, in their order."""

    outcomes: list[Outcome] = field(default_factory=list)
    failures: dict[str, FFToolError] = field(default_factory=dict)
    n_run: int = 0  # variants that have come to an end, one way or the other
    interrupted: bool = False


@dataclass(frozen=True)
class VariantRunner:
    """Variants for one signal, with the same settings otherwise. `checkpoints` says where to keep trained ones."""

    signal: Signal
    variants: Sequence[Source]
    training: TrainingConfig
    checkpoints: Mapping[Variant, Path] = field(default_factory=dict)

    def work(self, variant: Source) -> int:
        """Samples visited to train a variant, or rendered to measure it; where time decides, as if epochs did."""
        if not isinstance(variant, Variant):
            return self.signal.n_samples
        return self.training.epochs * training_size(self.signal.shape, self.training.holdout)

    def run(self, track: Callable[[str, int], VariantCallback]) -> Results:
        """Train or load all variants. `track` is called with the name and work of each, and returns its callback."""
        use_threads(self.training.threads or 0)
        results = Results()
        for variant in self.variants:
            name = readable_name(variant) if isinstance(variant, Path) else variant.name
            try:
                self._run(variant, results, track(name, self.work(variant)))
            except FFToolError as error:
                results.failures[name] = without_frames(error)
            except KeyboardInterrupt:
                results.interrupted = True
                break
            results.n_run += 1
        return results

    def _run(self, variant: Source, results: Results, callback: VariantCallback) -> None:
        if isinstance(variant, Path):
            results.outcomes.append(load_variant(variant, self.signal, self.training.device, callback.rendered))
            return
        if isinstance(variant, Baseline):
            results.outcomes.append(resize_variant(self.signal, variant, self.training, callback.rendered))
            return
        outcome = train_variant(self.signal, variant, self.training, callback.trained)
        results.outcomes.append(outcome)
        if path := self.checkpoints.get(variant):
            save(outcome.network, path)
            results.outcomes[-1] = replace(outcome, checkpoint=path)
