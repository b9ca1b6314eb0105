"""A network rendered on the workers of a cluster, some rows in each task."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from fftool.backend.device import select_device, use_threads
from fftool.cluster.client import Cluster, Task
from fftool.cluster.files import Contents, SentFile, send_file
from fftool.cluster.inputs import load_network
from fftool.cluster.tasks import payload
from fftool.config import Device
from fftool.media.base import Grid
from fftool.rendering import Callback, band_rows, render_bands
from fftool.signal import Samples

TASK_SAMPLES = 2**22  # which take 12 MB as RGB of 8 bits


def render_on(
    cluster: Cluster, model: Path, device: Device, threads: int, grid: Grid, bits: int, callback: Callback
) -> Iterator[Samples]:
    """Bands of a checkpoint on a grid, as `render_bands` gives them. Raises errors as that and Dask do."""
    file, contents = send_file(model)
    n_rows, width = prod(grid.shape[:-1]), grid.shape[-1]
    size = band_rows(width)
    step = max(TASK_SAMPLES // (size * width), 1) * size
    parts = [range(first, min(first + step, n_rows)) for first in range(0, n_rows, step)]
    tasks = (Task(payload(render_part, file, device, threads, grid, part, bits), contents) for part in parts)
    done = 0
    for samples in cluster.run_in_order(tasks):
        if samples is not None:
            done += len(samples)
            callback(done * width)
            yield from (samples[first : first + size] for first in range(0, len(samples), size))


def render_part(
    file: SentFile, device: Device, threads: int, grid: Grid, rows: range, bits: int, contents: Contents
) -> Samples:
    """On a worker: some rows of a grid."""
    use_threads(threads)
    network = load_network(file, contents).to(select_device(device))
    return np.concatenate(list(render_bands(network, grid.shape, region=grid.region, rows=rows, bits=bits)))
