"""fftool compare: scales, encodings and checkpoints side by side."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fftool.checkpoint import describe, encode, save
from fftool.cli import options, terminal
from fftool.cli.train import status
from fftool.config import EncodingConfig, encodings
from fftool.errors import FFToolError, SettingError
from fftool.files import check_folder, check_writable, replacing

if TYPE_CHECKING:
    from fftool.comparison import Outcome
    from fftool.signal import Samples, Signal
    from fftool.training import Progress

Variant = EncodingConfig | Path  # a network to train with this encoding, or a checkpoint as it is


@dataclass(frozen=True)
class Files:
    """What to write. `models` maps the name of a variant to the checkpoint that keeps it."""

    sheet: Path
    curves: Path | None
    csv: Path | None
    models: dict[str, Path]

    @property
    def figures(self) -> list[Path]:
        return [self.sheet, *([self.curves] if self.curves else [])]

    @property
    def reports(self) -> list[Path]:
        return [*self.figures, *([self.csv] if self.csv else [])]


@dataclass
class Results:
    """What came of the variants so far, in their order."""

    outcomes: list[Outcome] = field(default_factory=list)
    failures: dict[str, FFToolError] = field(default_factory=dict)
    interrupted: bool = False


@options.with_settings
def compare(
    picture: options.Picture,
    settings: options.Settings,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL", help="Checkpoints to compare as they are.", show_default=False),
    ] = None,
    scale: options.Scales = None,
    encoding: options.Encodings = None,
    size: options.Size = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The sheet with all pictures: png, jpg, webp, tiff, pdf or svg.")
    ] = Path("compare.png"),
    curves: Annotated[
        Path | None,
        typer.Option("--curves", help="A figure of PSNR against epochs and seconds.", show_default="none"),
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", help="The table as comma-separated values.", show_default="none")
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option("--save-models", metavar="FOLDER", help="Keep the checkpoints there.", show_default="none"),
    ] = None,
    show: options.Show = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Train a network for each scale and encoding, and show them side by side.

    All start from the same seed. Checkpoints may stand beside them, or instead.

    fftool compare photo.jpg --scale 1 --scale 25 --encoding gaussian --encoding none
    """
    options.check_show(show, as_json)
    to_train = encodings(encoding or [], scale or [], settings.encoding)
    variants: list[Variant] = [*to_train, *(checkpoints or [])]
    _check_variants(variants, bool(curves))
    kept = {each.name: models / f"{each.file_name}.st" for each in to_train} if models else {}
    files = Files(output, curves, table, kept)
    existing = _check_files(files, models, [picture, *(checkpoints or [])])
    signal = _read(picture, variants, settings)
    terminal.confirm_overwrite(existing, overwrite)

    results = _run(variants, signal, settings, files)
    if results.interrupted and not results.outcomes:
        raise KeyboardInterrupt
    if results.outcomes:
        title = f"{signal.source}: {len(results.outcomes)} variants"
        title += f", {settings.training.epochs} epochs" if to_train else ""
        _draw(results.outcomes, signal, size, title, files, show)
    _report(results, picture, files, as_json)
    if results.interrupted:
        terminal.note(f"Stopped after {len(results.outcomes)} of {len(variants)} variants.")
        raise typer.Exit(130)
    if results.failures:
        raise typer.Exit(1)


def _check_variants(variants: list[Variant], curves: bool) -> None:
    if not variants:
        raise SettingError(
            "there is nothing to compare", "name scales, encodings or checkpoints, such as --scale 1 --scale 25"
        )
    paths = [variant.resolve() for variant in variants if isinstance(variant, Path)]
    for path, count in Counter(paths).items():
        if count > 1:
            raise SettingError(f"{path.name} is asked for {count} times", "name each variant once")
    if curves and len(paths) == len(variants):
        raise SettingError("checkpoints have no curves", "leave --curves out, or train with --scale or --encoding")


def _check_files(files: Files, folder: Path | None, sources: list[Path]) -> list[Path]:
    """Refuse what cannot be written; return what may be there already."""
    from fftool.figures.page import check_suffix

    for path in files.figures:
        check_suffix(path)
    models = check_folder(folder, files.models.values()) if folder else []
    for path in (*files.reports, *models):
        check_writable(path, *sources)
    if len({path.resolve() for path in files.reports}) < len(files.reports):
        raise SettingError("two outputs have the same name", "give each a name of its own")
    return [*files.reports, *models]


def _read(picture: Path, variants: list[Variant], settings: options.Settings) -> Signal:
    """The picture, once it is known that every variant has to do with it."""
    from fftool.holdout import trained_cells
    from fftool.media.image import read_image

    signal = read_image(picture)
    for variant in variants:
        if isinstance(variant, EncodingConfig):
            trained_cells(signal.shape, settings.training.holdout)  # which refuses a picture that is too small
            continue
        held = describe(variant).config.signal
        if (held.axes, held.channels) != (signal.axes, signal.channels):
            raise FFToolError(
                f"{variant} was trained on {held.channels} channels and {', '.join(reversed(held.axes))}; "
                f"{picture} has {signal.channels} channels and x, y",
                "compare it with a picture of its own kind",
            )
    return signal


def _run(variants: list[Variant], signal: Signal, settings: options.Settings, files: Files) -> Results:
    """Train or load one after the other. What fails is left out; a Ctrl-C leaves out the rest."""
    from fftool.holdout import trained_cells

    cells = settings.training.epochs * trained_cells(signal.shape, settings.training.holdout)
    totals = [signal.cells if isinstance(variant, Path) else cells for variant in variants]
    results = Results()
    with terminal.progress_in_parts("all variants", sum(totals)) as part:
        for variant, total in zip(variants, totals, strict=True):
            name = str(variant) if isinstance(variant, Path) else variant.name
            try:
                outcome = _outcome(variant, signal, settings, part(name, total))
                if path := files.models.get(name):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    save(outcome.network, path)
                results.outcomes.append(outcome)
            except FFToolError as error:
                results.failures[name] = error
            except KeyboardInterrupt:
                results.interrupted = True
                break
    return results


def _outcome(variant: Variant, signal: Signal, settings: options.Settings, report: terminal.Report) -> Outcome:
    from fftool.comparison import learn, recall

    if isinstance(variant, Path):
        return recall(variant, signal, settings.training.device, report)

    def report_progress(progress: Progress) -> None:
        report(progress.cells, partial(status, progress))

    return learn(signal, variant, settings.network, settings.training, report_progress)


def _draw(
    outcomes: list[Outcome], signal: Signal, size: options.Pixels | None, title: str, files: Files, show: bool
) -> None:
    from fftool.figures.comparison import curves, sheet

    pictures = [outcome.samples for outcome in outcomes]
    if files.curves:
        curves(outcomes, title).save(files.curves)
    if size is not None:
        height, width = signal.shape
        width, height = size.of(width, height)
        title += f", drawn at {width}x{height}"
        pictures = _drawn(outcomes, (height, width))
    page = sheet(signal, outcomes, pictures, title)
    page.save(files.sheet)
    if show:
        terminal.show_picture(page.image())


def _drawn(outcomes: list[Outcome], shape: tuple[int, int]) -> list[Samples]:
    from fftool.rendering import render

    cells = prod(shape)
    with terminal.progress_in_parts("all drawings", len(outcomes) * cells) as part:
        return [render(outcome.network, shape, report=part(outcome.name, cells)) for outcome in outcomes]


def _report(results: Results, picture: Path, files: Files, as_json: bool) -> None:
    rows = [_row(outcome, files) for outcome in results.outcomes]
    if files.csv and rows:
        _write_csv(files.csv, rows)
    for name, error in results.failures.items():
        terminal.show_error(f"{name}: {error.message}", error.hint)
    if as_json:
        histories = [[asdict(epoch) for epoch in outcome.history] for outcome in results.outcomes]
        terminal.show_json(
            {
                "image": str(picture),
                "output": str(files.sheet) if rows else None,
                "variants": [row | {"history": history} for row, history in zip(rows, histories, strict=True)],
                "failed": [{"name": name, "error": str(error)} for name, error in results.failures.items()],
            }
        )
    elif rows:
        _show_table(results.outcomes, rows)
        for path in files.reports:
            terminal.say(path)


def _row(outcome: Outcome, files: Files) -> dict[str, Any]:
    """What the table, the CSV file and the JSON document say of a variant."""
    from fftool.metrics import finite

    config, quality = outcome.network.config, outcome.quality
    model = outcome.checkpoint or files.models.get(outcome.name)
    return {
        "name": outcome.name,
        "encoding": config.encoding.kind,
        "scale": config.encoding.scale if config.encoding.uses_scale else None,
        "psnr": finite(quality.psnr),
        "ssim": quality.ssim,
        "holdout_psnr": finite(quality.holdout_psnr),
        "seconds": outcome.seconds,
        "parameters": config.parameters,
        "bytes": len(encode(outcome.network)),
        "model": str(model) if model else None,
    }


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _show_table(outcomes: list[Outcome], rows: list[dict[str, Any]]) -> None:
    from fftool.metrics import decibels

    measures: dict[str, list[float | None]] = {
        "PSNR\n(dB)": [outcome.quality.psnr for outcome in outcomes],
        "SSIM": [outcome.quality.ssim for outcome in outcomes],
        "held-out\nPSNR (dB)": [outcome.quality.holdout_psnr for outcome in outcomes],
    }
    if not any(outcome.quality.holdout_psnr for outcome in outcomes):
        measures.popitem()
    columns = {"variant": [outcome.name for outcome in outcomes]}
    best = {}
    for name, values in measures.items():
        text = "{:.4f}".format if name == "SSIM" else decibels
        columns[name] = ["-" if value is None else text(value).removesuffix(" dB") for value in values]
        top = max((value for value in values if value is not None), default=None)
        best[name] = [i for i, value in enumerate(values) if value == top is not None] if len(rows) > 1 else []
    columns["time\n(s)"] = ["-" if row["seconds"] is None else f"{row['seconds']:.1f}" for row in rows]
    columns["parameters"] = [f"{row['parameters']:,}" for row in rows]
    columns["size"] = [terminal.file_size(row["bytes"]) for row in rows]
    terminal.show_table(columns, best)
