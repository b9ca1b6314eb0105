"""fftool train --resume: a run that continues from its checkpoint."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fftool.checkpoint.reading import Description, describe, load_run, medium_of
from fftool.cli import inputs, options, terminal
from fftool.cli.errors import CommandError, UsageError
from fftool.cli.jobs import Job, Result
from fftool.cli.reports import TrainingReport
from fftool.cli.settings import NAMES
from fftool.cli.workers import Place, elsewhere
from fftool.config import SavingConfig, TrainingConfig
from fftool.errors import STANDARD_INPUT_NAME, shorten, shown_path
from fftool.files import PIPE_NAME, check_writable, reserved
from fftool.interrupts import uninterrupted
from fftool.media.source import SignalSource
from fftool.pipes import is_pipe

if TYPE_CHECKING:
    from fftool.training.state import Run

NAMELESS = {STANDARD_INPUT_NAME: STANDARD_INPUT_NAME, PIPE_NAME: "a pipe"}  # sources that were no files
CHANGEABLE = ("epochs", "device", "threads")  # settings of a resumed run


@dataclass(frozen=True)
class Resumption:
    """A checkpoint to continue, and the request. `changed` names the settings that were given."""

    model: Path
    output: Path
    source: SignalSource | None
    training: TrainingConfig
    changed: tuple[str, ...]
    saving: SavingConfig
    place: Place

    def run(self) -> Result:
        """Continue the training, or report that it is complete."""
        with reserved(self.output):
            description = describe(self.model)
            if not (description.resume or "epochs" in self.changed):
                return self._already_complete(description)
            source = self.source or _source([self._find_path(description)], description)
            medium, signal = source.medium, source.open()
            with uninterrupted():
                from fftool.cli.training_run import Saver, run_training
                from fftool.training.trainer import resume
            with elsewhere(self.place, source) as others:
                course = resume(signal, self._with_changes(load_run(self.model)), others.train)
                saver = Saver(self.output, source.path, self.saving.every)
                return run_training(course, signal, medium, saver, others.assess).result

    def _already_complete(self, description: Description) -> Result:
        result = description.result
        epochs = result.epochs if result else description.config.training.epochs
        command = f"fftool train --resume {terminal.quote(self.model)} --epochs {2 * epochs}"
        if self.output != self.model or result is None:
            raise CommandError(f"{self.model} is complete: there is nothing to resume", f"to train longer: {command}")
        terminal.note(f"{self.model} is complete. To train longer: {command}")
        return TrainingReport(description.config, result, self.model).result

    def _find_path(self, description: Description) -> Path:
        """The signal's file, or the folder of its files, at the old path, or one of its name here or by the model."""
        name = Path(description.config.signal.source).name
        places = [Path(description.resume.source)] if description.resume and description.resume.source else []
        places += [Path(name), self.model.parent / name] if name else []
        for place in places:
            with suppress(OSError, ValueError):  # a path in a file may be no path at all
                if place.is_file() or place.is_dir():
                    return place
        raise CommandError(
            f"the file that {shown_path(self.model)} was trained on {_whereabouts(name, places)}",
            f"name it: fftool train FILE --resume {terminal.quote(self.model)}",
        )

    def _with_changes(self, run: Run) -> Run:
        """The run with the settings that were given."""
        from fftool.backend.device import select_device

        config, position = run.network.config, run.position
        training = config.training
        if "device" in self.changed:
            training = replace(training, device=select_device(self.training.device))
        if "threads" in self.changed:
            training = replace(training, threads=self.training.threads or 0)
        if "epochs" in self.changed and position.complete.n_tiles:
            raise UsageError(
                f"{self.model} is unfinished, and {position.complete.n_tiles:,} of its tiles are complete",
                "complete it first, without --epochs, and then train it longer",
            )
        if "epochs" in self.changed:  # they decide, and not a time or a PSNR that was set before
            if self.training.epochs <= position.epoch:
                raise UsageError(
                    f"{self.model} has already been trained for {position.epoch} epochs",
                    f"give the total: --epochs {2 * position.epoch}",
                )
            training = replace(training, epochs=self.training.epochs, seconds=math.inf, target_psnr=math.inf)
            position = replace(position, finished=False)
        run.network.config = replace(config, training=training)
        return replace(run, position=position)


def _source(paths: list[Path], description: Description) -> SignalSource:
    """The files of a run's signal. Raises UsageError for several that are no parts of one signal."""
    found, sources = inputs.signals(paths, description.config.signal.medium)
    if len(found.files) > 1:
        raise UsageError("--resume continues one run, with one file", "name the file, or none if it has not moved")
    return sources[found.files[0]]


def _whereabouts(name: str, places: list[Path]) -> str:
    """What is known about a file that was not found."""
    if name in NAMELESS:
        return f"came through {NAMELESS[name]}, and is gone"
    return f"is no longer at {shorten(places[0])}" if places else "is unknown"


def resume_job(
    context: typer.Context,
    model: Path,
    files: list[Path],
    output: Path | None,
    training: TrainingConfig,
    saving: SavingConfig,
    place: Place,
) -> Job:
    """Job that continues a run. Raises UsageError for options that the run has fixed."""
    fixed = [
        name
        for name in ("scale", "encoding", "tile", "quality", "kind", "no_metadata", *NAMES)
        if name not in CHANGEABLE
    ]
    if given := options.given(context, fixed):
        raise UsageError(f"{given[0]} is fixed in {model}", f"leave {given[0]} out, or train from scratch")
    changed = tuple(name for name in CHANGEABLE if options.given(context, [name]))
    description = describe(model)
    with uninterrupted():
        medium_of(model, description.config.signal)
    source = _source(files, description) if files else None
    if output is None and is_pipe(model):
        raise UsageError("a checkpoint that comes from a pipe cannot be replaced", "name the new one with -o")
    output = output or model
    check_writable(output, *(source.files if source else ()))
    resumption = Resumption(model, output, source, training, changed, saving, place)
    return Job(output, resumption.run, continues_output=output == model)
