"""One step of training: features, gradient and optimizer, of a single network or of a group of tiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor

from fftool.backend.cuda_graph import GRAPHS, Replayed
from fftool.backend.device import DTYPES
from fftool.backend.kernels import add_all_, scale_all_
from fftool.backend.memory import block_size, in_blocks
from fftool.config import Config
from fftool.holdout import Split
from fftool.models.layers import Layer, empty_layers, forward, named_parameters, tile_logits
from fftool.models.network import CoordinateMLP
from fftool.signal import Samples, Signal, quantize
from fftool.tiling import TileGrid
from fftool.training.batches import BatchFeatures, BatchValues
from fftool.training.gradient import Gradient
from fftool.training.optimizers import Optimizer, make_optimizer
from fftool.training.tile_batches import WindowFeatures, WindowValues
from fftool.training.tile_gradient import TileGradient

MIN_GRADIENT_BLOCK = 64  # samples whose gradient is computed at once, where memory is short


class Step(ABC):
    """Layers in training, by the config of their network, on its device. Nothing in a step waits for the device."""

    @property
    @abstractmethod
    def samples_per_number(self) -> float:
        """Samples that one number stands for."""

    def __init__(self, config: Config, layers: Sequence[Layer]) -> None:
        self.dtype = DTYPES[config.training.precision]
        self.optimizer = make_optimizer(config.training.optimizer, layers, self.dtype)
        self.parameters = named_parameters(layers)
        device = layers[-1].weight.device
        self.learning_rate = torch.zeros((), dtype=torch.float32, device=device)
        graph = GRAPHS.get(device.type)
        self.replayed = Replayed(self._run, config.training.batch_size, graph) if graph else None

    @property
    def optimizer_state(self) -> dict[str, Tensor]:
        """State of the optimizer by name: the tensors themselves, not copies."""
        return _optimizer_state(self.optimizer)

    @property
    def state(self) -> dict[str, Tensor]:
        """Everything that a step changes: the parameters too."""
        return self.parameters | self.optimizer_state

    def accepts(self, state: Mapping[str, Tensor]) -> bool:
        """Whether this could be a state of these layers: the same names, shapes and dtypes, and finite numbers."""
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
        """Train on samples, given by their number; returns the sums of loss and squared error, (2,)."""
        self.prepare()
        self.learning_rate.fill_(learning_rate)
        return self.replayed(index) if self.replayed else self._run(index)

    @abstractmethod
    def prepare(self) -> None:
        """Read samples and compute features, unless that was done: a graph of a GPU cannot do either."""

    def _run(self, index: Tensor) -> Tensor:
        errors, gradients = self._gradient(index)
        self.optimizer.step(gradients, self.learning_rate)
        return errors

    @abstractmethod
    def output(self, index: Tensor) -> Tensor:
        """Values at samples, given by their number, as the network computes them now."""

    @abstractmethod
    def samples(self, index: Tensor, trained: bool) -> tuple[Samples, Samples]:
        """Samples given by their number, and the same by the network as they would be saved: both (n, channels).

        Those that are trained on, or those that are held out.
        """

    @abstractmethod
    def _gradient(self, index: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Sums of loss and squared error over a batch, and the gradient of its mean loss."""


class TrainingStep(Step):
    """A single network, and everything that it takes to train it on a signal. Samples have row-major numbers."""

    def __init__(self, network: CoordinateMLP, signal: Signal) -> None:
        config, layers = network.config, network.detached_layers
        super().__init__(config, layers)
        self.bits = signal.bits
        width, *widths = config.widths
        bytes_per_sample = 4 * width + self.dtype.itemsize * (width + 2 * sum(widths))
        self.block = block_size(config.training.batch_size, bytes_per_sample, MIN_GRADIENT_BLOCK)
        self.features = BatchFeatures(network, signal.shape, self.dtype)
        self.values = BatchValues(signal.array, network.device)
        self.gradient = Gradient(layers, config.training.loss, self.dtype)

    def prepare(self) -> None:
        _ = self.features.cache

    @property
    def samples_per_number(self) -> float:
        return 1

    def output(self, index: Tensor) -> Tensor:
        return forward(self.gradient.operands.rounded_layers(), self.features[index])

    def samples(self, index: Tensor, trained: bool) -> tuple[Samples, Samples]:
        values, fitted = (
            quantize(each.numpy(force=True), self.bits) for each in (self.values[index], self.output(index))
        )
        return values, fitted

    def _gradient(self, index: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        found, self.block = in_blocks(lambda block: self._in_blocks(index, block), self.block, MIN_GRADIENT_BLOCK)
        return found

    def _in_blocks(self, index: Tensor, block: int) -> tuple[Tensor, dict[str, Tensor]]:
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


class TileStep(Step):
    """The networks of a group of tiles, and everything that it takes to train them on a signal.

    Samples are numbered by their position in the window of a tile: each number stands for one sample in every tile.
    """

    def __init__(
        self, network: CoordinateMLP, signal: Signal, tiles: TileGrid, group: slice, held_out: Split | None
    ) -> None:
        """For those tiles; `held_out` is needed where the samples held out are at other positions in each."""
        held = slice(group.start - network.part.start, group.stop - network.part.start)
        layers = [layer.of(held) for layer in network.detached_layers]
        super().__init__(network.config, layers)
        self.bits = signal.bits
        self.features = WindowFeatures(network, tiles, self.dtype)
        self.make_values = partial(WindowValues, signal, tiles, group, held_out, network.device)
        self.n_tiles: int = group.stop - group.start
        self.is_at_random = held_out is not None
        self.gradient = TileGradient(layers, network.config.training.loss, self.dtype)

    def prepare(self) -> None:
        _ = self.features.cache, self.values

    @cached_property
    def values(self) -> WindowValues:
        """Samples of the tiles, which are read when they are first needed: others may train this group."""
        return self.make_values()

    @property
    def samples_per_number(self) -> float:
        return self.n_tiles * (self.values.fraction_trained if self.is_at_random else 1)

    def _gradient(self, index: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.gradient(self.features[index], *self.values[index])

    def output(self, index: Tensor) -> Tensor:
        """Values with shape (tiles, channels, n)."""
        return tile_logits(self.gradient.operands.rounded_layers(), self.features[index]).sigmoid_()

    def samples(self, index: Tensor, trained: bool) -> tuple[Samples, Samples]:
        values, are_trained = self.values[index]
        both = values, self.output(index)
        rows = [quantize(each.transpose(1, 2).flatten(0, 1).numpy(force=True), self.bits) for each in both]
        if are_trained is not None:
            chosen = are_trained.flatten().numpy(force=True) == trained
            rows = [each[chosen] for each in rows]
        return rows[0], rows[1]


def _optimizer_state(optimizer: Optimizer) -> dict[str, Tensor]:
    return {f"optimizer.{name}": tensor for name, tensor in optimizer.state.items()}


def state_layout(config: Config, n_tiles: int | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and optimizer state of a training as tensors without memory, by name: for so many tiles, if any."""
    training = config.training
    layers = empty_layers(config.widths, torch.device("meta"), () if n_tiles is None else (n_tiles,))
    optimizer = make_optimizer(training.optimizer, layers, DTYPES[training.precision])
    return named_parameters(layers), _optimizer_state(optimizer)
