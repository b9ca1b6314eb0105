"""fftool train: files into checkpoints."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fftool import media
from fftool.cli import jobs, options
from fftool.cli.errors import UsageError, help_hint
from fftool.cli.jobs import Job, Result
from fftool.cli.output import Output
from fftool.cli.resume import resume_job
from fftool.cli.settings import TrainingOptions, with_training_options
from fftool.config import EncodingConfig, SavingConfig
from fftool.errors import WriteError
from fftool.files import check_writable, new_folder, reserved
from fftool.interrupts import uninterrupted

SUFFIXES = (".st", ".safetensors")
DEFAULT_OUTPUT = Path("model.st")


@with_training_options
def train(
    context: typer.Context,
    settings: TrainingOptions,
    files: options.Files = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The checkpoint to write; for several files, a folder.",
            show_default=f"{DEFAULT_OUTPUT}, or the resumed one",
        ),
    ] = None,
    resume: options.Resume = None,
    save_every: options.SaveEvery = SavingConfig.every,
    scale: options.Scale = EncodingConfig.scale,
    encoding: options.Encoding = EncodingConfig.kind,
    no_metadata: options.NoMetadata = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Fit a network to an image and save it as a checkpoint.

    Ctrl-C stops early and saves what has been trained.

    fftool train photo.jpg --scale 25

    fftool train --resume model.st

    fftool train *.jpg -o models
    """
    saving, files, out = SavingConfig(every=save_every), files or [], Output(as_json)
    if output == Path("-"):
        raise UsageError("a checkpoint cannot be written to standard output", "name a file with -o")
    if resume:
        jobs.run_job(resume_job(context, resume, files, output, settings.training, saving), overwrite, out)
        return
    settings = replace(settings, encoding=replace(settings.encoding, kind=encoding, scale=scale))
    options.check_scale_for(context, [settings.encoding])
    if not files:
        raise UsageError("no file to train on", help_hint())
    fitting = Fitting(settings, saving, no_metadata)
    path = output or (DEFAULT_OUTPUT if len(files) == 1 else Path())
    if len(files) == 1 and not jobs.is_folder(path):
        jobs.run_job(fitting.job(files[0], path), overwrite, out)
        return
    jobs.check_folder_name(path, SUFFIXES)
    names = jobs.output_names(files)

    def make_job(file: Path) -> Job:
        return fitting.job(file, path / f"{names[file]}.st", makes_folder=True)

    if len(files) == 1:
        jobs.run_job(make_job(files[0]), overwrite, out)
    else:
        jobs.run_jobs(files, make_job, overwrite, out)


@dataclass(frozen=True)
class Fitting:
    """Training of files with the same settings."""

    settings: TrainingOptions
    saving: SavingConfig
    no_metadata: bool

    def job(self, file: Path, output: Path, makes_folder: bool = False) -> Job:
        """Job that trains on a file, once it is known that its output can be written."""
        if output.exists() and not output.is_file():
            raise WriteError(output, "is not a regular file, as a checkpoint that is replaced now and then has to be")
        check_writable(output, file, makes_folder=makes_folder)
        return Job(output, partial(self._run, file, output, makes_folder))

    def _run(self, file: Path, output: Path, makes_folder: bool) -> Result:
        with uninterrupted():
            medium = media.recognize(file)
        signal = medium.read(file)
        if self.no_metadata:
            signal = replace(signal, metadata={})
        with uninterrupted():
            from fftool.cli.training_run import Saver, run_training
            from fftool.training.trainer import fit
        settings = self.settings
        with new_folder(output.parent) if makes_folder else nullcontext(), reserved(output):
            course = fit(signal, settings.encoding, settings.network, settings.training)
            return run_training(course, signal, medium, Saver(output, file, self.saving.every)).result
