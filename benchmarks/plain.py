"""The training loop that fftool is compared with, as notebooks and scripts in the field have it."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from fftool import CoordinateMLP, Signal, coordinates

LEARNING_RATE = 1e-3
BATCH_SIZE = 128


def fit(network: CoordinateMLP, signal: Signal, trained: Tensor) -> Iterator[float]:
    """Train a network by Adam and autograd in float32, without end; yields the seconds so far after each step.

    `trained` has the row-major index of the samples to train on. Each epoch visits all of them.
    """
    v = coordinates(signal.shape)
    values = torch.from_numpy(signal.array.reshape(-1, signal.channels)).float() / 255
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    order = torch.Generator().manual_seed(0)
    start = perf_counter()
    while True:
        for index in trained[torch.randperm(len(trained), generator=order)].split(BATCH_SIZE):
            loss = F.binary_cross_entropy_with_logits(network.logits(v[index]), values[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield perf_counter() - start
