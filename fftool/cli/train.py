"""fftool train: pictures into checkpoints."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fftool.cli import batch, options
from fftool.cli.batch import Job, Result
from fftool.cli.resume import resumption
from fftool.cli.runs import Keeper, learn
from fftool.config import EncodingConfig, SavingConfig
from fftool.errors import FFToolError, SettingError
from fftool.files import check_writable, reserved

SUFFIXES = (".st", ".safetensors")


@options.with_settings
def train(
    context: typer.Context,
    settings: options.Settings,
    pictures: options.Pictures = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The checkpoint to write; for several pictures, the folder.",
            show_default="model.st, or what is resumed",
        ),
    ] = None,
    resume: options.Resume = None,
    save_every: options.SaveEvery = SavingConfig.every,
    scale: options.Scale = EncodingConfig.scale,
    encoding: options.Encoding = EncodingConfig.kind,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Fit a network to a picture and save it as a checkpoint.

    Ctrl-C stops early and keeps what was learnt so far.

    fftool train --resume model.st

    fftool train *.jpg -o models
    """
    saving, pictures = SavingConfig(every=save_every), pictures or []
    if output == Path("-"):
        raise SettingError("a checkpoint is not written to standard output", "name a file with -o")
    if resume:
        batch.do(resumption(context, resume, pictures, output, settings.training, saving), overwrite, as_json)
        return
    settings = replace(settings, encoding=replace(settings.encoding, kind=encoding, scale=scale))
    options.check_scale_for(context, [settings.encoding])
    if not pictures:
        raise SettingError("there is no picture to learn", "fftool train --help")
    if len(pictures) == 1:
        path = output or Path("model.st")
        path = batch.make_folder(path, SUFFIXES) / f"{pictures[0].stem}.st" if batch.is_folder(path) else path
        batch.do(_job(path, settings, saving, pictures[0]), overwrite, as_json)
        return
    folder, names = batch.make_folder(output or Path(), SUFFIXES), batch.names_apart(pictures)

    def plan(picture: Path) -> Job:
        return _job(folder / f"{names[picture]}.st", settings, saving, picture)

    batch.do_all(pictures, plan, overwrite, as_json)


def _job(output: Path, settings: options.Settings, saving: SavingConfig, picture: Path) -> Job:
    if output.exists() and not output.is_file():
        raise FFToolError(f"{output} is no regular file, and a checkpoint is replaced now and then", "name one with -o")
    check_writable(output, picture)
    return Job(output, partial(_train, output, settings, saving, picture))


def _train(output: Path, settings: options.Settings, saving: SavingConfig, picture: Path) -> Result:
    from fftool.media.image import read_image

    signal = read_image(picture)
    from fftool.training import fit

    with reserved(output):
        course = fit(signal, settings.encoding, settings.network, settings.training)
        return learn(course, signal, Keeper(output, picture, saving.every)).as_result
