"""Checkpoints written: the same network gives the same bytes, in a file that appears complete or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

import msgspec
import numpy as np
from torch import Tensor

from fftool.checkpoint.format import (
    FORMAT,
    RESUME,
    ROLLBACK,
    ResumeDocument,
    format_version,
    position_document,
    to_document,
)
from fftool.errors import NonFiniteError
from fftool.files import replacing
from fftool.models.network import CoordinateMLP
from fftool.training.state import Run


def save(network: CoordinateMLP, path: str | Path) -> None:
    """Write a network, its config and its result to a file.

    Raises WriteError if the file cannot be written, and NonFiniteError for a network whose weights are not finite.
    """
    _write(Path(path), network, {}, {})


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
    more = {RESUME + name: tensor for name, tensor in tensors.items()}
    _write(Path(path), run.network, more, {"resume": _json(document)})


def checkpoint_size(network: CoordinateMLP) -> int:
    """Bytes of a network's checkpoint."""
    tensors = network.state_dict()
    n_numbers: int = sum(tensor.numel() for tensor in tensors.values())
    return len(_header(network, tensors, {})) + 4 * n_numbers


def _write(path: Path, network: CoordinateMLP, more: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    if not network.is_finite:
        raise NonFiniteError("the network's weights")
    tensors = network.state_dict() | dict(more)
    with replacing(path) as file:
        file.write(_header(network, tensors, metadata))
        for part in _data(tensors):
            file.write(part)


def _header(network: CoordinateMLP, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Header of a safetensors file, in a fixed order; safetensors itself writes the metadata in a random one."""
    header: dict[str, object] = {
        "__metadata__": {
            "format": FORMAT,
            "format_version": format_version(network.config),
            "config": _json(to_document(network.config, network.result)),
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
        yield np.ascontiguousarray(tensor.detach().cpu().float().numpy(), "<f4").tobytes()


def _json(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()
