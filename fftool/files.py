"""Files: checked before long work, locked while they are written, and never seen half written."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from fftool.errors import DiskFullError, FileLockedError, ForeignFileError, ReadError, SameFileError, WriteError
from fftool.interrupts import interruptible, uninterrupted


def check_readable(path: Path) -> None:
    """Raise ReadError unless there is a regular file that may be read."""
    try:
        if not path.exists():
            raise ReadError(path, "no such file")
        if path.is_dir():
            raise ReadError(path, "is a folder, expected a file")
        if not path.is_file():
            raise ReadError(path, "is not a regular file")
        if not os.access(path, os.R_OK):
            raise ReadError(path, "permission denied")
    except OSError as error:
        raise ReadError(path, f"cannot be read: {error.strerror or error}") from error


def check_writable(path: Path, *sources: Path, makes_folder: bool = False) -> None:
    """Find out before long work whether a file made from `sources` can be written there.

    With `makes_folder`, the folder need not exist yet. Raises WriteError if it cannot, SameFileError if it is a source.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise WriteError(path, "is a folder, expected a file")
        if _is_device(path):  # written as it is, with no new file in its folder
            touched = [path]
        elif target.parent.is_dir():
            touched = [target, target.parent] if target.exists() else [target.parent]
        elif makes_folder:
            touched = [_existing_parent(path)]
        else:
            raise WriteError(path, f"no such folder: {target.parent}")
        if not all(os.access(place, os.W_OK) for place in touched):
            raise WriteError(path, "permission denied")
        if any(_is_same(target, source) for source in sources):
            raise SameFileError(path, "is an input, and would be overwritten")
    except OSError as error:
        raise _write_error(path, error) from error


def _existing_parent(path: Path) -> Path:
    """The nearest folder above a file that exists. Raises WriteError if it is no folder."""
    place = next(place for place in Path(os.path.realpath(path)).parents if place.exists())
    if not place.is_dir():
        raise WriteError(path.parent, f"cannot be made: {place} is a file")
    return place


def check_space(path: Path, size: int) -> None:
    """Raise DiskFullError unless the disk has room for a file of that many bytes there."""
    try:
        free = shutil.disk_usage(_existing_parent(path)).free
    except OSError as error:
        raise _write_error(path, error) from error
    if size > free:
        raise DiskFullError(path, f"would take {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free")


def check_folder(folder: Path, wanted: Iterable[Path], ours: str) -> list[Path]:
    """Find out before long work whether files can be written into a folder that holds only files of fftool.

    `ours` is a regular expression of the names that fftool gives, relative to the folder. The folder and its parents
    need not exist. Returns the wanted files that exist already. Raises WriteError if the folder cannot be written, and
    ForeignFileError if it holds a file of another name, or an older one of ours in a subfolder of the wanted ones.
    """
    wanted = set(wanted)
    below = {path.parent for path in wanted} - {folder}
    found = []
    try:
        if folder.exists() and not folder.is_dir():
            raise WriteError(folder, "is a file, expected a folder")
        for path in folder.rglob("*"):
            if path in wanted:
                found.append(path)
            elif not (path.is_dir() or path.name.startswith(".")):
                name = path.relative_to(folder).as_posix()
                if path.parent in below or not re.fullmatch(ours, name):
                    raise ForeignFileError(folder, f"holds {name}, which would be left over")
        parent = _existing_parent(folder / "file")
        if not os.access(parent, os.W_OK):
            raise WriteError(folder, "permission denied")
    except OSError as error:
        raise _write_error(folder, error) from error
    return sorted(found)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Section for which a folder and its parents exist; those that it has made and left empty are removed on failure.

    Raises WriteError if the folder cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, f"cannot be made: {error.strerror or error}") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):  # one that is not empty stays, and so do those above it
            for place in missing:
                place.rmdir()
        raise


def readable_name(path: Path) -> str:
    """A path as text that can be stored and drawn: bytes of no known encoding are replaced."""
    return os.fsencode(path).decode(errors="replace")


@contextmanager
def reserved(path: Path) -> Iterator[None]:
    """Section in which no other process of fftool writes a file. Sections of one process may be nested.

    A lock or draft that a killed process left beside the file is reused, then removed. Raises FileLockedError if
    another process has the file, and WriteError if nothing can be written there.
    """
    target = Path(os.path.realpath(path))
    if _is_device(path):
        yield
        return
    if not target.parent.is_dir():  # the lock would make it
        raise WriteError(path, f"no such folder: {target.parent}")
    with uninterrupted():
        from filelock import FileLock, Timeout  # 36 ms

        lock = FileLock(_beside(target, "lock"), blocking=False, is_singleton=True)
        try:
            lock.acquire()
        except Timeout:
            raise FileLockedError(path, "is being written by another fftool process") from None
        except OSError as error:
            raise _write_error(path, error) from error
        try:
            with interruptible():
                yield
        finally:
            if lock.lock_counter == 1:
                with suppress(OSError):  # Windows keeps open files; filelock removes it there
                    Path(lock.lock_file).unlink()
            lock.release()
            del lock  # here, as Python drops an exception that a signal raises within its finalizer


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write: moved to `path` in one step once complete, removed on any failure.

    A file that is replaced keeps its permissions. Raises WriteError if writing fails, DiskFullError if it is for lack
    of space, and FileLockedError if another process is writing the file; `path` is then as it was before.
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
        raise _write_error(path, error) from error


@contextmanager
def _draft(target: Path) -> Iterator[BinaryIO]:
    path = _beside(target, "part")
    with uninterrupted():
        try:
            path.unlink(missing_ok=True)  # from a process that was killed
            with path.open("xb") as file:
                if target.exists():
                    path.chmod(stat.S_IMODE(target.stat().st_mode))
                with interruptible():
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
    """Whether a path is a device or a pipe, as /dev/stdout may be: it can't be replaced, and holds nothing."""
    return path.exists() and not (path.is_file() or path.is_dir())


def _beside(target: Path, kind: str) -> Path:
    """A file next to the target: of one name in every process, and short whatever the target's name is."""
    return target.with_name(f".fftool-{sha256(os.fsencode(target.name)).hexdigest()[:16]}.{kind}")


def _write_error(path: Path, error: OSError) -> WriteError:
    kind = DiskFullError if error.errno == errno.ENOSPC else WriteError
    return kind(path, f"could not be written: {error.strerror or error}")
