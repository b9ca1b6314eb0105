"""How near to the best σ `--scale auto` comes: against a sweep, and against other ways to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from benchmarks.quality import learnt
from fftool import CoordinateMLP, EncodingConfig, NetworkConfig, Signal, TrainingConfig, fit, render
from fftool.config import Config
from fftool.figures.scale import radial_spectrum
from fftool.training import assess

HOLDOUT = 0.1
FACTORS = np.geomspace(0.25, 4, 65)  # by which each way's σ may be corrected
RUNGS = (1 / 8, 1 / 4, 1 / 2)  # of an epoch, after which the better half of the trials goes on: three epochs in all


def against_a_sweep(signals: Sequence[Signal], scales: Sequence[float], epochs: int) -> Iterator[Figure]:
    """The held-out PSNR that `auto` loses against the best of a sweep with the same budget, and what it costs."""
    rows = []
    for signal in signals:
        row = swept(signal, scales, epochs)
        rows.append(row)
        name = f"{row['picture']} {row['width']}×{row['height']}: lost by auto, which chose {row['auto']:g}"
        yield Figure(name=name, value=lost(row), unit="dB", parts=row)
    losses = [lost(row) for row in rows]
    yield Figure(name="held-out PSNR lost by auto against a sweep, mean", value=mean(losses), unit="dB")
    yield Figure(name="held-out PSNR lost by auto against a sweep, most", value=max(losses), unit="dB")
    yield Figure(name="time to choose σ, of that to train, most", value=max(row["auto_share"] for row in rows))
    yield Figure(name="time to choose σ, most", value=max(row["auto_seconds"] for row in rows), unit="s")
    for way in ("auto", *WAYS):
        yield by_halves(way, rows)


def lost(row: dict[str, Any]) -> float:
    """What a picture loses by auto, which may be less than 0: a sweep has gaps."""
    loss: float = row["best_db"] - row["auto_db"]
    return loss


def swept(signal: Signal, scales: Sequence[float], epochs: int) -> dict[str, Any]:
    """Everything that is measured on one picture."""
    training: dict[str, Any] = {"epochs": epochs, "holdout": HOLDOUT}
    sweep = {
        scale: held_out(learnt(signal, EncodingConfig(scale=scale), **training).network, signal) for scale in scales
    }
    auto = learnt(signal, EncodingConfig(scale="auto"), **training)
    row = {
        "picture": signal.source,
        "width": signal.shape[1],
        "height": signal.shape[0],
        "sweep_db": sweep,
        "best_db": max(sweep.values()),
        "auto": auto.network.config.encoding.scale,
        "auto_db": held_out(auto.network, signal),
        "auto_seconds": auto.scale_seconds,
        "auto_share": auto.scale_seconds / (auto.seconds - auto.scale_seconds),
    }
    for name, choose in WAYS.items():
        start = perf_counter()
        row[name] = choose(signal, scales)
        row[f"{name}_share"] = (perf_counter() - start) / auto.seconds
    return row


def held_out(network: CoordinateMLP, signal: Signal) -> float:
    psnr = assess(network, signal)[1].holdout_psnr
    assert psnr is not None
    return psnr


def by_halves(name: str, rows: Sequence[dict[str, Any]]) -> Figure:
    """What a way to choose loses on each half of the pictures, with a factor fitted to the other."""
    halves = []
    for fitted, rest in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
        factor = min(FACTORS, key=lambda factor: mean(lost_by(name, factor, fitted or rest)))
        halves.append(
            {
                "factor": factor,
                "fitted_db": lost_by(name, factor, fitted),
                "rest_db": lost_by(name, factor, rest),
            }
        )
    losses = [loss for half in halves for loss in half["rest_db"]]
    return Figure(
        name=f"lost by {name}, fitted to the other half, mean",
        value=mean(losses),
        unit="dB",
        parts={
            "most_db": max(losses),
            "halves": halves,
            "share_of_training": mean(row[f"{name}_share"] for row in rows),
        },
    )


def lost_by(name: str, factor: float, rows: Sequence[dict[str, Any]]) -> list[float]:
    return [row["best_db"] - interpolated(row["sweep_db"], factor * row[name]) for row in rows]


def interpolated(sweep: dict[float, float], scale: float) -> float:
    """The PSNR between the σ of a sweep, and at its ends beyond them."""
    return float(np.interp(np.log(scale), np.log(list(sweep)), list(sweep.values())))


def constant(signal: Signal, scales: Sequence[float]) -> float:
    """One σ for all pictures."""
    return 25.0


def spectrum(signal: Signal, scales: Sequence[float]) -> float:
    """The σ whose untrained network has the spectrum most like the picture's: the idea of FreSh (2024).

    The distance is Wasserstein's, between amplitudes over the frequencies up to Nyquist.
    """
    wanted = amplitudes(signal)
    return min(scales, key=lambda scale: np.abs(np.cumsum(amplitudes(untrained(signal, scale)) - wanted)).sum())


def untrained(signal: Signal, scale: float) -> Signal:
    """What a network draws before it has learnt."""
    training = TrainingConfig(device="cpu")
    config = Config(
        signal=signal.config,
        encoding=EncodingConfig(scale=scale),
        network=NetworkConfig(),
        training=training,
        version="",
    )
    drawn = render(CoordinateMLP(config), signal.shape, bits=16)
    return Signal(drawn)


def amplitudes(signal: Signal) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The share of each frequency, in bins of a cycle a side."""
    frequency, share = radial_spectrum(signal)
    at = np.arange(1, min(signal.shape) // 2 + 1)
    density = np.sqrt(np.interp(at, frequency, share) / at)
    shares: np.ndarray[Any, np.dtype[np.float64]] = density / max(density.sum(), 1e-12)
    return shares


def trials(signal: Signal, scales: Sequence[float]) -> float:
    """Successive halving: networks learn side by side, and the better half, on pixels not yet seen, goes on."""
    training = TrainingConfig(epochs=1, holdout=HOLDOUT)
    runs = {scale: fit(signal, EncodingConfig(scale=scale), training=training) for scale in scales}
    for rung in RUNGS:
        reached = {}
        for scale, run in runs.items():
            reached[scale] = next(progress.psnr for progress in run if progress.done >= rung)
        best = sorted(reached, key=reached.__getitem__, reverse=True)[: (len(runs) + 1) // 2]
        runs = {scale: runs[scale] for scale in best}
    return max(best, key=reached.__getitem__)


WAYS: dict[str, Callable[[Signal, Sequence[float]], float]] = {
    "a constant": constant,
    "spectra": spectrum,
    "short trials": trials,
}
