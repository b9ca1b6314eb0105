"""One job or many, for the commands that take several files: a failure does not stop the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import typer

from fftool.cli import terminal
from fftool.cli.errors import CommandError, UsageError, as_fftool_error, hint, problem
from fftool.cli.inputs import Inputs
from fftool.cli.output import Output
from fftool.errors import FFToolError, shown_path, without_frames
from fftool.files import is_zarr
from fftool.pipes import is_nameless


@dataclass(frozen=True)
class Result:
    """Result of a job: its JSON document, its text in full and in short, and an exit code if it was stopped."""

    document: dict[str, Any]
    show: Callable[[Output], None]
    show_briefly: Callable[[Output], None]
    exit_code: int = 0


Existing = Literal["ask", "replace", "skip"]  # what to do with outputs that exist


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Job:
    """Work on one file.

    `check` raises FFToolError if it cannot be done. `output` is replaced only if that is allowed, unless the job
    continues it. `unfinished` is how to complete an output that exists, if it is not complete. `parts` are the files
    that it stands for, where it is a pattern.
    """

    output: Path
    run: Callable[[], Result]
    check: Callable[[], None] = _nothing
    continues_output: bool = False
    unfinished: Callable[[], str] = str
    parts: Sequence[Path] = ()

    @property
    def existing(self) -> list[Path]:
        """Outputs that exist."""
        return [path for path in self.parts or (self.output,) if path.exists()]


JobFactory = Callable[[Path], Job]  # raises FFToolError if nothing can be made of a file


def run_job(source: Path, job: Job, existing: Existing, output: Output) -> None:
    """Run one job. Raises FFToolError if it fails, and Exit if it was stopped."""
    if existing == "skip" and job.existing:
        report = _Report([source])
        report.skip(source, job)
        terminal.note(f"Skipped: {job.output} exists.")
        output.document(report.document)
        return
    job.check()
    if not job.continues_output:
        terminal.confirm_overwrite(job.existing, existing == "replace")
    result = job.run()
    result.show(output)
    output.document(result.document)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


@dataclass
class _Report:
    """What became of each source."""

    sources: Sequence[Path]
    failures: dict[Path, FFToolError] = field(default_factory=dict)
    skipped: dict[Path, Path] = field(default_factory=dict)  # output of each
    done: list[dict[str, Any]] = field(default_factory=list)

    def skip(self, source: Path, job: Job) -> None:
        self.skipped[source] = job.output
        if how := job.unfinished():
            terminal.note(how)

    @property
    def _ordered_failures(self) -> dict[Path, FFToolError]:
        return {source: self.failures[source] for source in self.sources if source in self.failures}

    @property
    def document(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "failed": [{"name": str(path), "error": str(error)} for path, error in self._ordered_failures.items()],
            "skipped": [{"name": str(path), "output": str(output)} for path, output in self.skipped.items()],
        }

    def show_problems(self) -> None:
        total = len(self.sources)
        if count := len(self.skipped):
            terminal.note(f"{count} of {total} skipped: {'they exist' if count > 1 else 'it exists'}.")
        if failures := self._ordered_failures:
            rows = {shown_path(path): problem(error, path) for path, error in failures.items()}
            terminal.print_failures(rows, total)
            for text in dict.fromkeys(map(hint, failures.values())):
                terminal.print_error("", text)


def run_jobs(inputs: Inputs, make_job: JobFactory, existing: Existing, output: Output) -> None:
    """Run one job after the other. Failures are listed in a table at the end, and make the exit code 1."""
    report = _Report(list(dict.fromkeys([*inputs.files, *inputs.failures])), dict(inputs.failures))
    jobs = _make_jobs(dict.fromkeys(inputs.files), make_job, existing, report)
    if existing != "skip":
        _settle_existing(jobs, report.failures, existing == "replace")
    left = list(jobs)
    stop: BaseException | None = None
    while left and not stop:
        source = left.pop(0)
        job = jobs[source]
        if existing == "skip" and job.existing:  # made by another process meanwhile
            report.skip(source, job)
            continue
        terminal.note(f"{len(jobs) - len(left)} of {len(jobs)}: {shown_path(source)}", style="dim")
        try:
            result = job.run()
        except (FFToolError, OSError, MemoryError) as error:
            report.failures[source] = without_frames(as_fftool_error(error))
        except (KeyboardInterrupt, SystemExit, typer.Exit) as error:
            stop = error
        else:
            report.done.append(result.document)
            stop = typer.Exit(result.exit_code) if result.exit_code else None
            result.show_briefly(output)
    output.document(report.document)
    if left:
        terminal.note(f"{len(left)} of {len(jobs)} were not started.")
    report.show_problems()
    if stop or report.failures:
        raise stop or typer.Exit(1)


def _make_jobs(sources: Iterable[Path], make_job: JobFactory, existing: Existing, report: _Report) -> dict[Path, Job]:
    """Jobs that can be done."""
    jobs = {}
    for source in sources:
        try:
            job = make_job(source)
            if existing == "skip" and job.existing:
                report.skip(source, job)
                continue
            job.check()
            jobs[source] = job
        except (FFToolError, OSError) as error:
            report.failures[source] = as_fftool_error(error)
    return jobs


def _settle_existing(jobs: dict[Path, Job], failures: dict[Path, FFToolError], overwrite: bool) -> None:
    """Ask once about all outputs that exist; those that are not to be replaced have failed."""
    existing = {source: job.existing for source, job in jobs.items() if job.existing}
    try:
        terminal.confirm_overwrite([path for paths in existing.values() for path in paths], overwrite)
    except CommandError as error:
        for source, paths in existing.items():
            how = f"{error.hint}; --skip-existing leaves what exists"
            failures[source] = CommandError(f"{paths[0]} already exists", how)
            del jobs[source]


def output_names(sources: Sequence[Path], nameless: str) -> dict[Path, str]:
    """Name of each source's output: its stem, or its whole name where another source has the same stem.

    `nameless` is the stem of standard input and of pipes without a name. Raises UsageError if even the whole names are
    the same, as in different folders.
    """
    stems = {path: nameless if is_nameless(path) else path.stem for path in sources}
    counts = Counter(stem.casefold() for stem in stems.values())  # as file systems without case compare them
    whole = {path: f"{nameless}-{path.name}" if is_nameless(path) else path.name for path in sources}
    names = {path: stem if counts[stem.casefold()] == 1 else whole[path] for path, stem in stems.items()}
    seen = Counter(name.casefold() for name in names.values())
    for name in names.values():
        if seen[name.casefold()] > 1:
            raise UsageError(f"{seen[name.casefold()]} of these files are named {name}", "run one folder at a time")
    return names


def is_folder(output: Path) -> bool:
    """Whether an output is a folder for a file: it is one already, or its name has no suffix."""
    return (output.is_dir() and not is_zarr(output)) or not (output.suffix or output.exists())


def check_folder_name(folder: Path, suffixes: Collection[str]) -> None:
    """Raise UsageError for a folder with the name of a file."""
    if folder.suffix.lower() in suffixes and not folder.is_dir():
        raise UsageError(f"{folder} is the name of one file, and there are several to write", "name a folder with -o")
