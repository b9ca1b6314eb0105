"""Files: checked before long work, locked while they are written, and never seen half written."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO

from fftool.errors import (
    STANDARD_INPUT,
    STANDARD_INPUT_NAME,
    URL,
    DiskFullError,
    FFToolWarning,
    FileLockedError,
    ForeignFileError,
    ReadError,
    SameFileError,
    UrlError,
    WriteError,
    shown_path,
)
from fftool.interrupts import interruptible, uninterrupted
from fftool.pipes import content, is_nameless

if TYPE_CHECKING:
    from filelock import BaseFileLock

PIPE_NAME = "pipe"  # as the source of a signal, where it had no name

ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")  # of versions 3 and 2

# How a file system says that it lacks a function. All others, such as EIO, ENOSPC and EDQUOT, may mean lost data.
LACKING = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY}
LACKING_LOCKS = LACKING | {errno.ENOLCK, errno.EPERM}


def is_zarr(path: Path) -> bool:
    """Whether a folder is the file of a signal, as Zarr stores one: by the files in it."""
    return path.is_dir() and any((path / name).is_file() for name in ZARR_FILES)


def check_readable(path: Path) -> None:
    """Raise ReadError unless there is a regular file or a Zarr folder that may be read, or a pipe that brings one."""
    try:
        if content(path) != path:
            return
        if URL.match(path.as_posix()) and not os.path.lexists(path):
            raise UrlError(path)
        if not path.exists():
            raise ReadError(path, "no such file")
        if path.is_dir() and not is_zarr(path):
            raise ReadError(path, "is a folder, expected a file")
        if not (path.is_file() or path.is_dir()):
            raise ReadError(path, "is not a regular file, and no pipe")
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
        _check_local(path)
        if target.is_dir() and not is_zarr(target):
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


def _check_local(path: Path) -> None:
    """Raise WriteError for a URL."""
    if URL.match(path.as_posix()) and not os.path.lexists(path):
        raise WriteError(path, "is a URL, expected a path")


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
    check_folder_writable(folder)
    try:
        for path in folder.rglob("*"):
            if path in wanted:
                found.append(path)
            elif not (path.is_dir() or path.name.startswith(".")):
                name = path.relative_to(folder).as_posix()
                if path.parent in below or not re.fullmatch(ours, name):
                    raise ForeignFileError(folder, f"holds {name}, which would be left over")
    except OSError as error:
        raise _write_error(folder, error) from error
    return sorted(found)


def check_folder_writable(folder: Path) -> None:
    """Find out before long work whether files can be written into a folder, which need not exist. Raises WriteError."""
    try:
        _check_local(folder)
        if folder.exists() and not folder.is_dir():
            raise WriteError(folder, "is a file, expected a folder")
        if not os.access(_existing_parent(folder / "file"), os.W_OK):
            raise WriteError(folder, "permission denied")
    except OSError as error:
        raise _write_error(folder, error) from error


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
    return os.fsencode(shown_path(path)).decode(errors="replace")


def source_name(path: Path) -> str:
    """Name of a signal's file, to be stored with it: without its folder."""
    if path == STANDARD_INPUT:
        return STANDARD_INPUT_NAME
    return PIPE_NAME if is_nameless(path) else readable_name(Path(path.name))


@contextmanager
def reserved(path: Path) -> Iterator[bool]:
    """Section in which no other process of fftool writes a file. Sections of one process may be nested.

    A lock or draft that a killed process left beside the file is reused, then removed. On a file system without locks,
    as some networks and containers have, it is a warning that others may write the file too. Yields whether the file is
    locked. Raises FileLockedError if another process has the file, and WriteError if nothing can be written there.
    """
    target = Path(os.path.realpath(path))
    if _is_device(path):
        yield True
        return
    if not target.parent.is_dir():  # the lock would make it
        raise WriteError(path, f"no such folder: {target.parent}")
    with uninterrupted():
        lock = _acquired_lock(path, target)
        try:
            with interruptible():
                yield lock is not None
        finally:
            if lock and lock.lock_counter == 1:
                with suppress(OSError):  # Windows keeps open files; filelock removes it there
                    Path(lock.lock_file).unlink()
            if lock:
                lock.release()
            del lock  # here, as Python drops an exception that a signal raises within its finalizer


def _acquired_lock(path: Path, target: Path) -> BaseFileLock | None:
    """Lock of a target; None where its file system has no locks."""
    from filelock import FileLock, Timeout  # 36 ms

    file = _beside(target, "lock")
    lock = FileLock(file, blocking=False, is_singleton=True, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise FileLockedError(path, "is being written by another fftool process") from None
    except OSError as error:
        # EPERM without a lock file: nothing can be written in that folder.
        if error.errno not in LACKING_LOCKS or (error.errno == errno.EPERM and not file.exists()):
            raise _write_error(path, error) from error
        with suppress(OSError):
            file.unlink()
        _warn(f"{target.parent}: has no file locks ({error.strerror}): let only one process write a file")
        return None
    return lock


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
        with reserved(path) as locked, _draft(target, locked) as file:
            yield file
    except OSError as error:
        raise _write_error(path, error) from error


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A folder to fill: moved to `path` in one step once complete, removed on any failure.

    A Zarr folder that is there is replaced. Raises errors as `replacing` does.
    """
    target = Path(os.path.realpath(path))
    draft, old = _beside(target, "part"), _beside(target, "old")
    try:
        with reserved(path), uninterrupted():
            try:
                for left in (draft, old):  # from a process that was killed
                    shutil.rmtree(left, ignore_errors=True)
                draft.mkdir()
                with interruptible():
                    yield draft
                if target.exists():
                    target.replace(old)
                draft.replace(target)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise _write_error(path, error) from error


@contextmanager
def _draft(target: Path, locked: bool) -> Iterator[BinaryIO]:
    # Without a lock, another process may write a draft too: each has its own, so that no half of one is moved.
    path = _beside(target, "part" if locked else f"{token_hex(8)}.part")
    with uninterrupted():
        try:
            path.unlink(missing_ok=True)  # from a process that was killed
            with path.open("xb") as file:
                if target.exists():
                    path.chmod(stat.S_IMODE(target.stat().st_mode))
                with interruptible():
                    yield file
                file.flush()
                _sync(file, target.parent)
            path.replace(target)
        finally:
            path.unlink(missing_ok=True)


def _sync(file: BinaryIO, folder: Path) -> None:
    """Wait until a file is on the disk; where its file system cannot tell, that is a warning."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in LACKING:
            raise
        _warn(f"{folder}: has no fsync ({error.strerror}): a power failure may lose a new file")


def _warn(text: str) -> None:
    warnings.warn(text, FFToolWarning, stacklevel=3)


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
