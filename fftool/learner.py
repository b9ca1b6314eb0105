"""One step of training: a batch of cells in, and weights that have moved."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fftool.batches import Features, Values
from fftool.cuda_graph import Replayed
from fftool.device import PRECISIONS, block_size, in_blocks
from fftool.gradient import Gradient
from fftool.network import CoordinateMLP
from fftool.optimizer import make_optimizer
from fftool.signal import Signal

LEAST_BLOCK = 64  # cells whose gradient is computed at once, where memory is short


class Learner:
    """A network and all that it takes to teach it a signal, on the network's device, by the network's own config.

    Nothing in a step waits for the device.
    """

    def __init__(self, network: CoordinateMLP, signal: Signal) -> None:
        training = network.config.training
        precision = PRECISIONS[training.precision]
        assert training.batch_size
        features, *widths = network.config.widths
        bytes_per_cell = 4 * features + precision.itemsize * (features + 2 * sum(widths))
        self.block = block_size(training.batch_size, bytes_per_cell, LEAST_BLOCK)
        self.features = Features(network, signal.shape, precision)
        self.values = Values(signal, network.device)
        self.gradient = Gradient(network, training.loss, precision)
        self.optimizer = make_optimizer(training.optimizer, network, precision)
        self.rate = torch.zeros((), device=network.device)
        self.run = Replayed(self._run, training.batch_size) if network.device.type == "cuda" else self._run
        self.weights = {name: parameter.detach() for name, parameter in network.named_parameters()}

    @property
    def remembered(self) -> dict[str, Tensor]:
        """What the optimizer remembers from one step to the next, by name: the tensors themselves, and no copies."""
        return {f"optimizer.{name}": tensor for name, tensor in self.optimizer.state.items()}

    @property
    def state(self) -> dict[str, Tensor]:
        """All that a step changes: the weights and biases too."""
        return self.weights | self.remembered

    def takes(self, state: Mapping[str, Tensor]) -> bool:
        """Whether this could be a state of this network: the same names, shapes and dtypes, and finite numbers."""
        live = self.state
        return state.keys() == live.keys() and all(
            (tensor.shape, tensor.dtype) == (live[name].shape, live[name].dtype) and bool(tensor.isfinite().all())
            for name, tensor in state.items()
        )

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the numbers of a state, or of a part of it."""
        live = self.state
        for name, tensor in state.items():
            live[name].copy_(tensor)

    def step(self, index: Tensor, learning_rate: float) -> Tensor:
        """Learn from some cells, given by their row-major number; gives the sums of loss and squared error, (2,)."""
        self.rate.fill_(learning_rate)
        return self.run(index)

    def _run(self, index: Tensor) -> Tensor:
        (errors, gradients), self.block = in_blocks(lambda block: self._gradient(index, block), self.block, LEAST_BLOCK)
        self.optimizer.step(gradients, self.rate)
        return errors

    def _gradient(self, index: Tensor, block: int) -> tuple[Tensor, list[Tensor]]:
        """What `Gradient` gives, added up over blocks of that many cells."""
        if block < self.block:
            for buffers in (self.features.buffers, self.features.exact, self.gradient.buffers):
                buffers.memory.clear()
        first, *rest = index.split(block)
        errors, gradients = self.gradient(self.features[first], self.values[first])
        if rest:
            torch._foreach_mul_(gradients, len(first) / len(index))
        for part in rest:
            more_errors, more = self.gradient(self.features[part], self.values[part])
            errors += more_errors
            torch._foreach_add_(gradients, more, alpha=len(part) / len(index))
        return errors, gradients
