"""Cost and gain of workers on this machine: overhead of Dask for small fits, and tiles on one and two processes.

    python -m benchmarks.cluster [--fits 100] [--side 1024] [--epochs 10]

Both sides of each ratio are measured in turn, so that they see the same machine; each worker computes with one thread.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import skimage.data
from PIL import Image

from fftool import EncodingConfig, NetworkConfig, TrainingConfig, fit
from fftool.cluster.client import Cluster, local_cluster
from fftool.cluster.sweep import run_on
from fftool.cluster.training import group_trainer
from fftool.config import Variant
from fftool.media.source import SignalSource
from fftool.sweep.executors import run_here
from fftool.sweep.plan import Run, State

ROUNDS = 3
SMALL = 32  # pixels on each side of the image of small fits


def overhead(folder: Path, n_fits: int) -> list[float]:
    """Milliseconds that each small fit takes longer on a worker than in this process, of each round."""
    image = folder / "small.png"
    Image.fromarray(skimage.data.astronaut()).resize((SMALL, SMALL)).save(image)
    variant = Variant(EncodingConfig(scale=4.0, dimension=16), NetworkConfig(hidden=16))
    found = []
    with local_cluster(1) as cluster:
        for i in range(ROUNDS + 1):
            seconds = []
            for place in ("here", "worker"):
                models = [folder / f"{place}-{i}-{seed}.st" for seed in range(n_fits)]
                states: dict[Run, State] = {
                    Run(SignalSource((image,)), variant, TrainingConfig(epochs=2, threads=1, seed=seed), model): "new"
                    for seed, model in enumerate(models)
                }
                start = perf_counter()
                ends = run_here(states, 30, lambda *_: None) if place == "here" else run_on(cluster, states)
                assert not [end.error for end in ends if end.error]
                seconds.append(perf_counter() - start)
            found.append(1000 * (seconds[1] - seconds[0]) / n_fits)
    return found[1:]  # without the first round, in which the worker imports torch


def scaling(folder: Path, side: int, epochs: int) -> list[float]:
    """Time of one worker over that of two, to train the same tiles, of each round."""
    image = folder / "large.png"
    photo = np.tile(skimage.data.astronaut(), (-(-side // 512), -(-side // 512), 1))[:side, :side]
    Image.fromarray(photo).save(image)
    with local_cluster(1) as one, local_cluster(2) as two:
        found = []
        for _ in range(ROUNDS + 1):
            seconds = [_seconds(cluster, image, epochs) for cluster in (one, two)]
            found.append(seconds[0] / seconds[1])
    return found[1:]


def _seconds(cluster: Cluster, image: Path, epochs: int) -> float:
    source = SignalSource((image,))
    signal, trainer = source.read(), group_trainer(cluster, source)
    course = fit(
        signal, EncodingConfig(scale=50.0), NetworkConfig(tile=32), TrainingConfig(epochs=epochs, threads=1), trainer
    )
    start = perf_counter()
    for progress in course:
        pass
    assert progress.done == 1
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fits", type=int, default=100)
    parser.add_argument("--side", type=int, default=1024, help="of the image in tiles of 32x32")
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        costs = overhead(Path(folder), arguments.fits)
        print(
            f"Dask, {arguments.fits} small fits: {median(costs):.1f} ms for each ({min(costs):.1f} to {max(costs):.1f})"
        )
        gains = scaling(Path(folder), arguments.side, arguments.epochs)
        print(f"tiles, two workers: {median(gains):.2f} times as fast as one ({min(gains):.2f} to {max(gains):.2f})")


if __name__ == "__main__":
    main()
