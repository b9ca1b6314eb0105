"""fftool train --resume: a run that goes on from its checkpoint."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fftool.checkpoint import Description, describe, load_run, shown
from fftool.cli import options, terminal
from fftool.cli.batch import Job, Result
from fftool.cli.reports import Report
from fftool.cli.runs import Keeper, learn
from fftool.config import SavingConfig, TrainingConfig
from fftool.errors import FFToolError, SettingError
from fftool.files import check_writable, reserved

if TYPE_CHECKING:
    from fftool.state import Run

CHANGEABLE = ("epochs", "device", "threads")  # of a run that goes on


@dataclass(frozen=True)
class Resumption:
    """A checkpoint to go on with, and what was asked for."""

    model: Path
    output: Path
    picture: Path | None
    changes: dict[str, Any]  # to the settings of training
    saving: SavingConfig

    def run(self) -> Result:
        """Train on, or say that there is nothing left to do."""
        with reserved(self.output):
            description = describe(self.model)
            if not (description.resume or "epochs" in self.changes):
                return self._already_complete(description)
            picture = self.picture or self._find_picture(description)
            from fftool.media.image import read_image

            signal = read_image(picture)
            from fftool.training import resume

            course = resume(signal, self._changed(load_run(self.model)))
            return learn(course, signal, Keeper(self.output, picture, self.saving.every)).as_result

    def _already_complete(self, description: Description) -> Result:
        training = description.config.training
        epochs = training.result.epochs if training.result else training.epochs
        how = f"fftool train --resume {terminal.typed(self.model)} --epochs {2 * epochs}"
        if self.output != self.model or training.result is None:
            raise FFToolError(
                f"{self.model} is complete, and there is nothing to go on with", f"to train it further: {how}"
            )
        terminal.note(f"{self.model} is complete. To train it further: {how}")
        return Report(description.config, training.result, self.model).as_result

    def _find_picture(self, description: Description) -> Path:
        """Where it was; else a file of its name here, or beside the model."""
        name = Path(description.config.signal.source).name
        places = [Path(description.resume.picture)] if description.resume and description.resume.picture else []
        places += [Path(name), self.model.parent / name] if name else []
        for place in places:
            with suppress(OSError, ValueError):  # a path from a file may be none at all
                if place.is_file():
                    return place
        where = f"not at {shown(places[0])} any more" if places else "unknown"
        raise FFToolError(
            f"the picture that {self.model} learns is {where}",
            f"name it: fftool train PICTURE --resume {terminal.typed(self.model)}",
        )

    def _changed(self, run: Run) -> Run:
        """The run with the settings that were asked for."""
        config, position = run.network.config, run.position
        training = replace(config.training, **self.changes)
        if "epochs" in self.changes:  # they decide, and not a time or a PSNR that it had before
            if training.epochs <= position.epoch:
                raise SettingError(
                    f"{self.model} has been trained for {position.epoch} epochs already",
                    f"ask for more in all: --epochs {2 * position.epoch}",
                )
            training = replace(training, seconds=None, target_psnr=None)
            position = replace(position, over=False)
        run.network.config = replace(config, training=training)
        return replace(run, position=position)


def resumption(
    context: typer.Context,
    model: Path,
    pictures: list[Path],
    output: Path | None,
    training: TrainingConfig,
    saving: SavingConfig,
) -> Job:
    """What is to be done to go on with a run. Raises SettingError for options that it has settled."""
    names = ["scale", "encoding", *(name for part in options.SETTINGS.values() for name in part)]
    if settled := options.given(context, [name for name in names if name not in CHANGEABLE]):
        raise SettingError(f"{settled[0]} is settled in {model}", f"leave {settled[0]} out, or train anew")
    if len(pictures) > 1:
        raise SettingError("--resume goes on with one picture", "name one, or none if it is where it was")
    changes = {name: getattr(training, name) for name in CHANGEABLE if options.given(context, [name])}
    picture = pictures[0] if pictures else None
    describe(model)
    output = output or model
    check_writable(output, *pictures)
    return Job(output, Resumption(model, output, picture, changes, saving).run, goes_on=output == model)
