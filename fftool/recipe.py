"""What becomes of the settings of training that were left open: rules for any size of signal, from measurements.

Those were of Kodak pictures, from 48×32 to 768×512 pixels, at σ = 25, after 3 to 50 epochs.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt, sqrt

from fftool.config import OptimizerName, Schedule, TrainingConfig
from fftool.device import select_device, select_precision

EXACT_CELLS = 10_000  # below so many, a network comes near to reproducing each cell


def batch_size(optimizer: OptimizerName, cells: int) -> int:
    """How many cells a step of an epoch over so many takes, in multiples of 64, for which products are faster.

    Muon takes a 32nd of the cells, from 64 to 4096. At 384×256, that is 3072: 1024 are 0.1 to 0.2 dB better after 12
    epochs, but 1878 already take a third longer, and 8192 lose 1 dB. Adam needs more steps: there, after 50 epochs, it
    reaches 31.6 dB with the root of the number of cells, up to 512, and 29.4 with as many as Muon.
    """
    cells_in_step, most = {"muon": (cells // 32, 4096), "adam": (isqrt(cells), 512)}[optimizer]
    return min(max(64 * round(cells_in_step / 64), 64), most)


def learning_rate(optimizer: OptimizerName, batch_size: int) -> float:
    """Muon's grows with the fourth root of the batch: 0.1 for 3072 cells, 0.05 for 192.

    Of 0.035, 0.05, 0.07 and 0.1, after 12 epochs, that is the best at 384×256, and within 0.8 dB of the best at 192×128
    and 2 dB at 96×64, where it is better after 5 epochs; 0.1 would end there at 40 dB after 50 epochs, not at 60 to 70.
    """
    return {"muon": 0.1 * sqrt(sqrt(batch_size / 3072)), "adam": 3e-3}[optimizer]


def schedule(cells: int) -> Schedule:
    """`cosine` for small signals, `linear` for others.

    A cosine's slow end is what the last decibels to an exact picture take: 3 to 16 dB at 48×32, 5 dB at 96×64 after 30
    epochs. From 192×128 up it loses 0.4 to 0.6 dB.
    """
    return "cosine" if cells < EXACT_CELLS else "linear"


def completed(training: TrainingConfig, cells: int) -> TrainingConfig:
    """The settings with nothing left open, for so many cells. Raises FFToolError if there is no such device."""
    device = select_device(training.device)
    size = training.batch_size or batch_size(training.optimizer, cells)
    return replace(
        training,
        device=device,
        precision=select_precision(training.precision, device),
        batch_size=size,
        learning_rate=training.learning_rate or learning_rate(training.optimizer, size),
        schedule=training.schedule or schedule(cells),
    )
