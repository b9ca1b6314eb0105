"""Every setting, its default and its range: the one home of all three.

`EncodingConfig`, `NetworkConfig` and `TrainingConfig` are requests, which may leave choices to fftool. `Config` is what
they resolve to for one signal: nothing in it is left to choose. `TrainingResult` is the outcome of a training. Nothing
here needs torch or numpy, so that the command line shows its help at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal

from fftool.checks import (
    Settings,
    as_float,
    choice,
    figure,
    finite_number,
    flag,
    format_number,
    instance,
    integer,
    number,
    optional,
    require,
    required,
    setting,
    text,
    tuple_of,
)
from fftool.errors import SettingError
from fftool.tiling import TileGrid

EncodingKind = Literal["gaussian", "positional", "basic", "none"]
Loss = Literal["bce", "mse"]
OptimizerName = Literal["muon", "adam"]
Schedule = Literal["linear", "cosine", "constant"]
ResolvedPrecision = Literal["float32", "bfloat16"]
Precision = Literal["auto", "float32", "bfloat16"]
ResolvedDevice = Literal["cpu", "cuda", "mps"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Holdout = Literal["none", "lattice"] | float  # see fftool.holdout
Scale = Literal["auto"] | float | tuple[float, ...]  # see fftool.scale
Tile = Literal["auto", "none"] | int | tuple[int, ...]  # see fftool.models.capacity
ValueType = Literal["float16", "float32", "float64", "int8", "int16", "int32", "uint8", "uint16", "uint32"]
ResizeKernel = Literal["linear", "cubic", "lanczos"]  # see fftool.resampling
ScaleGoal = Literal["resize", "detail"]  # the space between the samples, or the samples themselves

# Four float32 copies (weights, gradients, Adam's two moments) of this many stay within 4 GiB.
MAX_PARAMETERS = 2**28
MAX_LAYERS = 1000
DEEP = 8  # hidden layers: a network with more starts from larger weights, and Muon takes smaller steps
MAX_EPOCHS = 10**9
MAX_COUNT = 2**63 - 1  # of steps and other counters
MAX_SEED = 2**63 - 1
MAX_BATCH_SIZE = 2**31 - 1
MAX_THREADS = 1024
MAX_AXES = 8
MAX_SIDE = 2**31 - 1
MIN_TILE = 8  # samples along an axis
HIDDEN, DIMENSION = 256, 128  # units in each hidden layer, and m, of the single network
# Samples by which a tile overlaps its neighbours, by the number of axes. With two axes, 4 are 0.3 to 0.7 dB better than
# 2, and take 1.25 times as long.
MARGINS = {1: 2, 2: 2, 3: 1}
MAX_SHEET_PIXELS = 2**26  # of each drawing on a sheet, which shows a few hundred along a side
MAX_NUMBER = 3.4e38  # about the largest float32
MAX_MU = 1e12  # of light: far beyond any camera's range
MAX_METADATA = 2**20  # bytes: a checkpoint's header has room for it, as base64
DEFAULT_MEDIUM = "image"
DEFAULT_QUALITY = 95  # of images in lossy formats, up to 100
MAX_RATE = 1e6  # frames per second
MAX_SCALE = 1e9  # far above the Nyquist frequency of any signal, and below the overflow of a phase

CHECK_SIGMA = number(f"a positive number up to {MAX_SCALE:g}, one for each axis, or 'auto'", MAX_SCALE, inclusive=True)


def _check_scale(name: str, value: Any) -> Scale:
    if isinstance(value, str) and value == "auto":
        return "auto"
    if isinstance(value, tuple | list) and 0 < len(value) <= MAX_AXES:
        return tuple(CHECK_SIGMA(name, part) for part in value)
    scale: float = CHECK_SIGMA(name, value)
    return scale


def _check_holdout(name: str, value: Any) -> Holdout:
    if value is None or (isinstance(value, str) and value == "none"):
        return "none"
    if isinstance(value, str) and value == "lattice":
        return "lattice"
    share: float = number("a fraction between 0 and 1, such as 0.1, or 'lattice'", 1)(name, value)
    return share


CHECK_TILE = integer(MIN_TILE, MAX_SIDE)


def _check_tile(name: str, value: Any) -> Tile:
    if isinstance(value, str) and value in ("auto", "none"):
        return "auto" if value == "auto" else "none"
    if isinstance(value, tuple | list) and 0 < len(value) <= MAX_AXES:
        return tuple(CHECK_TILE(name, part) for part in value)
    side: int = CHECK_TILE(name, value)
    return side


CHECK_AXES = tuple_of(text, "a name for each axis")
CHECK_SPACING = number("a positive distance", MAX_NUMBER)
CHECK_TIME = number("a positive number of seconds")
CHECK_PSNR = number("a positive number of decibels, such as 35")
CHECK_RATE = number("a positive number, such as 0.05", MAX_NUMBER, inclusive=True)
CHECK_BATCH_SIZE = integer(1, MAX_BATCH_SIZE)
CHECK_QUALITY = integer(1, 100)


def check_bits(bits: int) -> None:
    """Raise SettingError unless samples can have that bit depth."""
    _check_bits("bit depth", bits)


def check_rendered_bits(bits: int) -> None:
    """Raise SettingError unless a network can be rendered with that bit depth."""
    require(as_float(bits) in (8, 16, 32), "bit depth", bits, "8, 16 or 32")


def _check_bits(name: str, value: Any) -> int:
    require(as_float(value) in (8, 16), name, value, "8 or 16")
    return int(value)


def check_quality(quality: int) -> None:
    """Raise SettingError unless an image can be encoded with that quality."""
    CHECK_QUALITY("quality", quality)


def _check_mu(name: str, value: Any) -> float:
    mu = as_float(value)
    require(0 <= mu <= MAX_MU, name, value, f"a number from 0 to {MAX_MU:g}")
    return mu


@dataclass(frozen=True, kw_only=True)
class ValueRange(Settings):
    """Values that samples stand for, where these are not the samples themselves: heights, amplitudes, light.

    The lowest sample stands for `low`, the highest for `high`, and those between for values evenly spaced; or by the
    logarithm of 1 + μ v, v being the value's place from 0 to 1 in the range, where there is a μ: see `fftool.values`.
    """

    low: float = required(finite_number, "lowest value")
    high: float = required(finite_number, "highest value")
    dtype: ValueType = required(choice(ValueType), "type of values")  # of the file
    mu: float = setting(0.0, _check_mu, "μ")

    def __str__(self) -> str:
        """As users read it: -0.5 to 1.5 (float32)."""
        return f"{format_number(self.low)} to {format_number(self.high)} ({self.dtype})"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(math.isfinite(self.high - self.low), "highest value", self.high, "a range that a float can hold")
        require(self.high > self.low, "highest value", self.high, f"a number above the lowest, {self.low:g}")


def _check_metadata(name: str, value: Any) -> dict[str, bytes]:
    require(isinstance(value, Mapping), name, value, "a mapping of names to bytes")
    require(all(isinstance(part, bytes) for part in value.values()), name, tuple(value), "bytes for each name")
    size = sum(map(len, value.values()))
    require(size <= MAX_METADATA, name, f"of {size:,} bytes", f"at most {MAX_METADATA:,} bytes")
    return {text(name, key): part for key, part in sorted(value.items())}


@dataclass(frozen=True, kw_only=True)
class SignalConfig(Settings):
    """The signal that a network was trained on. `axes` and `shape` are in array order: an image has axes ("y", "x")."""

    axes: tuple[str, ...] = required(CHECK_AXES)
    shape: tuple[int, ...] = required(tuple_of(integer(1, MAX_SIDE), "a tuple of sizes"), "signal shape")
    channels: int = required(integer(1, MAX_SIDE), "number of channels")
    bits: int = required(_check_bits, "bit depth")
    medium: str = setting(DEFAULT_MEDIUM, text)  # the one that reads and writes it: see fftool.media
    source: str = setting("", text)
    sha256: str = setting("", text)  # of the samples: see Signal
    values: ValueRange | None = setting(None, optional(instance(ValueRange)))  # None: the samples themselves
    # Distance of neighbouring samples along each axis in the unit of the medium, as seconds; empty where it has none.
    spacing: tuple[float, ...] = setting((), tuple_of(CHECK_SPACING, "a distance for each axis"))
    metadata: Mapping[str, bytes] = setting(dict, _check_metadata)  # of the file, by its kind: exif, xmp, icc

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < len(self.axes) == len(self.shape), "signal shape", self.shape, f"a size for each axis, {self.axes}")
        require(len(self.axes) <= MAX_AXES, "number of axes", len(self.axes), f"at most {MAX_AXES}")
        require(len(set(self.axes)) == len(self.axes), "axes", self.axes, "distinct names")
        require(len(self.spacing) in (0, len(self.axes)), "spacing", self.spacing, "a distance for each axis, or none")

    def resampled(self, shape: tuple[int, ...], extent: tuple[float, ...] = ()) -> SignalConfig:
        """Description of this signal on another grid, which covers that part of each axis, in coordinate order."""
        parts = reversed(extent or (1.0,) * len(shape))
        lengths = [size * length * part for size, length, part in zip(self.spacing, self.shape, parts, strict=False)]
        spacing = tuple(length / size for length, size in zip(lengths, shape, strict=False))
        return replace(self, shape=shape, spacing=spacing, sha256="")


@dataclass(frozen=True, kw_only=True)
class ScaleCandidate(Settings):
    """A σ, and its PSNR (dB) expected relative to that of the best one."""

    scale: float = required(CHECK_SIGMA)
    score: float = required(finite_number)


# Methods of a search: what σ follows.
BY_FREQUENCY, BY_SAMPLES, BY_CHANGE = "mean frequency", "samples", "change along each axis"


@dataclass(frozen=True, kw_only=True)
class ScaleSearch(Settings):
    """Evidence for a σ chosen from a signal: see `fftool.scale`. Frequencies are in cycles per unit length.

    Where each axis has a σ of its own, `chosen` and the candidates are those of the axis with the highest.
    """

    method: str = required(text)
    frequency: float = required(finite_number)  # of the signal, on average, without its noise
    rate: float = required(finite_number)  # samples per unit length, as far as the network has capacity for them
    n_samples: int = required(integer(0, MAX_COUNT), "number of samples")  # examined: the cost of the search
    candidates: tuple[ScaleCandidate, ...] = required(tuple_of(instance(ScaleCandidate), "a tuple"))
    chosen: float = required(CHECK_SIGMA, "scale")


@dataclass(frozen=True, kw_only=True)
class _EncodingBase(Settings):
    """Fields and names that requested and resolved encodings share."""

    kind: EncodingKind = setting("gaussian", choice(EncodingKind), "encoding")
    dimension: int | None = None  # m, the number of frequencies
    scale_for: ScaleGoal = setting("resize", choice(ScaleGoal))  # the purpose of "auto"

    @property
    def uses_scale(self) -> bool:
        """Whether B depends on σ."""
        return self.kind in ("gaussian", "positional")

    def n_frequencies(self, n_axes: int) -> int:
        """m, the number of columns of B for so many coordinates."""
        m = DIMENSION if self.dimension is None else self.dimension
        return {"gaussian": m, "positional": m, "basic": n_axes, "none": 0}[self.kind]


@dataclass(frozen=True, kw_only=True)
class EncodingConfig(_EncodingBase):
    """Request for an encoding. `scale` is σ in cycles per unit length: a number, one for each axis, or "auto".

    `dimension` may be left to `fftool.models.capacity`.
    """

    dimension: int | None = setting(None, optional(integer(1, MAX_COUNT)))
    scale: Scale = setting("auto", _check_scale)

    @property
    def needs_search(self) -> bool:
        """Whether σ is to be chosen from the signal."""
        return self.uses_scale and self.scale == "auto"

    @property
    def name(self) -> str:
        """Label in tables and figures: gaussian σ=25."""
        return f"{self.kind} σ={_scale_text(self.scale)}" if self.uses_scale else self.kind

    @property
    def scale_text(self) -> str:
        """σ as it is typed: 25, 25,50 or auto; empty where it has no part."""
        return _scale_text(self.scale) if self.uses_scale else ""

    @property
    def file_name(self) -> str:
        """Label as a part of file names: gaussian-25."""
        return f"{self.kind}-{_scale_text(self.scale, '-')}" if self.uses_scale else self.kind

    def resolve(self, search: ScaleSearch | None = None, scale: Scale = "auto") -> Encoding:
        """The encoding with this σ, or with the one that a search came to; `scale` then has those of each axis.

        Raises SettingError if σ is still open.
        """
        if scale == "auto":
            scale = search.chosen if search else self.scale
        require(scale != "auto" or not self.uses_scale, "scale", scale, "a number, as there is no signal to measure")
        values: tuple[float, ...] = scale if isinstance(scale, tuple) else () if scale == "auto" else (scale,)
        return Encoding(
            kind=self.kind,
            dimension=DIMENSION if self.dimension is None else self.dimension,
            scale_for=self.scale_for,
            scale=values if self.uses_scale else (),
            search=search if self.uses_scale else None,
        )


def _scale_text(scale: Scale, separator: str = ",") -> str:
    if isinstance(scale, tuple):
        return separator.join(map(format_number, scale))
    return scale if scale == "auto" else format_number(scale)


@dataclass(frozen=True, kw_only=True)
class Encoding(_EncodingBase):
    """Resolved encoding. `scale` has one σ for all axes, one for each in coordinate order, or none if it has no part.

    `search` tells how σ was chosen, where it was.
    """

    dimension: int = setting(DIMENSION, integer(1, MAX_COUNT))
    scale: tuple[float, ...] = setting(
        (), tuple_of(CHECK_SIGMA, "a tuple with one number for each axis, or for all of them")
    )
    search: ScaleSearch | None = setting(None, optional(instance(ScaleSearch)))

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = f"{'a number' if self.uses_scale else 'none'} for the {self.kind} encoding"
        require(bool(self.scale) == self.uses_scale, "scale", self.scale, expected)

    @property
    def request(self) -> EncodingConfig:
        """The request that asks for this encoding by name."""
        scale: Scale = self.scale if len(self.scale) > 1 else self.scale[0] if self.scale else "auto"
        return EncodingConfig(kind=self.kind, dimension=self.dimension, scale=scale, scale_for=self.scale_for)

    @property
    def name(self) -> str:
        """Label in tables and figures, with the origin of its σ: gaussian σ=13 (auto)."""
        return f"{self.request.name} (auto)" if self.search else self.request.name


def check_scale_count(scale: Scale, n_axes: int) -> None:
    """Raise SettingError unless σ is one for all axes, or one for each."""
    n_scales = len(scale) if isinstance(scale, tuple) else 1
    require(n_scales in (0, 1, n_axes), "scale", scale, f"one number, or one for each of {n_axes} axes")


def variants(
    kinds: Iterable[EncodingKind], scales: Iterable[Scale], base: EncodingConfig = EncodingConfig()
) -> list[EncodingConfig]:
    """Encodings to compare: each kind with every scale, or once if it has no scale; other settings are those of `base`.

    Raises SettingError for a scale outside of its range, and for a variant that is named twice.
    """
    kinds, scaled = list(kinds), [replace(base, scale=scale) for scale in scales]
    if not kinds and not scaled:
        return []
    found = []
    for kind in kinds or [base.kind]:
        uses_scale = replace(base, kind=kind).uses_scale
        found += [replace(each, kind=kind) for each in (scaled if uses_scale and scaled else [base])]
    _check_distinct(encoding.name for encoding in found)
    return found


def _check_distinct(names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise SettingError("variant", f"{name}, given {count} times", "each variant once")


@dataclass(frozen=True, kw_only=True)
class EncodeVizConfig:
    """Defaults and limits of `encode-viz`."""

    dimension: int = 25
    scales: tuple[float, ...] = (1.0, 10.0, 100.0)
    side: int = 100  # samples along each axis
    max_samples: int = 2**24  # at 2000×2000, each was measured to take 110 bytes of memory
    max_frequencies: int = 10_000  # each gives two files


@dataclass(frozen=True, kw_only=True)
class _NetworkBase(Settings):
    """Settings of a network that need no resolving."""

    layers: int = setting(2, integer(0, MAX_LAYERS), "number of hidden layers")  # one more makes the output


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(_NetworkBase):
    """Request for the multilayer perceptrons behind the encoding: one, or one for each tile of the signal.

    `tile` is the largest side of a tile, in samples: one for all axes, or one for each in array order. None and "auto"
    leave a choice to `fftool.models.capacity`.
    """

    hidden: int | None = setting(None, optional(integer(1, MAX_COUNT)), "number of hidden units")
    tile: Tile = setting("auto", _check_tile)
    margin: int | None = setting(None, optional(integer(0, MAX_SIDE)))


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(_NetworkBase):
    """Resolved multilayer perceptrons. `tile` is the size of a tile in samples and array order; empty for one network.

    Tiles overlap by a margin on each side, in samples.
    """

    hidden: int = setting(HIDDEN, integer(1, MAX_COUNT), "number of hidden units")  # in each hidden layer
    tile: tuple[int, ...] = setting((), tuple_of(integer(1, MAX_SIDE), "a size for each axis"))
    margin: int = setting(0, integer(0, MAX_SIDE))


TrainingQuality = Literal["draft", "good", "best"]


@dataclass(frozen=True)
class Preset:
    """Settings of a training on an image that belong together. `tile` is a multiple of the default side of tiles."""

    epochs: int
    tile: int
    hidden: int


# At 768×512, on the parts of Kodak images that the laws of tiles were measured on: a tenth, a half and five times the
# time of the default settings.
PRESETS: dict[TrainingQuality, Preset] = {
    "draft": Preset(epochs=10, tile=2, hidden=64),
    "good": Preset(epochs=30, tile=1, hidden=64),
    "best": Preset(epochs=100, tile=1, hidden=128),
}


@dataclass(frozen=True)
class Variant:
    """A network to compare with others: the settings in which they may differ."""

    encoding: EncodingConfig
    network: NetworkConfig

    @property
    def tile_name(self) -> str:
        """Label of its tiles in tables and figures: tile 64x48; empty where they are left to fftool."""
        tile = self.network.tile
        if isinstance(tile, str):
            return "one network" if tile == "none" else ""
        return f"tile {'x'.join(map(str, reversed(tile))) if isinstance(tile, tuple) else tile}"

    @property
    def name(self) -> str:
        """Label in tables and figures: gaussian σ=25, tile 64."""
        return ", ".join(filter(None, [self.encoding.name, self.tile_name]))

    @property
    def file_name(self) -> str:
        """Label as a part of file names: gaussian-25-tile-64."""
        return "-".join([self.encoding.file_name, *self.tile_name.split()])


def network_variants(
    encodings: Iterable[EncodingConfig], tiles: Iterable[Tile], base: NetworkConfig = NetworkConfig()
) -> list[Variant]:
    """Networks to compare: each encoding with each tile; other settings are those of `base`.

    Raises SettingError for a tile outside of its range, and for a variant that is named twice.
    """
    networks = [replace(base, tile=tile) for tile in tiles] or [base]
    found = [Variant(encoding, network) for encoding in encodings for network in networks]
    _check_distinct(variant.name for variant in found)
    return found


@dataclass(frozen=True)
class Baseline:
    """An ordinary resize of the trained samples, to compare networks with."""

    kernel: ResizeKernel

    @property
    def name(self) -> str:
        """Label in tables and figures."""
        return f"{self.kernel} resize"


def baselines(kernels: Iterable[ResizeKernel]) -> list[Baseline]:
    """Baselines to compare with. Raises SettingError for one that is named twice."""
    found = [Baseline(kernel) for kernel in kernels]
    _check_distinct(baseline.name for baseline in found)
    return found


@dataclass(frozen=True, kw_only=True)
class TrainingResult(Settings):
    """Outcome of a training. PSNR (dB) and SSIM are those of the signal as it would be saved.

    A PSNR is infinite where the signal is reproduced exactly. None is a figure that was not measured: any before
    `evaluate`, `ssim` where no 7×7 window fits into the trained samples, `holdout_psnr` where none were held out. Where
    some were, `psnr` and `ssim` are those of the trained samples alone.
    """

    epochs: int = required(integer(0, MAX_COUNT), "number of epochs")
    steps: int = required(integer(0, MAX_COUNT), "number of steps")
    loss: float = required(finite_number)
    psnr: float | None = setting(None, optional(figure), "PSNR")
    ssim: float | None = setting(None, optional(finite_number), "SSIM")
    holdout_psnr: float | None = setting(None, optional(figure), "held-out PSNR")
    iou: float | None = setting(None, optional(finite_number), "IoU")  # of a shape, at points in all of its box
    near_iou: float | None = setting(None, optional(finite_number), "IoU near the surface")
    # To the start of an epoch, with a smaller step, after a loss that was not finite.
    rollbacks: int = setting(0, integer(0, MAX_COUNT), "number of rollbacks")

    @property
    def exact(self) -> tuple[str, ...]:
        """Names of the figures that are exact: their PSNR is infinite, which JSON cannot hold."""
        return exact_figures(psnr=self.psnr, holdout_psnr=self.holdout_psnr)


def finite(decibels: float | None) -> float | None:
    """A PSNR as JSON can hold it: None if it is infinite."""
    return None if decibels is None or math.isinf(decibels) else decibels


def format_psnr(decibels: float) -> str:
    """A PSNR as users read it."""
    return "exact" if math.isinf(decibels) else f"{decibels:.2f} dB"


def exact_figures(**figures: float | None) -> tuple[str, ...]:
    """Names of the PSNRs that are infinite."""
    return tuple(name for name, value in figures.items() if value == math.inf)


@dataclass(frozen=True, kw_only=True)
class ViewOptions(Settings):
    """Request for what to draw of a signal: see `Medium.view`, which parses the text of a size or a crop.

    A medium has those of them that are in its `view_options`.
    """

    size: str | None = setting(None, optional(text))
    crop: str | None = setting(None, optional(text))
    fps: float | None = setting(None, optional(number("a positive number of frames per second", MAX_RATE)))
    time_range: str | None = setting(None, optional(text))  # of a clip: 1s..3s
    frame: float | None = setting(None, optional(finite_number))  # of a clip, from 0
    slice: str | None = setting(None, optional(text))  # of a volume: its axis and its place, z=0.5
    planes: bool = setting(False, flag)  # the middle slices of a volume
    mip: str | None = setting(None, optional(text))  # axis of a maximum intensity projection
    simplify: float | None = setting(None, optional(number("a fraction up to 1, such as 0.1", 1, inclusive=True)))
    largest: bool = setting(False, flag)  # of the pieces of a mesh
    isosurface: float | None = setting(None, optional(finite_number))  # a fraction of the range of values

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the options that are set."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) != each.default)


@dataclass(frozen=True, kw_only=True)
class WorkerConfig(Settings):
    """A worker of a Dask scheduler: see `fftool.cluster.worker`."""

    threads: int | None = setting(None, optional(integer(1, MAX_THREADS)), "number of threads")  # all of the machine
    memory_limit: str = setting("auto", text)  # a size as Dask reads it, above which the worker is started again
    host: str | None = setting(None, optional(text))  # that it listens at


@dataclass(frozen=True, kw_only=True)
class SavingConfig(Settings):
    """How `train` saves while it runs. No part of a checkpoint."""

    every: float = setting(30.0, CHECK_TIME, "time between saves")  # seconds


@dataclass(frozen=True, kw_only=True)
class _TrainingBase(Settings):
    """Settings of a training that need no resolving."""

    epochs: int = setting(50, integer(1, MAX_EPOCHS), "number of epochs")
    optimizer: OptimizerName = setting("muon", choice(OptimizerName))
    loss: Loss = setting("bce", choice(Loss))
    holdout: Holdout = setting("none", _check_holdout, "share of samples to hold out")
    stop_at_best: bool = setting(False, flag)  # keep the weights of the epoch with the best held-out PSNR
    seed: int = setting(0, integer(0, MAX_SEED))

    def __post_init__(self) -> None:
        super().__post_init__()
        held_out = self.holdout != "none"
        require(held_out or not self.stop_at_best, "stop at best", True, "False, as no samples are held out")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(_TrainingBase):
    """Request for a training. None and "auto" leave a choice to `fftool.training.defaults`."""

    seconds: float | None = setting(None, optional(CHECK_TIME), "training time")  # in place of epochs
    target_psnr: float | None = setting(None, optional(CHECK_PSNR), "target PSNR")  # dB, to stop at
    batch_size: int | None = setting(None, optional(CHECK_BATCH_SIZE))
    learning_rate: float | None = setting(None, optional(CHECK_RATE))
    schedule: Schedule | None = setting(None, optional(choice(Schedule)))
    precision: Precision = setting("auto", choice(Precision))  # of matrix products; weights and phases are float32
    device: Device = setting("auto", choice(Device))
    threads: int | None = setting(None, optional(integer(1, MAX_THREADS)), "number of threads")  # of the CPU


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(_TrainingBase):
    """Resolved settings of a training: nothing is left to choose."""

    seconds: float = setting(math.inf, number("a positive number of seconds", inclusive=True), "training time")
    target_psnr: float = setting(math.inf, number("a positive number of decibels", inclusive=True), "target PSNR")
    batch_size: int = required(CHECK_BATCH_SIZE)
    learning_rate: float = required(CHECK_RATE)
    schedule: Schedule = required(choice(Schedule))
    precision: ResolvedPrecision = required(choice(ResolvedPrecision))
    device: ResolvedDevice = required(choice(ResolvedDevice))
    threads: int = setting(0, integer(0, MAX_THREADS), "number of threads")  # 0: as many as the machine grants

    @property
    def is_timed(self) -> bool:
        """Whether the clock ends the training, and not the number of epochs."""
        return self.seconds < math.inf


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Resolved description of one trained network."""

    signal: SignalConfig = required(instance(SignalConfig))
    encoding: Encoding = required(instance(Encoding))
    network: NetworkSettings = required(instance(NetworkSettings))
    training: TrainingSettings = required(instance(TrainingSettings))
    version: str = required(text)  # of the fftool that made it

    def __post_init__(self) -> None:
        super().__post_init__()
        n_axes, encoding = len(self.signal.axes), self.encoding
        check_scale_count(encoding.scale, n_axes)
        require(
            encoding.kind != "positional" or encoding.dimension >= n_axes,
            "number of frequencies",
            encoding.dimension,
            f"at least {n_axes} for the positional encoding, one for each axis",
        )
        if self.tiles:
            check_tiles(self.tiles, self.training.holdout)
        else:
            require(self.network.margin == 0, "margin", self.network.margin, "0 for a network without tiles")
        if self.n_parameters > MAX_PARAMETERS:
            raise SettingError("number of parameters", f"{self.n_parameters:,}", f"at most {MAX_PARAMETERS:,}")

    @property
    def tiles(self) -> TileGrid | None:
        """Tiles of the signal; None for a single network."""
        return TileGrid(self.signal.shape, self.network.tile, self.network.margin) if self.network.tile else None

    @property
    def widths(self) -> list[int]:
        """Features in, the units of each hidden layer, channels out: of each tile, where there are any."""
        return layer_widths(self.signal, self.encoding, self.network)

    @property
    def n_parameters(self) -> int:
        """Number of trained weights and biases, of all tiles; B is not among them."""
        n_tiles = self.tiles.n_tiles if self.tiles else 1
        return n_tiles * count_parameters(self.widths)


def check_tiles(tiles: TileGrid, holdout: Holdout) -> None:
    """Raise SettingError for tiles that do not fit their signal, or that are not alike in what is held out."""
    n_axes = len(tiles.shape)
    require(len(tiles.tile) == n_axes, "tile", tiles.tile, f"a side for each of {n_axes} axes")
    within = all(side <= length for side, length in zip(tiles.tile, tiles.shape, strict=True))
    require(within, "tile", tiles.tile, f"sides no longer than the signal's, {tiles.shape}")
    if most := tiles.largest_margin:
        require(tiles.margin <= most, "margin", tiles.margin, f"at most half the side of a tile, {most}")
    is_even = all(side % 2 == 0 for side, count in zip(tiles.tile, tiles.counts, strict=True) if count > 1)
    require(is_even or holdout != "lattice", "tile", tiles.tile, "even sides, as every other sample is held out")


def layer_widths(signal: SignalConfig, encoding: EncodingConfig | Encoding, network: NetworkSettings) -> list[int]:
    """Features in, the units of each hidden layer, channels out."""
    n_axes = len(signal.axes)
    return [2 * encoding.n_frequencies(n_axes) or n_axes, *[network.hidden] * network.layers, signal.channels]


def count_parameters(widths: list[int]) -> int:
    """Number of weights and biases of layers with those widths."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))
