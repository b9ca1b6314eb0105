"""The workers that a command names: processes of this machine, or those of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fftool.cli import terminal
from fftool.interrupts import uninterrupted

if TYPE_CHECKING:
    from fftool.cluster.client import Cluster


@contextmanager
def cluster(workers: int | None, address: str | None) -> Iterator[Cluster]:
    """Section with so many processes of this machine, or with the workers of a scheduler. Raises errors as both do."""
    with uninterrupted():
        from fftool.cluster.client import local_cluster, remote_cluster

    with remote_cluster(address, _note_waiting) if address else local_cluster(workers or 1) as found:
        yield found


def _note_waiting(address: str) -> None:
    terminal.note(f"{address} has no workers yet. To start one, on any machine: fftool worker {address}")
