"""Time that runs will take, measured on the first steps of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from time import perf_counter

from fftool.config import Variant
from fftool.evaluation import evaluation_seconds
from fftool.signal import Signal
from fftool.sweep.plan import Run, SignalReader
from fftool.training.trainer import fit

MEASURED_SECONDS = 0.4  # of training, behind its first step
MEASURED_SIZES = 3  # of the signals on which each network is measured; others take as long for each sample


def total_seconds(runs: Iterable[Run]) -> float:
    """Time of runs on this machine, one after the other, with their evaluation. Raises errors as `fit` does."""
    reader, total = SignalReader(), 0.0
    known = defaultdict[Variant, dict[int, float]](dict)  # by network and number of samples
    for run in runs:
        signal, measured = reader.read(run), known[run.variant]
        size = signal.n_samples
        if size not in measured and len(measured) < MEASURED_SIZES:
            measured[size] = _run_seconds(run, signal)
        nearest = min(measured, key=lambda other: abs(other - size))
        total += measured[nearest] * (1 if run.training.seconds else size / nearest)
    return total


def _run_seconds(run: Run, signal: Signal) -> float:
    encoding, network, training = run.variant.encoding, run.variant.network, run.training
    evaluation = evaluation_seconds(signal, encoding, network)
    if training.seconds:
        return training.seconds + evaluation
    start, before = 0.0, 0.0
    for progress in fit(signal, encoding, network, training):
        if not start:
            start, before = perf_counter(), progress.done
        elif perf_counter() - start > MEASURED_SECONDS:
            break
    done = progress.done - before
    return (perf_counter() - start) / done + evaluation if done else evaluation
