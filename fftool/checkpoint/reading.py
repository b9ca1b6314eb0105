"""Checkpoints read and checked. Only `load` and `load_run` need torch.

A file may come from anyone: what it says of itself is checked before memory is taken for it, and nothing in it is
executed or written to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import UNSET
from safetensors import SafetensorError, safe_open

from fftool import media
from fftool.checkpoint import format
from fftool.checkpoint.format import BEST, RESUME, ROLLBACK, ConfigDocument, ResumeDocument, from_document
from fftool.config import Config, SignalConfig, TrainingResult
from fftool.errors import (
    FFToolError,
    InconsistentCheckpointError,
    NewerCheckpointError,
    NotACheckpointError,
    UnsuitableCheckpointError,
    shorten,
)
from fftool.files import check_readable
from fftool.interrupts import uninterrupted
from fftool.pipes import content
from fftool.training.state import Best, Position, Run, Snapshot, finished_position

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from fftool.media.base import Medium
    from fftool.models.network import CoordinateMLP

MAPPED_BYTES = 2**27  # of a file with tiles, from where on its weights are not copied to memory
CHECKED = 2**22  # numbers checked at once
MAX_HEADER = 2**22  # bytes: 1000 layers and the state of their training take less than half of it


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """Shape and type of a tensor."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors writes it: F32


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """Position of an unfinished run, and of the state that it can roll back to."""

    position: Position
    rollback: Position
    best: tuple[int, float] | None = None  # epoch and error, where its weights are kept
    source: str = ""  # path of its signal


@dataclass(frozen=True, kw_only=True)
class Description:
    """Contents of a checkpoint without its weights."""

    config: Config
    result: TrainingResult | None
    tensors: dict[str, TensorInfo]
    n_parameters: int
    bytes: int
    resume: Unfinished | None = None


def describe(path: str | Path) -> Description:
    """Contents of a checkpoint, checked, without loading torch or the weights.

    Raises ReadError if the file is missing or unreadable, NotACheckpointError if it is damaged or of another kind,
    NewerCheckpointError if this version does not know its format, and InconsistentCheckpointError if its tensors do not
    fit its config.
    """
    with _opened(Path(path)) as (_, description):
        return description


def medium_of(path: str | Path, signal: SignalConfig) -> Medium:
    """Medium of a checkpoint's signal. Raises UnsuitableCheckpointError if this version has none."""
    try:
        return media.of(signal)
    except FFToolError as error:
        raise UnsuitableCheckpointError(path, str(error)) from error


def load(path: str | Path) -> CoordinateMLP:
    """Network in a checkpoint, on the CPU, ready to render.

    Raises errors as `describe` does, and InconsistentCheckpointError for weights that are not finite.
    """
    with _opened(Path(path)) as (file, description):
        return _network(Path(path), file, description)


def load_run(path: str | Path) -> Run:
    """Network in a checkpoint, and what it takes to resume its training; a finished one resumes from its end.

    Raises errors as `load` does, and UnsuitableCheckpointError for a network that was not evaluated after its training.
    """
    with _opened(Path(path)) as (file, description):
        network = _network(Path(path), file, description)
        config, result = description.config, description.result
        if description.resume:
            tensors = _resume_tensors(Path(path), file, description)
            rollback, best = (_with_prefix(tensors, prefix) for prefix in (ROLLBACK, BEST))
            optimizer = {name: tensor for name, tensor in tensors.items() if not name.startswith((ROLLBACK, BEST))}
            unfinished = description.resume
            return Run(
                network,
                unfinished.position,
                optimizer,
                Snapshot(unfinished.rollback, rollback),
                Best(*unfinished.best, best) if unfinished.best else None,
            )
        if result is None:
            raise UnsuitableCheckpointError(path, "does not say how far it was trained")
        return Run(network, finished_position(config, result))


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names have a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _network(path: Path, file: Any, description: Description) -> CoordinateMLP:
    with uninterrupted():
        import numpy as np
    names = [name for name in description.tensors if not name.startswith(RESUME)]
    weights: dict[str, NDArray[np.float32]]
    if description.config.tiles and description.bytes > MAPPED_BYTES:
        weights = _mapped(path, names, description)
    else:
        weights = {name: file.get_tensor(name) for name in names}
    parts = (part for tensor in weights.values() for part in _parts(tensor))
    if not all(np.isfinite(part).all() for part in parts):  # before torch is loaded, which takes longer
        raise InconsistentCheckpointError(path, "holds weights that are not finite")
    with uninterrupted():
        import torch

        from fftool.backend.isolation import isolated
        from fftool.models.network import CoordinateMLP

    with isolated():  # or tensors of a caller's inference mode could not be trained
        network = CoordinateMLP(description.config, {name: torch.from_numpy(array) for name, array in weights.items()})
    network.result = description.result
    return network.eval()


def _mapped(path: Path, names: Iterable[str], description: Description) -> dict[str, NDArray[np.float32]]:
    """Tensors in the memory of the system's file cache, which takes it back when it is short; changes stay here."""
    import numpy as np

    with content(path).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return {
        name: np.memmap(
            content(path), "<f4", "c", 8 + size + header[name]["data_offsets"][0], description.tensors[name].shape
        )
        for name in names
    }


def _parts(tensor: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The numbers of a tensor, so many at once that what is made of them takes little memory."""
    flat = tensor.reshape(-1)
    yield from (flat[start : start + CHECKED] for start in range(0, len(flat), CHECKED))


def _resume_tensors(path: Path, file: Any, description: Description) -> dict[str, Tensor]:
    """Tensors of an unfinished run, without their prefix, once they are known to be those of its optimizer."""
    import torch

    from fftool.training.step import state_layout

    found = {name.removeprefix(RESUME): t for name, t in description.tensors.items() if name.startswith(RESUME)}
    parameters, optimizer = state_layout(description.config, _group_size(path, description, found))
    expected = optimizer | {ROLLBACK + name: tensor for name, tensor in (parameters | optimizer).items()}
    if description.resume and description.resume.best:
        expected |= {BEST + name: tensor for name, tensor in parameters.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    _check_shapes(path, shapes, found, "its unfinished run does not fit its config")
    return {name: torch.from_numpy(file.get_tensor(RESUME + name)) for name in expected}


def _group_size(path: Path, description: Description, tensors: dict[str, TensorInfo]) -> int | None:
    """Number of tiles in training, which the shapes of their tensors tell; None for a single network."""
    tiles, resume = description.config.tiles, description.resume
    if resume is None:
        return None
    first = resume.position.complete.n_tiles
    shape = tensors[f"{ROLLBACK}layers.0.bias"].shape if f"{ROLLBACK}layers.0.bias" in tensors else ()
    fits = bool(shape) and 0 < shape[0] <= tiles.n_tiles - first if tiles else first == 0
    if not fits or resume.rollback.complete.n_tiles != first:
        raise InconsistentCheckpointError(path, "has an unfinished run with another number of tiles")
    return shape[0] if tiles else None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Description]]:
    """A checkpoint and its description, once both are known to be sound."""
    check_readable(path)
    try:
        _check_header(path)
        with uninterrupted():  # it imports numpy
            opened = safe_open(content(path), framework="numpy")
        with opened as file:
            tensors = {}
            for name in sorted(file.keys()):
                part = file.get_slice(name)
                tensors[name] = TensorInfo(shape=tuple(part.get_shape()), dtype=part.get_dtype())
            yield file, _description(path, file.metadata() or {}, tensors)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, shorten(error)) from error


def _damaged(path: Path, detail: str) -> NotACheckpointError:
    return NotACheckpointError(path, f"not a whole safetensors file ({detail})")


def _check_header(path: Path) -> None:
    """Refuse a header that is too long to be read, or that has a name twice, of which readers take either."""
    with content(path).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER:
            raise _damaged(path, f"its header would have {size:,} bytes")
        header = file.read(size)
    try:
        _check_names(header.decode())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, shorten(error)) from error


def _check_names(text: str) -> None:
    """Raise ValueError unless text is a JSON document with distinct names."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
            raise ValueError(f"{name!r} is there twice")
        return found

    json.loads(text, object_pairs_hook=distinct)


def _description(path: Path, metadata: dict[str, str], tensors: dict[str, TensorInfo]) -> Description:
    if metadata.get("format") != format.FORMAT:
        raise NotACheckpointError(path, "a safetensors file that fftool did not write")
    version = metadata.get("format_version")
    if version not in format.VERSIONS:
        known = " or ".join(format.VERSIONS)
        raise NewerCheckpointError(path, f"has checkpoint format {shorten(version)}, expected {known}")
    for name in metadata.keys() - format.METADATA:
        raise NewerCheckpointError(path, f"has an unknown setting: {shorten(name)}")
    config, result = _read(path, metadata.get("config", ""), ConfigDocument, from_document)
    resume = _read(path, metadata["resume"], ResumeDocument, _unfinished) if "resume" in metadata else None
    _check_tensors(path, config, tensors)
    return Description(
        config=config,
        result=result,
        tensors=tensors,
        n_parameters=config.n_parameters,
        bytes=content(path).stat().st_size,
        resume=resume,
    )


def _unfinished(document: ResumeDocument) -> Unfinished:
    return Unfinished(
        position=format.position(document.position),
        rollback=format.position(document.good),
        best=None if document.best is UNSET else (document.best.epoch, document.best.error),
        source=document.picture,
    )


Document = TypeVar("Document", ConfigDocument, ResumeDocument)
Meaning = TypeVar("Meaning")


def _read(path: Path, text: str, kind: type[Document], convert: Any) -> Any:
    """Meaning of a JSON document of that kind."""
    try:
        document = msgspec.json.decode(text, type=kind)
        _check_names(text)
        return convert(document)
    except (msgspec.DecodeError, ValueError, RecursionError, FFToolError) as error:
        if isinstance(error, msgspec.ValidationError) and "unknown field" in str(error):
            raise NewerCheckpointError(path, f"has an unknown setting: {shorten(error)}") from error
        raise InconsistentCheckpointError(path, f"has an invalid config: {shorten(error)}") from error


def _check_tensors(path: Path, config: Config, tensors: dict[str, TensorInfo]) -> None:
    found = {name: tensor for name, tensor in tensors.items() if not name.startswith(RESUME)}
    _check_shapes(path, format.tensor_shapes(config), found, "does not fit its own config")


def _check_shapes(path: Path, expected: dict[str, tuple[int, ...]], found: dict[str, TensorInfo], problem: str) -> None:
    """Raise InconsistentCheckpointError unless there are just the expected tensors, float32 and of these shapes."""
    for name in sorted(expected.keys() | found.keys()):
        wanted = f"F32 {expected[name]}" if name in expected else "absent"
        seen = f"{found[name].dtype} {found[name].shape}" if name in found else "absent"
        if wanted != seen:
            detail = f"{shorten(name)} is {shorten(seen)}, expected {wanted}"
            raise InconsistentCheckpointError(path, f"{problem}: {detail}")
