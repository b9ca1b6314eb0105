"""One job or many, for the commands that take several files: what fails does not stop the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from fftool.cli import terminal
from fftool.errors import FFToolError, SettingError, as_problem


@dataclass(frozen=True)
class Result:
    """What came of a job: as JSON, for a person, and for one who has many. An exit code if it was stopped."""

    document: dict[str, Any]
    show: Callable[[], None]
    show_briefly: Callable[[], None]
    exit_code: int = 0


@dataclass(frozen=True)
class Job:
    """What is to be made of one file. `output` is replaced only if that is allowed, unless the job goes on with it."""

    output: Path
    run: Callable[[], Result]
    goes_on: bool = False


Plan = Callable[[Path], Job]  # raises FFToolError where nothing can be made of a file


def do(job: Job, overwrite: bool, as_json: bool) -> None:
    """Do one job. Raises FFToolError if it fails, and Exit if it was stopped."""
    if not job.goes_on:
        terminal.confirm_overwrite([job.output], overwrite)
    result = job.run()
    if as_json:
        terminal.show_json(result.document)
    else:
        result.show()
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def do_all(sources: Sequence[Path], plan: Plan, overwrite: bool, as_json: bool) -> None:
    """Do one job after the other. Those that fail come in a table at the end, and make the exit code 1."""
    sources = list(dict.fromkeys(sources))
    failures: dict[Path, FFToolError] = {}
    documents: list[dict[str, Any]] = []
    jobs = _planned(sources, plan, failures)
    _leave_out_existing(jobs, failures, overwrite)
    left = list(jobs)
    stop: BaseException | None = None
    while left and not stop:
        source = left.pop(0)
        terminal.note(f"{len(jobs) - len(left)} of {len(jobs)}: {source}", style="dim")
        try:
            result = jobs[source].run()
        except (FFToolError, OSError, MemoryError) as error:
            failures[source] = as_problem(error)
        except (KeyboardInterrupt, SystemExit, typer.Exit) as error:
            stop = error
        else:
            documents.append(result.document)
            stop = typer.Exit(result.exit_code) if result.exit_code else None
            if not as_json:
                result.show_briefly()
    if as_json:
        failed = [{"name": str(path), "error": str(error)} for path, error in failures.items()]
        terminal.show_json({"done": documents, "failed": failed})
    if left:
        terminal.note(f"{len(left)} of {len(jobs)} were not begun.")
    if failures:
        why = {str(path): error.message.removeprefix(f"{path} ") for path, error in failures.items()}
        terminal.show_failures(why, len(sources))
    if stop or failures:
        raise stop or typer.Exit(1)


def _planned(sources: Sequence[Path], plan: Plan, failures: dict[Path, FFToolError]) -> dict[Path, Job]:
    jobs = {}
    for source in sources:
        try:
            jobs[source] = plan(source)
        except (FFToolError, OSError) as error:
            failures[source] = as_problem(error)
    return jobs


def _leave_out_existing(jobs: dict[Path, Job], failures: dict[Path, FFToolError], overwrite: bool) -> None:
    """Ask once about all outputs that exist; those that are not to be replaced have failed."""
    existing = {source: job.output for source, job in jobs.items() if job.output.exists()}
    try:
        terminal.confirm_overwrite(existing.values(), overwrite)
    except FFToolError:
        for source, output in existing.items():
            failures[source] = FFToolError(f"{output} exists already", "--overwrite replaces it")
            del jobs[source]


def names_apart(sources: Sequence[Path]) -> dict[Path, str]:
    """A name for what is made of each: its stem, or its whole name where another one has the same stem.

    Raises SettingError where even these are the same, as in different folders.
    """
    sources = list(dict.fromkeys(sources))
    stems = Counter(path.stem.casefold() for path in sources)  # as file systems that know no case take them
    names = {path: path.stem if stems[path.stem.casefold()] == 1 else path.name for path in sources}
    seen = Counter(name.casefold() for name in names.values())
    for name in names.values():
        if seen[name.casefold()] > 1:
            raise SettingError(f"{seen[name.casefold()]} of these files are named {name}", "go through them by folder")
    return names


def is_folder(output: Path) -> bool:
    """Whether an output is a folder for a file, and no file: one is there, or its name has no suffix."""
    return output.is_dir() or not (output.suffix or output.exists())


def make_folder(folder: Path, suffixes: Collection[str]) -> Path:
    """Make a folder for what comes of several files. Raises FFToolError if it can't, or has the name of a file."""
    if folder.suffix.lower() in suffixes and not folder.is_dir():
        raise SettingError(f"{folder} is the name of one file, and there are several to write", "name a folder with -o")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FFToolError(
            f"the folder {folder} cannot be made: {error.strerror}", "name another one with -o"
        ) from error
    return folder
