"""Cells held out of training, to measure what a network makes of places that it has not seen.

`lattice` is the split of Tancik et al., 2020, for pictures: every other cell along each axis is trained on, and the
cells half-way between those on every axis are tested; the rest is left alone. A number is the share of all cells, drawn
at random, that is tested; all others are trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from fftool.config import Holdout, TrainingConfig
from fftool.errors import FFToolError
from fftool.grid import index_dtype
from fftool.network import generator


@dataclass(frozen=True)
class Split:
    """The cells to train on and those to test on, by their row-major number: integer tensors with no cell in both.

    `grid` is the trained cells' place in the array where they form a grid of their own, else None.
    """

    train: Tensor
    test: Tensor
    grid: tuple[slice, ...] | None = None


def trained_cells(shape: tuple[int, ...], holdout: Holdout) -> int:
    """How many cells of a grid are trained on. Raises FFToolError if the grid is too small to hold any out."""
    cells = prod(shape)
    if holdout is None:
        return cells
    lattice = holdout == "lattice"
    if min(shape) < 2 if lattice else cells < 2:
        size = "x".join(str(length) for length in reversed(shape))
        wanted = "2 pixels on each side" if lattice else "2 pixels"
        raise FFToolError(f"a picture of {size} is too small to hold pixels out of", f"{wanted} is the least")
    if lattice:
        return prod((length + 1) // 2 for length in shape)
    return cells - min(max(round(float(holdout) * cells), 1), cells - 1)


def split(shape: tuple[int, ...], training: TrainingConfig) -> Split | None:
    """The split of a grid that the settings ask for, the same for the same seed; None if they hold nothing out.

    Raises FFToolError if the grid is too small.
    """
    trained = trained_cells(shape, training.holdout)
    if training.holdout is None:
        return None
    cells, dtype = prod(shape), index_dtype(prod(shape))
    if training.holdout == "lattice":
        even, odd = (tuple(slice(first, None, 2) for _ in shape) for first in (0, 1))
        grid = torch.arange(cells, dtype=dtype).reshape(shape)
        return Split(grid[even].flatten(), grid[odd].flatten(), even)
    order = torch.randperm(cells, generator=generator(training.seed, "holdout"), dtype=dtype)
    return Split(order[:trained], order[trained:])
