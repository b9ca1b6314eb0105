"""Names of inputs on the command line, into the files that they stand for."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from fftool.cli import terminal
from fftool.cli.errors import UsageError, help_hint
from fftool.errors import STANDARD_INPUT

PLATFORM = sys.platform
STANDARD_INPUT_NAMES = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
PATTERN = re.compile(r"~|.*[*?[]")  # what a shell would expand


def several(paths: Sequence[Path]) -> list[Path]:
    """Files that the names of several inputs stand for."""
    return [named(file) for path in paths for file in _noted(path, _matches(path))]


def single(path: Path) -> Path:
    """The file that the name of one input stands for. Raises UsageError if there are several."""
    files = _matches(path)
    if len(files) > 1:
        raise UsageError(f"{path} stands for {len(files)} files, expected one", help_hint())
    return named(_noted(path, files)[0])


def named(path: Path) -> Path:
    """Path of an input, with one name for standard input."""
    return STANDARD_INPUT if path.as_posix() in STANDARD_INPUT_NAMES else path


def check_read_once(*paths: Path | None) -> None:
    """Raise UsageError where standard input is to be read twice."""
    if paths.count(STANDARD_INPUT) > 1:
        raise UsageError("standard input is named more than once", "save it as a file first, and name that")


def _noted(path: Path, files: list[Path]) -> list[Path]:
    """The files, once it is said what they are if the name was a pattern."""
    if files != [path]:
        terminal.note(f"{path}: {files[0] if len(files) == 1 else f'{len(files)} files'}", style="dim")
    return files


def _matches(path: Path) -> list[Path]:
    """Files that match a pattern, on Windows: its shells leave that to each program.

    A name that exists is no pattern, and one that nothing matches stays as it is.
    """
    if PLATFORM != "win32" or os.path.lexists(path) or not PATTERN.match(str(path)):
        return [path]
    name = os.path.expanduser(path)  # noqa: PTH111  # Path has an error for a user that is unknown
    found = [name] if os.path.lexists(name) else sorted(glob(name))  # noqa: PTH207  # it takes absolute names
    return [Path(each) for each in found] or [path]
