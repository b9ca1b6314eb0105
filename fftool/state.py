"""Where training stands between two steps, so that it can go on from there, in this process or another one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fftool.config import MAX_COUNT, MAX_EPOCHS, MAX_NUMBER
from fftool.errors import FFToolError

if TYPE_CHECKING:
    from torch import Tensor

    from fftool.network import CoordinateMLP


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far training is. Sums are over all values of the cells that this epoch has visited so far."""

    step: int = 0  # steps so far
    epoch: int = 0  # the one under way, the first being 0
    cells: int = 0  # visited in it
    loss: float = 0.0  # its sum
    squared_error: float = 0.0  # its sum
    seconds: float = 0.0  # since training began
    scale_seconds: float = 0.0  # of these, for choosing σ
    retreats: int = 0  # to a state that was good, with a smaller step, from a loss that was not finite
    over: bool = False  # nothing is left to train

    def __post_init__(self) -> None:
        counts = self.step, self.cells, self.retreats
        times = self.seconds, self.scale_seconds
        if (
            min(*counts, self.epoch, *times) < 0
            or self.epoch > MAX_EPOCHS
            or max(counts) > MAX_COUNT
            or not all(map(math.isfinite, times))
            or not (abs(self.loss) <= MAX_NUMBER and abs(self.squared_error) <= MAX_NUMBER)  # nor NaN
        ):
            raise FFToolError(f"training cannot stand at {self}", "start it anew")


@dataclass(frozen=True)
class State:
    """A position, and what a step changes, as it was there: weights, biases and the optimizer's, by name."""

    position: Position
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """A network in training, and what it takes to go on.

    `optimizer` has the tensors that the optimizer remembers, by name; none where it starts anew.
    `good` is the last state that was found good, if there is one, to go back to.
    """

    network: CoordinateMLP
    position: Position
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    good: State | None = None
