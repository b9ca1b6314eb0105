"""Networks on a worker."""

from __future__ import annotations

from functools import lru_cache

from fftool.checkpoint.reading import load
from fftool.cluster.files import Contents, SentFile, received
from fftool.models.network import CoordinateMLP


class NetworkCache:
    """The last network that this worker has loaded."""

    def __init__(self) -> None:
        self.key: object = None
        self.network: CoordinateMLP | None = None

    def load(self, file: SentFile, contents: Contents) -> CoordinateMLP:
        """Network in a checkpoint, on the CPU. Raises WorkerFileError, and errors as `fftool.load` does."""
        with received([file], contents) as (path,):
            key = file, file.changed
            if self.network is None or self.key != key:
                self.network = None  # its memory first
                self.network, self.key = load(path), key
            return self.network


@lru_cache
def networks() -> NetworkCache:
    """The cache of this process."""
    return NetworkCache()
