"""Defaults of a training that follow the size of the signal: batch size, learning rate, schedule.

Measured on Kodak images from 48×32 to 768×512 pixels, at σ = 25, after 3 to 50 epochs.
"""

from __future__ import annotations

import math
from math import isqrt, sqrt

from fftool.config import (
    DEEP,
    NetworkConfig,
    NetworkSettings,
    OptimizerName,
    ResolvedDevice,
    ResolvedPrecision,
    Schedule,
    TrainingConfig,
    TrainingSettings,
)
from fftool.holdout import training_size

LONG_EPOCHS = 30  # of tiles, from where on their batches no longer grow
TILE_RATE = 1e6  # samples per second
SOLID_STEPS = 200  # of a tile with three axes, at least
EXACT_SAMPLES = 10_000  # below so many, a network comes near to reproducing each sample


def batch_size(optimizer: OptimizerName, n_samples: int) -> int:
    """Samples in a step of an epoch over so many, in multiples of 64, for which products are faster.

    Muon takes a 32nd of them, from 64 to 4096. At 384×256, that is 3072: 1024 are 0.1 to 0.2 dB better after 12 epochs,
    but 1878 already take a third longer, and 8192 lose 1 dB. Adam needs more steps: there, after 50 epochs, it reaches
    31.6 dB with the square root of the number of samples, up to 512, and 29.4 with as many as Muon.
    """
    size, most = {"muon": (n_samples // 32, 4096), "adam": (isqrt(n_samples), 512)}[optimizer]
    return min(max(64 * round(size / 64), 64), most)


def expected_epochs(training: TrainingConfig, n_samples: int) -> float:
    """Length of a training on so many samples in epochs; where time decides, as many as two processors manage."""
    return TILE_RATE * training.seconds / n_samples if training.seconds else training.epochs


def tile_batch_size(n_samples: int, epochs: float, n_axes: int = 2) -> int:
    """Samples in a step of each tile that trains on so many, in multiples of 32: 128 for 32×32, 256 for 64×64.

    Below 30 epochs it falls with their root, as there would be too few steps. After one epoch on tiles of 64×64, 64
    reach 23.4 dB and 256 only 17.9; after 5 on tiles of 32×32, 64 reach 29.7 and 128 only 28.0. (A photo of 768×512.)

    With three axes there are more samples, and time is short: as many as leave SOLID_STEPS steps, from 64 to 384 for
    16×16×16. On parts of two clips, in a time for 7 to 11 epochs, 256 to 512 are 2 dB better than 128, whose steps take
    almost as long; on a scan, in one for 3 epochs, 256 are 2 dB worse than 64.
    """
    if n_axes > 2:
        size = min(max(n_samples * epochs / SOLID_STEPS, 64), 6 * isqrt(n_samples))
    else:
        size = 4 * isqrt(n_samples) * min(max(sqrt(epochs / LONG_EPOCHS), 0.25), 1)
    return min(max(32 * round(size / 32), 32), 4096)


def tile_learning_rate(optimizer: OptimizerName, epochs: float) -> float:
    """Muon's falls with the root of the epochs: 0.09 for 10, 0.06 for 20, 0.04 for 50.

    Of 0.02, 0.03, 0.05 and 0.08, the best were 0.08 after 10 epochs, 0.05 and 0.08 after 20, and 0.03 and 0.05 after
    50, with tiles of 32×32. The one beside them loses 1 to 4 dB.
    """
    muon = 0.05 * sqrt(LONG_EPOCHS / min(max(epochs, 7.5), 100))
    return {"muon": muon, "adam": 3e-3}[optimizer]


def learning_rate(optimizer: OptimizerName, batch_size: int, layers: int = NetworkConfig.layers) -> float:
    """Muon's grows with the fourth root of the batch: 0.1 for 3072 samples, 0.05 for 192.

    Of 0.035, 0.05, 0.07 and 0.1, after 12 epochs, it is the best at 384×256, and within 0.8 dB of the best at 192×128
    and 2 dB at 96×64, where it is better after 5 epochs; 0.1 would end there at 40 dB after 50 epochs, not at 60 to 70.

    Above DEEP hidden layers, it falls with their number, as each of them adds to a step. At 64×48 with 64 hidden units,
    16 layers reach 33 dB after 15 epochs with half the rate, and 29 dB with all of it; 64 layers reach 20 dB with an
    eighth, and stay a single colour with half. Adam is as good with its full rate.
    """
    depth = max(1.0, layers / DEEP)
    return {"muon": 0.1 * sqrt(sqrt(batch_size / 3072)) / depth, "adam": 3e-3}[optimizer]


def schedule(n_samples: int) -> Schedule:
    """`cosine` for small signals, `linear` for others.

    The slow end of a cosine brings the last decibels to an exact signal: 3 to 16 dB at 48×32, 5 dB at 96×64 after 30
    epochs. From 192×128 up it loses 0.4 to 0.6 dB.
    """
    return "cosine" if n_samples < EXACT_SAMPLES else "linear"


def resolve_defaults(
    training: TrainingConfig,
    n_samples: int,
    device: ResolvedDevice,
    precision: ResolvedPrecision,
    network: NetworkSettings = NetworkSettings(),
) -> TrainingSettings:
    """Settings with nothing left to choose, to train a network on a signal with so many trained samples."""
    decay: Schedule
    if network.tile:
        epochs = expected_epochs(training, n_samples)
        n_trained = training_size(network.tile, training.holdout)
        size = training.batch_size or tile_batch_size(n_trained, epochs, len(network.tile))
        rate, decay = tile_learning_rate(training.optimizer, epochs), "linear"
    else:
        size = training.batch_size or batch_size(training.optimizer, n_samples)
        rate, decay = learning_rate(training.optimizer, size, network.layers), schedule(n_samples)
    return TrainingSettings(
        epochs=training.epochs,
        optimizer=training.optimizer,
        loss=training.loss,
        holdout=training.holdout,
        stop_at_best=training.stop_at_best,
        seed=training.seed,
        seconds=math.inf if training.seconds is None else training.seconds,
        target_psnr=math.inf if training.target_psnr is None else training.target_psnr,
        batch_size=size,
        learning_rate=training.learning_rate or rate,
        schedule=training.schedule or decay,
        precision=precision,
        device=device,
        threads=training.threads or 0,
    )
