"""One step of training: a batch of cells in, and weights that have moved."""

from __future__ import annotations

import torch
from torch import Tensor

from fftool.batches import Features, Values
from fftool.cuda_graph import Replayed
from fftool.device import PRECISIONS
from fftool.gradient import Gradient
from fftool.network import CoordinateMLP
from fftool.optimizer import make_optimizer
from fftool.signal import Signal


class Learner:
    """A network and all that it takes to teach it a signal, on the network's device, by the network's own config.

    Nothing in a step waits for the device.
    """

    def __init__(self, network: CoordinateMLP, signal: Signal) -> None:
        training = network.config.training
        precision = PRECISIONS[training.precision]
        self.features = Features(network, signal.shape, precision)
        self.values = Values(signal, network.device)
        self.gradient = Gradient(network, training.loss, precision)
        self.optimizer = make_optimizer(training.optimizer, network, precision)
        self.rate = torch.zeros((), device=network.device)
        self.run = Replayed(self._run) if network.device.type == "cuda" else self._run

    def step(self, index: Tensor, learning_rate: float) -> Tensor:
        """Learn from some cells, given by their row-major number; gives the sums of loss and squared error, (2,)."""
        self.rate.fill_(learning_rate)
        return self.run(index)

    def _run(self, index: Tensor) -> Tensor:
        errors, gradients = self.gradient(self.features[index], self.values[index])
        self.optimizer.step(gradients, self.rate)
        return errors
