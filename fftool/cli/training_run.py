"""A training in the terminal: saved while it runs, left in good order when it is stopped, and evaluated."""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import typer

from fftool.checkpoint.writing import save, save_run
from fftool.cli import progress as bars
from fftool.cli import terminal
from fftool.cli.reports import TrainingReport, note_flat
from fftool.config import EncodingConfig, NetworkConfig, TrainingResult
from fftool.errors import FFToolError, WorkerFileError
from fftool.evaluation import PartAssessor, evaluate, evaluation_seconds
from fftool.files import readable_name
from fftool.interrupts import exit_code, stop_requests
from fftool.media.base import Medium
from fftool.pipes import is_pipe
from fftool.signal import Signal
from fftool.training.trainer import Progress

SAVING_SHARE = 20  # of the time between two saves, which one may take: a huge network takes seconds
SAVING_SECONDS = 0.5  # for the checkpoint, and for the start and the end of the process


class Saver:
    """File that keeps a run of training, from which it can resume."""

    def __init__(self, output: Path, source: Path, every: float) -> None:
        """Save to `output` that often, in seconds."""
        self.output, self.source, self.every = output, source, every
        self.last, self.cost = monotonic(), 0.0  # seconds that the last save took

    def save(self, progress: Progress) -> None:
        """Save the run. Raises errors as `save_run` does."""
        source = "" if is_pipe(self.source) else readable_name(self.source.absolute())
        save_run(progress.state(), self.output, source)

    def save_if_due(self, progress: Progress) -> None:
        """Save now and then. A failure does not stop the training, and leaves the last save as it is."""
        start = monotonic()
        if start - self.last < max(self.every, SAVING_SHARE * self.cost) or not progress.network.is_finite:
            return
        try:
            self.save(progress)
        except FFToolError as error:
            terminal.note(f"Not saved at {progress.done:.0%}, training continues: {error}")
        self.last = monotonic()
        self.cost = self.last - start

    @property
    def how_to_resume(self) -> str:
        command = f"fftool train --resume {terminal.quote(self.output)}"
        if is_pipe(self.source):
            return f"To resume, name a file with the same bytes, as a pipe is gone: {command} FILE"
        return f"To resume: {command}"


def seconds_left(
    seconds: float, start: float, signal: Signal, encoding: EncodingConfig, network: NetworkConfig
) -> float:
    """Time for training in a command that is to take so many seconds, since `start`, with its evaluation.

    It is a fifth of them at the least.
    """
    evaluation = evaluation_seconds(signal, encoding, network)
    left = seconds - (monotonic() - start) - evaluation - SAVING_SECONDS
    return round(max(left, seconds / 5), 3)


def run_training(
    course: Iterator[Progress],
    signal: Signal,
    medium: Medium,
    saver: Saver,
    assess: Callable[[Path], PartAssessor] | None = None,
) -> TrainingReport:
    """Run a training to its end, save it, and evaluate it: a stored signal by `assess`, given the checkpoint, if it is.

    A first Ctrl-C stops it at the next step. So does SIGTERM, which ends the command as soon as it is saved.
    """
    progress, stopped = _train(course, medium, saver)
    try:
        saver.save(progress)  # at once: evaluation takes time on a large signal
    except FFToolError:
        if progress.done < 1:
            raise  # a finished network may still fit without its state
    if stopped and (progress.done < 1 or stopped != signals.SIGINT):
        terminal.note(f"Stopped at {progress.done:.0%}, and saved. {saver.how_to_resume}")
    if stopped and stopped != signals.SIGINT:
        raise typer.Exit(exit_code(stopped))
    try:
        result = _evaluate(progress, signal, medium, assess(saver.output) if assess and signal.is_stored else None)
    except KeyboardInterrupt:
        terminal.note(f"Not evaluated. {saver.how_to_resume}")
        raise
    if progress.done < 1:
        saver.save(progress)
    else:
        save(progress.network, saver.output)
        _note_best(progress)
        note_flat("The network", progress.network.config, result.psnr, signal)
    return TrainingReport(progress.network.config, result, saver.output, progress)


def _train(course: Iterator[Progress], medium: Medium, saver: Saver) -> tuple[Progress, int | None]:
    """Last state of a run, and the number of the signal that stopped it, if one did."""
    progress: Progress | None = None
    try:
        with stop_requests() as stop, bars.progress("Training", 1, medium.short_unit) as update:
            for progress in course:
                if progress.rolled_back:
                    terminal.note(
                        f"The loss was not finite: rolled back to the start of epoch {progress.epochs + 1}, "
                        "with a tenth of the learning rate."
                    )
                update(progress.done, partial(format_status, progress, medium))
                if stop() and progress.network.is_finite:  # if it is not, the next step rolls back
                    break
                saver.save_if_due(progress)
    except FFToolError:
        if progress is not None and progress.step > 0:
            saver.save(progress)
            terminal.note(f"The network before that, after {progress.epochs} epochs, is in {saver.output}.")
        raise
    if progress is None:  # a course yields at least its first state
        raise RuntimeError("the training has yielded no state")
    return progress, stop()


def _note_best(progress: Progress) -> None:
    """Say which epoch was kept, where it is not the last one."""
    if progress.best_epoch is not None and progress.best_epoch < progress.epochs:
        terminal.note(f"Kept epoch {progress.best_epoch} of {progress.epochs}, the best by held-out PSNR.")
    elif progress.tiles and progress.network.config.training.stop_at_best:
        terminal.note("Kept the best epoch of each group of tiles by held-out PSNR.")


def format_status(progress: Progress, medium: Medium) -> str:
    """State of a training in a few words."""
    training = progress.network.config.training
    grid = progress.network.tiles
    part = f"tiles {progress.tiles.stop:,}/{grid.n_tiles:,}  " if grid and progress.tiles else ""
    if not progress.step:  # the first tiles are in training, in other processes
        return part.strip()
    epoch = progress.epochs + (progress.done < 1)
    total = "" if training.is_timed else f"/{training.epochs}"
    rate = bars.format_rate(progress.rate, medium.short_unit)
    return f"{part}epoch {epoch}{total}  loss {progress.loss:.3f}  {progress.psnr:.1f} dB  {rate}"


def _evaluate(progress: Progress, signal: Signal, medium: Medium, elsewhere: PartAssessor | None) -> TrainingResult:
    with bars.progress("Evaluating", signal.n_samples, medium.short_unit) as update:
        try:
            return evaluate(progress, signal, update, elsewhere)
        except WorkerFileError as error:
            terminal.note(f"Evaluating in this process, as the workers lack the checkpoint: {error}")
        return evaluate(progress, signal, update)
