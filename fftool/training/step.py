"""One step of training: features, gradient and optimizer, on the network's device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fftool.backend.cuda_graph import GRAPHS, Replayed
from fftool.backend.device import DTYPES
from fftool.backend.kernels import add_all_, scale_all_
from fftool.backend.memory import block_size, in_blocks
from fftool.config import Config
from fftool.models.layers import empty_layers, named_parameters
from fftool.models.network import CoordinateMLP
from fftool.signal import Signal
from fftool.training.batches import BatchFeatures, BatchValues
from fftool.training.gradient import Gradient
from fftool.training.optimizers import Optimizer, make_optimizer

MIN_GRADIENT_BLOCK = 64  # samples whose gradient is computed at once, where memory is short


class TrainingStep:
    """A network, and everything that it takes to train it on a signal by the network's own config.

    Nothing in a step waits for the device.
    """

    def __init__(self, network: CoordinateMLP, signal: Signal) -> None:
        config, layers = network.config, network.detached_layers
        dtype, batch_size = DTYPES[config.training.precision], config.training.batch_size
        width, *widths = config.widths
        bytes_per_sample = 4 * width + dtype.itemsize * (width + 2 * sum(widths))
        self.block = block_size(batch_size, bytes_per_sample, MIN_GRADIENT_BLOCK)
        self.features = BatchFeatures(network, signal.shape, dtype)
        self.values = BatchValues(signal, network.device)
        self.gradient = Gradient(layers, config.training.loss, dtype)
        self.optimizer = make_optimizer(config.training.optimizer, layers, dtype)
        self.parameters = named_parameters(layers)
        self.learning_rate = torch.zeros((), dtype=torch.float32, device=network.device)
        graph = GRAPHS.get(network.device.type)
        self.replayed = Replayed(self._run, batch_size, graph) if graph else None

    @property
    def optimizer_state(self) -> dict[str, Tensor]:
        """State of the optimizer by name: the tensors themselves, not copies."""
        return _optimizer_state(self.optimizer)

    @property
    def state(self) -> dict[str, Tensor]:
        """Everything that a step changes: the parameters too."""
        return self.parameters | self.optimizer_state

    def accepts(self, state: Mapping[str, Tensor]) -> bool:
        """Whether this could be a state of this network: the same names, shapes and dtypes, and finite numbers."""
        own = self.state
        return state.keys() == own.keys() and all(
            (tensor.shape, tensor.dtype) == (own[name].shape, own[name].dtype) and bool(tensor.isfinite().all())
            for name, tensor in state.items()
        )

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Copy a state, or a part of it, into this one."""
        own = self.state
        for name, tensor in state.items():
            own[name].copy_(tensor)

    def __call__(self, index: Tensor, learning_rate: float) -> Tensor:
        """Train on samples, given by their row-major index; returns the sums of loss and squared error, (2,)."""
        self.learning_rate.fill_(learning_rate)
        return self.replayed(index) if self.replayed else self._run(index)

    def _run(self, index: Tensor) -> Tensor:
        (errors, gradients), self.block = in_blocks(
            lambda block: self._gradient(index, block), self.block, MIN_GRADIENT_BLOCK
        )
        self.optimizer.step(gradients, self.learning_rate)
        return errors

    def _gradient(self, index: Tensor, block: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Result of `Gradient`, added up over blocks of that many samples."""
        if block < self.block:
            self._free_buffers()
        first, *rest = index.split(block)
        errors, gradients = self.gradient(self.features[first], self.values[first])
        if rest:
            scale_all_(list(gradients.values()), len(first) / len(index))
        for part in rest:
            more_errors, more = self.gradient(self.features[part], self.values[part])
            errors += more_errors
            add_all_(list(gradients.values()), list(more.values()), alpha=len(part) / len(index))
        return errors, gradients

    def _free_buffers(self) -> None:
        if self.replayed:
            self.replayed.reset()  # its graph addresses them
        self.features.clear()
        self.gradient.buffers.clear()


def _optimizer_state(optimizer: Optimizer) -> dict[str, Tensor]:
    return {f"optimizer.{name}": tensor for name, tensor in optimizer.state.items()}


def state_layout(config: Config) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and optimizer state of a network's training as tensors without memory, by name."""
    training, layers = config.training, empty_layers(config.widths, torch.device("meta"))
    optimizer = make_optimizer(training.optimizer, layers, DTYPES[training.precision])
    return named_parameters(layers), _optimizer_state(optimizer)
