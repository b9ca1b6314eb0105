"""PSNR that an image reaches, and the time to it: fftool against the plain loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import mean, median
from typing import Any

import torch

from benchmarks import plain
from benchmarks.figure import Figure
from fftool import CoordinateMLP, EncodingConfig, NetworkConfig, Progress, Signal, TrainingConfig, fit
from fftool.config import Holdout
from fftool.evaluation import assess
from fftool.holdout import split

SCALE = EncodingConfig(scale=25)  # the homework's, for a photo
ONE_NETWORK = NetworkConfig(tile="none")  # also for images that have tiles by default
EXACT = 99.0  # dB, for an image that is reproduced exactly


def train(
    signal: Signal, encoding: EncodingConfig = SCALE, network: NetworkConfig = ONE_NETWORK, **training: Any
) -> Progress:
    """End of a training by fftool."""
    for progress in fit(signal, encoding, network, TrainingConfig(**training)):
        pass
    return progress


def begin(
    signal: Signal, encoding: EncodingConfig = EncodingConfig(), network: NetworkConfig = ONE_NETWORK, **training: Any
) -> CoordinateMLP:
    """Network after the first step of a training by fftool."""
    return next(fit(signal, encoding, network, TrainingConfig(epochs=1, **training))).network


def psnr(network: CoordinateMLP, signal: Signal) -> float:
    return min(assess(network, signal)[1].psnr, EXACT)


def train_plainly(
    signal: Signal, encoding: EncodingConfig, epochs: int, *, seed: int = 0, holdout: Holdout = "none"
) -> tuple[CoordinateMLP, float]:
    """Network trained by the plain loop, from the weights that fftool starts from, and the seconds that it took."""
    network = CoordinateMLP(begin(signal, encoding, seed=seed, holdout=holdout).config)
    held_out = split(signal.shape, holdout, seed)
    trained = torch.arange(signal.n_samples) if held_out is None else held_out.train.long()
    steps = plain.fit(network, signal, trained)
    for _ in range(epochs * math.ceil(len(trained) / plain.BATCH_SIZE)):
        seconds = next(steps)
    return network, seconds


def fewest_epochs(
    signal: Signal,
    target: float,
    most: int,
    encoding: EncodingConfig = SCALE,
    network: NetworkConfig = ONE_NETWORK,
) -> int | None:
    """Epochs with which fftool reaches a PSNR at the end of its schedule, by bisection; None if `most` do not."""

    def reaches(epochs: int) -> bool:
        return psnr(train(signal, encoding, network, epochs=epochs).network, signal) >= target

    if not reaches(most):
        return None
    below = 0
    while most - below > 1:
        middle = (below + most) // 2
        if reaches(middle):
            most = middle
        else:
            below = middle
    return most


def race(
    signal: Signal, epochs: int, encoding: EncodingConfig = SCALE, network: NetworkConfig = ONE_NETWORK
) -> dict[str, Any]:
    """Time of the plain loop for so many epochs, and of fftool to the same PSNR."""
    plain_network, plain_seconds = train_plainly(signal, SCALE, epochs)
    plain_psnr = psnr(plain_network, signal)
    few = fewest_epochs(signal, plain_psnr, epochs, encoding, network) or epochs
    seconds = median(train(signal, encoding, network, epochs=few).seconds for _ in range(3))
    return {
        "picture": signal.source,
        "plain_psnr_db": plain_psnr,
        "plain_seconds": plain_seconds,
        "fftool_epochs": few,
        "fftool_seconds": seconds,
        "times_faster": plain_seconds / seconds,
    }


def against_plain_loop(signals: Sequence[Signal], epochs: int) -> list[Figure]:
    """Time to the PSNR that the plain loop reaches with so many epochs, and PSNR after as many."""
    rows = [
        race(signal, epochs) | {"fftool_psnr_db": psnr(train(signal, epochs=epochs).network, signal)}
        for signal in signals
    ]
    height, width = signals[0].shape
    return [
        Figure(
            name=f"time to the plain loop's PSNR at {epochs} epochs, {width}×{height}, plain / fftool, median",
            value=median(row["times_faster"] for row in rows),
            unit="×",
            parts={"pictures": rows},
        ),
        Figure(
            name=f"PSNR at {epochs} epochs, fftool - plain, mean",
            value=mean(row["fftool_psnr_db"] - row["plain_psnr_db"] for row in rows),
            unit="dB",
            parts={"pictures": rows},
        ),
    ]


def held_out(signals: Sequence[Signal], scales: Iterable[float], epochs: int) -> list[Figure]:
    """PSNR between the pixels, with every other one held out: fftool against two kinds of Adam."""
    rows = []
    for signal in signals:
        for scale in scales:
            encoding = EncodingConfig(scale=scale)
            networks = {
                "fftool": train(signal, encoding, epochs=epochs, holdout="lattice").network,
                "adam": train(signal, encoding, epochs=epochs, holdout="lattice", optimizer="adam").network,
                "plain": train_plainly(signal, encoding, epochs, holdout="lattice")[0],
            }
            row: dict[str, Any] = {"picture": signal.source, "scale": scale}
            rows.append(row | {name: assess(network, signal)[1].holdout_psnr for name, network in networks.items()})
    others = {"plain": "the plain loop's Adam", "adam": "--optimizer adam"}
    return [
        Figure(
            name=f"held-out PSNR at {epochs} epochs, fftool - {name}, mean",
            value=mean(row["fftool"] - row[other] for row in rows),
            unit="dB",
            parts={"holdout_psnr_db": rows},
        )
        for other, name in others.items()
    ]


def small(signal: Signal, scales: Iterable[float], epochs: int, seeds: Iterable[int]) -> Figure:
    """PSNR of an image of few pixels, fftool against the plain loop: the worst case."""
    rows = []
    for scale in scales:
        for seed in seeds:
            encoding = EncodingConfig(scale=scale)
            rows.append(
                {
                    "scale": scale,
                    "seed": seed,
                    "plain_psnr_db": psnr(train_plainly(signal, encoding, epochs, seed=seed)[0], signal),
                    "fftool_psnr_db": psnr(train(signal, encoding, epochs=epochs, seed=seed).network, signal),
                }
            )
    height, width = signal.shape
    return Figure(
        name=f"PSNR at {epochs} epochs, {width}×{height}, fftool - plain, least",
        value=min(row["fftool_psnr_db"] - row["plain_psnr_db"] for row in rows),
        unit="dB",
        parts={"scales": rows},
    )
