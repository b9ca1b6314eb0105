"""Every setting, its default and its range. This is the one home of all three.

The four parts of `Config` are what a checkpoint stores as JSON. Nothing here needs torch or numpy, so that the command
line can show its help at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from fftool.errors import SettingError

EncodingKind = Literal["gaussian", "positional", "basic", "none"]
Loss = Literal["bce", "mse"]
OptimizerName = Literal["muon", "adam"]
Schedule = Literal["linear", "cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Holdout = Literal["lattice"] | float | None  # see fftool.holdout
Scale = Literal["auto"] | float  # see fftool.scale
ScaleGoal = Literal["resize", "detail"]  # what lies between the cells, or the cells themselves

# Four float32 copies (weights, gradients, Adam's two moments) of this many stay within 4 GiB.
MAX_PARAMETERS = 2**28
MAX_LAYERS = 1000
MAX_EPOCHS = 10**9
MAX_COUNT = 2**63 - 1  # of steps and what else is counted while training
MAX_BATCH_SIZE = 2**31 - 1
MAX_THREADS = 1024
MAX_AXES = 8
MAX_SIDE = 2**31 - 1
MAX_SHEET_PIXELS = 2**26  # in each drawing on a sheet, where a few hundred a side can be seen
MAX_NUMBER = 3.4e38  # about the largest of float32
MAX_SCALE = 1e9  # far above what the largest picture can show, and below where a phase overflows


def _require(holds: bool, seen: str, hint: str) -> None:
    if not holds:
        raise SettingError(seen, hint)


def number(value: float) -> str:
    """As short as can be without becoming another number: 25, 0.5, 1e+08."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def check_bits(bits: int) -> None:
    """Raise SettingError unless samples can have that depth."""
    _require(bits in (8, 16), f"the bit depth is {bits}", "8 or 16 is supported")


@dataclass(frozen=True, kw_only=True)
class SignalConfig:
    """What a network was trained on. `axes` and `shape` are in array order: a picture has axes ("y", "x")."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    channels: int
    bits: int
    source: str = ""
    sha256: str = ""  # of the samples: see Signal

    def __post_init__(self) -> None:
        _require(
            0 < len(self.axes) == len(self.shape),
            f"the signal's axes {self.axes} and shape {self.shape} do not match",
            "give one size for each axis",
        )
        _require(len(self.axes) <= MAX_AXES, f"the signal has {len(self.axes)} axes", f"it can have up to {MAX_AXES}")
        _require(
            min(self.shape) > 0 and max(self.shape) <= MAX_SIDE,
            f"the signal's shape is {self.shape}",
            f"every size is a number from 1 to {MAX_SIDE:,}",
        )
        _require(self.channels > 0, f"the signal has {self.channels} channels", "at least 1 is needed")
        check_bits(self.bits)


@dataclass(frozen=True, kw_only=True)
class ScaleCandidate:
    """A σ, and the PSNR (dB) that is expected of it beyond the best one's, by how far it is from that."""

    scale: float
    score: float


@dataclass(frozen=True, kw_only=True)
class ScaleSearch:
    """How a σ was chosen from a signal: see `fftool.scale`. Frequencies are in cycles per unit length."""

    method: str
    frequency: float  # of the signal, as a mean, without what is taken for noise
    rate: float  # cells per unit length, as far as the network has room for them
    cells: int  # that were looked at, which is what it costs
    candidates: tuple[ScaleCandidate, ...]
    chosen: float


@dataclass(frozen=True, kw_only=True)
class EncodingConfig:
    """How coordinates become features: the choice of B.

    A `scale` of "auto" is chosen from the signal when training starts, and `scale_search` tells how.
    """

    kind: EncodingKind = "gaussian"
    dimension: int = 128  # m, the number of frequencies
    scale: Scale = "auto"  # σ, in cycles per unit length
    scale_for: ScaleGoal = "resize"  # what "auto" has in view
    scale_search: ScaleSearch | None = None

    def __post_init__(self) -> None:
        _require(self.dimension > 0, f"the encoding's dimension is {self.dimension}", "it is a number from 1 up")
        _require(
            self.scale == "auto" or (isinstance(self.scale, int | float) and 0 < self.scale <= MAX_SCALE),  # nor NaN
            f"the scale is {self.scale}",
            "σ is a positive number, in cycles per picture side, or auto",
        )
        _require(
            self.scale_search is None or self.scale_search.chosen == self.scale,
            f"the scale is {self.scale}, and its search came to another",
            "leave scale_search out",
        )

    @property
    def is_open(self) -> bool:
        """Whether σ has a part in B, and is still to be chosen."""
        return self.scale == "auto" and self.uses_scale

    @property
    def sigma(self) -> float:
        """σ as a number. Raises SettingError where none is named or chosen."""
        if self.scale == "auto":
            raise SettingError("the scale is still to be chosen", "name one, or leave it to fftool.fit")
        return self.scale

    @property
    def name(self) -> str:
        """What to call it among others of the same dimension."""
        chosen = " (auto)" if self.scale_search else ""
        return f"{self.kind} σ={self._scale_text}{chosen}" if self.uses_scale else self.kind

    @property
    def file_name(self) -> str:
        """Its name as a part of file names."""
        return f"{self.kind}-{self._scale_text}" if self.uses_scale else self.kind

    @property
    def _scale_text(self) -> str:
        return "auto" if self.scale == "auto" else number(self.scale)

    @property
    def uses_scale(self) -> bool:
        """Whether σ has a part in B."""
        return self.kind in ("gaussian", "positional")

    def frequencies(self, axes: int) -> int:
        """m, the number of columns of B over that many coordinates."""
        return {"gaussian": self.dimension, "positional": self.dimension, "basic": axes, "none": 0}[self.kind]


@dataclass(frozen=True, kw_only=True)
class EncodeVizConfig:
    """What `encode-viz` shows unless told otherwise."""

    dimension: int = 25
    scales: tuple[float, ...] = (1.0, 10.0, 100.0)
    size: tuple[int, int] = (100, 100)  # width and height
    max_pixels: int = 2**24  # at 2000×2000, each was measured to take 110 bytes of memory
    max_frequencies: int = 10_000  # each gives two files


def encodings(
    kinds: Iterable[EncodingKind], scales: Iterable[Scale], others: EncodingConfig = EncodingConfig()
) -> list[EncodingConfig]:
    """The encodings to compare: each kind with the scales in turn, or once if it has no scale.

    What is left out, and the dimension, is as in `others`. Raises SettingError for a scale outside of its range, and
    where two of them would be the same.
    """
    kinds, scaled = list(kinds), [replace(others, scale=scale) for scale in scales]
    if not kinds and not scaled:
        return []
    found = []
    for kind in kinds or [others.kind]:
        encoding = replace(others, kind=kind)
        if encoding.uses_scale:
            found += [replace(each, kind=kind) for each in scaled or [others]]
        else:
            found.append(encoding)
    for name, count in Counter(encoding.name for encoding in found).items():
        _require(count == 1, f"{name} is asked for {count} times", "name each variant once")
    return found


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The multilayer perceptron behind the encoding."""

    hidden: int = 256  # units in each hidden layer
    layers: int = 2  # hidden layers; one more makes the output

    def __post_init__(self) -> None:
        _require(self.hidden > 0, f"the hidden layers have {self.hidden} units", "at least 1 is needed")
        _require(
            0 <= self.layers <= MAX_LAYERS,
            f"the network has {self.layers} hidden layers",
            f"it can have from 0 to {MAX_LAYERS}",
        )


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What came of training. PSNR (dB) and SSIM are those of the picture as it would be saved.

    They are None before they are measured; `psnr` and `holdout_psnr` also where the picture is reproduced exactly,
    `ssim` where no 7×7 window fits into what was trained on, `holdout_psnr` where no pixels were held out. Where some
    were, the other two are those of the trained pixels alone.
    """

    epochs: int
    steps: int
    loss: float
    psnr: float | None = None
    ssim: float | None = None
    holdout_psnr: float | None = None
    retreats: int = 0  # to the start of an epoch, with a smaller step, from a loss that was not finite

    def __post_init__(self) -> None:
        counts = self.epochs, self.steps, self.retreats
        _require(
            min(counts) >= 0 and max(counts) <= MAX_COUNT,
            f"a training has come to {self}",
            "there is no less than nothing, and nobody can wait for so much",
        )


@dataclass(frozen=True, kw_only=True)
class SavingConfig:
    """How `train` keeps what it has learnt while it goes on. No part of a checkpoint."""

    every: float = 30.0  # seconds

    def __post_init__(self) -> None:
        _require(
            0 < self.every < math.inf, f"the time between saves is {self.every} seconds", "it is a positive number"
        )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the weights are found.

    What is None of `batch_size`, `learning_rate` and `schedule` is chosen when training starts: see `fftool.recipe`.
    """

    epochs: int = 50
    seconds: float | None = None  # to train for, in place of epochs
    target_psnr: float | None = None  # in dB, to stop at
    batch_size: int | None = None
    learning_rate: float | None = None
    optimizer: OptimizerName = "muon"
    schedule: Schedule | None = None
    precision: Precision = "auto"  # of the operands of matrix products; weights and phases are float32
    loss: Loss = "bce"
    holdout: Holdout = None
    seed: int = 0
    device: Device = "auto"
    threads: int | None = None  # of the CPU; as many as torch finds fit
    result: TrainingResult | None = None  # so far, where training is unfinished

    def __post_init__(self) -> None:
        _require(
            0 < self.epochs <= MAX_EPOCHS,
            f"the number of epochs is {self.epochs}",
            f"it is a number from 1 to {MAX_EPOCHS:,}",
        )
        _require(
            self.seconds is None or 0 < self.seconds < math.inf,
            f"the time to train for is {self.seconds} seconds",
            "it is a positive number",
        )
        _require(
            self.target_psnr is None or 0 < self.target_psnr < math.inf,
            f"the PSNR to stop at is {self.target_psnr} dB",
            "it is a positive number, such as 35",
        )
        _require(
            self.batch_size is None or 0 < self.batch_size <= MAX_BATCH_SIZE,
            f"the batch size is {self.batch_size}",
            f"it is a number from 1 to {MAX_BATCH_SIZE:,}",
        )
        _require(
            self.learning_rate is None or 0 < self.learning_rate <= MAX_NUMBER,  # nor NaN
            f"the learning rate is {self.learning_rate}",
            "it is a positive number, such as 0.05",
        )
        _require(
            self.holdout in (None, "lattice") or (isinstance(self.holdout, int | float) and 0 < self.holdout < 1),
            f"the share of pixels to hold out is {self.holdout}",
            "it is a number between 0 and 1, such as 0.1, or lattice",
        )
        _require(
            self.threads is None or 0 < self.threads <= MAX_THREADS,
            f"the number of threads is {self.threads}",
            f"it is a number from 1 to {MAX_THREADS}",
        )
        _require(0 <= self.seed < 2**63, f"the seed is {self.seed}", "it is a number from 0 to 2^63 - 1")


@dataclass(frozen=True, kw_only=True)
class Config:
    """All that describes one trained network; a checkpoint's `config`."""

    signal: SignalConfig
    encoding: EncodingConfig
    network: NetworkConfig
    training: TrainingConfig
    version: str  # of the fftool that wrote it

    def __post_init__(self) -> None:
        axes = len(self.signal.axes)
        _require(not self.encoding.is_open, "the scale is still to be chosen", "name one, or leave it to fftool.fit")
        _require(
            self.encoding.kind != "positional" or self.encoding.dimension >= axes,
            f"the positional encoding has {self.encoding.dimension} frequencies for {axes} axes",
            "it needs one for each axis, or more",
        )
        _require(
            self.parameters <= MAX_PARAMETERS,
            f"the network would have {self.parameters:,} parameters",
            f"use fewer frequencies, units or layers: at most {MAX_PARAMETERS:,} parameters are supported",
        )

    @property
    def widths(self) -> list[int]:
        """Features in, the units of each hidden layer, channels out."""
        return layer_widths(self.signal, self.encoding, self.network)

    @property
    def parameters(self) -> int:
        """The number of trained weights and biases. B is not among them."""
        return parameter_count(self.widths)


def layer_widths(signal: SignalConfig, encoding: EncodingConfig, network: NetworkConfig) -> list[int]:
    """Features in, the units of each hidden layer, channels out."""
    axes = len(signal.axes)
    return [2 * encoding.frequencies(axes) or axes, *[network.hidden] * network.layers, signal.channels]


def parameter_count(widths: list[int]) -> int:
    """The number of weights and biases of layers with those widths."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))
