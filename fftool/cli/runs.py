"""A run of training, from the terminal: kept while it goes on, left in good order when it is to stop, measured."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import typer

from fftool.checkpoint import save, save_run
from fftool.cli import bars, terminal
from fftool.cli.reports import Report
from fftool.config import TrainingResult
from fftool.errors import FFToolError
from fftool.files import readable_name
from fftool.interrupts import exit_code, noted

if TYPE_CHECKING:
    from fftool.signal import Signal
    from fftool.training import Progress


class Keeper:
    """Keeps a run of training in a file, from which it can go on."""

    def __init__(self, output: Path, picture: Path, every: float) -> None:
        """Save to `output` that often, in seconds."""
        self.output, self.picture, self.every = output, picture, every
        self.last = monotonic()

    def save(self, progress: Progress) -> None:
        """Raises FFToolError as `save_run`."""
        save_run(progress.run(), self.output, readable_name(self.picture.absolute()))

    def save_if_due(self, progress: Progress) -> None:
        """Save now and then. What keeps it from that does not stop the training; what is saved already stays."""
        if monotonic() - self.last < self.every or not progress.network.is_finite:
            return
        try:
            self.save(progress)
        except FFToolError as error:
            terminal.note(f"Not saved at {progress.done:.0%}, and training goes on: {error.message}.")
        self.last = monotonic()

    @property
    def how_to_go_on(self) -> str:
        return f"To go on: fftool train --resume {terminal.typed(self.output)}"


def learn(course: Iterator[Progress], signal: Signal, keeper: Keeper) -> Report:
    """Go through a run, save it, and measure what came of it.

    A first Ctrl-C stops it at the next step. So does SIGTERM, which ends the command as soon as that is saved.
    """
    progress, stopped = _trained(course, keeper)
    try:
        keeper.save(progress)  # at once: measuring takes time on a large picture
    except FFToolError:
        if progress.done < 1:
            raise  # else there may be room for the network alone
    if stopped and (progress.done < 1 or stopped != signals.SIGINT):
        terminal.note(f"Stopped at {progress.done:.0%}, and saved. {keeper.how_to_go_on}")
    if stopped and stopped != signals.SIGINT:
        raise typer.Exit(exit_code(stopped))
    try:
        result = _measured(progress, signal)
    except KeyboardInterrupt:
        terminal.note(f"Not measured. {keeper.how_to_go_on}")
        raise
    if progress.done < 1:
        keeper.save(progress)
    else:
        save(progress.network, keeper.output)
    return Report(progress.network.config, result, keeper.output, progress)


def _trained(course: Iterator[Progress], keeper: Keeper) -> tuple[Progress, int | None]:
    """The end of a run, or where it stood when a signal with that number stopped it."""
    progress: Progress | None = None
    try:
        with noted() as stop, bars.progress("Training", 1) as report:
            for progress in course:
                if progress.retreated:
                    terminal.note(
                        f"The loss was no longer a finite number: back to the start of epoch {progress.epochs + 1}, "
                        "and on with a tenth of the learning rate."
                    )
                report(progress.done, partial(status, progress))
                if stop() and progress.network.is_finite:  # what is not is gone back from at the next step
                    break
                keeper.save_if_due(progress)
    except FFToolError:
        if progress is not None and progress.step > 0:
            keeper.save(progress)
            terminal.note(f"What was learnt before that, in {progress.epochs} epochs, is in {keeper.output}.")
        raise
    assert progress is not None
    return progress, stop()


def status(progress: Progress) -> str:
    """Where training stands, in a few words."""
    training = progress.network.config.training
    epoch = progress.epochs + (progress.done < 1)
    of = "" if training.seconds else f"/{training.epochs}"
    rate = bars.pixel_rate(progress.rate)
    return f"epoch {epoch}{of}  loss {progress.loss:.3f}  {progress.psnr:.1f} dB  {rate}"


def _measured(progress: Progress, signal: Signal) -> TrainingResult:
    from fftool.training import evaluate

    with bars.progress("Measuring", signal.cells) as report:
        return evaluate(progress, signal, report)
