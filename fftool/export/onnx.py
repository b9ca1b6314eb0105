"""ONNX models: a network as a graph from coordinates with shape (n, d) to values with shape (n, channels)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from itertools import count, product
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fftool.checkpoint.format import config_json
from fftool.config import Config
from fftool.errors import ExportError, FormatPackageError
from fftool.files import replacing
from fftool.interrupts import uninterrupted
from fftool.tiling import TileGrid

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

    from fftool.models.network import CoordinateMLP

OPSET, IR_VERSION = 13, 8  # of ONNX 1.8 and 1.10: runtimes since then read them
MAX_BYTES = 2**31 - 2**20  # of a protocol buffer, with room for the graph
INPUT, OUTPUT = "coordinates", "values"


def check_onnx(config: Config) -> None:
    """Raise FormatPackageError without the package onnx, and ExportError for a network that is too large for it."""
    _onnx()
    size = 4 * config.n_parameters
    if size > MAX_BYTES:
        raise ExportError(
            f"an ONNX model holds up to {MAX_BYTES / 1e9:.1f} GB, and this network has {size / 1e9:,.1f} GB"
        )


def write_onnx(path: Path, network: CoordinateMLP) -> None:
    """Write a model that computes what the network does, in float32. Raises errors as `check_onnx`, and WriteError.

    A tiled network's model gathers the weights of each point's tiles: evaluate it in batches of a few thousand points.
    """
    check_onnx(network.config)
    with replacing(path) as file:
        file.write(_model(network).SerializeToString())


def _onnx() -> Any:
    with uninterrupted():
        try:
            import onnx
        except ImportError as error:
            raise FormatPackageError("an ONNX model takes the package onnx to write", "onnx", "onnx") from error
    return onnx


class Graph:
    """Nodes and constants, in the order in which they are added. Values go by their names."""

    def __init__(self) -> None:
        self.onnx = _onnx()
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._numbers = count()

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Output of a new node."""
        output = name or f"{operator}_{next(self._numbers)}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: Any, name: str = "", dtype: type[np.generic] = np.float32) -> str:
        name = name or f"constant_{next(self._numbers)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def column(self, value: str, i: int) -> str:
        """Column i of a value with shape (n, d): shape (n, 1)."""
        return self.add("Gather", value, self.constant([i], dtype=np.int64), axis=1)

    def clip(self, value: str, low: float, high: float) -> str:
        return self.add("Clip", value, self.constant(low), self.constant(high))


def _model(network: CoordinateMLP) -> ModelProto:
    graph, config = Graph(), network.config
    values = _blended(graph, network, network.tiles) if network.tiles else _single(graph, network)
    graph.add("Identity", values, name=OUTPUT)
    helper, kind = graph.onnx.helper, graph.onnx.TensorProto.FLOAT
    inputs = helper.make_tensor_value_info(INPUT, kind, ["n", len(config.signal.axes)])
    outputs = helper.make_tensor_value_info(OUTPUT, kind, ["n", config.signal.channels])
    model: ModelProto = helper.make_model(
        helper.make_graph(graph.nodes, "fftool", [inputs], [outputs], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fftool",
        producer_version=config.version,
    )
    helper.set_model_props(model, {"config": config_json(config, network.result)})
    return model


def _encoded(graph: Graph, B: str | None, v: str) -> str:
    """Features of coordinates, shape (n, 2m); the coordinates themselves where there is no B."""
    if B is None:
        return v
    phase = graph.add("Mul", graph.add("MatMul", v, B), graph.constant(2 * pi))
    return graph.add("Concat", graph.add("Cos", phase), graph.add("Sin", phase), axis=1)


def _frequencies(graph: Graph, network: CoordinateMLP) -> str | None:
    return None if network.B is None else graph.constant(network.B.numpy(), "encoding.B")


def _single(graph: Graph, network: CoordinateMLP) -> str:
    value = _encoded(graph, _frequencies(graph, network), INPUT)
    for layer in network.detached_layers:
        weight = graph.constant(layer.weight.numpy(), layer.weight_name)
        bias = graph.constant(layer.bias.numpy(), layer.bias_name)
        value = graph.add("Gemm", value, weight, bias, transB=1)
        value = graph.add("Relu" if layer.activation == "relu" else "Sigmoid", value)
    return value


def _blended(graph: Graph, network: CoordinateMLP, tiles: TileGrid) -> str:
    """Sum over the corners of tiles that may cover a point, as `fftool.models.tiles.blended` has it."""
    B = _frequencies(graph, network)
    layers = [
        (
            graph.constant(layer.weight.numpy(), layer.weight_name),
            graph.constant(layer.bias.numpy()[..., None], layer.bias_name),
            layer.activation,
        )
        for layer in network.detached_layers
    ]
    parts = []
    for corner in product(*(_covering_tiles(graph, tiles, axis) for axis in range(len(tiles.shape)))):
        places, weights = zip(*corner, strict=True)
        features = _encoded(graph, B, graph.add("Sub", INPUT, _origin(graph, tiles, places)))
        values = _tile_values(graph, layers, _tile_numbers(graph, tiles, places), features)
        parts.append(graph.add("Mul", values, reduce(partial(graph.add, "Mul"), weights)))
    return graph.add("Sum", *parts)


def _origin(graph: Graph, tiles: TileGrid, places: Sequence[str]) -> str:
    """Coordinates of the origins of tiles, shape (n, d), from their places along each axis."""
    origins = [
        graph.add("Div", graph.add("Mul", place, graph.constant(side)), graph.constant(length))
        for place, side, length in zip(places, tiles.tile, tiles.shape, strict=True)
    ]
    return graph.add("Concat", *reversed(origins), axis=1)


def _tile_numbers(graph: Graph, tiles: TileGrid, places: Sequence[str]) -> str:
    """Numbers of tiles in row-major order, shape (n,)."""
    number = places[0]
    for place, n in zip(places[1:], tiles.counts[1:], strict=True):
        number = graph.add("Add", graph.add("Mul", number, graph.constant(n)), place)
    return graph.add("Squeeze", graph.add("Cast", number, to=graph.onnx.TensorProto.INT64), _last(graph))


def _tile_values(graph: Graph, layers: Sequence[tuple[str, str, str]], tile: str, features: str) -> str:
    """Values of each point's own tile, shape (n, channels)."""
    value = graph.add("Unsqueeze", features, _last(graph))
    for weights, biases, activation in layers:
        value = graph.add("MatMul", graph.add("Gather", weights, tile), value)
        value = graph.add("Add", value, graph.add("Gather", biases, tile))
        value = graph.add("Relu" if activation == "relu" else "Sigmoid", value)
    return graph.add("Squeeze", value, _last(graph))


def _last(graph: Graph) -> str:
    """The last axis, for operators that take axes as an input."""
    return graph.constant([-1], dtype=np.int64)


def _covering_tiles(graph: Graph, tiles: TileGrid, axis: int) -> list[tuple[str, str]]:
    """The two tiles along an axis that may cover each point, and their weights: pairs with shape (n, 1)."""
    length, side, n, margin = (each[axis] for each in (tiles.shape, tiles.tile, tiles.counts, tiles.margins))
    coordinate = graph.column(INPUT, len(tiles.shape) - 1 - axis)
    position = graph.add("Mul", coordinate, graph.constant(length))
    moved = graph.add("Add", position, graph.constant(margin))
    second = graph.clip(graph.add("Floor", graph.add("Div", moved, graph.constant(side))), 0, n - 1)
    one = graph.constant(1)
    if margin == 0:
        return [(second, one)]
    beyond = graph.add("Sub", position, graph.add("Mul", second, graph.constant(side)))
    share = graph.add("Add", graph.add("Div", beyond, graph.constant(2 * margin)), graph.constant(0.5))
    t = graph.clip(share, 0, 1)
    rise = graph.add("Mul", graph.add("Mul", t, t), graph.add("Sub", graph.constant(3), graph.add("Add", t, t)))
    weight = graph.add("Where", graph.add("Greater", second, graph.constant(0)), rise, one)
    first = graph.clip(graph.add("Sub", second, one), 0, n - 1)
    return [(first, graph.add("Sub", one, weight)), (second, weight)]
