"""One HTML file that shows networks in a browser: the viewer, with their weights and the source inside.

The viewer is in the folder of that name, and `make viewer` builds it. Nothing in a checkpoint becomes markup or code:
its texts are in a JSON document without "<", and the page may load nothing from anywhere.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fftool import __version__
from fftool.config import Config, TrainingResult, format_psnr
from fftool.export.scene import check_size, scene_document
from fftool.files import replacing
from fftool.metrics import Quality
from fftool.models.network import CoordinateMLP
from fftool.signal import Samples, Signal

VIEWER = files("fftool.export") / "viewer"
BUILT = VIEWER / "built"
KERNELS = ("kernel", "kernel-relaxed")
OUTPUTS = 4  # of a layer that the kernel computes at a time


@dataclass(frozen=True, eq=False)
class Model:
    """A network in a page, its name, and its figures, if it was measured."""

    name: str
    network: CoordinateMLP
    figures: Quality | TrainingResult | None


def write_page(path: Path, title: str, models: Sequence[Model], source: Signal | None = None) -> None:
    """Write a page that shows networks of one kind of signal, and their source.

    Raises SignalError for signals that a browser cannot show, ExportError for networks that are too large, and
    WriteError.
    """
    for model in models:
        check_size(model.network.config)
    signal = source.config if source else models[0].network.config.signal
    document = {
        "fileName": re.sub(r"[^\w.-]+", "-", title),
        "scene": scene_document(signal),
        "models": [_model(model) for model in models],
        "source": source.source or "source" if source else None,
    }
    start, end = _html(title, document)
    with replacing(path) as file:
        file.write(start.encode())
        for name, pieces in _parts(models, source):
            file.write(f'<script type="application/octet-stream" id="{name}">'.encode())
            file.writelines(_base64(pieces))
            file.write(b"</script>\n")
        file.write(end.encode())


def _parts(models: Sequence[Model], source: Signal | None) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Name and bytes, in pieces, of each binary part."""
    for name in KERNELS:
        yield name, [(BUILT / f"{name}.wasm").read_bytes()]
    for i, model in enumerate(models):
        yield f"model-{i}", _packed(model.network)
    if source:
        for i, plane in enumerate(_source_planes(source.array)):
            yield f"source-{i}", [plane]


def _model(model: Model) -> dict[str, Any]:
    """Network as the viewer's evaluator.js takes it, without its weights."""
    config = model.network.config
    return {
        "name": model.name,
        "quality": _quality(model.figures),
        "detail": ", ".join(_details(config)),
        "widths": config.widths,
        "frequencies": config.encoding.n_frequencies(len(config.signal.axes)),
        "tileSize": sum((inputs + 1) * _padded(outputs) for inputs, outputs in pairwise(config.widths)),
        "axes": _tiled_axes(config),
    }


def _quality(figures: Quality | TrainingResult | None) -> str:
    if figures is None or figures.psnr is None:
        return ""
    return format_psnr(figures.psnr) if figures.iou is None else f"IoU {figures.iou:.4f}"


def _details(config: Config) -> Iterator[str]:
    yield config.encoding.name
    if config.tiles:
        yield f"{config.tiles.n_tiles:,} tiles"


def _tiled_axes(config: Config) -> list[dict[str, int]]:
    """Tiles along each axis, in coordinate order; one where there are none."""
    shape, tiles = config.signal.shape, config.tiles
    if tiles is None:
        return [{"length": length, "side": length, "count": 1, "margin": 0} for length in reversed(shape)]
    axes = zip(shape, tiles.tile, tiles.counts, tiles.margins, strict=True)
    return [
        {"length": length, "side": side, "count": count, "margin": margin}
        for length, side, count, margin in reversed(list(axes))
    ]


def _padded(outputs: int) -> int:
    return -(-outputs // OUTPUTS) * OUTPUTS


def _packed(network: CoordinateMLP) -> Iterator[bytes]:
    """B, then the layers of each tile, float32 with low bytes first: weight (groups, inputs, 4), bias (groups × 4)."""
    if network.B is not None:
        yield _little(network.B.numpy())
    layers = [(layer.weight.numpy(), layer.bias.numpy()) for layer in network.detached_layers]
    if network.tiles is None:
        layers = [(weight[None], bias[None]) for weight, bias in layers]
    for tile in range(len(layers[0][0])):
        for weight, bias in layers:
            outputs, inputs = weight.shape[1:]
            missing = _padded(outputs) - outputs
            rows = np.pad(weight[tile], ((0, missing), (0, 0))).reshape(-1, OUTPUTS, inputs)
            yield _little(rows.transpose(0, 2, 1))
            yield _little(np.pad(bias[tile], (0, missing)))


def _little(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, "<f4").tobytes()


def _source_planes(samples: Samples) -> Iterator[bytes]:
    """Planes of the first two axes, in 8 bits, compressed: differences of each sample from the one on its left."""
    planes = samples.reshape(-1, *samples.shape[-3:])
    for plane in planes:
        rounded = plane if plane.dtype == np.uint8 else np.rint(plane / 257).astype(np.uint8)
        yield zlib.compress(np.diff(rounded, axis=1, prepend=np.uint8(0)).tobytes())


def _html(title: str, document: dict[str, Any]) -> list[str]:
    """The page before and behind its parts, whose place is $parts."""
    style, script, worker = (
        (BUILT / name).read_text(encoding="utf-8") for name in ("style.css", "main.js", "worker.js")
    )
    policy = [
        "default-src 'none'",
        f"script-src '{_hash(script)}' 'wasm-unsafe-eval'",
        f"style-src '{_hash(style)}'",
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    texts = {
        "policy": "; ".join(policy),
        "version": __version__,
        "title": html.escape(title),
        "style": style,
        "page": json.dumps(document).replace("<", r"\u003c"),
        "worker": worker,
        "script": script,
    }
    template = (VIEWER / "index.html").read_text(encoding="utf-8")
    return [Template(part).substitute(texts) for part in template.split("$parts")]


def _base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Bytes in base64, as if they were one piece."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) // 3 * 3  # bytes that have letters of their own
        yield b64encode(rest[:whole])
        rest = rest[whole:]
    yield b64encode(rest)


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
