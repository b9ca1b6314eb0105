"""Held-out PSNR that `--scale auto` loses: against a sweep over σ, and against other methods of choosing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from benchmarks.quality import ONE_NETWORK, train
from fftool import Config, CoordinateMLP, EncodingConfig, NetworkSettings, Signal, TrainingConfig, fit, render
from fftool.evaluation import assess
from fftool.scale.spectrum import radial_spectrum
from fftool.training.defaults import resolve_defaults

HOLDOUT = 0.1
FACTORS = np.geomspace(0.25, 4, 65)  # by which the σ of each method may be corrected
RUNGS = (1 / 8, 1 / 4, 1 / 2)  # of an epoch, after which the better half of the trials continues: three epochs in all


def against_sweep(signals: Sequence[Signal], scales: Sequence[float], epochs: int) -> Iterator[Figure]:
    """Held-out PSNR that `auto` loses against the best of a sweep with the same budget, and the time that it takes."""
    rows = []
    for signal in signals:
        row = sweep(signal, scales, epochs)
        rows.append(row)
        name = f"{row['picture']} {row['width']}×{row['height']}: lost by auto, which chose {row['auto']:g}"
        yield Figure(name=name, value=loss_of_auto(row), unit="dB", parts=row)
    losses = [loss_of_auto(row) for row in rows]
    yield Figure(name="held-out PSNR lost by auto against a sweep, mean", value=mean(losses), unit="dB")
    yield Figure(name="held-out PSNR lost by auto against a sweep, most", value=max(losses), unit="dB")
    yield Figure(name="time to choose σ, of that to train, most", value=max(row["auto_share"] for row in rows))
    yield Figure(name="time to choose σ, most", value=max(row["auto_seconds"] for row in rows), unit="s")
    for method in ("auto", *METHODS):
        yield cross_validated(method, rows)


def loss_of_auto(row: dict[str, Any]) -> float:
    """PSNR that `auto` loses on an image: less than 0 where its σ lies in a gap of the sweep and is better."""
    loss: float = row["best_db"] - row["auto_db"]
    return loss


def sweep(signal: Signal, scales: Sequence[float], epochs: int) -> dict[str, Any]:
    """All measurements on one image."""
    training: dict[str, Any] = {"epochs": epochs, "holdout": HOLDOUT}
    swept = {
        scale: held_out_psnr(train(signal, EncodingConfig(scale=scale), **training).network, signal) for scale in scales
    }
    auto = train(signal, EncodingConfig(scale="auto"), **training)
    (chosen,) = auto.network.config.encoding.scale
    row = {
        "picture": signal.source,
        "width": signal.shape[1],
        "height": signal.shape[0],
        "sweep_db": swept,
        "best_db": max(swept.values()),
        "auto": chosen,
        "auto_db": held_out_psnr(auto.network, signal),
        "auto_seconds": auto.scale_seconds,
        "auto_share": auto.scale_seconds / (auto.seconds - auto.scale_seconds),
    }
    for name, choose in METHODS.items():
        start = perf_counter()
        row[name] = choose(signal, scales)
        row[f"{name}_share"] = (perf_counter() - start) / auto.seconds
    return row


def held_out_psnr(network: CoordinateMLP, signal: Signal) -> float:
    psnr = assess(network, signal)[1].holdout_psnr
    assert psnr is not None
    return psnr


def cross_validated(method: str, rows: Sequence[dict[str, Any]]) -> Figure:
    """PSNR that a method loses on each half of the images, its σ corrected by a factor fitted to the other half."""
    halves = []
    for fitted, rest in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
        factor = min(FACTORS, key=lambda factor: mean(losses(method, factor, fitted or rest)))
        halves.append(
            {
                "factor": factor,
                "fitted_db": losses(method, factor, fitted),
                "rest_db": losses(method, factor, rest),
            }
        )
    lost = [loss for half in halves for loss in half["rest_db"]]
    return Figure(
        name=f"lost by {method}, fitted to the other half, mean",
        value=mean(lost),
        unit="dB",
        parts={
            "most_db": max(lost),
            "halves": halves,
            "share_of_training": mean(row[f"{method}_share"] for row in rows),
        },
    )


def losses(method: str, factor: float, rows: Sequence[dict[str, Any]]) -> list[float]:
    """PSNR lost on each image by a method whose σ is multiplied by a factor."""
    return [row["best_db"] - interpolate(row["sweep_db"], factor * row[method]) for row in rows]


def interpolate(swept: dict[float, float], scale: float) -> float:
    """PSNR between the scales of a sweep; beyond its ends, the PSNR there."""
    return float(np.interp(np.log(scale), np.log(list(swept)), list(swept.values())))


def constant(signal: Signal, scales: Sequence[float]) -> float:
    """One σ for all images."""
    return 25.0


def spectrum(signal: Signal, scales: Sequence[float]) -> float:
    """The σ whose untrained network has the spectrum most like the image's: the idea of FreSh (2024).

    The distance is Wasserstein's, between amplitudes over the frequencies up to Nyquist.
    """
    target = amplitudes(signal)
    return min(scales, key=lambda scale: np.abs(np.cumsum(amplitudes(untrained(signal, scale)) - target)).sum())


def untrained(signal: Signal, scale: float) -> Signal:
    """Rendering of a new network."""
    config = Config(
        signal=signal.config,
        encoding=EncodingConfig(scale=scale).resolve(),
        network=NetworkSettings(),
        training=resolve_defaults(TrainingConfig(), signal.n_samples, "cpu", "float32"),
        version="",
    )
    return Signal(render(CoordinateMLP(config), bits=16))


def amplitudes(signal: Signal) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Share of each frequency, in bins of one cycle per side."""
    frequency, share = radial_spectrum(signal.array)
    bins = np.arange(1, min(signal.shape) // 2 + 1)
    density = np.sqrt(np.interp(bins, frequency, share) / bins)
    shares: np.ndarray[Any, np.dtype[np.float64]] = density / max(density.sum(), 1e-12)
    return shares


def trials(signal: Signal, scales: Sequence[float]) -> float:
    """Successive halving: networks train side by side, and those better on pixels not yet visited continue."""
    training = TrainingConfig(epochs=1, holdout=HOLDOUT)
    runs = {scale: fit(signal, EncodingConfig(scale=scale), ONE_NETWORK, training) for scale in scales}
    for rung in RUNGS:
        reached = {}
        for scale, run in runs.items():
            reached[scale] = next(progress.psnr for progress in run if progress.done >= rung)
        best = sorted(reached, key=reached.__getitem__, reverse=True)[: (len(runs) + 1) // 2]
        runs = {scale: runs[scale] for scale in best}
    return max(best, key=reached.__getitem__)


METHODS: dict[str, Callable[[Signal, Sequence[float]], float]] = {
    "a constant": constant,
    "spectra": spectrum,
    "short trials": trials,
}
