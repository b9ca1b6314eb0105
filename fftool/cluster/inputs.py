"""Signals and networks on a worker, as tasks name them. The last of each is kept: the next task often has the same."""

from __future__ import annotations

from functools import partial

from fftool.cache import LastUsed
from fftool.checkpoint.reading import load
from fftool.cluster.files import Contents, SentFile, SentSource, received
from fftool.models.network import CoordinateMLP
from fftool.signal import Signal

_last_signal, _last_network = LastUsed[Signal](), LastUsed[CoordinateMLP]()


def read_signal(source: SentSource, contents: Contents) -> Signal:
    """Signal of a source. Raises errors as `SentSource.read` does."""
    key = source, [file.changed for file in source.files]
    return _last_signal(key, partial(source.read, contents))


def load_network(file: SentFile, contents: Contents) -> CoordinateMLP:
    """Network in a checkpoint, on the CPU. Raises WorkerFileError, and errors as `load` does."""
    return _last_network((file, file.changed), partial(_load, file, contents))


def _load(file: SentFile, contents: Contents) -> CoordinateMLP:
    with received([file], contents) as (path,):
        return load(path)
