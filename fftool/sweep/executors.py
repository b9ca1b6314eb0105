"""Runs one after the other in this process. Those on workers are in `fftool.cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from fftool.errors import FFToolError, OutOfMemoryError, without_frames
from fftool.sweep.plan import Run, SignalReader, State
from fftool.sweep.training import train_here
from fftool.training.trainer import Progress


@dataclass(frozen=True)
class Finished:
    """A run that has come to its end: the seconds of its training, or the error that it failed with."""

    run: Run
    seconds: float | None = None
    error: FFToolError | None = None


def run_here(
    states: Mapping[Run, State], every: float, callback: Callable[[Run, Progress], object]
) -> Iterator[Finished]:
    """Train each run that is not complete; a failure does not stop the others. `callback` is called after each step.

    A run is saved every so many seconds, and before KeyboardInterrupt or SystemExit is raised for a stop signal.
    """
    reader = SignalReader()
    for run, state in states.items():
        if state == "complete":
            continue
        try:
            signal = reader.read(run)
            seconds = train_here(run, signal, state == "unfinished", every, partial(callback, run))
        except FFToolError as error:
            yield Finished(run, error=without_frames(error))
        except MemoryError:
            yield Finished(run, error=OutOfMemoryError("training"))
        else:
            yield Finished(run, seconds)
