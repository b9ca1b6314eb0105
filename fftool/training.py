"""The training loop: shuffle, mini-batches, loss, step. It knows nothing of pictures: any `Signal` will do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from fftool import __version__
from fftool.batches import shuffled
from fftool.config import Config, EncodingConfig, NetworkConfig, TrainingConfig, TrainingResult
from fftool.device import enough_memory, use_threads
from fftool.errors import FFToolError
from fftool.grid import cell_centres
from fftool.holdout import Split, split, trained_cells
from fftool.learner import Learner
from fftool.metrics import Quality, finite, measure, psnr
from fftool.network import CoordinateMLP, generator
from fftool.optimizer import learning_rate_factor
from fftool.recipe import completed
from fftool.rendering import Report, ignore, render
from fftool.scale import choose_scale
from fftool.signal import Samples, Signal


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step. `network` goes on learning for as long as the loop is not left."""

    network: CoordinateMLP
    done: float  # the share of the training that is over; 1 once the network is complete
    epochs: int  # finished so far
    step: int  # steps so far
    cells: int  # samples visited so far, counted once for each visit
    seconds: float  # since training began
    scale_seconds: float  # of these, for choosing σ
    _means: Tensor  # loss and squared error over this epoch so far; on the device, and fetched only when asked for

    @property
    def loss(self) -> float:
        """The mean loss over this epoch so far."""
        return self._means[0].item()

    @property
    def psnr(self) -> float:
        """The mean squared error over this epoch so far, in dB. It lags behind the network; `evaluate` is exact."""
        return _decibels(self._means[1].item())


def fit(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
) -> Iterator[Progress]:
    """Train a new network on a signal, yielding after every step; leave the loop to stop early.

    The same signal, settings and device give the same network, bit for bit, unless `training.seconds` has the clock
    decide. On a CPU, `training.precision` and the number of threads are a part of the device. `training.threads` holds
    for the whole process from then on: torch knows no other way.

    Args:
        signal: what to learn.
        encoding, network, training: the settings. What they leave open is chosen by `fftool.scale` and `fftool.recipe`,
            and recorded in the config of the network.

    Yields:
        The state after each step; in the last one, the network is complete.

    Raises:
        FFToolError: if this machine has no such device or not enough memory, the loss stops being a finite number, or
            the signal is too small to hold cells out of it.

    """
    with enough_memory("use a smaller --batch-size, fewer units, or fewer frequencies"):
        yield from _steps(signal, encoding, network, training)


def _steps(
    signal: Signal, encoding: EncodingConfig, network: NetworkConfig, training: TrainingConfig
) -> Iterator[Progress]:
    start = perf_counter()
    use_threads(training.threads)
    cells = trained_cells(signal.shape, training.holdout)
    held = split(signal.shape, training)
    before = perf_counter()
    encoding = choose_scale(signal, encoding, network, training, held)
    scale_seconds = perf_counter() - before
    training = completed(training, cells)
    batch_size, learning_rate, schedule = training.batch_size, training.learning_rate, training.schedule
    assert batch_size and learning_rate and schedule
    config = Config(signal=signal.config, encoding=encoding, network=network, training=training, version=__version__)
    model = CoordinateMLP(config).to(training.device)
    trained = None if held is None else held.train.to(model.device)
    learner = Learner(model, signal)
    order = generator(training.seed, "order")
    steps = training.epochs * math.ceil(cells / batch_size)
    step, epoch, done = 0, 0, 0.0
    while done < 1:
        sums, visited = torch.zeros(2, device=model.device), 0
        for index in shuffled(cells, batch_size, order, model.device):
            factor = learning_rate_factor(schedule, step, done)
            sums += learner.step(index if trained is None else trained[index], learning_rate * factor)
            step, visited, seconds = step + 1, visited + len(index), perf_counter() - start
            done = min(1.0, step / steps if training.seconds is None else seconds / training.seconds)
            means = sums / (visited * signal.channels)
            if visited == cells:  # the one time in an epoch that the device is waited for
                _check_finite(means, epoch + 1, training)
                done = 1.0 if _has_reached(training.target_psnr, means, model, signal, held) else done
            yield Progress(
                network=model,
                done=done,
                epochs=epoch + (visited == cells),
                step=step,
                cells=epoch * cells + visited,
                seconds=seconds,
                scale_seconds=scale_seconds,
                _means=means,
            )
            if done == 1:
                break
        epoch += 1
    with torch.no_grad():  # after the last step, whose loss nobody has seen
        drawn = model(cell_centres(index[:1], signal.shape))
    for numbers in (*model.parameters(), drawn):
        _check_finite(numbers, epoch, training)


NEAR = 2.0  # dB below the target, from where on the network is measured after each epoch


def _has_reached(
    target: float | None, means: Tensor, network: CoordinateMLP, signal: Signal, held: Split | None
) -> bool:
    """Whether the picture as it would be saved has that PSNR (dB) at the trained cells.

    The mean over the epoch tells when to look: it lags behind the network, and at a high learning rate may be ahead.
    """
    if target is None or _decibels(means[1].item()) < target - NEAR:
        return False
    samples = render(network, signal.shape, bits=signal.bits)
    return psnr(signal.samples, samples, None if held is None else held.train) >= target


def _decibels(squared_error: float) -> float:
    return -10 * math.log10(max(squared_error, 1e-12))


def _check_finite(numbers: Tensor, epoch: int, training: TrainingConfig) -> None:
    if not numbers.isfinite().all():
        raise _not_finite(epoch, training)


def _not_finite(epoch: int, training: TrainingConfig) -> FFToolError:
    return FFToolError(
        f"the loss is no longer a finite number after epoch {epoch}",
        f"use a --learning-rate below {training.learning_rate:g}",
    )


def evaluate(progress: Progress, signal: Signal, report: Report = ignore) -> TrainingResult:
    """Compare the trained picture, drawn at the trained size and rounded to the source's bit depth, with its source.

    The result is also recorded in the network's config, and so in a checkpoint saved after this. `report` is called as
    by `render`. Raises FFToolError if the loss was no finite number.
    """
    return record(progress, assess(progress.network, signal, report)[1])


def record(progress: Progress, quality: Quality) -> TrainingResult:
    """Put what came of training into the network's config. Raises FFToolError if the loss was no finite number."""
    network, loss = progress.network, progress.loss
    if not math.isfinite(loss):
        raise _not_finite(progress.epochs, network.config.training)
    result = TrainingResult(
        epochs=progress.epochs,
        steps=progress.step,
        loss=loss,
        psnr=finite(quality.psnr),
        ssim=quality.ssim,
        holdout_psnr=finite(quality.holdout_psnr),
    )
    config = network.config
    network.config = replace(config, training=replace(config.training, result=result))
    return result


def assess(network: CoordinateMLP, signal: Signal, report: Report = ignore) -> tuple[Samples, Quality]:
    """Draw a network as the signal is, and compare the two.

    Cells that were held out when the network was trained are kept apart, if it was trained on a grid of this shape.
    """
    samples = render(network, signal.shape, bits=signal.bits, report=report)
    config = network.config
    held = split(signal.shape, config.training) if config.signal.shape == signal.shape else None
    return samples, measure(signal.samples, samples, held)
