"""fftool compare: scales, encodings, tiles, checkpoints and ordinary resizes side by side."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fftool.checkpoint.reading import describe
from fftool.cli import inputs, options, terminal
from fftool.cli.comparison_outputs import ComparisonOutputs
from fftool.cli.errors import UsageError
from fftool.cli.output import Output
from fftool.cli.settings import NAMES, TrainingOptions, with_training_options
from fftool.cli.view import check_page
from fftool.config import (
    MAX_SHEET_PIXELS,
    Baseline,
    Holdout,
    ResizeKernel,
    baselines,
    check_scale_count,
    network_variants,
    variants,
)
from fftool.errors import SettingError
from fftool.files import check_folder, check_writable
from fftool.holdout import training_size
from fftool.interrupts import uninterrupted
from fftool.models.capacity import resolve_network

if TYPE_CHECKING:
    from fftool.media.base import Medium
    from fftool.signal import Signal

CHECKPOINTS = r"[^/]+\.st"
file_option = partial(typer.Option, metavar="PATH")


@with_training_options
def compare(
    context: typer.Context,
    file: options.File,
    checkpoints: Annotated[
        list[Path] | None,
        options.file_argument(metavar="MODEL", help="Checkpoints to compare as they are, or a folder."),
    ] = None,
    scale: options.Scales = None,
    encoding: options.Encodings = None,
    tile: options.Tiles = None,
    baseline: options.Baselines = None,
    kind: options.Medium = None,
    size: options.Size = None,
    output: Annotated[
        Path, options.output_option(help="The sheet of all images: png, jpg, webp, tiff, pdf or svg.")
    ] = Path("compare.png"),
    curves: Annotated[
        Path | None,
        file_option("--curves", help="A figure of PSNR against epochs and seconds.", show_default="none"),
    ] = None,
    explain: Annotated[
        Path | None,
        file_option("--explain", help="A figure of how auto chose the scale.", show_default="none"),
    ] = None,
    table: Annotated[
        Path | None, file_option("--csv", help="The table as comma-separated values.", show_default="none")
    ] = None,
    page: Annotated[
        Path | None,
        file_option(
            "--page", help="A page that zooms into the networks, as fftool view makes it.", show_default="none"
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option("--save-models", metavar="FOLDER", help="Keep the checkpoints there.", show_default="none"),
    ] = None,
    no_metadata: options.NoMetadata = False,
    show: options.Show = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    *,
    settings: TrainingOptions,
) -> None:
    """Train a network for each scale, encoding and tile, and show them side by side.

    All start from the same seed. Checkpoints and resizes can join them, or be compared alone.

    fftool compare photo.jpg --scale 1 --scale 25 --encoding gaussian --encoding none
    """
    options.check_show(show, as_json)
    source, checkpoints = inputs.signal(file, kind), inputs.all_of(checkpoints or [], inputs.CHECKPOINTS)
    file = source.path
    inputs.check_read_once(file, *checkpoints)
    encodings = variants(encoding or [], scale or [], settings.encoding)
    to_train = network_variants(encodings or [settings.encoding] * bool(tile), tile or [], settings.network)
    resizes = _resizes(baseline, settings.training.holdout)
    if not (to_train or checkpoints or resizes):
        expected = "name scales, encodings, tiles, baselines or checkpoints: --scale 1 --scale 25"
        raise UsageError("nothing to compare", expected)
    if not to_train:
        _refuse_training_options(context, holds_out=bool(resizes))
    options.check_scale_for(context, [each.encoding for each in to_train])
    if explain and not any(each.encoding.needs_search for each in to_train):
        raise UsageError("--explain shows how auto chooses a scale, and none is to be chosen", "add --scale auto")
    if page:
        check_page(page)
        if not (to_train or checkpoints):
            raise UsageError("--page shows networks, and there are none", "leave --page out, or name a --scale")
    _check_distinct(checkpoints, "name each variant once")
    kept = {each: models / f"{each.file_name}.st" for each in to_train} if models else {}
    outputs = ComparisonOutputs(output, curves, explain, table, page, kept)
    existing = _check_outputs(outputs, models, [*source.files, *checkpoints])
    medium, signal = source.medium, source.read()
    if page:
        with uninterrupted():
            from fftool.export.scene import check_viewable

        check_viewable(signal.config)
    if no_metadata:
        signal = replace(signal, metadata={})
    for each in to_train:
        check_scale_count(each.encoding.scale, len(signal.axes))
        resolve_network(signal.config, each.encoding, each.network, settings.training)
    _check_inputs(signal, file, checkpoints, settings)
    shape = _render_shape(medium, signal, size)
    terminal.confirm_overwrite(existing, overwrite)
    with uninterrupted():
        from fftool.cli.comparison import Comparison

    comparison = Comparison(file, signal, medium, [*to_train, *checkpoints, *resizes], settings, outputs, shape, show)
    comparison.run(Output(as_json))


def _resizes(kernels: list[ResizeKernel] | None, holdout: Holdout) -> list[Baseline]:
    """Baselines to compare with. Raises UsageError where the trained samples form no grid to resize."""
    found = baselines(kernels or [])
    if found and holdout not in ("none", "lattice"):
        problem = f"--baseline resizes a grid, and --holdout {holdout} leaves none"
        raise UsageError(problem, "use --holdout lattice, or leave one of them out")
    return found


def _refuse_training_options(context: typer.Context, *, holds_out: bool) -> None:
    useful = ("device", "threads", *(["holdout"] if holds_out else []))
    names = [name for name in NAMES if name not in useful]
    if useless := options.given(context, [*names, "curves", "explain", "models", "no_metadata"]):
        raise UsageError(
            f"{useless[0]} is for networks to be trained, and there are none",
            f"leave {useless[0]} out, or name a --scale, an --encoding or a --tile",
        )


def _check_distinct(paths: list[Path], hint: str) -> None:
    for path, count in Counter(map(os.path.realpath, paths)).items():
        if count > 1:
            raise UsageError(f"{Path(path).name} is named {count} times", hint)


def _check_outputs(outputs: ComparisonOutputs, folder: Path | None, sources: list[Path]) -> list[Path]:
    """Refuse outputs that cannot be written; returns those that exist already."""
    with uninterrupted():
        from fftool.figures.page import check_suffix

    for path in outputs.figures:
        check_suffix(path)
    kept = check_folder(folder, outputs.all, CHECKPOINTS) if folder else []
    for path in (*outputs.reports, *kept):
        check_writable(path, *sources)
    _check_distinct(outputs.all, "name each output once")
    return [path for path in outputs.all if path.exists()]


def _check_inputs(signal: Signal, file: Path, checkpoints: list[Path], settings: TrainingOptions) -> None:
    """Refuse a signal that is too small to hold samples out, and checkpoints of other signals than its kind."""
    training_size(signal.shape, settings.training.holdout)
    for path in checkpoints:
        inputs.check_same_kind(path, describe(path).config.signal, file, signal.config)


def _render_shape(medium: Medium, signal: Signal, size: str | None) -> tuple[int, ...] | None:
    """Shape to render at, if not the signal's own."""
    if size is None:
        return None
    shape = medium.parse_size(size, signal.shape)
    if prod(shape) > MAX_SHEET_PIXELS:
        expected = f"at most {MAX_SHEET_PIXELS:,} {medium.unit} on a sheet; fftool render has no such limit"
        raise SettingError("size", f"of {medium.count(shape)}", expected)
    return shape
