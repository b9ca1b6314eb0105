"""A run of a sweep in this process: trained, saved while it runs, resumed, and evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

from fftool.checkpoint.reading import load_run
from fftool.checkpoint.writing import save, save_run, to_bytes
from fftool.errors import FFToolError
from fftool.evaluation import evaluate
from fftool.files import readable_name, reserved
from fftool.interrupts import stop, stop_requests
from fftool.signal import Signal
from fftool.sweep.plan import Run
from fftool.training.trainer import Progress, fit, resume

Callback = Callable[[Progress], object]  # called after each step


def train_here(run: Run, signal: Signal, is_unfinished: bool, every: float, callback: Callback) -> float:
    """Train a run to its end, or resume it, and write its checkpoint; returns the seconds of its training.

    It is saved every so many seconds, and before it ends for Ctrl-C or SIGTERM. Raises errors as `fit` and `save` do.
    """
    with reserved(run.model), stop_requests() as requested:
        progress = None
        last = monotonic()
        for progress in resume(signal, load_run(run.model)) if is_unfinished else _course(run, signal):
            callback(progress)
            if not progress.network.is_finite:  # the next step rolls back
                continue
            if number := requested():
                _save(run, progress)
                stop(number)
            if monotonic() - last >= every:
                with suppress(FFToolError):  # the training continues without
                    _save(run, progress)
                last = monotonic()
        assert progress is not None
        evaluate(progress, signal)
        save(progress.network, run.model)
        return progress.seconds


def train_to_bytes(run: Run, signal: Signal) -> tuple[bytes, float]:
    """Content of the checkpoint of a run, and the seconds of its training. Raises errors as `fit` does."""
    progress = None
    for progress in _course(run, signal):
        pass
    assert progress is not None
    evaluate(progress, signal)
    return to_bytes(progress.network), progress.seconds


def _course(run: Run, signal: Signal) -> Iterator[Progress]:
    return fit(signal, run.variant.encoding, run.variant.network, run.training)


def _save(run: Run, progress: Progress) -> None:
    save_run(progress.state(), run.model, readable_name(run.source.path.absolute()))
