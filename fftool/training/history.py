"""Figures of each epoch of a training, over all groups of tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Loss and PSNR of an epoch: means over it, which lag behind the network."""

    epoch: int
    seconds: float  # since training began; of tiles, as if all had been trained side by side
    loss: float
    psnr: float  # dB, of the trained samples
    holdout_psnr: float | None = None  # dB, of some of the samples held out, at its end


@dataclass(frozen=True)
class HeldOutError:
    """Squared error of samples that were held out, as they would be saved: its sum over so many values in [0, 1]."""

    squared_error: float = 0.0
    n_values: int = 0

    def __add__(self, other: HeldOutError) -> HeldOutError:
        return HeldOutError(self.squared_error + other.squared_error, self.n_values + other.n_values)

    @property
    def mean(self) -> float:
        """Mean squared error; infinite if there are no values."""
        return self.squared_error / self.n_values if self.n_values else math.inf

    @property
    def psnr(self) -> float | None:
        """PSNR in dB; None if there are no values."""
        return decibels(self.mean) if self.n_values else None

    def is_below(self, error: float | None) -> bool:
        """Whether the mean is below another one, if there is one."""
        return self.n_values > 0 and (error is None or self.mean < error)


@dataclass(frozen=True, kw_only=True)
class GroupEpoch:
    """Sums of a group of tiles over an epoch, and the seconds since its training began."""

    epoch: int
    n_tiles: int
    seconds: float
    n_values: int
    loss: float
    squared_error: float
    held_out: HeldOutError | None


@dataclass
class _Sums:
    seconds: float = 0.0
    n_values: int = 0
    loss: float = 0.0
    squared_error: float = 0.0
    n_tiles: int = 0
    held_out: HeldOutError | None = None


def decibels(mean_squared_error: float) -> float:
    """PSNR in dB of a mean squared error of values in [0, 1], up to 120."""
    return -10 * math.log10(max(mean_squared_error, 1e-12))


class History:
    """Sums of each epoch, which one group of tiles after the other adds to."""

    def __init__(self) -> None:
        self.sums: dict[int, _Sums] = {}

    def add(self, group: GroupEpoch) -> None:
        """Add the sums of a group of tiles over an epoch."""
        sums = self.sums.setdefault(group.epoch, _Sums())
        sums.seconds += group.seconds
        sums.n_values += group.n_values
        sums.loss += group.loss
        sums.squared_error += group.squared_error
        sums.n_tiles += group.n_tiles
        if group.held_out:
            sums.held_out = group.held_out + (sums.held_out or HeldOutError())

    def epochs(self, n_tiles: int) -> tuple[Epoch, ...]:
        """Epochs that so many tiles have completed."""
        return tuple(
            Epoch(
                epoch=epoch,
                seconds=sums.seconds,
                loss=sums.loss / max(sums.n_values, 1),  # tiles may have no trained samples
                psnr=decibels(sums.squared_error / max(sums.n_values, 1)),
                holdout_psnr=sums.held_out.psnr if sums.held_out else None,
            )
            for epoch, sums in sorted(self.sums.items())
            if sums.n_tiles == n_tiles
        )
