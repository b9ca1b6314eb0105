"""Checkpoints written: the same network gives the same bytes, in a file that appears complete or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from operator import attrgetter
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from fftool.backend.memory import all_finite
from fftool.checkpoint.format import (
    BEST,
    FORMAT,
    RESUME,
    ROLLBACK,
    BestDocument,
    ResumeDocument,
    config_json,
    format_version,
    position_document,
    tensor_shapes,
)
from fftool.errors import NetworkError, NonFiniteError
from fftool.files import replacing
from fftool.models.network import CoordinateMLP
from fftool.training.state import Run

WRITTEN = 2**22  # numbers at once, of which there is a copy


def save(network: nn.Module, path: str | Path) -> None:
    """Write a network, its config and its result to a file.

    A network that torch has compiled or made parallel is saved as the one inside, and one of another precision as
    float32; pruned or parametrized layers are saved as they compute. Raises WriteError if the file cannot be written,
    NetworkError for a network that does not fit its config, and NonFiniteError for weights that are not finite, as
    float32. The file is then as it was before.
    """
    _write(Path(path), network, {}, {})


def to_bytes(network: nn.Module) -> bytes:
    """Content of the file that `save` writes. Raises NetworkError and NonFiniteError as it does."""
    inner = _unwrapped(network)
    tensors = _tensors(inner)
    return b"".join([_header(inner, tensors, {}), *_data(tensors)])


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file whose content `to_bytes` has made. Raises WriteError."""
    with replacing(path) as file:
        file.write(data)


def save_run(run: Run, path: str | Path, source: str = "") -> None:
    """Write a network as `save` does, and what it takes to resume its training; a finished one as `save` does.

    `source` is the path of its signal, to find it again.
    """
    if run.rollback is None:
        save(run.network, path)
        return
    document = ResumeDocument(
        position=position_document(run.position), good=position_document(run.rollback.position), picture=source
    )
    tensors = run.optimizer | {ROLLBACK + name: tensor for name, tensor in run.rollback.tensors.items()}
    if run.best:
        document.best = BestDocument(epoch=run.best.epoch, error=run.best.error)
        tensors |= {BEST + name: tensor for name, tensor in run.best.tensors.items()}
    more = {RESUME + name: tensor for name, tensor in tensors.items()}
    _write(Path(path), run.network, more, {"resume": _json(document)})


def checkpoint_size(network: CoordinateMLP) -> int:
    """Bytes of a network's checkpoint."""
    tensors = _tensors(network)
    n_numbers = sum(tensor.numel() for tensor in tensors.values())
    return len(_header(network, tensors, {})) + 4 * n_numbers


def _write(path: Path, module: nn.Module, more: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    network = _unwrapped(module)
    tensors = _tensors(network) | dict(more)
    header = _header(network, tensors, metadata)
    with replacing(path) as file:
        file.write(header)
        for part in _data(tensors):
            file.write(part)


def _unwrapped(module: nn.Module) -> CoordinateMLP:
    """The network within a wrapper of torch: `_orig_mod` of a compiled one, `module` of a parallel one."""
    inner = module
    while not isinstance(inner, CoordinateMLP):
        found = getattr(inner, "_orig_mod", getattr(inner, "module", None))
        if not isinstance(found, nn.Module):
            raise NetworkError("the module", type(inner).__name__, "CoordinateMLP")
        inner = found
    return inner


def _tensors(network: CoordinateMLP) -> dict[str, Tensor]:
    """Tensors of a network as a checkpoint holds them: float32 on the CPU, with the names and shapes of its config."""
    expected = tensor_shapes(network.config)
    if len(network.layers) != len(network.config.widths) - 1:
        raise NetworkError("the number of layers", str(len(network.layers)), str(len(network.config.widths) - 1))
    if (network.B is not None) != ("encoding.B" in expected):
        raise NetworkError("encoding", type(network.encoding).__name__, f"{network.config.encoding.kind} features")
    try:
        tensors = {name: _float32(name, attrgetter(name)(network), shape) for name, shape in expected.items()}
    except AttributeError as error:
        raise NetworkError("a layer", f"without {error.name}", "weight and bias") from error
    if not all(map(all_finite, tensors.values())):
        raise NonFiniteError("the network's weights")
    return tensors


def _float32(name: str, tensor: object, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise NetworkError(name, type(tensor).__name__, "a tensor")
    if tuple(tensor.shape) != shape or not tensor.is_floating_point() or tensor.is_meta or tensor.is_sparse:
        layout = "meta" if tensor.is_meta else str(tensor.layout).removeprefix("torch.")
        seen = f"{layout} {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        raise NetworkError(name, seen, f"strided floating-point {shape}")
    return tensor.detach().to("cpu", torch.float32)


def _header(network: CoordinateMLP, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Header of a safetensors file, in a fixed order; safetensors itself writes the metadata in a random one."""
    header: dict[str, object] = {
        "__metadata__": {
            "format": FORMAT,
            "format_version": format_version(network.config),
            "config": config_json(network.config, network.result),
            **metadata,
        }
    }
    end = 0
    for name, tensor in sorted(tensors.items()):
        start, end = end, end + 4 * prod(tensor.shape)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format aligns the tensors to 8 bytes
    return len(text).to_bytes(8, "little") + text


def _data(tensors: Mapping[str, Tensor]) -> Iterator[bytes]:
    """Bytes of each tensor in the order of the header: float32, low byte first."""
    for _, tensor in sorted(tensors.items()):
        for part in tensor.detach().cpu().float().reshape(-1).split(WRITTEN):
            yield np.ascontiguousarray(part.numpy(), "<f4").tobytes()


def _json(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()
