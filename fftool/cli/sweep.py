"""fftool sweep: every combination of files, networks and seeds, each in a checkpoint of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fftool.checkpoint.format import SUFFIXES
from fftool.cli import inputs, jobs, options
from fftool.cli.errors import UsageError, help_hint
from fftool.cli.output import Output
from fftool.cli.settings import TrainingOptions, with_training_options
from fftool.cli.workers import Place
from fftool.config import SavingConfig, TrainingConfig, network_variants, variants
from fftool.files import check_folder_writable, check_writable
from fftool.interrupts import uninterrupted


@with_training_options
def sweep(
    context: typer.Context,
    files: options.Files = None,
    output: Annotated[Path, options.output_option(help="The folder of all results.")] = Path("runs"),
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure", metavar="PATH", help="A figure of PSNR against σ, held-out if any is.", show_default="none"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how many runs there are and how long they take, and train none.")
    ] = False,
    kind: options.Medium = None,
    workers: options.Workers = None,
    cluster: options.Cluster = None,
    save_every: options.SaveEvery = SavingConfig.every,
    scale: options.Scales = None,
    encoding: options.Encodings = None,
    tile: options.Tiles = None,
    seed: options.Seeds = None,
    no_metadata: options.NoMetadata = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    *,
    settings: TrainingOptions,
) -> None:
    """Train a network for every combination of files, scales, encodings, tiles and seeds.

    Each run has a checkpoint in the folder, and a row in results.csv; summary.csv has the mean and the standard
    deviation over seeds. The same command again resumes: what is complete is kept. Ctrl-C stops, and keeps what there
    is.

    fftool sweep photo.jpg --scale 5 --scale 25 --scale auto --seed 0 --seed 1 --holdout lattice --figure sweep.png

    fftool sweep photos --encoding gaussian --encoding none --workers 4 -o runs
    """
    if not files:
        raise UsageError("no file to train on", help_hint())
    place = Place(workers, cluster)
    encodings = variants(encoding or [], scale or [], settings.encoding) or [settings.encoding]
    networks = network_variants(encodings, tile or [], settings.network)
    options.check_scale_for(context, encodings)
    seeds = _distinct([TrainingConfig.seed] if seed is None else seed)
    found, sources = inputs.signals(files, kind)
    jobs.check_folder_name(output, SUFFIXES)
    if figure:
        _check_figure(figure, [path for source in sources.values() for path in source.files])
    check_folder_writable(output)
    for each in seeds:
        replace(settings.training, seed=each)  # checks its range before anything is read
    named = {name: sources[file] for file, name in jobs.output_names(found.files, "stdin").items()}
    with uninterrupted():
        from fftool.cli.sweep_run import SweepRun
        from fftool.sweep.plan import plan

    runs = plan(named, networks, seeds, settings.training, output, keeps_metadata=not no_metadata)
    command = SweepRun(runs, output, figure, overwrite, save_every, place)
    out = Output(as_json)
    if dry_run:
        command.show_plan(out)
    else:
        command.run(out, dict(found.failures))


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise UsageError("a seed is given more than once", "name each seed once")
    return seeds


def _check_figure(path: Path, sources: list[Path]) -> None:
    with uninterrupted():
        from fftool.figures.page import check_suffix

    check_suffix(path)
    check_writable(path, *sources)
