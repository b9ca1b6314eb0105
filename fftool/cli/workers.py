"""Where a command does its work: in this process, in others on this machine, or on the workers of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fftool.cli import terminal
from fftool.cli.errors import UsageError
from fftool.interrupts import uninterrupted

if TYPE_CHECKING:
    from fftool.cluster.client import Cluster
    from fftool.evaluation import PartAssessor
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


@dataclass(frozen=True)
class Elsewhere:
    """What other processes do for a training; None is done in this one. `assess` takes the network's checkpoint."""

    train: GroupTrainer | None = None
    assess: Callable[[Path], PartAssessor] | None = None


@contextmanager
def elsewhere(place: Place, source: SignalSource) -> Iterator[Elsewhere]:
    """Section with the processes of a place that train and evaluate on a signal."""
    if place.is_here:
        yield Elsewhere()
        return
    with place.cluster() as cluster:
        with uninterrupted():
            from fftool.cluster.evaluation import part_assessor
            from fftool.cluster.training import group_trainer

        yield Elsewhere(group_trainer(cluster, source), partial(part_assessor, cluster, source))


def _note_waiting(address: str) -> None:
    terminal.note(f"{address} has no workers yet. To start one, on any machine: fftool worker {address}")
