"""fftool compare: scales, encodings and checkpoints side by side."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fftool.checkpoint import describe, save
from fftool.cli import bars, options, terminal
from fftool.cli.outcomes import document, show_table, write_csv
from fftool.cli.reports import how_chosen
from fftool.cli.runs import status
from fftool.config import MAX_SHEET_PIXELS, EncodingConfig, TrainingConfig, encodings
from fftool.errors import FFToolError, SettingError
from fftool.files import check_folder, check_writable, readable_name

if TYPE_CHECKING:
    from fftool.comparison import Outcome
    from fftool.signal import Samples, Signal
    from fftool.training import Progress

CHECKPOINTS = r"[^/]+\.st"
Variant = EncodingConfig | Path  # a network to train with this encoding, or a checkpoint as it is


@dataclass(frozen=True)
class Files:
    """What to write. `models` says where the checkpoint of a variant is kept."""

    sheet: Path
    curves: Path | None
    explanation: Path | None
    csv: Path | None
    models: dict[EncodingConfig, Path]

    @property
    def figures(self) -> list[Path]:
        return [path for path in (self.sheet, self.curves, self.explanation) if path]

    @property
    def reports(self) -> list[Path]:
        return [*self.figures, *([self.csv] if self.csv else [])]

    @property
    def all(self) -> list[Path]:
        return [*self.reports, *self.models.values()]


@dataclass
class Results:
    """What came of the variants so far, in their order."""

    outcomes: list[Outcome] = field(default_factory=list)
    failures: dict[str, FFToolError] = field(default_factory=dict)
    interrupted: bool = False


@options.with_settings
def compare(
    context: typer.Context,
    picture: options.Picture,
    settings: options.Settings,
    checkpoints: Annotated[
        list[Path] | None,
        options.file_argument(metavar="MODEL", help="Checkpoints to compare as they are."),
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
    explain: Annotated[
        Path | None,
        typer.Option("--explain", help="A figure of how auto chose the scale.", show_default="none"),
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
    if not variants:
        raise SettingError("there is nothing to compare", "name scales, encodings or checkpoints: --scale 1 --scale 25")
    if not to_train:
        _refuse_training_options(context)
    options.check_scale_for(context, to_train)
    if explain and not any(each.is_open for each in to_train):
        raise SettingError("--explain shows how auto chooses a scale, and none is to be chosen", "add --scale auto")
    _check_distinct(checkpoints or [], "name each variant once")
    kept = {each: models / f"{each.file_name}.st" for each in to_train} if models else {}
    files = Files(output, curves, explain, table, kept)
    existing = _check_files(files, models, [picture, *(checkpoints or [])])
    signal = _read(picture, variants, settings)
    shape = _drawn_shape(signal, size)
    terminal.confirm_overwrite(existing, overwrite)
    if models:
        models.mkdir(parents=True, exist_ok=True)

    results = _run(variants, signal, settings, files)
    if results.interrupted and not (results.outcomes or results.failures):
        raise KeyboardInterrupt
    outcomes = results.outcomes
    if outcomes and table:
        write_csv(table, outcomes)
    length = f", {_length(settings.training)}" if to_train else ""
    written = _draw(results, signal, shape, length, files, show) if outcomes else []
    if outcomes and not as_json:  # once the files are there, as nobody may read it
        show_table(outcomes)
        _tell_choices(outcomes)
    _report(results, written, picture, files, as_json)
    if results.interrupted:
        done = len(outcomes) + len(results.failures)
        where = f"after {len(outcomes)} of {len(variants)} variants" if done < len(variants) else "before the figures"
        terminal.note(f"Stopped {where}.")
        raise typer.Exit(130)
    if results.failures:
        raise typer.Exit(1)


def _tell_choices(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.chosen_scale:
            how = how_chosen(outcome.network.config.encoding, outcome.chosen_scale)
            terminal.say(f"{outcome.name}: {how}, in {outcome.scale_seconds:.2f} s")


def _length(training: TrainingConfig) -> str:
    return f"{training.seconds:g} s each" if training.seconds else f"{training.epochs} epochs"


def _refuse_training_options(context: typer.Context) -> None:
    names = [name for names in options.SETTINGS.values() for name in names if name not in ("device", "threads")]
    if useless := options.given(context, [*names, "curves", "explain", "models"]):
        raise SettingError(
            f"{useless[0]} is for networks to be trained, and there are checkpoints alone",
            f"leave {useless[0]} out, or name a --scale or an --encoding",
        )


def _check_distinct(paths: list[Path], hint: str) -> None:
    for path, count in Counter(map(os.path.realpath, paths)).items():
        if count > 1:
            raise SettingError(f"{Path(path).name} is named {count} times", hint)


def _check_files(files: Files, folder: Path | None, sources: list[Path]) -> list[Path]:
    """Refuse what cannot be written; return what may be there already."""
    from fftool.figures.page import check_suffix

    for path in files.figures:
        check_suffix(path)
    kept = check_folder(folder, files.all, CHECKPOINTS) if folder else []
    for path in (*files.reports, *kept):
        check_writable(path, *sources)
    _check_distinct(files.all, "give each output a name of its own")
    return [path for path in files.all if path.exists()]


def _read(picture: Path, variants: list[Variant], settings: options.Settings) -> Signal:
    """The picture, once it is known that every variant has to do with it."""
    from fftool.holdout import trained_cells
    from fftool.media.image import read_image

    signal = read_image(picture)
    trained_cells(signal.shape, settings.training.holdout)  # which refuses a picture that is too small
    for path in (variant for variant in variants if isinstance(variant, Path)):
        held = describe(path).config.signal
        if (held.axes, held.channels) != (signal.axes, signal.channels):
            raise FFToolError(
                f"{path} was trained on {held.channels} channels and {', '.join(reversed(held.axes))}; "
                f"{picture} has {signal.channels} channels and x, y",
                "compare it with a picture of its own kind",
            )
    return signal


def _drawn_shape(signal: Signal, size: options.Pixels | None) -> tuple[int, int] | None:
    """The height and width to draw at, if not the picture's own."""
    if size is None:
        return None
    width, height = size.of(*reversed(signal.shape))
    if width * height > MAX_SHEET_PIXELS:
        raise SettingError(
            f"each drawing would have {width * height:,} pixels",
            f"{MAX_SHEET_PIXELS:,} are the most on a sheet; fftool render draws larger ones",
        )
    return height, width


def _run(variants: list[Variant], signal: Signal, settings: options.Settings, files: Files) -> Results:
    """Train or load one after the other. What fails is left out; a Ctrl-C leaves out the rest."""
    from fftool.device import use_threads

    use_threads(settings.training.threads)
    totals = [signal.cells if isinstance(variant, Path) else _visits(signal, settings) for variant in variants]
    results = Results()
    with bars.progress_in_parts("all variants", sum(totals)) as part:
        for variant, total in zip(variants, totals, strict=True):
            name = readable_name(variant) if isinstance(variant, Path) else variant.name
            try:
                outcome = _outcome(variant, signal, settings, part(name, total))
                results.outcomes.append(outcome)
                if path := files.models.get(variant) if isinstance(variant, EncodingConfig) else None:
                    save(outcome.network, path)
                    results.outcomes[-1] = replace(outcome, checkpoint=path)
            except FFToolError as error:
                results.failures[name] = error
            except KeyboardInterrupt:
                results.interrupted = True
                break
    return results


def _visits(signal: Signal, settings: options.Settings) -> int:
    """How often pixels are visited to train a variant; where time decides instead, as if epochs did."""
    from fftool.holdout import trained_cells

    return settings.training.epochs * trained_cells(signal.shape, settings.training.holdout)


def _outcome(variant: Variant, signal: Signal, settings: options.Settings, report: bars.Report) -> Outcome:
    from fftool.comparison import learn, recall

    if isinstance(variant, Path):
        return recall(variant, signal, settings.training.device, report)
    total = _visits(signal, settings)

    def report_progress(progress: Progress) -> None:
        report(progress.done * total, partial(status, progress))

    return learn(signal, variant, settings.network, settings.training, report_progress)


def _draw(
    results: Results, signal: Signal, shape: tuple[int, int] | None, length: str, files: Files, show: bool
) -> list[Path]:
    """Write the figures; those that were written. What stops it leaves the other results as they are."""
    from fftool.figures.comparison import curves, sheet
    from fftool.figures.scale import explanation

    outcomes, written = results.outcomes, []
    title = f"{signal.source}: {len(outcomes)} variant{'s' if len(outcomes) > 1 else ''}{length}"
    try:
        if files.curves:
            curves(outcomes, title).save(files.curves)
            written.append(files.curves)
        chosen = [outcome.network.config.encoding for outcome in outcomes if outcome.chosen_scale]
        if files.explanation and chosen:
            explanation(signal, chosen).save(files.explanation)
            written.append(files.explanation)
        if shape:
            title += f", drawn at {shape[1]}x{shape[0]}"
        page = sheet(signal, outcomes, _pictures(outcomes, shape), title)
        page.save(files.sheet)
        written.append(files.sheet)
        if show:
            terminal.show_picture(page.image())
    except FFToolError as error:
        results.failures["the figures"] = error
    except KeyboardInterrupt:
        results.interrupted = True
    return written


def _pictures(outcomes: list[Outcome], shape: tuple[int, int] | None) -> list[Samples]:
    """What to show of each: the network drawn at that height and width, or at the source's."""
    from fftool.rendering import render

    if shape is None:
        return [outcome.samples for outcome in outcomes]
    with bars.progress_in_parts("all drawings", len(outcomes) * prod(shape)) as part:
        return [render(outcome.network, shape, report=part(outcome.name, prod(shape))) for outcome in outcomes]


def _report(results: Results, written: list[Path], picture: Path, files: Files, as_json: bool) -> None:
    for name, error in results.failures.items():
        terminal.show_error(f"{name}: {error.message}", error.hint)
    if as_json:
        terminal.show_json(
            {
                "image": str(picture),
                "output": str(files.sheet) if files.sheet in written else None,
                "variants": [document(outcome) for outcome in results.outcomes],
                "failed": [{"name": name, "error": str(error)} for name, error in results.failures.items()],
            }
        )
        return
    for path in files.reports:
        if path in written or (path == files.csv and results.outcomes):
            terminal.say(path)
