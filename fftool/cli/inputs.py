"""Names of inputs on the command line, into the files that they stand for."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from fftool import media
from fftool.checkpoint.format import SUFFIXES
from fftool.cli import terminal
from fftool.cli.errors import UsageError, help_hint
from fftool.config import SignalConfig
from fftool.errors import STANDARD_INPUT, EmptyFolderError, FFToolError, ReadError, UnsuitableCheckpointError, shorten
from fftool.files import is_zarr
from fftool.interrupts import uninterrupted
from fftool.media.source import SignalSource

PLATFORM = sys.platform
STANDARD_INPUT_NAMES = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
MOST_SUFFIXES = 13  # that an error lists
PATTERN = re.compile(r"~|.*[*?[]")  # what a shell would expand


@dataclass(frozen=True)
class Kind:
    """A kind of input files, as it is looked for in folders."""

    noun: str
    suffixes: Callable[[], Collection[str]]


CHECKPOINTS = Kind("checkpoint", lambda: SUFFIXES)
SIGNALS = Kind("signal", media.readable_suffixes)


@dataclass
class Inputs:
    """Files to work on, and the folders that hold none, with the reason. A folder makes a batch of even one file."""

    files: list[Path] = field(default_factory=list)
    failures: dict[Path, FFToolError] = field(default_factory=dict)
    is_batch: bool = False


def several(paths: Sequence[Path], kind: Kind) -> Inputs:
    """Files that the names of several inputs stand for: a folder stands for all of that kind in it.

    Raises UsageError where standard input is named twice, and EmptyFolderError or ReadError for a folder alone.
    """
    found = Inputs()
    matches = [match for path in paths for match in _noted(path, _matches(path))]
    for path in matches:
        if not _is_folder_of_files(path):
            found.files.append(named(path))
            continue
        found.is_batch = True
        try:
            found.files += _files_in(path, kind)
        except FFToolError as error:
            if len(matches) == 1:
                raise
            found.failures[path] = error
    check_read_once(*found.files)
    found.is_batch |= len(matches) > 1
    return found


def signals(paths: Sequence[Path], kind: str | None) -> tuple[Inputs, dict[Path, SignalSource]]:
    """Signals that the names of several inputs stand for, and the source of each: files of their own, or one series.

    Raises errors as `several` does.
    """
    found = several(paths, SIGNALS)
    if kind and found.files and media.get(kind).is_series(found.files):
        source = SignalSource(tuple(found.files), kind)
        return Inputs([source.path]), {source.path: source}
    return found, {file: SignalSource((file,), kind) for file in found.files}


def signal(path: Path, kind: str | None) -> SignalSource:
    """Signal that the name of one input stands for: a folder may hold a series. Raises UsageError if there are several.

    Raises errors as `several` does.
    """
    if kind is None:
        return SignalSource((single(path),))
    found, sources = signals([path], kind)
    if len(found.files) > 1:
        raise UsageError(f"{path} stands for {len(found.files)} signals, expected one", help_hint())
    return sources[found.files[0]]


def _is_folder_of_files(path: Path) -> bool:
    """Whether an input is a folder to look into; a Zarr folder is one signal."""
    try:
        return path.is_dir() and not is_zarr(path)
    except OSError:  # a name that is too long
        return False


def _files_in(folder: Path, kind: Kind) -> list[Path]:
    """Files of a kind in a folder, by name, without those that are hidden and those in folders below it."""
    with uninterrupted():
        suffixes = kind.suffixes()
    try:
        names = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in suffixes and (path.is_file() or is_zarr(path))
        )
    except OSError as error:
        raise ReadError(folder, f"cannot be read: {error.strerror or error}") from error
    if files := [path for path in names if not path.name.startswith(".")]:
        return files
    shown = [*suffixes][:MOST_SUFFIXES]
    more = f" and {len(suffixes) - len(shown)} more" if len(suffixes) > len(shown) else ""
    raise EmptyFolderError(folder, f"holds no {kind.noun}, looked for {', '.join(shown)}{more}")


def all_of(paths: Sequence[Path], kind: Kind) -> list[Path]:
    """Files as `several` finds them. Raises FFToolError for a folder that holds none."""
    found = several(paths, kind)
    for error in found.failures.values():
        raise error
    return found.files


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
    try:
        name = str(path.expanduser())
    except RuntimeError:  # of an unknown user
        name = str(path)
    found = [name] if os.path.lexists(name) else sorted(glob(name))  # noqa: PTH207  # Path.glob takes no absolute names
    return [Path(each) for each in found] or [path]


def check_same_kind(path: Path, trained: SignalConfig, other_path: Path, other: SignalConfig) -> None:
    """Raise UnsuitableCheckpointError for a checkpoint of another kind of signal than that of a file."""
    if (trained.axes, trained.channels) != (other.axes, other.channels):
        raise UnsuitableCheckpointError(path, f"was trained on {_grid(trained)}; {other_path} has {_grid(other)}")
    if trained.values != other.values:
        raise UnsuitableCheckpointError(path, f"was trained on {_values(trained)}; {other_path} has {_values(other)}")


def _grid(signal: SignalConfig) -> str:
    axes = shorten(", ".join(reversed(signal.axes)))
    return f"{signal.channels} channel{'s' if signal.channels > 1 else ''} over {axes}"


def _values(signal: SignalConfig) -> str:
    return f"values from {signal.values}" if signal.values else f"samples of {signal.bits} bits"
