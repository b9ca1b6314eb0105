"""Tiles of one network on the workers of a cluster, several groups of them in each task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil

from fftool.cluster.client import Cluster, Task
from fftool.cluster.files import Contents, SentSource, send
from fftool.cluster.inputs import read_signal
from fftool.cluster.tasks import payload
from fftool.config import Config
from fftool.media.source import SignalSource
from fftool.training.resolving import check_same_signal
from fftool.training.trainer import GroupTrainer, TrainedGroup, train_groups

TASKS_PER_WORKER = 8  # at least, so that all workers end at about the same time
MAX_RESULT = 2**26  # bytes of the weights that a task gives


def group_trainer(cluster: Cluster, source: SignalSource) -> GroupTrainer:
    """Trainer of groups of tiles, for `fit`, of the signal in those files. It raises errors as `fit` and Dask do."""

    def train(config: Config, groups: Sequence[range]) -> Iterator[TrainedGroup | None]:
        sent, contents = send(source)
        count = _groups_per_task(config, groups, cluster.n_workers)
        ends = [groups[min(first + count, len(groups)) - 1].stop for first in range(0, len(groups), count)]
        parts = [range(*pair) for pair in pairwise([groups[0].start, *ends])]
        tasks = (Task(payload(train_part, config, sent, part), contents) for part in parts)
        for result in cluster.run_in_order(tasks):
            yield from [None] if result is None else result

    return train


def _groups_per_task(config: Config, groups: Sequence[range], n_workers: int) -> int:
    n_tiles = config.tiles.n_tiles if config.tiles else 1
    size = 4 * config.n_parameters // n_tiles * max(map(len, groups))  # bytes of the weights of a group
    return max(1, min(ceil(len(groups) / (TASKS_PER_WORKER * max(n_workers, 1))), MAX_RESULT // size))


def train_part(config: Config, source: SentSource, tiles: range, contents: Contents) -> list[TrainedGroup]:
    """On a worker: the groups in a range of tiles. A signal that stays in its file is known by its size alone."""
    signal = read_signal(source, contents)
    trained = replace(config.signal, sha256="") if signal.is_stored else config.signal
    check_same_signal(signal.describe() if signal.is_stored else signal.config, trained)
    return train_groups(signal, config, tiles)
