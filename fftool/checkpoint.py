"""Checkpoints: one safetensors file, readable with safetensors and numpy alone (README shows how).

Tensors are float32 and named as in the network. The metadata has `format`, `format_version` and `config`, a JSON
document. The file of an unfinished run also has `resume`, another one, and tensors whose names begin so. Only `load`
and `load_run` need torch.

A file may come from anyone: what it says of itself is checked before anything is made of it, and nothing in it is
executed or written to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from safetensors import SafetensorError, safe_open

from fftool.config import Config
from fftool.errors import FFToolError
from fftool.files import check_readable, replacing
from fftool.state import Position, Run, State

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fftool.network import CoordinateMLP

FORMAT = "fftool"
FORMAT_VERSION = "1"
RESUME = "resume."  # the prefix of what only an unfinished run holds
GOOD = "good."  # below that, of what it can go back to
MAX_RESUMED = 7  # numbers, and tensors, for each trained one: itself, Adam's two moments and count, and these again
MAX_HEADER = 2**22  # bytes: 1000 layers and what it takes to go on with them have less than half of it
MAX_SHOWN = 200  # characters of what is told of a file's content
DAMAGED = "it may be another kind of file, or cut short: copy it again, or train anew"
CONTRADICTION = "copy the file again, or train anew"


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """What a tensor is, without its values."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors writes it: F32


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """Where an unfinished run stands: see `fftool.state`."""

    position: Position
    good: Position
    picture: str = ""  # the path of what it learns


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a checkpoint holds, without its weights."""

    config: Config
    tensors: dict[str, TensorInfo]
    parameters: int
    bytes: int
    resume: Unfinished | None = None


def save(network: CoordinateMLP, path: str | Path) -> None:
    """Write a network and its config to a file, which appears complete or not at all.

    The same network gives the same bytes. Raises FFToolError where the file can't be written, and for a network whose
    weights are not finite.
    """
    _write(encode(network), Path(path))


def save_run(run: Run, path: str | Path, picture: str = "") -> None:
    """Write a network as `save` does, and what it takes to go on with its training.

    `picture` is the path of what it learns, to find it again.
    """
    assert run.good
    unfinished = Unfinished(position=run.position, good=run.good.position, picture=picture)
    tensors = run.optimizer | {GOOD + name: tensor for name, tensor in run.good.tensors.items()}
    resume = {RESUME + name: tensor for name, tensor in tensors.items()}
    _write(encode(run.network, resume, {"resume": msgspec.json.encode(unfinished).decode()}), Path(path))


def _write(data: bytes, path: Path) -> None:
    with replacing(path) as file:
        file.write(data)


def encode(network: CoordinateMLP, more: Mapping[str, Tensor] = {}, metadata: Mapping[str, str] = {}) -> bytes:
    """A network and its config as a checkpoint's bytes. Raises FFToolError if its weights are not finite."""
    from safetensors.torch import save as to_bytes

    if not network.is_finite:
        raise FFToolError("the network holds numbers that are not finite", "train it anew with a lower --learning-rate")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in (network.state_dict() | dict(more)).items()}
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": msgspec.json.encode(network.config).decode(),
    }
    return _with_sorted_header(to_bytes(tensors, document | dict(metadata)))


def describe(path: str | Path) -> Description:
    """Read and check what a checkpoint says of itself, without loading torch or the weights.

    Raises FFToolError if the file is missing, damaged, of another format or of a newer version, or if its tensors are
    not those that its config asks for.
    """
    with _opened(Path(path)) as (_, description):
        return description


def load(path: str | Path) -> CoordinateMLP:
    """Read a network, on the CPU, ready to render. Raises FFToolError as `describe` does, and for infinite weights."""
    with _opened(Path(path)) as (file, description):
        return _network(Path(path), file, description)


def load_run(path: str | Path) -> Run:
    """Read a network, and what it takes to go on with its training; from a finished one, from its end.

    Raises FFToolError as `load` does, and for a network that does not say how far it was trained.
    """
    with _opened(Path(path)) as (file, description):
        network = _network(Path(path), file, description)
        resume, result = description.resume, network.config.training.result
        network.config = replace(network.config, training=replace(network.config.training, result=None))
        if resume:
            import torch

            names = [name.removeprefix(RESUME) for name in description.tensors if name.startswith(RESUME)]
            tensors = {name: torch.from_numpy(file.get_tensor(RESUME + name)) for name in names}
            good = {name.removeprefix(GOOD): tensor for name, tensor in tensors.items() if name.startswith(GOOD)}
            optimizer = {name: tensor for name, tensor in tensors.items() if not name.startswith(GOOD)}
            return Run(network, resume.position, optimizer, State(resume.good, good))
        if result is None:
            raise FFToolError(f"{path} does not say how far it was trained", "train anew")
        end = Position(step=result.steps, epoch=result.epochs, retreats=result.retreats, over=True)
        return Run(network, end)


def _network(path: Path, file: Any, description: Description) -> CoordinateMLP:
    import numpy as np

    weights: dict[str, NDArray[np.float32]] = {
        name: file.get_tensor(name) for name in description.tensors if not name.startswith(RESUME)
    }
    if not all(np.isfinite(tensor).all() for tensor in weights.values()):  # before torch is loaded, which takes longer
        raise FFToolError(f"{path} holds numbers that are not finite", "train it anew with a lower --learning-rate")
    import torch

    from fftool.network import CoordinateMLP

    network = CoordinateMLP(description.config)
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in weights.items()})
    return network.eval()


def _with_sorted_header(data: bytes) -> bytes:
    """A safetensors file with its header in a fixed order: safetensors itself writes the metadata in a random one."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the format aligns the tensors to 8 bytes
    return len(header).to_bytes(8, "little") + header + data[end:]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Description]]:
    """A checkpoint, and what it says of itself, once that is known to hold."""
    check_readable(path)
    try:
        _check_header(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in sorted(file.keys())}
            tensors = {
                name: TensorInfo(shape=tuple(part.get_shape()), dtype=part.get_dtype()) for name, part in slices.items()
            }
            config, resume = _documents(path, metadata)
            _check_tensors(path, config, tensors)
            yield (
                file,
                Description(
                    config=config,
                    tensors=tensors,
                    parameters=config.parameters,
                    bytes=path.stat().st_size,
                    resume=resume,
                ),
            )
    except (OSError, SafetensorError) as error:
        raise FFToolError(f"{path} is not a whole safetensors file ({shown(error)})", DAMAGED) from error


def _check_header(path: Path) -> None:
    """Refuse a header that is too long to be read, or that names something twice, of which readers take either."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER:
            raise FFToolError(f"{path} is not a whole safetensors file (its header would have {size:,} bytes)", DAMAGED)
        header = file.read(size)
    try:
        _parsed(header.decode())
    except (ValueError, RecursionError) as error:
        raise FFToolError(f"{path} is not a whole safetensors file ({shown(error)})", DAMAGED) from error


def _parsed(text: str) -> Any:
    """A JSON document. Raises ValueError if it is none, or has a name twice."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
            raise ValueError(f"{name!r} is named twice")
        return found

    return json.loads(text, object_pairs_hook=distinct)


def _documents(path: Path, metadata: dict[str, str]) -> tuple[Config, Unfinished | None]:
    if metadata.get("format") != FORMAT:
        raise FFToolError(f"{path} is a safetensors file, but not one of fftool's", "fftool train makes a checkpoint")
    version = metadata.get("format_version")
    if version != FORMAT_VERSION:
        raise FFToolError(
            f"{path} has checkpoint format {shown(version)}; this fftool reads format {FORMAT_VERSION}",
            "if a newer fftool wrote it, pipx upgrade fftool helps; else train anew",
        )
    _refuse_unknown(path, metadata, {"format", "format_version", "config", "resume"})
    config = _document(path, metadata.get("config", ""), Config)
    return config, _document(path, metadata["resume"], Unfinished) if "resume" in metadata else None


Document = TypeVar("Document")


def _document(path: Path, text: str, kind: type[Document]) -> Document:
    try:
        document = msgspec.json.decode(text, type=kind)
        seen = _parsed(text)
    except (msgspec.DecodeError, ValueError, RecursionError, FFToolError) as error:
        raise FFToolError(f"{path} has a config that makes no sense: {shown(error)}", CONTRADICTION) from error
    _refuse_unknown(path, seen, msgspec.to_builtins(document))
    return document


def _refuse_unknown(path: Path, seen: Any, known: Any) -> None:
    """Refuse settings that a newer fftool may have given a meaning: this one would draw something else."""
    if isinstance(seen, list):
        for part, known_part in zip(seen, known, strict=True):
            _refuse_unknown(path, part, known_part)
    elif isinstance(seen, dict):
        for name, value in seen.items():
            if name not in known:
                raise FFToolError(
                    f"{path} has a setting that this fftool does not know: {shown(name)}",
                    "if a newer fftool wrote it, pipx upgrade fftool helps; else train anew",
                )
            _refuse_unknown(path, value, known[name] if isinstance(known, dict) else None)


def _check_tensors(path: Path, config: Config, tensors: dict[str, TensorInfo]) -> None:
    axes = len(config.signal.axes)
    wanted: dict[str, tuple[int, ...]] = {}
    if frequencies := config.encoding.frequencies(axes):
        wanted["encoding.B"] = (axes, frequencies)
    for i, (inputs, outputs) in enumerate(pairwise(config.widths)):
        wanted[f"layers.{i}.weight"] = (outputs, inputs)
        wanted[f"layers.{i}.bias"] = (outputs,)
    for name in sorted(wanted.keys() | tensors.keys()):
        shape = tensors[name].shape if name.startswith(RESUME) else wanted.get(name)
        seen = f"{tensors[name].dtype} {tensors[name].shape}" if name in tensors else "absent"
        asked = "absent" if shape is None else f"F32 {shape}"
        if seen != asked:
            raise FFToolError(
                f"{path} does not fit its own config: {shown(name)} should be {asked}, and is {shown(seen)}",
                CONTRADICTION,
            )
    _check_resumed(path, config, [tensor.shape for name, tensor in tensors.items() if name.startswith(RESUME)])


def _check_resumed(path: Path, config: Config, shapes: list[tuple[int, ...]]) -> None:
    """Refuse more tensors than it takes to go on, or larger ones. Training checks what is in them."""
    numbers = sum(prod(max(1, length) for length in shape) for shape in shapes)
    if (
        len(shapes) > MAX_RESUMED * 2 * (len(config.widths) - 1)
        or numbers > MAX_RESUMED * config.parameters
        or max(map(len, shapes), default=0) > 3  # Muon has matrices of one shape in one tensor
    ):
        raise FFToolError(f"{path} holds more than it takes to go on with its training", CONTRADICTION)


def shown(text: object) -> str:
    """What a file says, in so many words that they fit in a line or two."""
    short = str(text)
    return short if len(short) <= MAX_SHOWN else short[:MAX_SHOWN] + "…"
