"""Where a command does its work: in this process, in others on this machine, or on the workers of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fftool.cli import terminal
from fftool.cli.errors import UsageError
from fftool.interrupts import uninterrupted

if TYPE_CHECKING:
    from fftool.cluster.client import Cluster
    from fftool.media.source import SignalSource
    from fftool.training.trainer import GroupTrainer


@dataclass(frozen=True)
class Place:
    """A number of processes on this machine, or the address of a scheduler; neither is this process.

    Raises UsageError for both.
    """

    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.workers and self.address:
            raise UsageError("--workers and --cluster both say where the work is done", "leave one of them out")

    @property
    def is_here(self) -> bool:
        return not (self.workers or self.address)

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """Section with the workers. Raises errors as `local_cluster` and `remote_cluster` do."""
        with uninterrupted():
            from fftool.cluster.client import local_cluster, remote_cluster

        with remote_cluster(self.address, _note_waiting) if self.address else local_cluster(self.workers or 1) as found:
            yield found


@contextmanager
def group_trainer(place: Place, source: SignalSource) -> Iterator[GroupTrainer | None]:
    """Section with what trains groups of tiles elsewhere; None for this process."""
    if place.is_here:
        yield None
        return
    with place.cluster() as cluster:
        with uninterrupted():
            from fftool.cluster.training import group_trainer as trainer_of

        yield trainer_of(cluster, source)


def _note_waiting(address: str) -> None:
    terminal.note(f"{address} has no workers yet. To start one, on any machine: fftool worker {address}")
