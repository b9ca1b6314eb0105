"""Writing files so that nobody ever sees half of one, and nothing that exists is harmed by a failure."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fftool.errors import FFToolError

HINTS = {errno.ENOSPC: "free some space, or name a file on another disk with -o"}


def check_writable(path: Path) -> None:
    """Find out before long work whether a file can be written there. Raises FFToolError if not."""
    folder = path.resolve().parent
    if path.is_dir():
        raise FFToolError(f"{path} is a folder", "name the file to write in it with -o")
    if not folder.is_dir():
        raise FFToolError(f"there is no folder {folder}", "make it first, or name another file with -o")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise FFToolError(f"{path} may not be written", "name a file in a folder of your own with -o")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write: moved to `path` in one step once complete, removed on any failure.

    Raises FFToolError where writing fails; `path` is then as it was before.
    """
    target = path.resolve()  # so that a link stays a link
    try:
        if target.exists() and not target.is_file():  # a device or a pipe can't be replaced, and holds nothing
            with target.open("wb") as file:
                yield file
            return
        draft = target.with_name(f".fftool-{os.urandom(8).hex()}.part")
        try:
            with draft.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        hint = HINTS.get(error.errno or 0, "name another file with -o")
        raise FFToolError(f"{path} could not be written: {error.strerror or error}", hint) from error
