"""The coordinate network: encoding → (Linear, ReLU) × layers → Linear → sigmoid."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fftool.config import Config
from fftool.encoding import FourierFeatures, frequency_matrix


class Linear(nn.Module):
    """A linear layer; weights and biases are drawn uniformly within 1/√inputs of 0, as torch's own layer draws them.

    From a generator of our own, so that nothing else in a program changes them or is changed by them.
    """

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class CoordinateMLP(nn.Module):
    """A picture as a function: coordinates with shape (n, d) in, values in [0, 1] with shape (n, channels) out.

    A new one is drawn from the config's seed. Its parameters are named as in a checkpoint: `encoding.B`,
    `layers.0.weight`, `layers.0.bias`, … `config` says what the network is and, once trained, what came of it.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        seed = config.training.seed
        B = frequency_matrix(config.encoding, len(config.signal.axes), generator(seed, "frequencies"))
        self.encoding = nn.Identity() if B is None else FourierFeatures(B)
        weights = generator(seed, "weights")
        self.layers = nn.ModuleList(Linear(*widths, weights) for widths in pairwise(config.widths))

    def logits(self, v: Tensor) -> Tensor:
        """The output before the sigmoid, from which binary cross-entropy is computed without loss of precision."""
        *hidden, last = self.layers
        x: Tensor = self.encoding(v)  # (n, 2m)
        for layer in hidden:
            x = F.relu(layer(x))  # (n, hidden)
        logits: Tensor = last(x)  # (n, channels)
        return logits

    def forward(self, v: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(v))

    @property
    def weights_and_biases(self) -> list[tuple[Tensor, Tensor]]:
        """Those of each layer, for arithmetic that autograd has no part in."""
        numbers = [parameter.detach() for parameter in self.layers.parameters()]
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    @property
    def B(self) -> Tensor | None:
        """The encoding's frequencies with shape (d, m), if it has any."""
        return self.encoding.B if isinstance(self.encoding, FourierFeatures) else None

    @property
    def is_finite(self) -> bool:
        """Whether all weights, biases and frequencies are finite numbers."""
        return all(bool(tensor.isfinite().all()) for tensor in self.state_dict().values())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def rectified(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """ReLU(xWᵀ + b). On a CPU in one go by oneDNN, which saves two passes over the result, a twentieth of a step."""
    if x.is_cpu and x.dtype in (torch.float32, torch.bfloat16) and torch.backends.mkldnn.is_available():
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, weight, bias, "relu", [], ""))
    return torch.addmm(bias, x, weight.t()).relu_()


Stream = Literal["frequencies", "weights", "order", "holdout"]


def generator(seed: int, stream: Stream, *within: int) -> torch.Generator:
    """One of the independent random streams of a seed, on the CPU, so that every device starts from the same numbers.

    Streams of their own keep variants comparable: another encoding changes neither the initial weights of equal shape
    nor the order in which pixels are visited. That has one `within` it for each epoch, so that training can begin at
    any of them.
    """
    key = get_args(Stream).index(stream)
    state = np.random.SeedSequence(seed, spawn_key=(key, *within)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
