"""fftool view: networks in a page that evaluates them in a browser."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fftool.checkpoint.reading import describe, load, medium_of
from fftool.cli import inputs, jobs, options, terminal
from fftool.cli import progress as bars
from fftool.cli.errors import UsageError
from fftool.cli.jobs import Job, Result
from fftool.cli.output import Output
from fftool.cli.reports import shape_json
from fftool.config import finite
from fftool.files import check_space, check_writable, readable_name
from fftool.interrupts import uninterrupted
from fftool.media.source import SignalSource
from fftool.pipes import is_nameless

if TYPE_CHECKING:
    from fftool.export.page import Model
    from fftool.metrics import Quality
    from fftool.models.network import CoordinateMLP
    from fftool.signal import Signal

SUFFIXES = (".html", ".htm")


def view(
    models: Annotated[
        list[Path],
        options.file_argument(
            metavar="MODEL", help="The checkpoint to show, several, or a folder; - is standard input."
        ),
    ],
    output: Annotated[
        Path | None,
        options.output_option(
            help="The page to write.", show_default="MODEL.html, or view.html for several checkpoints or a pipe"
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            metavar="FILE",
            help="The file that they were trained on, to show beside them, with their errors.",
            show_default="none",
        ),
    ] = None,
    kind: options.Medium = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Make a page that zooms into networks, in a browser.

    The page is one file with the networks inside, which are evaluated where you look. It needs no network connection
    and no fftool.

    Several checkpoints are shown side by side, or with a line between two of them. A clip gets a slider for time, a
    volume one for each axis.

    fftool view model.st --source photo.jpg --open
    """
    if kind and not source:
        raise UsageError("--as is the kind of the --source, and there is none", "leave --as out, or name the source")
    paths = inputs.all_of(models, inputs.CHECKPOINTS)
    signal_source = inputs.signal(source, kind) if source else None
    inputs.check_read_once(*paths, *(signal_source.files if signal_source else ()))
    page = Viewing(paths, output or _default_output(paths), signal_source, open_page)
    jobs.run_job(paths[0], page.job, options.existing(overwrite, False), Output(as_json))


def _default_output(models: Sequence[Path]) -> Path:
    return Path("view.html" if len(models) > 1 or is_nameless(models[0]) else f"{models[0].stem}.html")


def check_page(path: Path) -> None:
    """Raise UsageError for a page with the suffix of something else."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: the suffix of a page is {' or '.join(SUFFIXES)}", "name a page with one of these")


@dataclass(frozen=True)
class Viewing:
    """A page of checkpoints, and of the source that they were trained on, if it is shown."""

    models: Sequence[Path]
    output: Path
    source: SignalSource | None
    opens: bool

    @property
    def job(self) -> Job:
        return Job(self.output, self._run, self._check)

    def _check(self) -> None:
        check_page(self.output)
        check_writable(self.output, *self.models, *(self.source.files if self.source else ()))
        with uninterrupted():
            from fftool.export.scene import check_size, check_viewable

        configs = [describe(model).config for model in self.models]
        medium_of(self.models[0], configs[0].signal)  # or else this version has none
        check_viewable(configs[0].signal)
        for path, config in zip(self.models, configs, strict=True):
            inputs.check_same_kind(path, config.signal, self.models[0], configs[0].signal)
            check_size(config)
        check_space(self.output, 4 * 4 * sum(config.n_parameters for config in configs) // 3)

    def _run(self) -> Result:
        signal = self._read_source()
        with uninterrupted():
            from fftool.export.page import write_page

        models = self._load(signal)
        title = ", ".join(model.name for model in models)
        write_page(self.output, title, models, signal)
        if self.opens:
            webbrowser.open(self.output.resolve().as_uri())
        size = self.output.stat().st_size
        document = {
            "output": str(self.output),
            "bytes": size,
            "models": [{"name": model.name, **_figures(model)} for model in models],
        }

        def show(out: Output) -> None:
            out.line(self.output)
            out.note(f"{terminal.format_bytes(size)}; open it in a browser")

        return Result(document, show, show)

    def _read_source(self) -> Signal | None:
        if self.source is None:
            return None
        signal = self.source.read()
        first = self.models[0]  # which the others are like
        inputs.check_same_kind(first, describe(first).config.signal, self.source.path, signal.config)
        return signal

    def _load(self, signal: Signal | None) -> list[Model]:
        """Networks, each with its figures: measured on the source where that is not the signal of its training."""
        networks = {path: load(path) for path in self.models}
        from fftool.export.page import Model

        measured = self._measure(networks, signal) if signal else {}
        names = jobs.output_names(list(self.models), "model")
        return [
            Model(readable_name(Path(names[path])), network, measured.get(path, network.result))
            for path, network in networks.items()
        ]

    def _measure(self, networks: Mapping[Path, CoordinateMLP], signal: Signal) -> dict[Path, Quality]:
        from fftool.evaluation import assess

        unknown = [
            path
            for path, network in networks.items()
            if network.result is None or network.result.psnr is None or network.config.signal.sha256 != signal.sha256
        ]
        measured: dict[Path, Quality] = {}
        with bars.progress_in_parts("all checkpoints", len(unknown) * signal.n_samples, "samples") as add_part:
            for path in unknown:
                _, measured[path] = assess(networks[path], signal, add_part(path.name, signal.n_samples))
        return measured


def _figures(model: Model) -> dict[str, Any]:
    """Figures of a network, for JSON."""
    figures = model.figures
    return {"psnr": None} if figures is None else {"psnr": finite(figures.psnr)} | shape_json(figures)
