"""fftool train: files into checkpoints."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from fftool.checkpoint.format import SUFFIXES
from fftool.checkpoint.reading import describe
from fftool.cli import inputs, jobs, options, terminal
from fftool.cli.errors import UsageError, help_hint
from fftool.cli.jobs import Job, Result
from fftool.cli.output import Output
from fftool.cli.resume import resume_job
from fftool.cli.settings import TrainingOptions, with_training_options
from fftool.cli.workers import Place, elsewhere
from fftool.config import PRESETS, EncodingConfig, NetworkConfig, Preset, SavingConfig
from fftool.errors import FFToolError, WriteError
from fftool.files import check_readable, check_writable, new_folder, reserved
from fftool.interrupts import uninterrupted
from fftool.media.source import SignalSource
from fftool.pipes import is_pipe

DEFAULT_OUTPUT = Path("model.st")


@with_training_options
def train(
    context: typer.Context,
    files: options.Files = None,
    output: Annotated[
        Path | None,
        options.output_option(
            help="The checkpoint to write; for several files, a folder.",
            show_default=f"{DEFAULT_OUTPUT}, or the resumed one",
        ),
    ] = None,
    kind: options.Medium = None,
    resume: options.Resume = None,
    workers: options.Workers = None,
    cluster: options.Cluster = None,
    save_every: options.SaveEvery = SavingConfig.every,
    scale: options.Scale = EncodingConfig.scale,
    encoding: options.Encoding = EncodingConfig.kind,
    tile: options.Tile = NetworkConfig.tile,
    quality: options.TrainingQuality = None,
    no_metadata: options.NoMetadata = False,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    as_json: options.Json = False,
    *,
    settings: TrainingOptions,
) -> None:
    """Fit a network to an image, sound, clip, volume or shape, and save it as a checkpoint.

    Ctrl-C stops early and saves what has been trained.

    fftool train photo.jpg --scale 25

    fftool train --resume model.st

    fftool train photos -o models --skip-existing

    fftool train frames --as clip

    fftool train huge.tif --cluster tcp://head:8786

    curl -L https://example.org/photo.jpg | fftool train -
    """
    saving, files, out = SavingConfig(every=save_every), files or [], Output(as_json)
    existing, place = options.existing(overwrite, skip_existing), Place(workers, cluster)
    if output == Path("-"):
        raise UsageError("a checkpoint cannot be written to standard output", "name a file with -o")
    if resume:
        if skip_existing:
            raise UsageError("--resume continues an output that exists", "leave --skip-existing out")
        model = inputs.named(resume)
        inputs.check_read_once(model, *map(inputs.named, files))
        job = resume_job(context, model, files, output, settings.training, saving, place)
        jobs.run_job(model, job, existing, out)
        return
    settings = replace(
        settings,
        encoding=replace(settings.encoding, kind=encoding, scale=scale),
        network=replace(settings.network, tile=tile),
    )
    options.check_scale_for(context, [settings.encoding])
    if not files:
        raise UsageError("no file to train on", help_hint())
    if settings.training.seconds and not place.is_here:
        raise UsageError("--time lets a clock decide, and several processes have no common one", "use --epochs")
    preset = PRESETS[quality] if quality else None
    if preset and not options.given(context, ("epochs", "seconds")):
        settings = replace(settings, training=replace(settings.training, epochs=preset.epochs))
    fitting, (found, sources) = Fitting(settings, preset, saving, no_metadata, place), inputs.signals(files, kind)
    path = output or (Path() if found.is_batch else DEFAULT_OUTPUT)
    if not (found.is_batch or jobs.is_folder(path)):
        jobs.run_job(found.files[0], fitting.job(sources[found.files[0]], path), existing, out)
        return
    jobs.check_folder_name(path, SUFFIXES)
    names = jobs.output_names(found.files, DEFAULT_OUTPUT.stem)

    def make_job(file: Path) -> Job:
        return fitting.job(sources[file], path / f"{names[file]}.st", makes_folder=True)

    if found.is_batch:
        jobs.run_jobs(found, make_job, existing, out)
    else:
        jobs.run_job(found.files[0], make_job(found.files[0]), existing, out)


@dataclass(frozen=True)
class Fitting:
    """Training of files with the same settings."""

    settings: TrainingOptions
    preset: Preset | None
    saving: SavingConfig
    no_metadata: bool
    place: Place

    def job(self, source: SignalSource, output: Path, makes_folder: bool = False) -> Job:
        """Job that trains on a signal."""
        return Job(
            output,
            partial(self._run, source, output, makes_folder),
            check=partial(_check, source, output, makes_folder),
            unfinished=partial(_how_to_complete, output),
        )

    def _run(self, source: SignalSource, output: Path, makes_folder: bool) -> Result:
        start, medium, signal = monotonic(), source.medium, source.open()
        if signal.is_stored:
            terminal.note(f"{signal.source} is too large for memory, and is read part by part.", style="dim")
        if self.no_metadata:
            signal = replace(signal, metadata={})
        with uninterrupted():
            from fftool.cli.training_run import Saver, run_training, seconds_left
            from fftool.models.capacity import with_preset
            from fftool.training.trainer import fit
        encoding, network, training = self.settings.encoding, self.settings.network, self.settings.training
        if self.preset:
            network = with_preset(self.preset, signal.config, network, training)
        with new_folder(output.parent) if makes_folder else nullcontext(), reserved(output):
            if training.seconds:
                seconds = seconds_left(training.seconds, start, signal, encoding, network)
                training = replace(training, seconds=seconds)
            with elsewhere(self.place, source) as others:
                course = fit(signal, encoding, network, training, others.train)
                saver = Saver(output, source.path, self.saving.every)
                return run_training(course, signal, medium, saver, others.assess).result


def _check(source: SignalSource, output: Path, makes_folder: bool) -> None:
    """Refuse files that cannot be read, and an output that cannot be written."""
    if output.exists() and not output.is_file():
        raise WriteError(output, "is not a regular file, as a checkpoint that is replaced now and then has to be")
    for file in source.files:
        if not is_pipe(file):  # which is read last, as that may take long
            check_readable(file)
    check_writable(output, *source.files, makes_folder=makes_folder)


def _how_to_complete(output: Path) -> str:
    """What to do about an output that exists, if it is the checkpoint of an unfinished run."""
    with suppress(FFToolError):
        if describe(output).resume:
            return f"{output} is unfinished. To resume: fftool train --resume {terminal.quote(output)}"
    return ""
