"""State of a training between two steps, from which it can resume in this process or another one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fftool.config import MAX_COUNT, MAX_EPOCHS, MAX_NUMBER, Config, TrainingResult
from fftool.errors import UnfinishedRunError, shorten
from fftool.holdout import training_size

if TYPE_CHECKING:
    from torch import Tensor

    from fftool.models.network import CoordinateMLP


@dataclass(frozen=True, kw_only=True)
class CompleteTiles:
    """The first tiles, whose training is complete: how many, the samples visited, and the sums of their last epochs.

    Raises UnfinishedRunError for numbers that no training reaches.
    """

    n_tiles: int = 0
    n_samples: int = 0  # visited
    n_values: int = 0  # in their last epochs
    loss: float = 0.0  # its sum over these
    squared_error: float = 0.0  # its sum
    rollbacks: int = 0

    def __post_init__(self) -> None:
        counts = self.n_tiles, self.n_samples, self.n_values, self.rollbacks
        if min(counts) < 0 or max(counts) > MAX_COUNT or not _are_numbers(self.loss, self.squared_error):
            raise UnfinishedRunError(f"impossible training of tiles: {shorten(self)}")


def _are_numbers(*sums: float) -> bool:
    return all(abs(value) <= MAX_NUMBER for value in sums)  # which a NaN fails


@dataclass(frozen=True, kw_only=True)
class Position:
    """Progress of a training. Sums are over all values of the samples that this epoch has visited so far.

    Tiled networks are trained in groups of tiles, one group after the other: the epoch and what is in it are those of
    the current group. Raises UnfinishedRunError for a position that no training reaches.
    """

    step: int = 0  # steps so far
    epoch: int = 0  # the current one, the first being 0
    n_visited: int = 0  # samples in it
    loss: float = 0.0  # its sum
    squared_error: float = 0.0  # its sum
    seconds: float = 0.0  # since training began
    scale_seconds: float = 0.0  # of these, for choosing σ
    rollbacks: int = 0  # with a smaller step, after a loss that was not finite
    finished: bool = False
    first_step: int = 0  # of this optimizer: a finished run resumes with a new one, and so does each group
    first_epoch: int = 0  # of each group
    complete: CompleteTiles = CompleteTiles()

    def __post_init__(self) -> None:
        counts = self.step, self.n_visited, self.rollbacks, self.first_step
        times = self.seconds, self.scale_seconds
        if (
            min(*counts, self.first_epoch, *times) < 0
            or not self.first_epoch <= self.epoch <= MAX_EPOCHS
            or max(counts) > MAX_COUNT
            or self.first_step > self.step
            or not all(map(math.isfinite, times))
            or not _are_numbers(self.loss, self.squared_error)
        ):
            raise UnfinishedRunError(f"impossible position of a training: {shorten(self)}")


@dataclass(frozen=True)
class Snapshot:
    """A position, and everything that a step changes as it was there: weights, biases and the optimizer's, by name."""

    position: Position
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Best:
    """The best epoch so far, by the mean squared error of samples held out, and its weights and biases by name."""

    epoch: int
    error: float
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """A network in training, and what it takes to resume.

    `optimizer` has the tensors of the optimizer by name; empty for a new one. `rollback` is the last state that
    was found good, if there is one, to roll back to. `best` is that of the tiles in training, where it is to be kept.
    """

    network: CoordinateMLP
    position: Position
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    rollback: Snapshot | None = None
    best: Best | None = None

    @property
    def group_size(self) -> int | None:
        """Number of tiles in training, if that is known."""
        if self.rollback is None or self.network.config.tiles is None:
            return None
        return len(next(iter(self.rollback.tensors.values())))


def finished_position(config: Config, result: TrainingResult) -> Position:
    """Position at the end of a finished run, within its last epoch where a time limit ended it there.

    A step count that does not fit the epochs, as earlier versions could write it, means that the last epoch is void.
    Tiles begin a new epoch.
    """
    epoch = min(result.epochs, MAX_EPOCHS)
    if config.tiles:
        return Position(
            step=result.steps,
            epoch=epoch,
            rollbacks=result.rollbacks,
            finished=True,
            first_step=result.steps,
            first_epoch=epoch,
        )
    n_trained = training_size(config.signal.shape, config.training.holdout)
    steps_per_epoch = math.ceil(n_trained / config.training.batch_size)
    within = result.steps - result.epochs * steps_per_epoch
    n_visited = within * config.training.batch_size if 0 < within < steps_per_epoch else 0
    n_values = n_visited * config.signal.channels
    mean_squared_error = 0.0 if result.psnr is None else 10 ** (-result.psnr / 10)
    return Position(
        step=result.steps,
        epoch=epoch,
        n_visited=n_visited,
        loss=result.loss * n_values if n_values else 0.0,
        squared_error=mean_squared_error * n_values,
        rollbacks=result.rollbacks,
        finished=True,
        first_step=result.steps,
    )
