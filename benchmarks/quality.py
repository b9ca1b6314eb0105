"""How good a picture becomes, and how soon: fftool against the plain loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import mean, median
from typing import Any

import torch

from benchmarks import plain
from benchmarks.figure import Figure
from fftool import CoordinateMLP, EncodingConfig, Signal, TrainingConfig
from fftool import fit as fit_fftool
from fftool.config import Holdout
from fftool.holdout import split
from fftool.training import Progress, assess

SCALE = EncodingConfig(scale=25)  # the homework's, for a photo
EXACT = 99.0  # dB, for a picture that is reproduced exactly


def learnt(signal: Signal, encoding: EncodingConfig = SCALE, **training: Any) -> Progress:
    """What fftool has learnt in the end."""
    for progress in fit_fftool(signal, encoding, training=TrainingConfig(**training)):
        pass
    return progress


def psnr(network: CoordinateMLP, signal: Signal) -> float:
    return min(assess(network, signal)[1].psnr, EXACT)


def plainly(
    signal: Signal, encoding: EncodingConfig, epochs: int, *, seed: int = 0, holdout: Holdout = None
) -> tuple[CoordinateMLP, float]:
    """What the plain loop has learnt in the end, and its seconds."""
    training = TrainingConfig(epochs=1, seed=seed, holdout=holdout)
    untrained = next(fit_fftool(signal, encoding, training=training)).network
    network = CoordinateMLP(untrained.config)  # the one that fftool starts from
    held = split(signal.shape, network.config.training)
    cells = torch.arange(signal.cells) if held is None else held.train.long()
    run = plain.fit(network, signal, cells)
    for _ in range(epochs * math.ceil(len(cells) / plain.BATCH_SIZE)):
        seconds = next(run)
    return network, seconds


def fewest_epochs(signal: Signal, target: float, most: int) -> int | None:
    """After how many epochs fftool reaches that PSNR at the end of its schedule, by bisection; None if after more."""
    if psnr(learnt(signal, epochs=most).network, signal) < target:
        return None
    below = 0
    while most - below > 1:
        middle = (below + most) // 2
        if psnr(learnt(signal, epochs=middle).network, signal) < target:
            below = middle
        else:
            most = middle
    return most


def against_the_plain_loop(signals: Sequence[Signal], epochs: int) -> list[Figure]:
    """The time to what the plain loop reaches with so many epochs, and the PSNR after as many."""
    rows: list[dict[str, Any]] = []
    for signal in signals:
        network, seconds = plainly(signal, SCALE, epochs)
        decibels = psnr(network, signal)
        ours = psnr(learnt(signal, epochs=epochs).network, signal)
        few = fewest_epochs(signal, decibels, epochs) or epochs
        times = [learnt(signal, epochs=few).seconds for _ in range(3)]
        rows.append(
            {
                "picture": signal.source,
                "plain_psnr_db": decibels,
                "plain_seconds": seconds,
                "fftool_epochs": few,
                "fftool_seconds": median(times),
                "times_faster": seconds / median(times),
                "fftool_psnr_db": ours,
            }
        )
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
    """What lies between the pixels, with every other one learnt: ours against two kinds of Adam."""
    rows = []
    for signal in signals:
        for scale in scales:
            encoding = EncodingConfig(scale=scale)
            networks = {
                "fftool": learnt(signal, encoding, epochs=epochs, holdout="lattice").network,
                "adam": learnt(signal, encoding, epochs=epochs, holdout="lattice", optimizer="adam").network,
                "plain": plainly(signal, encoding, epochs, holdout="lattice")[0],
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
    """A picture of few pixels, fftool against the plain loop: the worst case."""
    rows = []
    for scale in scales:
        for seed in seeds:
            encoding = EncodingConfig(scale=scale)
            rows.append(
                {
                    "scale": scale,
                    "seed": seed,
                    "plain_psnr_db": psnr(plainly(signal, encoding, epochs, seed=seed)[0], signal),
                    "fftool_psnr_db": psnr(learnt(signal, encoding, epochs=epochs, seed=seed).network, signal),
                }
            )
    height, width = signal.shape
    return Figure(
        name=f"PSNR at {epochs} epochs, {width}×{height}, fftool - plain, least",
        value=min(row["fftool_psnr_db"] - row["plain_psnr_db"] for row in rows),
        unit="dB",
        parts={"scales": rows},
    )
