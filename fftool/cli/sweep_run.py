"""A sweep: planned, run here or on workers, and reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import typer

from fftool import media
from fftool.cli import progress as bars
from fftool.cli import terminal
from fftool.cli.errors import hint, problem
from fftool.cli.output import Output
from fftool.cli.training_run import format_status
from fftool.cli.workers import Place
from fftool.config import format_psnr
from fftool.errors import FFToolError, shown_path
from fftool.files import new_folder
from fftool.sweep.estimate import total_seconds
from fftool.sweep.executors import Finished, run_here
from fftool.sweep.plan import Run, SignalReader, State
from fftool.sweep.table import RESULTS, SUMMARY, Row, read_rows, row, summarize, write_rows, write_summary
from fftool.training.trainer import Progress

WRITE_SECONDS = 1.0  # between two versions of the tables while runs end
FIGURES = {"PSNR\n(dB)": "psnr", "SSIM": "ssim", "held-out\nPSNR (dB)": "holdout_psnr", "IoU": "iou"}


@dataclass
class _Tables:
    """results.csv and summary.csv in a folder, which keep the rows of earlier sweeps there."""

    folder: Path
    rows: dict[str, Row] = field(init=False)
    complete: set[str] = field(default_factory=set)  # checkpoints of this sweep
    written: float = -math.inf

    def __post_init__(self) -> None:
        rows = read_rows(self.folder / RESULTS)
        self.rows = {name: each for name, each in rows.items() if (self.folder / name).exists()}

    def add(self, run: Run, seconds: float | None) -> None:
        """Add the row of a complete run."""
        before = self.rows.get(run.model.name)
        self.rows[run.model.name] = row(run, before.seconds if seconds is None and before else seconds)
        self.complete.add(run.model.name)
        if monotonic() - self.written > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        write_rows(self.folder / RESULTS, self.rows.values())
        write_summary(self.folder / SUMMARY, self.rows.values())
        self.written = monotonic()

    def of(self, runs: Sequence[Run]) -> list[Row]:
        """Rows of those runs that are complete, in their order."""
        return [self.rows[run.model.name] for run in runs if run.model.name in self.complete]


@dataclass(frozen=True)
class SweepRun:
    """Runs, and where their results go and their work is done."""

    runs: Sequence[Run]
    folder: Path
    figure: Path | None
    overwrite: bool
    save_every: float
    place: Place

    def show_plan(self, output: Output) -> None:
        """Say how many runs there are and how long they take, and train none."""
        states = self._states()
        self._note_plan(states)
        seconds = total_seconds([run for run, state in states.items() if state != "complete"])
        for run, state in states.items():
            output.line(f"{run.model}" + ("" if state == "new" else f" ({state})"))
        if any(state != "complete" for state in states.values()):
            n_workers = self.place.workers or 1
            where = f"in {n_workers} processes " if n_workers > 1 else ""
            output.note(f"About {format_seconds(seconds / n_workers)} {where}on this machine.")
        output.document(
            {
                "runs": [
                    {"model": str(run.model), "file": str(run.source.path), "state": states[run]} for run in states
                ],
                "seconds": seconds,
            }
        )

    def run(self, output: Output, failures: dict[Path, FFToolError]) -> None:
        """Run all that is not complete, and report. Raises Exit if any failed or the sweep was stopped."""
        tables, states = _Tables(self.folder), self._states()
        self._note_plan(states)
        failed = {shown_path(path): error for path, error in failures.items()}
        stop: BaseException | None = None
        with new_folder(self.folder):
            for run, state in states.items():
                if state == "complete":
                    tables.add(run, None)
                else:  # its row is of a checkpoint that is to be replaced, if there is one
                    tables.rows.pop(run.model.name, None)
            try:
                for finished in self._finished(states):
                    if finished.error:
                        failed[finished.run.name] = finished.error
                    else:
                        tables.add(finished.run, finished.seconds)
            except (KeyboardInterrupt, SystemExit, FFToolError) as error:
                stop = error
            if tables.rows:
                tables.write()
        self._report(output, tables.of(self.runs), failed, stop)

    def _states(self) -> dict[Run, State]:
        """What there is of each run. Raises DifferentRunError for a checkpoint of another one."""
        reader = SignalReader()
        return {
            run: "new" if self.overwrite or not run.model.exists() else run.state(reader.read(run)) for run in self.runs
        }

    def _note_plan(self, states: Mapping[Run, State]) -> None:
        count = len(self.runs)
        counts = {state: sum(each == state for each in states.values()) for state in ("complete", "unfinished")}
        parts = [f"{n} {'are' if n > 1 else 'is'} {state}" for state, n in counts.items() if n]
        text = "all complete" if counts["complete"] == count > 1 else ", ".join(parts)
        terminal.note(f"{count} run{'s' if count > 1 else ''}{': ' if text else ''}{text}.")

    def _finished(self, states: Mapping[Run, State]) -> Iterator[Finished]:
        """Runs as they end, below a progress bar."""
        left = [run for run, state in states.items() if state != "complete"]
        if not left:
            return
        done = 0
        with bars.progress("Sweep", len(left), "runs") as update:

            def trained(run: Run, progress: Progress) -> None:
                update(done + progress.done, partial(self._status, run, progress, done, len(left)))

            for finished in self._executed(states, trained):
                yield finished
                done += 1
                update(done, partial("{} of {} runs".format, done, len(left)))

    def _status(self, run: Run, progress: Progress, done: int, total: int) -> str:
        medium = media.get(progress.network.config.signal.medium)
        return f"{format_status(progress, medium)}  {run.name}  {done + 1} of {total} runs"

    def _executed(self, states: Mapping[Run, State], callback: Callable[[Run, Progress], object]) -> Iterator[Finished]:
        if self.place.is_here:
            yield from run_here(states, self.save_every, callback)
            return
        with self.place.cluster() as cluster:
            from fftool.cluster.sweep import run_on

            yield from run_on(cluster, states)

    def _report(
        self, output: Output, rows: Sequence[Row], failed: Mapping[str, FFToolError], stop: BaseException | None
    ) -> None:
        if rows:
            show_rows(rows, output)
            output.line(self.folder / RESULTS)
            output.line(self.folder / SUMMARY)
        figure = None
        try:
            if self.figure and rows and not stop and (figure := self._draw(rows, self.figure)):
                output.line(figure)
        except FFToolError as error:
            failed = dict(failed) | {"the figure": error}
        output.document(
            {
                "folder": str(self.folder),
                "runs": [_json(asdict(each)) for each in rows],
                "summary": [_json(each) for each in summarize(rows)],
                "figure": str(figure) if figure else None,
                "failed": [{"name": name, "error": str(error)} for name, error in failed.items()],
            }
        )
        if failed:
            terminal.print_failures(
                {name: problem(error, Path(name)) for name, error in failed.items()}, len(self.runs)
            )
            for text in dict.fromkeys(map(hint, failed.values())):
                terminal.print_error("", text)
        if stop:
            if rows or not isinstance(stop, FFToolError):
                terminal.note(f"Stopped: {len(rows)} of {len(self.runs)} runs are complete. The same command resumes.")
            raise stop
        if failed:
            raise typer.Exit(1)

    def _draw(self, rows: Sequence[Row], path: Path) -> Path | None:
        """Draw the figure, if there is a number to show in it; returns its path."""
        from fftool.figures.sweep import Point, sweep

        is_held_out = any(each.holdout_psnr is not None for each in rows)
        psnrs = [each.holdout_psnr if is_held_out else each.psnr for each in rows]
        points = [
            Point(each.network, each.scale, each.requested_scale == "auto", each.file, each.seed, psnr)
            for each, psnr in zip(rows, psnrs, strict=True)
            if psnr is not None
        ]
        if not any(math.isfinite(point.psnr) for point in points):
            return None
        files = {each.file for each in rows}
        title = f"{len(files)} files" if len(files) > 1 else Path(files.pop()).name
        sweep(points, f"{title}: {len(rows)} runs", is_held_out).save(path)
        return path


def show_rows(rows: Sequence[Row], output: Output) -> None:
    """Table of the mean over seeds of each figure, and its deviation, one line for each file and network."""
    summary = summarize(rows)
    several = len({each["file"] for each in summary}) > 1
    columns = {"run": [_name(each, several) for each in summary]}
    columns["σ"] = ["-" if each["scale_mean"] is None else f"{each['scale_mean']:.4g}" for each in summary]
    if any(each["runs"] > 1 for each in summary):
        columns["seeds"] = [str(each["runs"]) for each in summary]
    for title, name in FIGURES.items():
        if any(each[f"{name}_mean"] is not None for each in summary):
            columns[title] = [_spread(each[f"{name}_mean"], each[f"{name}_std"], name) for each in summary]
    columns["time\n(s)"] = [_spread(each["seconds_mean"], None, "seconds") for each in summary]
    output.table(columns)


def _name(group: Mapping[str, Any], with_file: bool) -> str:
    scale = f" σ={group['requested_scale']}" if group["requested_scale"] else ""
    parts = [Path(group["file"]).name if with_file else "", f"{group['encoding']}{scale}", group["tile"]]
    return ", ".join(filter(None, parts))


def _spread(mean: float | None, deviation: float | None, name: str) -> str:
    if mean is None:
        return "-"
    digits = {"seconds": 1, "ssim": 4, "iou": 4}.get(name, 2)
    text = format_psnr(mean).removesuffix(" dB") if name.endswith("psnr") else f"{mean:.{digits}f}"
    return text if deviation is None else f"{text} ± {deviation:.{digits}f}"


def _json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without infinite figures, which JSON cannot hold, and the names of these."""
    infinite = [name for name, value in row.items() if isinstance(value, float) and math.isinf(value)]
    return dict(row) | dict.fromkeys(infinite) | {"exact": [name.removesuffix("_mean") for name in infinite]}


def format_seconds(seconds: float) -> str:
    """A long time as users read it: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
