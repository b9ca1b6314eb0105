"""Files, from outside: found out before work whether they will do, and never seen half written."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from fftool.errors import FFToolError
from fftool.interrupts import not_halfway

HINTS = {errno.ENOSPC: "free some space, or name a file on another disk with -o"}


def check_readable(path: Path) -> None:
    """Raise FFToolError unless there is a regular file that may be read."""
    try:
        if not path.exists():
            raise FFToolError(f"there is no file {path}", "check its name, or give the whole path")
        if path.is_dir():
            raise FFToolError(f"{path} is a folder", "name a file in it")
        if not path.is_file():
            raise FFToolError(f"{path} is no regular file", "save it to one first")
        if not os.access(path, os.R_OK):
            raise FFToolError(f"{path} may not be read", "check its permissions")
    except OSError as error:
        raise FFToolError(f"{path} cannot be read: {error.strerror}", "check its name") from error


def check_writable(path: Path, *sources: Path) -> None:
    """Find out before long work whether a file can be written there, made from `sources`. Raises FFToolError if not."""
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise FFToolError(f"{path} is a folder", "name the file to write in it with -o")
        if _is_device(path):  # written as it is, with no new file in its folder
            touched = [path]
        elif target.parent.is_dir():
            touched = [target, target.parent] if target.exists() else [target.parent]
        else:
            raise FFToolError(f"there is no folder {target.parent}", "make it first, or name another file with -o")
        if not all(os.access(place, os.W_OK) for place in touched):
            raise FFToolError(f"{path} may not be written", "name a file in a folder of your own with -o")
        if any(_is_same(target, source) for source in sources):
            raise FFToolError(f"{path} is the file that is read", "name another file to write with -o")
    except OSError as error:
        raise _unwritable(path, error) from error


def check_space(path: Path, size: int) -> None:
    """Raise FFToolError unless a disk has room for a file of that many bytes there."""
    try:
        free = shutil.disk_usage(os.path.realpath(path.parent)).free
    except OSError as error:
        raise _unwritable(path, error) from error
    if size > free:
        seen = f"{path} would take {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free there"
        raise FFToolError(seen, HINTS[errno.ENOSPC])


def check_folder(folder: Path, wanted: Iterable[Path], ours: str) -> list[Path]:
    """Find out before long work whether files can be written into a folder that holds no others than fftool's.

    `ours` is a regular expression of the names, from the folder on, that fftool gives. The folder and those above it
    need not exist. Returns those of the wanted files that do; raises FFToolError if the folder can't be written, or
    holds a file of another name, or one of ours that would be left over beside the wanted ones in a folder below.
    """
    wanted = set(wanted)
    below = {path.parent for path in wanted} - {folder}
    found = []
    try:
        if folder.exists() and not folder.is_dir():
            raise FFToolError(f"{folder} is a file", "name a folder, new or empty")
        for path in folder.rglob("*"):
            if path in wanted:
                found.append(path)
            elif not (path.is_dir() or path.name.startswith(".")):
                name = path.relative_to(folder).as_posix()
                if path.parent in below or not re.fullmatch(ours, name):
                    raise FFToolError(f"{folder} holds {name}, which would be left", "name a folder, new or empty")
        above = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise FFToolError(f"{folder} may not be written", "name a folder of your own")
    except OSError as error:
        raise _unwritable(folder, error) from error
    return sorted(found)


def readable_name(path: Path) -> str:
    """A path as text that can be stored and drawn: what is in no known encoding is replaced."""
    return os.fsencode(path).decode(errors="replace")


@contextmanager
@not_halfway
def reserved(path: Path) -> Iterator[None]:
    """Keep other processes from writing a file meanwhile. It may be reserved again within.

    What a killed process leaves beside the file is used and removed by the next one that writes it. Raises FFToolError
    where another process has reserved it, or nothing can be written there.
    """
    from filelock import FileLock, Timeout  # 36 ms

    target = Path(os.path.realpath(path))
    if _is_device(path):
        yield
        return
    lock = FileLock(_beside(target, "lock"), blocking=False, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise FFToolError(
            f"{path} is being written by another fftool", "wait until it is done, or name another file with -o"
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            with suppress(OSError):  # Windows keeps what is open; filelock removes it there
                Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write: moved to `path` in one step once complete, removed on any failure.

    Raises FFToolError where writing fails, or another process is writing it; `path` is then as it was before.
    """
    target = Path(os.path.realpath(path))  # so that a link stays a link
    try:
        if _is_device(path):
            with path.open("wb") as file:
                yield file
            return
        with reserved(path), _draft(target) as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
@not_halfway
def _draft(target: Path) -> Iterator[BinaryIO]:
    path = _beside(target, "part")
    try:
        path.unlink(missing_ok=True)  # of a process that was killed
        with path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        path.replace(target)
    finally:
        path.unlink(missing_ok=True)


def _is_same(target: Path, source: Path) -> bool:
    with suppress(OSError):  # where one of them does not exist
        return target.samefile(source)
    return False


def _is_device(path: Path) -> bool:
    """Whether it is a device or a pipe, as /dev/stdout may be: it can't be replaced, and holds nothing."""
    return path.exists() and not (path.is_file() or path.is_dir())


def _beside(target: Path, kind: str) -> Path:
    """A file that goes with the target: of the same name in every process, and short whatever the target's name is."""
    return target.with_name(f".fftool-{sha256(os.fsencode(target.name)).hexdigest()[:16]}.{kind}")


def _unwritable(path: Path, error: OSError) -> FFToolError:
    hint = HINTS.get(error.errno or 0, "name another file with -o")
    return FFToolError(f"{path} could not be written: {error.strerror or error}", hint)
