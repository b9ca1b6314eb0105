"""Runs of a sweep on the workers of a cluster. Their checkpoints come back, and are written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from fftool.checkpoint.writing import write_bytes
from fftool.cluster.client import Cluster, Task
from fftool.cluster.files import Contents, SentSource, send
from fftool.cluster.inputs import read_signal
from fftool.cluster.tasks import payload
from fftool.errors import FFToolError
from fftool.media.source import SignalSource
from fftool.sweep.executors import Finished
from fftool.sweep.plan import Run, State
from fftool.sweep.training import train_to_bytes


def run_on(cluster: Cluster, states: Mapping[Run, State]) -> Iterator[Finished]:
    """Train each run that is not complete, from its beginning; a failure does not stop the others.

    Raises ClusterError if the scheduler is gone, and VersionMismatchError.
    """
    tasks: dict[Run, Task] = {}
    sent: dict[SignalSource, tuple[SentSource, Contents] | FFToolError] = {}
    for run, state in states.items():
        if state == "complete":
            continue
        if run.source not in sent:
            try:
                sent[run.source] = send(run.source)
            except FFToolError as error:
                sent[run.source] = error
        found = sent[run.source]
        if isinstance(found, FFToolError):
            yield Finished(run, error=found)
            continue
        source, contents = found
        tasks[run] = Task(payload(train, run, source), contents)
    for run, result in cluster.run(tasks):
        if isinstance(result, FFToolError):
            yield Finished(run, error=result)
            continue
        data, seconds = result
        try:
            write_bytes(data, run.model)
        except FFToolError as error:
            yield Finished(run, error=error)
        else:
            yield Finished(run, seconds)


def train(run: Run, source: SentSource, contents: Contents) -> tuple[bytes, float]:
    """On a worker: the checkpoint of a run, and the seconds of its training."""
    signal = read_signal(source, contents)
    return train_to_bytes(run, signal if run.keeps_metadata else replace(signal, metadata={}))
