"""Inputs that can be read only once, standard input and pipes: kept in temporary files, and then read like any file."""

from __future__ import annotations

import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO

from fftool.errors import STANDARD_INPUT, PipeError
from fftool.interrupts import interruptible, uninterrupted

MAX_BYTES = 2**32
CHUNK = 2**20
DESCRIPTOR = re.compile(r"/(dev|proc/(self|\d+))/fd/\d+")  # as a shell names the pipe of another command


@dataclass
class _Pipes:
    """Temporary copies of what came through pipes, by the names of these."""

    stdin: TextIO | None
    copies: dict[Path, Path] = field(default_factory=dict)

    def remove(self) -> None:
        while self.copies:
            self.copies.popitem()[1].unlink(missing_ok=True)


_kept: _Pipes | None = None


@contextmanager
def kept_pipes(stdin: TextIO | None) -> Iterator[None]:
    """Section in which pipes are read like files, and `stdin` under the name `-`. Copies are removed at its end."""
    global _kept
    _kept = _Pipes(stdin)
    try:
        yield
    finally:
        with uninterrupted():
            _kept.remove()
            _kept = None


def content(path: Path) -> Path:
    """The file that holds the bytes of an input: its copy if it is a pipe, which is read to its end the first time.

    Raises PipeError if that fails, or there is nothing in it. Outside of `kept_pipes`, no input is a pipe.
    """
    if not is_pipe(path) or (kept := _kept) is None:
        return path
    if path not in kept.copies:
        with uninterrupted():
            descriptor, name = tempfile.mkstemp(prefix="fftool-")
            kept.copies[path] = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as copy, interruptible():  # waiting for another program may take long
                _copy(path, kept.stdin, copy)
        except BaseException:
            kept.copies.pop(path).unlink(missing_ok=True)
            raise
    return kept.copies[path]


def is_pipe(path: Path) -> bool:
    """Whether an input can be read only once."""
    try:
        if _kept is None or path == STANDARD_INPUT:
            return _kept is not None
        return stat.S_ISFIFO(path.stat().st_mode) or (is_nameless(path) and path.is_file())
    except (OSError, ValueError):
        return False


def is_nameless(path: Path) -> bool:
    """Whether the name of an input says nothing about it: standard input, or a number that a shell gave."""
    return path == STANDARD_INPUT or DESCRIPTOR.fullmatch(path.as_posix()) is not None


def _copy(path: Path, stdin: TextIO | None, copy: BinaryIO) -> None:
    size = 0
    try:
        with _opened(path, stdin) as stream:
            device = _is_device(stream)
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if device:
                    raise PipeError(path, "is a device, expected a file or a pipe")
                if size > MAX_BYTES:
                    raise PipeError(path, f"sends more than {MAX_BYTES:,} bytes, the most that is read from a pipe")
                copy.write(chunk)
    except OSError as error:
        raise PipeError(path, f"cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}") from error
    if not size:
        raise PipeError(path, "is empty, expected a file")


def _is_device(stream: BinaryIO) -> bool:
    """Whether a stream is a device, which may have no end; the null device is one too, and empty."""
    with suppress(io.UnsupportedOperation):
        return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    return False


def _opened(path: Path, stdin: TextIO | None) -> AbstractContextManager[BinaryIO]:
    if path != STANDARD_INPUT:
        return path.open("rb")
    if stdin is None or stdin.closed:
        raise PipeError(path, "is closed, expected a file or a pipe")
    if stdin.isatty():
        raise PipeError(path, "is a terminal, expected a file or a pipe")
    return nullcontext(stdin.buffer)
