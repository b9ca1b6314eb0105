"""Shaders: a network as a function in GLSL ES 3.00, four units to a vector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fftool.config import Config
from fftool.errors import ExportError
from fftool.files import replacing

if TYPE_CHECKING:
    from fftool.models.network import CoordinateMLP

MAX_HIDDEN = 64
MAX_CHANNELS = 4
LANES = 4
VECTORS = {1: "float", 2: "vec2", 3: "vec3"}  # of coordinates
COMPONENTS = "xyz"
COLOURS = {1: "vec4(o.xxx, 1.0)", 2: "vec4(o.xxx, o.y)", 3: "vec4(o.xyz, 1.0)", 4: "o"}

Floats = NDArray[np.float32]


def check_glsl(config: Config) -> None:
    """Raise ExportError for a network that has no place in a shader."""
    if config.tiles:
        raise ExportError(f"a shader holds one network, and this one has {config.tiles.n_tiles:,} tiles")
    if config.network.hidden > MAX_HIDDEN:
        raise ExportError(
            f"a shader holds up to {MAX_HIDDEN} hidden units, and this network has {config.network.hidden}"
        )
    if config.signal.channels > MAX_CHANNELS:
        raise ExportError(f"a shader holds up to {MAX_CHANNELS} channels, and this one has {config.signal.channels}")
    if len(config.signal.axes) not in VECTORS:
        raise ExportError(f"a shader holds up to {len(VECTORS)} axes, and this one has {len(config.signal.axes)}")


def write_glsl(path: Path, network: CoordinateMLP) -> None:
    """Write a function `vec4 signal(vec2 v)` from coordinates to a colour; of a float or a vec3 for one or three axes.

    Grey is in all of red, green and blue. Raises ExportError and WriteError.
    """
    check_glsl(network.config)
    with replacing(path) as file:
        file.writelines(f"{line}\n".encode() for line in _lines(network))


def _lines(network: CoordinateMLP) -> Iterator[str]:
    signal = network.config.signal
    layers = [(layer.weight.numpy(), layer.bias.numpy()) for layer in network.detached_layers]
    first = layers[0][0]
    axes = ", ".join(reversed(signal.axes))
    yield f"// A network as a function of the coordinates {axes}, each from 0 to 1, by fftool. Needs highp floats."
    yield f"vec4 signal({VECTORS[len(signal.axes)]} v) {{"
    if network.B is None:
        inputs = ["a0"]
        coordinates = ["v", *["0.0"] * (LANES - len(signal.axes))]
        yield f"  vec4 a0 = vec4({', '.join(coordinates)});"
        layers[0] = (_padded(first, 1), layers[0][1])
    else:
        n_groups = -(-network.B.shape[1] // LANES)
        inputs = [f"{name}{group}" for name in "cs" for group in range(n_groups)]
        yield from _features(_padded(network.B.numpy(), 1))
        cosines, sines = np.split(first, 2, axis=1)
        layers[0] = (np.concatenate([_padded(cosines, 1), _padded(sines, 1)], axis=1), layers[0][1])
    for i, (weight, bias) in enumerate(layers):
        outputs = [f"h{i}_{group}" for group in range(-(-len(bias) // LANES))]
        yield from _layer(outputs, inputs, _padded(_padded(weight, 0), 1), _padded(bias, 0), i < len(layers) - 1)
        inputs = outputs
    yield f"  vec4 o = 1.0 / (1.0 + exp(-{inputs[0]}));"
    yield f"  return {COLOURS[signal.channels]};"
    yield "}"


def _features(B: Floats) -> Iterator[str]:
    """Cosines and sines of four phases at a time, which are reduced to half a turn: GPUs' are poor for larger ones."""
    yield "  vec4 p;"
    for group in range(B.shape[1] // LANES):
        columns = slice(LANES * group, LANES * (group + 1))
        values = [f"v.{component}" for component in COMPONENTS[: len(B)]] if len(B) > 1 else ["v"]
        turns = " + ".join(f"{value} * {_vector(row[columns])}" for value, row in zip(values, B, strict=True))
        yield f"  p = {turns};"
        yield "  p = 6.28318531 * (p - round(p));"
        yield f"  vec4 c{group} = cos(p), s{group} = sin(p);"


def _layer(outputs: list[str], inputs: list[str], weight: Floats, bias: Floats, has_relu: bool) -> Iterator[str]:
    """Vectors of four units each, from those of the layer before."""
    for group, output in enumerate(outputs):
        rows = slice(LANES * group, LANES * (group + 1))
        yield f"  vec4 {output} = {_vector(bias[rows])};"
        for column, value in enumerate(inputs):
            matrix = weight[rows, LANES * column : LANES * (column + 1)]
            yield f"  {output} += mat4({', '.join(map(_number, matrix.T.ravel()))}) * {value};"
        if has_relu:
            yield f"  {output} = max({output}, 0.0);"


def _padded(array: Floats, axis: int) -> Floats:
    """An array with zeros along an axis, up to a multiple of four."""
    missing = [(0, 0)] * array.ndim
    missing[axis] = (0, -array.shape[axis] % LANES)
    return np.pad(array, missing)


def _vector(values: Floats) -> str:
    return f"vec4({', '.join(map(_number, values))})"


def _number(value: np.float32) -> str:
    """A float32 as the shortest literal that stands for it."""
    text = str(value)
    return text if "." in text or "e" in text else f"{text}.0"
