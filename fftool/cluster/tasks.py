"""What runs on a worker. Client and worker have to be of one version; a task says which it wants."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from threading import Lock
from typing import Any

from fftool import __version__
from fftool.cluster.files import Contents
from fftool.errors import FFToolError, OutOfMemoryError, VersionMismatchError, without_frames

_one_at_a_time = Lock()  # as torch computes with all threads of the process


@dataclass(frozen=True)
class Versions:
    """Versions that decide what a task means, and which bytes it gives."""

    fftool: str
    torch: str

    def __str__(self) -> str:
        return f"fftool {self.fftool} with torch {self.torch}"


@lru_cache
def versions() -> Versions:
    """Those of this process."""
    return Versions(__version__, version("torch").partition("+")[0])


def run_task(wanted: Versions, payload: bytes, *contents: Contents) -> Any:
    """Result of a pickled function and its arguments, to which the contents of files are added; or its error.

    An error is returned, as Dask would take one that is raised for a fault of the worker.
    """
    if (found := versions()) != wanted:
        return VersionMismatchError(socket.gethostname(), str(found), str(wanted))
    function: Callable[..., Any]
    function, arguments = pickle.loads(payload)
    merged = {key: data for each in contents for key, data in each.items()}
    try:
        with _one_at_a_time:
            return function(*arguments, merged)
    except FFToolError as error:
        return without_frames(error)
    except MemoryError:
        return OutOfMemoryError("fftool")


def payload(function: Callable[..., Any], *arguments: Any) -> bytes:
    """A function of this package and its arguments, as `run_task` takes them."""
    return pickle.dumps((function, arguments))
