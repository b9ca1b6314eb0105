"""The training loop: shuffle, mini-batches, loss, step. It knows nothing of pictures: any `Signal` will do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fftool import __version__
from fftool.config import Config, EncodingConfig, NetworkConfig, TrainingConfig, TrainingResult
from fftool.device import enough_memory, select_device
from fftool.errors import FFToolError
from fftool.grid import cell_centres
from fftool.holdout import split, trained_cells
from fftool.metrics import Quality, finite, measure
from fftool.network import CoordinateMLP, generator
from fftool.optimizer import Adam, learning_rate_factor
from fftool.rendering import Report, ignore, render
from fftool.signal import Samples, Signal

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": F.binary_cross_entropy_with_logits,
    "mse": lambda logits, values: F.mse_loss(logits.sigmoid(), values),
}


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step. `network` goes on learning for as long as the loop is not left."""

    network: CoordinateMLP
    epochs: int  # finished so far
    step: int  # of `steps`
    steps: int
    cells: int  # samples visited so far, counted once for each visit
    seconds: float  # since training began
    _means: Tensor  # loss and squared error over this epoch so far; on the device, and fetched only when asked for

    @property
    def loss(self) -> float:
        """The mean loss over this epoch so far."""
        return self._means[0].item()

    @property
    def psnr(self) -> float:
        """The mean squared error over this epoch so far, in dB. It lags behind the network; `evaluate` is exact."""
        return -10 * math.log10(max(self._means[1].item(), 1e-12))


def default_batch_size(cells: int) -> int:
    """√cells, from 64 to 512: about as many steps in an epoch as samples in a step.

    Measured with Kodak pictures 5 and 8 at 96×64 to 768×512 and with 15×15 pictures. Smaller batches learn more in an
    epoch (half as large: 0.2 to 1 dB), and take longer for it: on two cores, batches of 128, 256, 512 and 1024 pass 44,
    68, 92 and 111 thousand samples a second. Below 64 a step costs the same however small it is.
    """
    return min(max(math.isqrt(cells), 64), 512)


def fit(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
) -> Iterator[Progress]:
    """Train a new network on a signal with Adam, yielding after every step; leave the loop to stop early.

    `training.learning_rate` is the highest of a schedule that ends at 0 with the last step. The same signal, settings
    and device give the same network, bit for bit.

    Args:
        signal: what to learn.
        encoding, network, training: the settings. What they leave open (device, batch size) is chosen here, and
            recorded in the config of the network.

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
    device = select_device(training.device)
    cells = trained_cells(signal.shape, training.holdout)
    held = split(signal.shape, training)
    batch_size = training.batch_size or default_batch_size(cells)
    training = replace(training, device=device, batch_size=batch_size)
    config = Config(signal=signal.config, encoding=encoding, network=network, training=training, version=__version__)
    model = CoordinateMLP(config).to(device)
    samples = _Samples(signal, device)
    compute_loss = LOSSES[training.loss]
    order = generator(training.seed, "order")
    steps = training.epochs * math.ceil(cells / batch_size)
    optimizer = Adam(list(model.parameters()))
    step, start = 0, perf_counter()
    for epoch in range(training.epochs):
        sums, visited = torch.zeros(2, device=device), 0
        epoch_order = torch.randperm(cells, generator=order)
        if held is not None:
            epoch_order = held.train[epoch_order]
        for index in epoch_order.to(device).split(batch_size):
            values = samples[index]
            logits = model.logits(cell_centres(index, signal.shape))
            loss = compute_loss(logits, values)
            optimizer.step(loss, training.learning_rate * learning_rate_factor(step, steps))
            with torch.no_grad():
                sums += len(index) * torch.stack([loss, F.mse_loss(logits.sigmoid(), values)])
            step, visited = step + 1, visited + len(index)
            if visited == cells and not sums.isfinite().all():
                raise _not_finite(epoch, training)
            yield Progress(
                network=model,
                epochs=epoch + (visited == cells),
                step=step,
                steps=steps,
                cells=epoch * cells + visited,
                seconds=perf_counter() - start,
                _means=sums / visited,
            )
    if not all(parameter.isfinite().all() for parameter in model.parameters()):  # after the last step
        raise _not_finite(epoch, training)


def _not_finite(epoch: int, training: TrainingConfig) -> FFToolError:
    return FFToolError(
        f"the loss is no longer a finite number after epoch {epoch + 1}",
        f"use a --learning-rate below {training.learning_rate:g}",
    )


class _Samples:
    """A signal's samples on a device, in their own 8 or 16 bits, made into values in [0, 1] batch by batch."""

    def __init__(self, signal: Signal, device: str) -> None:
        rows = np.require(signal.samples.reshape(-1, signal.channels), requirements=["C", "W"])
        self.peak = np.iinfo(rows.dtype).max
        # torch cannot index uint16: the same bits are kept as int16, and the sign is masked off again
        self.rows = torch.from_numpy(rows.view(np.int16) if signal.bits == 16 else rows).to(device)

    def __getitem__(self, index: Tensor) -> Tensor:
        """float32 with shape (n, channels)."""
        return (self.rows[index].to(torch.int32) & self.peak).to(torch.float32) / self.peak


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
