"""One job or many, for the commands that take several files: a failure does not stop the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from fftool.cli import terminal
from fftool.cli.errors import CommandError, UsageError, as_fftool_error, hint, problem
from fftool.cli.output import Output
from fftool.errors import FFToolError, shown_path, without_frames
from fftool.pipes import is_nameless


@dataclass(frozen=True)
class Result:
    """Result of a job: its JSON document, its text in full and in short, and an exit code if it was stopped."""

    document: dict[str, Any]
    show: Callable[[Output], None]
    show_briefly: Callable[[Output], None]
    exit_code: int = 0


@dataclass(frozen=True)
class Job:
    """Work on one file. `output` is replaced only if that is allowed, unless the job continues it."""

    output: Path
    run: Callable[[], Result]
    continues_output: bool = False


JobFactory = Callable[[Path], Job]  # raises FFToolError if nothing can be made of a file


def run_job(job: Job, overwrite: bool, output: Output) -> None:
    """Run one job. Raises FFToolError if it fails, and Exit if it was stopped."""
    if not job.continues_output:
        terminal.confirm_overwrite([job.output], overwrite)
    result = job.run()
    result.show(output)
    output.document(result.document)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def run_jobs(sources: Sequence[Path], make_job: JobFactory, overwrite: bool, output: Output) -> None:
    """Run one job after the other. Failures are listed in a table at the end, and make the exit code 1."""
    sources = list(dict.fromkeys(sources))
    failures: dict[Path, FFToolError] = {}
    documents: list[dict[str, Any]] = []
    jobs = _make_jobs(sources, make_job, failures)
    _skip_existing(jobs, failures, overwrite)
    left = list(jobs)
    stop: BaseException | None = None
    while left and not stop:
        source = left.pop(0)
        terminal.note(f"{len(jobs) - len(left)} of {len(jobs)}: {shown_path(source)}", style="dim")
        try:
            result = jobs[source].run()
        except (FFToolError, OSError, MemoryError) as error:
            failures[source] = without_frames(as_fftool_error(error))
        except (KeyboardInterrupt, SystemExit, typer.Exit) as error:
            stop = error
        else:
            documents.append(result.document)
            stop = typer.Exit(result.exit_code) if result.exit_code else None
            result.show_briefly(output)
    failures = {source: failures[source] for source in sources if source in failures}  # in the order of the request
    failed = [{"name": str(path), "error": str(error)} for path, error in failures.items()]
    output.document({"done": documents, "failed": failed})
    if left:
        terminal.note(f"{len(left)} of {len(jobs)} were not started.")
    if failures:
        terminal.print_failures(
            {shown_path(path): problem(error, path) for path, error in failures.items()}, len(sources)
        )
        for text in dict.fromkeys(map(hint, failures.values())):
            terminal.print_error("", text)
    if stop or failures:
        raise stop or typer.Exit(1)


def _make_jobs(sources: Sequence[Path], make_job: JobFactory, failures: dict[Path, FFToolError]) -> dict[Path, Job]:
    jobs = {}
    for source in sources:
        try:
            jobs[source] = make_job(source)
        except (FFToolError, OSError) as error:
            failures[source] = as_fftool_error(error)
    return jobs


def _skip_existing(jobs: dict[Path, Job], failures: dict[Path, FFToolError], overwrite: bool) -> None:
    """Ask once about all outputs that exist; those that are not to be replaced have failed."""
    existing = {source: job.output for source, job in jobs.items() if job.output.exists()}
    try:
        terminal.confirm_overwrite(existing.values(), overwrite)
    except CommandError as error:
        for source, path in existing.items():
            failures[source] = CommandError(f"{path} already exists", error.hint)
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
    return output.is_dir() or not (output.suffix or output.exists())


def check_folder_name(folder: Path, suffixes: Collection[str]) -> None:
    """Raise UsageError for a folder with the name of a file."""
    if folder.suffix.lower() in suffixes and not folder.is_dir():
        raise UsageError(f"{folder} is the name of one file, and there are several to write", "name a folder with -o")
