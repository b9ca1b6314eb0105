"""A network compared with a stored signal on the workers of a cluster, some rows in each task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fftool.cluster.client import Cluster, Task
from fftool.cluster.files import Contents, SentFile, SentSource, send, send_file
from fftool.cluster.inputs import load_network, read_signal
from fftool.cluster.tasks import payload
from fftool.evaluation import PartAssessor, assess_part
from fftool.media.source import SignalSource
from fftool.metrics import Errors


def part_assessor(cluster: Cluster, source: SignalSource, model: Path) -> PartAssessor:
    """What measures the parts of a signal, for `evaluate`, with the network in a checkpoint.

    It raises errors as `assess_part` and Dask do, and WorkerFileError where workers lack the checkpoint.
    """

    def assess(parts: Sequence[range]) -> Iterator[Errors | None]:
        sent, contents = send(source)
        file, weights = send_file(model)
        both = dict(contents) | weights
        tasks = (Task(payload(assess_on_worker, file, sent, part), both) for part in parts)
        yield from cluster.run_in_order(tasks)

    return assess


def assess_on_worker(file: SentFile, source: SentSource, part: range, contents: Contents) -> Errors:
    """On a worker: the errors in some rows."""
    signal = read_signal(source, contents)
    return assess_part(load_network(file, contents), signal, part)
