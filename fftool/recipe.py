"""What becomes of the settings of training that were left open: rules for any size of signal, from measurements.

Those were of three Kodak pictures, from 48×32 to 768×512 pixels, at σ = 25, after 5 to 100 epochs.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from fftool.config import OptimizerName, Schedule, TrainingConfig
from fftool.device import select_device, select_precision

# From 0.03 to 0.14, Muon's best was 0.1 for few epochs and for many pixels, and 0.03 for 50 epochs on 96×64, where 0.1
# loses 5 dB; 0.07 is within 1.2 dB of the best everywhere, and within 0.1 from 384×256 up.
LEARNING_RATES: dict[OptimizerName, float] = {"muon": 0.07, "adam": 3e-3}

EXACT_CELLS = 10_000  # below so many, a network comes near to reproducing each cell


def batch_size(cells: int) -> int:
    """About six times the square root of the number of cells, from 64 to 4096.

    More steps learn more from an epoch, and larger batches take less time for it. The best PSNR after 10 to 50 epochs
    is reached with 256 to 512 cells at 96×64, 1024 at 192×128, 2048 at 384×256, and 2048 to 4096 at 768×512; half or
    twice that loses up to 1 dB. At 15×15, 64 to 128 learn the picture exactly.
    """
    return min(max(6 * isqrt(cells), 64), 4096)


def schedule(cells: int) -> Schedule:
    """`cosine` for small signals, `linear` for others.

    A cosine's slow end is what the last decibels to an exact picture take: 3 to 16 dB at 48×32, 5 dB at 96×64 after 30
    epochs. From 192×128 up it loses 0.4 to 0.6 dB.
    """
    return "cosine" if cells < EXACT_CELLS else "linear"


def completed(training: TrainingConfig, cells: int) -> TrainingConfig:
    """The settings with nothing left open, for so many cells. Raises FFToolError if there is no such device."""
    device = select_device(training.device)
    return replace(
        training,
        device=device,
        precision=select_precision(training.precision, device),
        batch_size=training.batch_size or batch_size(cells),
        learning_rate=training.learning_rate or LEARNING_RATES[training.optimizer],
        schedule=training.schedule or schedule(cells),
    )
