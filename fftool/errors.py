"""Errors that fftool raises on purpose: what was seen, and what was expected.

They carry facts, and know nothing of the command line: `fftool.cli.errors` adds the hints that name options.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

MAX_SHOWN = 200  # characters of a value or of a file's content that an error repeats
STANDARD_INPUT, STANDARD_INPUT_NAME = Path("-"), "standard input"  # as it is typed, and as it is shown
URL = re.compile(r"(?i)((?:https?|ftps?|sftp|s3|gs|az|hf|file):)/+|data:[^/]*[,;/]")  # a path has one slash for two


def shorten(text: object) -> str:
    """Text cut to MAX_SHOWN characters, so that an error fits into a line or two."""
    short = str(text)
    return short if len(short) <= MAX_SHOWN else short[:MAX_SHOWN] + "…"


def shown_path(path: str | Path) -> str:
    """Path as errors show it: standard input by its name, and a URL with all of its first slashes."""
    if Path(path) == STANDARD_INPUT:
        return STANDARD_INPUT_NAME
    if found := URL.match(text := Path(path).as_posix()):
        kind, rest = found[1], text[found.end() :]
        slashes = "///" if kind == "file:" and not rest.startswith("localhost/") else "//"
        return shorten(f"{kind}{slashes}{rest}" if kind else text)
    return str(path)


class FFToolError(Exception):
    """Base class of all errors that the user can act on."""

    def __reduce__(self) -> tuple[Callable[..., FFToolError], tuple[object, ...]]:
        """As it is: errors of other processes are pickled, and `__init__` takes other arguments than `args`."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[FFToolError], arguments: tuple[object, ...], facts: dict[str, object]) -> FFToolError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(facts)
    return error


class FFToolWarning(UserWarning):
    """Something that the system lacks, and that the work does without."""


def without_frames(error: FFToolError) -> FFToolError:
    """The error to be kept for later, without tracebacks: their frames would keep tensors in memory."""
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error


class SettingError(FFToolError, ValueError):
    """A setting outside of its range: the request itself is wrong, whatever the files hold."""

    def __init__(self, setting: str, value: object, expected: str) -> None:
        super().__init__(f"invalid {setting} {shorten(value)}: expected {shorten(expected)}")
        self.setting, self.value, self.expected = setting, value, expected


class SignalError(FFToolError, ValueError):
    """An array or tensor of another kind, dtype or shape than expected, or two arrays that cannot be compared."""


class HoldoutError(FFToolError):
    """A grid too small to hold samples out of."""

    def __init__(self, shape: tuple[int, ...], expected: str) -> None:
        size = "x".join(map(str, reversed(shape)))
        super().__init__(f"the signal is too small to hold samples out: its size is {size}, expected {expected}")
        self.shape = shape


class SignalMismatchError(FFToolError):
    """A signal other than the one that a run was trained on."""

    def __init__(self, source: str, difference: str) -> None:
        super().__init__(f"{source or 'the signal'} is not the signal that the run was trained on: {difference}")
        self.source, self.difference = source, difference


class DeviceError(FFToolError):
    """A device that torch does not find."""

    def __init__(self, device: str) -> None:
        super().__init__(f"torch finds no {device} device on this machine")
        self.device = device


Work = Literal["training", "rendering", "reading", "fftool"]


class OutOfMemoryError(FFToolError, MemoryError):
    """More memory needed than there is, whatever the block size."""

    def __init__(self, work: Work) -> None:
        super().__init__(f"not enough memory for {work}")
        self.work = work


class SizeError(FFToolError):
    """A rendered signal too large to be held in memory."""

    def __init__(self, n_samples: int) -> None:
        super().__init__(f"{n_samples:,} samples do not fit in memory")
        self.n_samples = n_samples


class DivergenceError(FFToolError):
    """A loss that is not finite even after a rollback."""

    def __init__(self, epoch: int, learning_rate: float) -> None:
        super().__init__(f"the loss is not finite in epoch {epoch}, even with a tenth of the learning rate")
        self.epoch, self.learning_rate = epoch, learning_rate


class NonFiniteError(FFToolError):
    """Weights or outputs of a network that are infinite or not a number."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} are not finite")


class NetworkError(FFToolError, ValueError):
    """A network that a checkpoint cannot hold: `tensor` names what differs."""

    def __init__(self, tensor: str, seen: str, expected: str) -> None:
        super().__init__(f"the network cannot be saved: {tensor} is {seen}, expected {expected}")
        self.tensor, self.seen, self.expected = tensor, seen, expected


class PackageError(FFToolError):
    """Something that takes a package which is not installed. It is part of that extra of fftool."""

    def __init__(self, problem: str, package: str, extra: str) -> None:
        super().__init__(problem)
        self.package, self.extra = package, extra


class ClusterError(FFToolError):
    """A Dask scheduler that cannot be reached, or has gone."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"the scheduler at {shorten(address)} {problem}")
        self.address, self.problem = address, problem


class WorkerError(FFToolError):
    """A task that no worker could complete, for a reason beyond the task."""


class VersionMismatchError(FFToolError):
    """A worker with other versions than the process that sends it work."""

    def __init__(self, worker: str, seen: str, expected: str) -> None:
        super().__init__(f"the worker {worker} has {shorten(seen)}, expected {expected}, as here")
        self.worker, self.seen, self.expected = worker, seen, expected


class UnfinishedRunError(FFToolError):
    """State of an unfinished run that does not fit its network or its signal."""


class FileError(FFToolError):
    """A problem with one file or folder: `problem` without its path."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{shown_path(path)}: {problem}")
        self.path, self.problem = Path(path), problem


class ReadError(FileError):
    """A file that is missing, or may not be read."""


class WorkerFileError(ReadError):
    """A file that a worker does not have, or has with another content."""


class EmptyFolderError(ReadError):
    """A folder without any file of the kind that was looked for."""


class PipeError(ReadError):
    """Standard input or a pipe that brings no file."""


class UrlError(ReadError):
    """A URL in place of a file."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "is a URL, expected a file")


class WriteError(FileError):
    """A file or folder that cannot be written."""


class DiskFullError(WriteError):
    """No room for a file on its disk."""


class FileLockedError(WriteError):
    """A file that another process is writing."""


class SameFileError(WriteError):
    """An output that is also an input."""


class ForeignFileError(WriteError):
    """A folder with files that fftool has not made, or that would be left over."""


class DifferentRunError(WriteError):
    """A checkpoint of a sweep from other settings, or of another signal."""


class MediaError(FileError):
    """A file that cannot be read as a signal."""


class UnknownFormatError(MediaError):
    """A file of no known format."""


class DamagedFileError(MediaError):
    """A file that is cut short, or that its decoder rejects."""


class UnsupportedFileError(MediaError):
    """A file of a known format, and of a kind that is not read: pages, animations, unusual samples."""


class MissingPackageError(MediaError):
    """A file of a format that takes a package which is not installed. It is part of that extra of fftool."""

    def __init__(self, path: str | Path, problem: str, package: str, extra: str = "formats") -> None:
        super().__init__(path, problem)
        self.package, self.extra = package, extra


class OpenMeshError(MediaError):
    """A surface with holes, which has no inside: `n_edges` are not shared by two triangles."""

    def __init__(self, path: str | Path, n_edges: int) -> None:
        super().__init__(
            path, f"is open: {n_edges:,} of its edges are not shared by two triangles, expected a closed surface"
        )
        self.n_edges = n_edges


class LargeFileError(MediaError):
    """A file whose signal is too large to be read."""


Limit = Literal["suffix", "bits", "channels", "alpha", "size", "memory", "quality", "values", "package"]


class FormatError(FFToolError):
    """A format that cannot hold a signal. `limit` names what it lacks."""

    def __init__(self, limit: Limit, problem: str) -> None:
        super().__init__(problem)
        self.limit = limit


class FormatPackageError(FormatError):
    """A format that takes a package to write which is not installed. It is part of that extra of fftool."""

    def __init__(self, problem: str, package: str, extra: str = "formats") -> None:
        super().__init__("package", problem)
        self.package, self.extra = package, extra


class ExportError(FFToolError):
    """A network that a format for export cannot hold."""


class CheckpointError(FileError):
    """A file that cannot be read as a checkpoint."""


class NotACheckpointError(CheckpointError):
    """A file that is not a whole safetensors file, or was not written by fftool."""


class NewerCheckpointError(CheckpointError):
    """A checkpoint with a format version or a setting that this version does not know."""


class InconsistentCheckpointError(CheckpointError):
    """A checkpoint whose tensors and config do not fit together."""


class UnsuitableCheckpointError(CheckpointError):
    """A checkpoint that is whole, and cannot be used for what was asked."""
