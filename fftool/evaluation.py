"""A trained network against its signal: PSNR and SSIM as the signal would be saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil, prod
from time import perf_counter

import numpy as np
import torch

from fftool import media, metrics
from fftool.config import EncodingConfig, NetworkConfig, TrainingConfig, TrainingResult
from fftool.errors import SignalError
from fftool.holdout import split
from fftool.metrics import SSIM_WINDOW, Errors, Quality
from fftool.models.capacity import resolve_network
from fftool.models.network import CoordinateMLP
from fftool.occupancy import TestPoints
from fftool.rendering import Callback, no_callback, render, render_bands
from fftool.signal import Samples, Signal, check_signal
from fftool.stored import StoredSamples
from fftool.tiling import balanced_sides
from fftool.training.trainer import Progress, fit

POINTS_AT_ONCE = 2**14
PART_SAMPLES = 2**22  # of a stored signal, which are rendered and compared at once
SAMPLES_MEASURED = 2**16  # of a part that is evaluated to know how long the whole will take


# Errors of parts of a signal, in their order; None now and then while it waits.
PartAssessor = Callable[[Sequence[range]], Iterator[Errors | None]]


def evaluate(
    progress: Progress, signal: Signal, callback: Callback = no_callback, elsewhere: PartAssessor | None = None
) -> TrainingResult:
    """Outcome of a training: the network, rendered at the trained size and bit depth, compared with its signal.

    It is also recorded as the network's `result`, and so in a checkpoint saved after this. `callback` is called as by
    `render`. The parts of a stored signal may be measured `elsewhere`, by other processes. Raises errors as `render`
    does, and SignalError for a signal of other axes or channels than the network's.
    """
    check_signal(signal)
    if signal.is_stored:
        return record(progress, _assess_stored(progress.network, signal, callback, elsewhere))
    return record(progress, assess(progress.network, signal, callback)[1])


def record(progress: Progress, quality: Quality) -> TrainingResult:
    """Set the outcome of a training as the network's `result`."""
    progress.network.result = result = TrainingResult(
        epochs=progress.epochs,
        steps=progress.step,
        loss=progress.loss,
        rollbacks=progress.rollbacks,
        psnr=quality.psnr,
        ssim=quality.ssim,
        holdout_psnr=quality.holdout_psnr,
        iou=quality.iou,
        near_iou=quality.near_iou,
    )
    return result


def evaluation_seconds(signal: Signal, encoding: EncodingConfig, network: NetworkConfig) -> float:
    """Time that `evaluate` will take, from its time for a part of the signal and a new network."""
    sized, encoding = resolve_network(signal.config, encoding, network, TrainingConfig())
    corner = tuple(map(slice, balanced_sides(signal.shape, SAMPLES_MEASURED)))
    part = replace(signal, samples=signal.samples[corner], spacing=(), test_points=None)
    alike = NetworkConfig(hidden=sized.hidden, layers=sized.layers, tile=sized.tile or "none", margin=sized.margin)
    new = next(fit(part, replace(encoding, scale=1.0), alike, TrainingConfig(epochs=1))).network
    assess(new, part)  # which imports what it needs
    start = perf_counter()
    assess(new, part)
    return (perf_counter() - start) * signal.n_samples / part.n_samples


def assess(network: CoordinateMLP, signal: Signal, callback: Callback = no_callback) -> tuple[Samples, Quality]:
    """A network rendered like a signal, and its quality.

    Samples that were held out of its training count apart, if it was trained on a grid of this shape.
    """
    check_signal(signal)
    _check_alike(network, signal)
    samples = render(network, signal.shape, bits=signal.bits, callback=callback)
    training = network.config.training
    is_same_grid = network.config.signal.shape == signal.shape
    held_out = split(signal.shape, training.holdout, training.seed) if is_same_grid else None
    medium = media.get(signal.medium)
    quality = metrics.compare(medium.visible(signal.array), medium.visible(samples), held_out, medium.ssim)
    return samples, replace(quality, **_test(network, signal.test_points)) if signal.test_points else quality


def parts_of(signal: Signal) -> list[range]:
    """Rows of a stored signal to evaluate one after the other, each part within a plane."""
    *_, plane_rows, width = signal.shape
    size = max(1, PART_SAMPLES // width)
    if isinstance(signal.samples, StoredSamples) and signal.samples.chunks:
        size = ceil(size / signal.samples.chunks[-3]) * signal.samples.chunks[-3]  # so that each chunk is read once
    n_rows = prod(signal.shape[:-1])
    return [
        range(first, min(first + size, plane + plane_rows))
        for plane in range(0, n_rows, plane_rows)
        for first in range(plane, plane + plane_rows, size)
    ]


def assess_part(network: CoordinateMLP, signal: Signal, part: range) -> Errors:
    """Errors of a network in some rows of a stored signal, and in the windows that begin there."""
    _check_alike(network, signal)
    plane_rows = signal.shape[-2]
    rows = range(part.start, min(part.stop + SSIM_WINDOW - 1, (part.start // plane_rows + 1) * plane_rows))
    rendered = np.concatenate(list(render_bands(network, signal.shape, rows=rows, bits=signal.bits)))
    visible = media.get(signal.medium).visible
    return metrics.errors(visible(signal.rows(rows)), visible(rendered), len(part))


def _assess_stored(
    network: CoordinateMLP, signal: Signal, callback: Callback, elsewhere: PartAssessor | None
) -> Quality:
    """Quality of a network, part by part, here or elsewhere."""
    parts, width = parts_of(signal), signal.shape[-1]
    found = elsewhere(parts) if elsewhere else (assess_part(network, signal, part) for part in parts)
    total, done = Errors(), iter(parts)
    for part in found:
        if part is not None:
            total += part
            callback(next(done).stop * width)
    return total.quality(signal.bits)


def _check_alike(network: CoordinateMLP, signal: Signal) -> None:
    """Raise SignalError for a signal of other axes or channels than the network's."""
    trained = network.config.signal
    if (len(signal.axes), signal.channels) != (len(trained.axes), trained.channels):
        expected = f"{len(trained.axes)} axes and {trained.channels} channels, as the network has"
        raise SignalError(f"the signal has {len(signal.axes)} axes and {signal.channels} channels: expected {expected}")


def _test(network: CoordinateMLP, points: TestPoints) -> dict[str, float]:
    """Figures of a shape at points that it was not trained on."""
    with torch.inference_mode():
        parts = torch.from_numpy(points.coordinates).to(network.device).split(POINTS_AT_ONCE)
        occupancy = torch.cat([network(part)[:, 0] for part in parts]).numpy(force=True)
    return {"iou": points.iou(occupancy, near=False), "near_iou": points.iou(occupancy, near=True)}
