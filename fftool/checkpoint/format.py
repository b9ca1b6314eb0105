"""The checkpoint on disk: names, shapes and JSON documents, and what they mean.

One safetensors file, readable with safetensors and numpy alone (README shows how). Tensors are float32 and named as in
the network. The metadata has `format`, `format_version` and `config`, a JSON document. The file of an unfinished run
also has `resume`, another document, and tensors whose names begin with it.

Format 2 is written where format 1 cannot hold a network: one σ for each axis, a medium other than an image, samples
that stand for other values or have a spacing, or tiles, whose weights have one more axis in front. The documents keep
their first names for ever (`cells`, `retreats`, `over`), whatever fftool calls these today. Nothing here needs torch.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from fftool.checks import require
from fftool.config import (
    DEFAULT_MEDIUM,
    DIMENSION,
    HIDDEN,
    Config,
    Device,
    Encoding,
    EncodingConfig,
    EncodingKind,
    Loss,
    NetworkConfig,
    NetworkSettings,
    OptimizerName,
    Precision,
    ScaleCandidate,
    ScaleGoal,
    ScaleSearch,
    Schedule,
    SignalConfig,
    TrainingConfig,
    TrainingResult,
    TrainingSettings,
    ValueRange,
    ValueType,
)
from fftool.holdout import training_size
from fftool.training.defaults import resolve_defaults
from fftool.training.state import CompleteTiles, Position

FORMAT = "fftool"
SUFFIXES = (".st", ".safetensors")  # by which files in a folder are taken for checkpoints
VERSIONS = ("1", "2")
METADATA = {"format", "format_version", "config", "resume"}
RESUME = "resume."  # prefix of tensors that only an unfinished run has
ROLLBACK = "good."  # prefix, behind RESUME, of the state that it can roll back to
BEST = "best."  # prefix, behind RESUME, of the weights of the best epoch, where these are to be kept


class _Document(Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of all documents: an unknown setting may change the meaning of a network, and is refused."""


class ValuesDocument(_Document):
    low: float
    high: float
    dtype: ValueType
    mu: float = 0.0


class SignalDocument(_Document):
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    channels: int
    bits: int
    medium: str | UnsetType = UNSET  # format 2
    source: str = ""
    sha256: str = ""
    values: ValuesDocument | UnsetType = UNSET  # format 2
    spacing: tuple[float, ...] | UnsetType = UNSET  # format 2
    metadata: dict[str, bytes] | UnsetType = UNSET  # absent where there is none; base64


class CandidateDocument(_Document):
    scale: float
    score: float


class SearchDocument(_Document):
    method: str
    frequency: float
    rate: float
    cells: int
    candidates: tuple[CandidateDocument, ...]
    chosen: float


class EncodingDocument(_Document):
    kind: EncodingKind = EncodingConfig.kind
    dimension: int = DIMENSION
    scale: Literal["auto"] | float | tuple[float, ...] = "auto"  # "auto" where it is unused
    scale_for: ScaleGoal = EncodingConfig.scale_for
    scale_search: SearchDocument | None = None


class NetworkDocument(_Document):
    hidden: int = HIDDEN
    layers: int = NetworkConfig.layers
    tile: tuple[int, ...] | UnsetType = UNSET  # format 2; absent where there are none
    margin: int | UnsetType = UNSET  # format 2


class ResultDocument(_Document):
    epochs: int
    steps: int
    loss: float
    psnr: float | None = None  # null where it is exact
    ssim: float | None = None
    holdout_psnr: float | None = None
    iou: float | UnsetType = UNSET  # of shapes alone
    near_iou: float | UnsetType = UNSET
    retreats: int = 0
    exact: tuple[str, ...] | UnsetType = UNSET  # absent where nothing is, and in files of earlier versions


class TrainingDocument(_Document):
    epochs: int = TrainingConfig.epochs
    seconds: float | None = None
    target_psnr: float | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    optimizer: OptimizerName = TrainingConfig.optimizer
    schedule: Schedule | None = None
    precision: Precision = "float32"
    loss: Loss = TrainingConfig.loss
    holdout: Literal["lattice"] | float | None = None
    stop_at_best: bool | UnsetType = UNSET  # absent where it is false
    seed: int = TrainingConfig.seed
    device: Device = "cpu"
    threads: int | None = None
    result: ResultDocument | None = None


class ConfigDocument(_Document):
    signal: SignalDocument
    encoding: EncodingDocument
    network: NetworkDocument
    training: TrainingDocument
    version: str


class CompleteTilesDocument(_Document):
    n_tiles: int
    n_samples: int
    n_values: int
    loss: float
    squared_error: float
    rollbacks: int


class PositionDocument(_Document):
    step: int = 0
    epoch: int = 0
    cells: int = 0
    loss: float = 0.0
    squared_error: float = 0.0
    seconds: float = 0.0
    scale_seconds: float = 0.0
    retreats: int = 0
    over: bool = False
    first_step: int | UnsetType = UNSET  # absent where it is 0, and in files of earlier versions
    first_epoch: int | UnsetType = UNSET  # of tiles alone, as is the next one
    complete: CompleteTilesDocument | UnsetType = UNSET


class BestDocument(_Document):
    epoch: int
    error: float


class ResumeDocument(_Document):
    position: PositionDocument
    good: PositionDocument
    best: BestDocument | UnsetType = UNSET
    picture: str = ""  # path of the signal


def format_version(config: Config) -> str:
    """Lowest format that holds a network."""
    signal = config.signal
    more = signal.medium != DEFAULT_MEDIUM, signal.values, signal.spacing, len(config.encoding.scale) > 1, config.tiles
    return "2" if any(more) else "1"


def tensor_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's tensors."""
    n_axes = len(config.signal.axes)
    shapes: dict[str, tuple[int, ...]] = {}
    if n_frequencies := config.encoding.n_frequencies(n_axes):
        shapes["encoding.B"] = (n_axes, n_frequencies)
    tiles = (config.tiles.n_tiles,) if config.tiles else ()
    for i, (inputs, outputs) in enumerate(pairwise(config.widths)):
        shapes[f"layers.{i}.weight"] = (*tiles, outputs, inputs)
        shapes[f"layers.{i}.bias"] = (*tiles, outputs)
    return shapes


def to_document(config: Config, result: TrainingResult | None) -> ConfigDocument:
    """The document of a network and of the outcome of its training."""
    signal = config.signal
    return ConfigDocument(
        signal=_signal_document(signal, format_version(config)),
        encoding=_encoding_document(config.encoding),
        network=_network_document(config.network),
        training=_training_document(config.training, result),
        version=config.version,
    )


def config_json(config: Config, result: TrainingResult | None) -> str:
    """The same document as text."""
    return msgspec.json.encode(to_document(config, result)).decode()


def to_builtins(config: Config, result: TrainingResult | None) -> dict[str, Any]:
    """The same document as dictionaries and lists, for JSON."""
    document: dict[str, Any] = msgspec.to_builtins(to_document(config, result))
    return document


def from_document(document: ConfigDocument) -> tuple[Config, TrainingResult | None]:
    """Config and result in a document. Raises FFToolError for values that they cannot have."""
    signal = document.signal
    config = Config(
        signal=_signal(signal),
        encoding=_encoding(document.encoding),
        network=_network(document.network),
        training=_training(document.training, signal.shape),
        version=document.version,
    )
    result = document.training.result
    return config, None if result is None else _result(result, config.training)


def _signal_document(signal: SignalConfig, version: str) -> SignalDocument:
    values = signal.values
    return SignalDocument(
        axes=signal.axes,
        shape=signal.shape,
        channels=signal.channels,
        bits=signal.bits,
        medium=UNSET if version == "1" else signal.medium,
        source=signal.source,
        sha256=signal.sha256,
        values=UNSET if values is None else ValuesDocument(**asdict(values)),
        spacing=signal.spacing or UNSET,
        metadata=dict(signal.metadata) or UNSET,
    )


def _signal(document: SignalDocument) -> SignalConfig:
    values = document.values
    return SignalConfig(
        axes=document.axes,
        shape=document.shape,
        channels=document.channels,
        bits=document.bits,
        medium=DEFAULT_MEDIUM if document.medium is UNSET else document.medium,
        source=document.source,
        sha256=document.sha256,
        values=None if values is UNSET else ValueRange(**msgspec.structs.asdict(values)),
        spacing=() if document.spacing is UNSET else document.spacing,
        metadata={} if document.metadata is UNSET else document.metadata,
    )


def _network_document(network: NetworkSettings) -> NetworkDocument:
    document = NetworkDocument(hidden=network.hidden, layers=network.layers)
    if network.tile:
        document.tile, document.margin = network.tile, network.margin
    return document


def _network(document: NetworkDocument) -> NetworkSettings:
    return NetworkSettings(
        hidden=document.hidden,
        layers=document.layers,
        tile=() if document.tile is UNSET else document.tile,
        margin=0 if document.margin is UNSET else document.margin,
    )


def _encoding_document(encoding: Encoding) -> EncodingDocument:
    search = encoding.search
    return EncodingDocument(
        kind=encoding.kind,
        dimension=encoding.dimension,
        scale=encoding.request.scale,
        scale_for=encoding.scale_for,
        scale_search=search_document(search) if search else None,
    )


def search_document(search: ScaleSearch) -> SearchDocument:
    """The document of a search for σ."""
    return SearchDocument(
        method=search.method,
        frequency=search.frequency,
        rate=search.rate,
        cells=search.n_samples,
        candidates=tuple(CandidateDocument(scale=each.scale, score=each.score) for each in search.candidates),
        chosen=search.chosen,
    )


def _encoding(document: EncodingDocument) -> Encoding:
    request = EncodingConfig(
        kind=document.kind, dimension=document.dimension, scale=document.scale, scale_for=document.scale_for
    )
    found = document.scale_search
    if found is None:
        return request.resolve()
    longest = max(request.scale) if isinstance(request.scale, tuple) else request.scale
    require(longest == found.chosen, "scale", request.scale, f"{found.chosen:g}, which its search came to")
    return replace(
        request.resolve(),
        search=ScaleSearch(
            method=found.method,
            frequency=found.frequency,
            rate=found.rate,
            n_samples=found.cells,
            candidates=tuple(ScaleCandidate(scale=each.scale, score=each.score) for each in found.candidates),
            chosen=found.chosen,
        ),
    )


def _training_document(training: TrainingSettings, result: TrainingResult | None) -> TrainingDocument:
    return TrainingDocument(
        epochs=training.epochs,
        seconds=training.seconds if training.is_timed else None,
        target_psnr=None if math.isinf(training.target_psnr) else training.target_psnr,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        optimizer=training.optimizer,
        schedule=training.schedule,
        precision=training.precision,
        loss=training.loss,
        holdout=None if training.holdout == "none" else training.holdout,
        stop_at_best=training.stop_at_best or UNSET,
        seed=training.seed,
        device=training.device,
        threads=training.threads or None,
        result=_result_document(result, training) if result else None,
    )


def _training(document: TrainingDocument, shape: tuple[int, ...]) -> TrainingSettings:
    """Settings in a document; choices that an earlier version left open follow the defaults."""
    values = {name: getattr(document, name) for name in document.__struct_fields__ if name != "result"}
    more = {"holdout": document.holdout or "none", "stop_at_best": document.stop_at_best is True}
    request = TrainingConfig(**values | more)
    device = "cpu" if request.device == "auto" else request.device
    precision = "float32" if request.precision == "auto" else request.precision
    return resolve_defaults(request, training_size(shape, request.holdout), device, precision)


def _result_document(result: TrainingResult, training: TrainingSettings) -> ResultDocument:
    # Where every figure was measured and none is exact, the list is left out, so that earlier versions read the file.
    unmeasured = result.psnr is None or (training.holdout != "none" and result.holdout_psnr is None)
    psnr, holdout_psnr = (None if value == math.inf else value for value in (result.psnr, result.holdout_psnr))
    return ResultDocument(
        epochs=result.epochs,
        steps=result.steps,
        loss=result.loss,
        psnr=psnr,
        ssim=result.ssim,
        holdout_psnr=holdout_psnr,
        iou=UNSET if result.iou is None else result.iou,
        near_iou=UNSET if result.near_iou is None else result.near_iou,
        retreats=result.rollbacks,
        exact=result.exact if result.exact or unmeasured else UNSET,
    )


def _result(document: ResultDocument, training: TrainingSettings) -> TrainingResult:
    exact = document.exact
    if exact is UNSET:  # everything was measured: a missing figure was exact
        exact = ("psnr",) if training.holdout == "none" else ("psnr", "holdout_psnr")
    figures = {
        name: math.inf if value is None and name in exact else value
        for name, value in (("psnr", document.psnr), ("holdout_psnr", document.holdout_psnr))
    }
    return TrainingResult(
        epochs=document.epochs,
        steps=document.steps,
        loss=document.loss,
        ssim=document.ssim,
        iou=None if document.iou is UNSET else document.iou,
        near_iou=None if document.near_iou is UNSET else document.near_iou,
        rollbacks=document.retreats,
        **figures,
    )


def position_document(position: Position) -> PositionDocument:
    """The document of a position."""
    return PositionDocument(
        step=position.step,
        epoch=position.epoch,
        cells=position.n_visited,
        loss=position.loss,
        squared_error=position.squared_error,
        seconds=position.seconds,
        scale_seconds=position.scale_seconds,
        retreats=position.rollbacks,
        over=position.finished,
        first_step=position.first_step or UNSET,
        first_epoch=position.first_epoch or UNSET,
        complete=CompleteTilesDocument(**asdict(position.complete)) if position.complete.n_tiles else UNSET,
    )


def position(document: PositionDocument) -> Position:
    """Position in a document. Raises UnfinishedRunError for one that no training reaches."""
    complete = document.complete
    return Position(
        step=document.step,
        epoch=document.epoch,
        n_visited=document.cells,
        loss=document.loss,
        squared_error=document.squared_error,
        seconds=document.seconds,
        scale_seconds=document.scale_seconds,
        rollbacks=document.retreats,
        finished=document.over,
        first_step=0 if document.first_step is UNSET else document.first_step,
        first_epoch=0 if document.first_epoch is UNSET else document.first_epoch,
        complete=CompleteTiles() if complete is UNSET else CompleteTiles(**msgspec.structs.asdict(complete)),
    )
