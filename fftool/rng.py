"""Independent random streams of one seed."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.random import SeedSequence  # which numpy would import when first used

from fftool.checks import choice, integer
from fftool.config import MAX_SEED

Stream = Literal["frequencies", "weights", "order", "holdout"]  # new ones go to the end


def generator(seed: int, stream: Stream, *within: int) -> torch.Generator:
    """Generator of one stream of a seed, on the CPU, so that every device starts from the same numbers.

    Separate streams keep variants comparable: another encoding changes neither the initial weights of equal shape nor
    the order of the samples. That order has one generator `within` its stream for each epoch, so that training can
    resume at any of them. Raises SettingError for another stream, or a seed below 0.
    """
    seed, stream = integer(0, MAX_SEED)("seed", seed), choice(Stream)("stream", stream)
    key = get_args(Stream).index(stream)
    state = SeedSequence(seed, spawn_key=(key, *within)).generate_state(1, np.uint64)
    return torch.Generator(device="cpu").manual_seed(int(state[0]))
