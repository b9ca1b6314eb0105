"""The loop that fftool is measured against, as the field's notebooks and scripts have it."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from fftool import CoordinateMLP, Signal, coordinates

LEARNING_RATE = 1e-3
BATCH_SIZE = 128


def fit(network: CoordinateMLP, signal: Signal, cells: Tensor) -> Iterator[float]:
    """Train a network with Adam on batches of 128 pixels, in float32, by autograd: gives the seconds after each step.

    `cells` are the numbers of those to train on, in batches of which an epoch has as many as it takes; there is no end.
    """
    v = coordinates(signal.shape)
    values = torch.from_numpy(signal.samples.reshape(-1, signal.channels)).float() / 255
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    order = torch.Generator().manual_seed(0)
    start = perf_counter()
    while True:
        for index in cells[torch.randperm(len(cells), generator=order)].split(BATCH_SIZE):
            loss = F.binary_cross_entropy_with_logits(network.logits(v[index]), values[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield perf_counter() - start
