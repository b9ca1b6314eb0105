"""Errors on the command line: hints that name options, exit codes, and problems of the command line itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fftool import errors, media
from fftool.config import DEFAULT_MEDIUM
from fftool.errors import FFToolError, FileError, FormatError, OutOfMemoryError, SettingError, WriteError, shown_path
from fftool.media.base import Medium

Hint = str | Callable[[Any], str]


class CommandError(FFToolError):
    """A problem that only a command can have, with a hint of its own."""

    exit_code = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CommandError):
    """Options or arguments that make no sense together."""

    exit_code = 2


COMMANDS = ("train", "render", "view", "compare", "sweep", "worker", "export", "encode-viz", "info")


def help_hint() -> str:
    """How to see the help of the command that was typed."""
    return " ".join(["see fftool", *(name for name in sys.argv[1:2] if name in COMMANDS), "--help"])


def output_options() -> str:
    """The options that name files to write, in the command that was typed."""
    return "-o, --curves, --explain, --csv or --page" if sys.argv[1:2] == ["compare"] else "-o"


MEMORY_HINTS = {
    "training": "use a smaller --batch-size, --hidden or --dimension",
    "rendering": "use a smaller --size, or another --device",
    "reading": "make a smaller copy of the file first",
    "fftool": "close other programs, or use a smaller file or --size",
}
FORMAT_HINTS = {
    "suffix": "name a file with one of these suffixes",
    "bits": "use --bits with one of these, or a .tiff file",
    "values": "use a .tiff or .npy file",
    "package": "use a file of another format",
    "channels": "use a .tiff or .png file, or save the channels one by one",
    "alpha": "use a .png, .tiff, .webp or .avif file",
    "size": "use a smaller --size, or a .tiff file",
    "memory": "use a .tif file, which is written while it is rendered, or a smaller --size",
    "quality": "leave --quality out: it is for .jpg, .webp and .avif files",
}


def _memory_hint(error: OutOfMemoryError) -> str:
    return MEMORY_HINTS[error.work]


def _installation_hint(error: errors.MissingPackageError | errors.FormatPackageError | errors.PackageError) -> str:
    return f'install it: pipx inject fftool {error.package}, or pip install "fftool[{error.extra}]"'


def _format_hint(error: FormatError) -> str:
    return FORMAT_HINTS[error.limit]


def _simple_formats(error: errors.MediaError, of_images: str) -> str:
    """Formats that are read in any case, for a file of that name."""
    medium = _medium_by_name(error.path)
    return of_images if medium.name == DEFAULT_MEDIUM else medium.simple_format


def _medium_by_name(path: Path) -> Medium:
    """The medium of a file by its suffix: that of images if it is unknown, or one that animations have too."""
    name = path.name.lower()
    readers = (medium for each in media.names() if name.endswith((medium := media.get(each)).readable_suffixes))
    return next(readers, media.get())


def _reduction_hint(error: errors.LargeFileError) -> str:
    return _medium_by_name(error.path).reduction.format(path=shlex.quote(str(error.path)))


def _url_hint(path: Path) -> str:
    """How to get the file of a URL, which is taken as it was typed: a path has lost some of its slashes."""
    url = next((text for text in sys.argv[1:] if Path(text) == path), shown_path(path))
    kind = url.partition(":")[0].lower()
    if kind in ("http", "https", "ftp", "ftps", "sftp"):
        return f"download it first: curl -LO {shlex.quote(url)}"
    if kind == "file":
        from urllib.request import url2pathname  # 20 ms

        return f"name the path: {shlex.quote(url2pathname(urlsplit(url).path))}"
    return "save it as a file first"


def _help_hint(error: FFToolError) -> str:
    return help_hint()


def _path_hint(error: WriteError) -> str:
    return f"name another path with {output_options()}"


# By type, the more special before the more general.
HINTS: dict[type[FFToolError], Hint] = {
    SettingError: _help_hint,
    errors.SignalError: "use another file",
    errors.HoldoutError: "use a larger file, or leave --holdout out",
    errors.SignalMismatchError: "name the file that it was trained on, or train from scratch",
    errors.DeviceError: "use --device cpu, or leave --device out",
    OutOfMemoryError: _memory_hint,
    errors.SizeError: "use a smaller --size",
    errors.DivergenceError: lambda error: f"use a --learning-rate far below {error.learning_rate:g}",
    errors.NonFiniteError: "train again with a smaller --learning-rate",
    errors.NetworkError: "train from scratch",
    errors.UnfinishedRunError: "train from scratch",
    errors.PackageError: _installation_hint,
    errors.ClusterError: "start it with dask scheduler, and repeat the command: what is complete is kept",
    errors.WorkerError: "see the log of the worker; it may need more memory, or fewer workers beside it",
    errors.VersionMismatchError: "install the same versions of fftool and torch on all machines",
    errors.WorkerFileError: "put it in a folder that all workers have at the same path",
    errors.UrlError: lambda error: _url_hint(error.path),
    errors.EmptyFolderError: "name the files themselves, or another folder",
    errors.PipeError: "name a file, or send one with < or |",
    errors.ReadError: "check the path and its permissions",
    errors.DiskFullError: lambda error: f"free some space, or {_path_hint(error)} on another disk",
    errors.FileLockedError: lambda error: f"wait until it is done, or {_path_hint(error)}",
    errors.ForeignFileError: "name a new or empty folder",
    errors.DifferentRunError: "name another folder with -o, or use --overwrite to replace it",
    WriteError: _path_hint,
    errors.UnknownFormatError: lambda error: (
        f"save it as a {_simple_formats(error, 'PNG, JPEG, WebP, TIFF or BMP')} first"
    ),
    errors.DamagedFileError: "save or copy the file again",
    errors.UnsupportedFileError: lambda error: (
        f"save it as a {_simple_formats(error, 'plain PNG or TIFF with one image')} first"
    ),
    errors.MissingPackageError: _installation_hint,
    errors.OpenMeshError: "close its holes first, in Blender, in MeshLab (Close Holes) or by pymeshfix",
    errors.LargeFileError: _reduction_hint,
    errors.FormatPackageError: _installation_hint,
    FormatError: _format_hint,
    errors.ExportError: "export it as .npz, which holds every network",
    errors.NotACheckpointError: "copy the file again if it was a checkpoint; fftool train makes a new one",
    errors.NewerCheckpointError: "upgrade fftool with pipx upgrade fftool, or train from scratch",
    errors.InconsistentCheckpointError: "copy the file again, or train from scratch",
    errors.UnsuitableCheckpointError: "name another checkpoint, or train from scratch",
    FFToolError: _help_hint,
}


def hint(error: FFToolError) -> str:
    """What to type or do instead."""
    if isinstance(error, CommandError):
        return error.hint
    found = next(found for kind, found in HINTS.items() if isinstance(error, kind))
    return found if isinstance(found, str) else found(error)


def problem(error: FFToolError, path: Path) -> str:
    """Text of an error beside the name of its file, which it need not repeat."""
    return error.problem if isinstance(error, FileError) and error.path == path else str(error)


def exit_code(error: FFToolError) -> int:
    """2 where the request itself is wrong, else 1."""
    return error.exit_code if isinstance(error, CommandError) else 2 if isinstance(error, SettingError) else 1


def as_fftool_error(error: Exception) -> FFToolError:
    """An error of the system as one that the user can act on; others are raised again."""
    match error:
        case FFToolError():
            return error
        case OSError():
            detail = error.strerror or str(error) or type(error).__name__
            where = error.filename or ("standard output" if error.errno else None)
            text = f"{where}: {detail}" if where else detail
            return CommandError(text, "name another file, or send the output elsewhere")
        case MemoryError():
            return OutOfMemoryError("fftool")
    raise error
