"""The coordinate network: encoding → (Linear, ReLU) × layers → Linear → sigmoid; or one such network for each tile."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from fftool.backend.isolation import isolated
from fftool.backend.memory import all_finite
from fftool.config import DEEP, Config, TrainingResult
from fftool.models.encoding import FourierFeatures, frequency_matrix
from fftool.models.layers import Layer, forward, layer_name, logits
from fftool.models.tiles import blended
from fftool.rng import generator

HE_GAIN = 6.0  # of layers before a ReLU whose output is as large as their input (He et al., 2015)


def initial_gain(layers: int) -> float:
    """Gain of the initial weights in the hidden layers: 1, and HE_GAIN where there are more than DEEP of them.

    With a gain of 1, values shrink to 0.4 of their size in each layer, and 32 layers pass on nothing: the network stays
    a single colour. Measured on a photo of 64×48 and on one of 15×15 pixels with 64 hidden units. At 32 layers, Adam
    reaches 27 dB after 30 epochs with HE_GAIN and 11 dB, a single colour, with 1. Up to 8 layers, Muon is better with 1
    by 0.1 to 2.5 dB, and at 10 and 12 by 1 dB; at 16 it is worse by 4.
    """
    return HE_GAIN if layers > DEEP else 1.0


class Linear(nn.Module):
    """Parameters of a linear layer, or of one for each tile."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)


def draw_linear(
    inputs: int, outputs: int, generator: torch.Generator, gain: float = 1, tiles: tuple[int, ...] = ()
) -> Linear:
    """A new layer, drawn uniformly: biases within ±1/√inputs, weights within ±√(gain/inputs).

    A gain of 1 is that of torch's own layer. They come from a generator of our own, so that nothing else in a program
    changes them or is changed by them. `tiles` has the number of tiles, where there are any: all start from the same
    numbers, so that those of a tile do not depend on the others.
    """
    bound = inputs**-0.5
    weight = torch.empty(outputs, inputs, dtype=torch.float32, device="cpu")
    bias = torch.empty(outputs, dtype=torch.float32, device="cpu")
    weight.uniform_(-bound * gain**0.5, bound * gain**0.5, generator=generator)
    bias.uniform_(-bound, bound, generator=generator)
    return Linear(*(each.repeat(*tiles, *[1] * each.ndim) for each in (weight, bias)))


class CoordinateMLP(nn.Module):
    """A signal as a function: coordinates with shape (n, d) in, values in [0, 1] with shape (n, channels) out.

    A new one is drawn from the config's seed. Its parameters are named as in a checkpoint: `encoding.B`,
    `layers.0.weight`, `layers.0.bias`, …; those of a tiled network have the number of tiles for their first size.
    `config` describes the network; `result` is the outcome of its training, None before it was evaluated.
    """

    @isolated()
    def __init__(self, config: Config, tensors: Mapping[str, Tensor] | None = None, part: range | None = None) -> None:
        """A network with those tensors, named as in a checkpoint, or a new one.

        `part` has the numbers of the tiles that it holds, for training on one of several machines; all unless given.
        """
        super().__init__()
        self.config = config
        self.result: TrainingResult | None = None
        self.tiles = config.tiles
        self.part = part or range(self.tiles.n_tiles if self.tiles else 0)
        if tensors is None:
            B = frequency_matrix(
                config.encoding, len(config.signal.axes), generator(config.training.seed, "frequencies")
            )
            linears = self._drawn()
        else:
            B = tensors.get("encoding.B")
            names = [layer_name(i) for i in range(len(config.widths) - 1)]
            linears = [Linear(tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names]
        self.encoding = nn.Identity() if B is None else FourierFeatures(B)
        self.layers = nn.ModuleList(linears)

    def _drawn(self) -> list[Linear]:
        config, weights = self.config, generator(self.config.training.seed, "weights")
        *hidden, last = pairwise(config.widths)
        gain = initial_gain(config.network.layers)
        tiles = (len(self.part),) if self.tiles else ()
        linears = [draw_linear(*widths, weights, gain, tiles) for widths in hidden]
        return [*linears, draw_linear(*last, weights, tiles=tiles)]

    @property
    def layer_list(self) -> list[Layer]:
        """Layers as training, rendering and exporters interpret them; their tensors are the parameters themselves."""
        last = len(self.layers) - 1
        return [
            Layer(layer_name(i), linear.weight, linear.bias, "sigmoid" if i == last else "relu")
            for i, linear in enumerate(cast("list[Linear]", list(self.layers)))
        ]

    @property
    def detached_layers(self) -> list[Layer]:
        """The same layers for arithmetic without autograd."""
        return [
            Layer(layer.name, layer.weight.detach(), layer.bias.detach(), layer.activation) for layer in self.layer_list
        ]

    def logits(self, v: Tensor) -> Tensor:
        """Output before the sigmoid, from which binary cross-entropy is computed without loss of precision.

        Tiles blend their values behind it, so a tiled network's is computed from these.
        """
        return logits(self.layer_list, self.encoding(v)) if self.tiles is None else self(v).logit()

    def forward(self, v: Tensor) -> Tensor:
        if self.tiles is None:
            return forward(self.layer_list, self.encoding(v))
        return blended(self.tiles, self.layer_list, self.encoding, v)

    @property
    def B(self) -> Tensor | None:
        """Frequencies of the encoding with shape (d, m), if it has any."""
        return self.encoding.B if isinstance(self.encoding, FourierFeatures) else None

    @property
    def is_finite(self) -> bool:
        """Whether all weights, biases and frequencies are finite numbers."""
        return all(map(all_finite, self.state_dict().values()))

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
