"""Checkpoints: one safetensors file, readable with safetensors and numpy alone (README shows how).

Tensors are float32 and named as in the network. The metadata has `format`, `format_version` and `config`, a JSON
document. Only `load` needs torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from safetensors import SafetensorError, safe_open

from fftool.config import Config
from fftool.errors import FFToolError
from fftool.files import check_readable, replacing

if TYPE_CHECKING:
    from fftool.network import CoordinateMLP

FORMAT = "fftool"
FORMAT_VERSION = "1"
RESUME = "resume."  # the prefix of what only an unfinished run holds


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """What a tensor is, without its values."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors writes it: F32


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a checkpoint holds, without its weights."""

    config: Config
    tensors: dict[str, TensorInfo]
    parameters: int
    bytes: int


def save(network: CoordinateMLP, path: str | Path) -> None:
    """Write a network and its config to a file, which appears complete or not at all.

    The same network gives the same bytes. Raises FFToolError where the file can't be written, and for a network whose
    weights are not finite.
    """
    data = encode(network)
    with replacing(Path(path)) as file:
        file.write(data)


def encode(network: CoordinateMLP) -> bytes:
    """A network and its config as a checkpoint's bytes. Raises FFToolError if its weights are not finite."""
    from safetensors.torch import save as to_bytes

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if not _is_finite(network):
        raise FFToolError("the network holds numbers that are not finite", "train it anew with a lower --learning-rate")
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": msgspec.json.encode(network.config).decode(),
    }
    return _with_sorted_header(to_bytes(tensors, metadata))


def describe(path: str | Path) -> Description:
    """Read and check what a checkpoint says of itself, without loading torch or the weights.

    Raises FFToolError if the file is missing, damaged, of another format or of a newer version, or if its tensors are
    not those that its config asks for.
    """
    path = Path(path)
    check_readable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in sorted(file.keys())}
            tensors = {
                name: TensorInfo(shape=tuple(part.get_shape()), dtype=part.get_dtype()) for name, part in slices.items()
            }
            size = path.stat().st_size
    except (OSError, SafetensorError) as error:
        raise FFToolError(
            f"{path} is not a whole safetensors file ({error})",
            "it may be another kind of file, or cut short: copy it again, or train anew",
        ) from error
    config = _config(path, metadata)
    _check_tensors(path, config, tensors)
    return Description(config=config, tensors=tensors, parameters=config.parameters, bytes=size)


def load(path: str | Path) -> CoordinateMLP:
    """Read a network, on the CPU, ready to render. Raises FFToolError as `describe` does."""
    from safetensors.torch import load as from_bytes

    from fftool.network import CoordinateMLP

    network = CoordinateMLP(describe(path).config)
    tensors = from_bytes(Path(path).read_bytes())
    network.load_state_dict({name: t for name, t in tensors.items() if not name.startswith(RESUME)})
    if not _is_finite(network):
        raise FFToolError(f"{path} holds numbers that are not finite", "train it anew with a lower --learning-rate")
    return network.eval()


def _is_finite(network: CoordinateMLP) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


def _with_sorted_header(data: bytes) -> bytes:
    """A safetensors file with its header in a fixed order: safetensors itself writes the metadata in a random one."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the format aligns the tensors to 8 bytes
    return len(header).to_bytes(8, "little") + header + data[end:]


def _config(path: Path, metadata: dict[str, str]) -> Config:
    if metadata.get("format") != FORMAT:
        raise FFToolError(f"{path} is a safetensors file, but not one of fftool's", "fftool train makes a checkpoint")
    version = metadata.get("format_version")
    if version != FORMAT_VERSION:
        raise FFToolError(
            f"{path} has checkpoint format {version}; this fftool reads format {FORMAT_VERSION}",
            "if a newer fftool wrote it, pipx upgrade fftool helps; else train anew",
        )
    try:
        return msgspec.json.decode(metadata.get("config", ""), type=Config)
    except (msgspec.DecodeError, RecursionError, FFToolError) as error:
        raise FFToolError(
            f"{path} has a config that makes no sense: {error}", "copy the file again, or train anew"
        ) from error


def _check_tensors(path: Path, config: Config, tensors: dict[str, TensorInfo]) -> None:
    axes = len(config.signal.axes)
    wanted: dict[str, tuple[int, ...]] = {}
    if frequencies := config.encoding.frequencies(axes):
        wanted["encoding.B"] = (axes, frequencies)
    for i, (inputs, outputs) in enumerate(pairwise(config.widths)):
        wanted[f"layers.{i}.weight"] = (outputs, inputs)
        wanted[f"layers.{i}.bias"] = (outputs,)
    held = {name for name in tensors if not name.startswith(RESUME)}
    for name in sorted(wanted.keys() | held):
        seen = f"{tensors[name].dtype} {tensors[name].shape}" if name in held else "absent"
        asked = f"F32 {wanted[name]}" if name in wanted else "absent"
        if seen != asked:
            raise FFToolError(
                f"{path} does not fit its own config: {name} should be {asked}, and is {seen}",
                "copy the file again, or train anew",
            )
