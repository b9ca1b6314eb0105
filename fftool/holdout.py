"""Samples held out of training, to measure the network where it was not trained.

`lattice` is the split of Tancik et al., 2020, for images: every other sample along each axis is trained on, and the
samples half-way between those on every axis are tested; the rest is left out. A number is the fraction of all samples,
drawn at random, that is tested; all others are trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from fftool.config import Holdout
from fftool.errors import HoldoutError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Split:
    """Samples to train on and samples to test on, by their row-major index: integer tensors without common entries.

    `grid` is the place of the trained samples in the array where they form a grid of their own, else None.
    """

    train: Tensor
    test: Tensor
    grid: tuple[slice, ...] | None = None


# Splits in use: training and evaluation share one, which takes 400 MB for 100 million samples.
_splits: WeakValueDictionary[tuple[tuple[int, ...], Holdout, int], Split] = WeakValueDictionary()


def training_size(shape: tuple[int, ...], holdout: Holdout) -> int:
    """Number of samples of a grid that are trained on. Raises HoldoutError if it is too small to hold any out."""
    n_samples = prod(shape)
    if holdout == "none":
        return n_samples
    if holdout == "lattice":
        if min(shape) < 2:
            raise HoldoutError(shape, "2 or more along each axis")
        return prod((length + 1) // 2 for length in shape)
    if n_samples < 2:
        raise HoldoutError(shape, "2 samples or more")
    return n_samples - min(max(round(holdout * n_samples), 1), n_samples - 1)


def split(shape: tuple[int, ...], holdout: Holdout, seed: int) -> Split | None:
    """The split of a grid, the same for the same seed; None where nothing is held out.

    Raises HoldoutError if the grid is too small.
    """
    n_trained = training_size(shape, holdout)
    if holdout == "none":
        return None
    key = shape, holdout, seed
    if (found := _splits.get(key)) is None:
        _splits[key] = found = _lattice(shape) if holdout == "lattice" else _random(shape, n_trained, seed)
    return found


# Torch is imported where a split is made, so that the size of one can be told without it.


def _lattice(shape: tuple[int, ...]) -> Split:
    import torch

    from fftool.grid import index_dtype

    even, odd = (tuple(slice(first, None, 2) for _ in shape) for first in (0, 1))
    grid = torch.arange(prod(shape), dtype=index_dtype(prod(shape)), device="cpu").reshape(shape)
    return Split(grid[even].flatten(), grid[odd].flatten(), even)


def _random(shape: tuple[int, ...], n_trained: int, seed: int) -> Split:
    import torch

    from fftool.grid import index_dtype
    from fftool.rng import generator

    n_samples = prod(shape)
    random = generator(seed, "holdout")
    order = torch.randperm(n_samples, generator=random, dtype=index_dtype(n_samples), device="cpu")
    return Split(order[:n_trained], order[n_trained:])
