"""Tiled networks, written out in numpy and float64 from their checkpoints: module, rendering and training agree."""

import copy
import itertools
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from test_network import gradient_in_numpy, sigmoid
from torch.nn import functional as F

import fftool
from fftool import CoordinateMLP, EncodingConfig, NetworkConfig, Region, Signal, TrainingConfig, rendering
from fftool.config import Config
from fftool.models.capacity import resolve_network
from fftool.models.layers import empty_layers, named_parameters
from fftool.training.defaults import resolve_defaults
from fftool.training.tile_gradient import TileGradient

AXES = {1: ("t",), 2: ("y", "x"), 3: ("z", "y", "x")}


def network_for(shape, *, tile=8, kind="gaussian", layers=2, channels=3, bits=8, margin=None, scale=3.0):
    """A tiled network with random weights, other ones in each tile, whose values differ from place to place."""
    medium = "image" if len(shape) == 2 else "clip"
    signal = Signal(np.zeros((*shape, channels), {8: np.uint8, 16: np.uint16}[bits]), AXES[len(shape)], medium=medium)
    training = TrainingConfig(seed=3)
    network, encoding = resolve_network(
        signal.config,
        EncodingConfig(kind=kind, dimension=7, scale=scale),
        NetworkConfig(hidden=10, layers=layers, tile=tile, margin=margin),
        training,
    )
    settings = resolve_defaults(training, signal.n_samples, "cpu", "float32", network)
    config = Config(signal=signal.config, encoding=encoding.resolve(), network=network, training=settings, version="0")
    found, random = CoordinateMLP(config), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            bound = 1.5 * parameter.shape[-1] ** -0.5
            parameter.uniform_(-bound, bound, generator=random)
    return found


def contents(path):
    """Tensors of a checkpoint in float64, and its config."""
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
        return tensors, json.loads(file.metadata()["config"])


def of_tile(tensors, number):
    return {name: t if name == "encoding.B" else t[number] for name, t in tensors.items()}


def read_values(path, v):
    """Values of a tiled network at coordinates v with shape (n, d), by numpy from its checkpoint alone."""
    tensors, config = contents(path)
    shape, tile, margin = config["signal"]["shape"], config["network"]["tile"], config["network"]["margin"]
    places = [range(-(-length // side)) for length, side in zip(shape, tile, strict=True)]
    values = 0.0
    for number, place in enumerate(itertools.product(*places)):
        weight, origin = np.ones(len(v)), np.zeros(len(shape))
        for axis, (i, side, length) in enumerate(zip(place, tile, shape, strict=True)):
            x = len(shape) - 1 - axis  # coordinates are ordered the other way
            samples = v[:, x] * length
            origin[x] = i * side / length
            for edge, falls in ((i * side, False), ((i + 1) * side, True)):
                if 0 < edge < length:
                    t = np.clip((samples - edge + margin) / (2 * margin), 0, 1) if margin else samples >= edge
                    rise = 3 * t**2 - 2 * t**3 if margin else t.astype(float)
                    weight *= 1 - rise if falls else rise
        layers, features = of_tile(tensors, number), v - origin
        if "encoding.B" in layers:
            phase = 2 * np.pi * features @ layers["encoding.B"]
            features = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
        for i in range(config["network"]["layers"] + 1):
            features = np.maximum(features, 0) if i else features
            features = features @ layers[f"layers.{i}.weight"].T + layers[f"layers.{i}.bias"]
        values += weight[:, None] * sigmoid(features)
    return values


def centres(shape, region=None):
    """Coordinates of a grid's samples, with shape (n, d)."""
    origin, extent = (region.origin, region.extent) if region else ((0,) * len(shape), (1,) * len(shape))
    along = [(np.arange(n) + 0.5) / n for n in shape]
    grid = np.meshgrid(*along, indexing="ij")
    return np.stack([o + e * x.ravel() for o, e, x in zip(origin, extent, reversed(grid), strict=True)], axis=1)


def check_rendering(network, path, shape, region=None):
    fftool.save(network, path)
    expected = read_values(path, centres(shape, region)).reshape(*shape, -1)
    found = fftool.render(fftool.load(path), shape, region=region, bits=32)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    return expected


CASES = {
    "gaussian": {"kind": "gaussian"},
    "positional": {"kind": "positional"},
    "basic": {"kind": "basic"},
    "none": {"kind": "none", "scale": "auto"},
    "no hidden layer": {"layers": 0},
    "one hidden layer": {"layers": 1, "kind": "none", "scale": "auto"},
    "three hidden layers": {"layers": 3},
    "no margin": {"margin": 0},
    "a margin of half a tile": {"margin": 3, "tile": (8, 11)},
    "one channel": {"channels": 1},
    "alpha, 16 bits": {"channels": 4, "bits": 16},
    "one σ for each axis": {"scale": (5.0, 0.5)},
}
cases = pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
PARTS = [None, Region((0.3, 0.2), (0.4, 0.5)), Region((0.9, 0.0), (0.1, 1.0)), Region((0.0, 0.45), (0.01, 0.01))]


@cases
def test_rendering_computes_the_formula(tmp_path, settings):
    """At the trained size, larger and smaller, down to one pixel, and of parts."""
    network = network_for((13, 22), **settings)
    assert network.tiles.n_tiles >= 4
    for shape, region in [((13, 22), None), ((3, 50), None), ((1, 1), None), ((70, 5), PARTS[1]), ((9, 9), PARTS[2])]:
        values = check_rendering(network, tmp_path / "model.st", shape, region)
        assert np.ptp(values) > 0.05 or shape == (1, 1)


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (5, 6), (9, 8), (60, 9)])
def test_rendering_computes_the_formula_for_odd_shapes(tmp_path, shape):
    network = network_for(shape)
    for size, region in itertools.product([shape, (7, 31)], PARTS):
        check_rendering(network, tmp_path / "model.st", size, region)


@pytest.mark.parametrize("kind", ["gaussian", "positional", "basic", "none"])
@pytest.mark.parametrize(
    ("shape", "tile", "sizes", "region"),
    [
        ((50,), 8, [(50,), (3,), (301,)], Region((0.3,), (0.2,))),
        ((9, 10, 12), (20, 8, 8), [(9, 10, 12), (2, 15, 7)], Region((0.1, 0.5, 0.0), (0.9, 0.1, 0.5))),
        ((9, 10, 12), 8, [(4, 3, 30)], Region((0.1, 0.5, 0.0), (0.9, 0.1, 0.5))),
    ],
)
def test_rendering_computes_the_formula_for_other_axes(tmp_path, shape, tile, sizes, region, kind):
    network = network_for(shape, tile=tile, kind=kind)
    assert network.tiles.n_tiles >= 4
    for size in sizes:
        for part in (None, region):
            check_rendering(network, tmp_path / "model.st", size, part)


@pytest.mark.parametrize(("bits", "channels"), [(8, 3), (16, 1), (16, 4), (8, 2)])
def test_rendering_rounds_to_the_depth_of_the_signal(tmp_path, bits, channels):
    network = network_for((13, 22), bits=bits, channels=channels)
    fftool.save(network, tmp_path / "model.st")
    expected = read_values(tmp_path / "model.st", centres((20, 31))).reshape(20, 31, channels)
    rendered = fftool.render(network, (20, 31))
    assert rendered.dtype == {8: np.uint8, 16: np.uint16}[bits]
    assert np.abs(rendered - (2**bits - 1) * expected).max() < 0.7


def test_rendering_is_the_same_in_bands_and_blocks(tmp_path, monkeypatch):
    """Of three rows and of 32 pixels: the formula still."""
    monkeypatch.setattr(rendering, "BAND", 120)
    monkeypatch.setitem(rendering.TILE_NUMBERS, "cpu", 1)
    done = []
    network = network_for((13, 22))
    check_rendering(network, tmp_path / "model.st", (31, 40))
    check_rendering(network, tmp_path / "model.st", (31, 40), PARTS[1])
    fftool.render(network, (31, 40), callback=done.append)
    assert done == [*range(120, 31 * 40, 120), 31 * 40]


def test_crop_is_that_part_of_the_whole():
    network = network_for((13, 22))
    whole = fftool.render(network, (40, 80), bits=32)
    part = fftool.render(network, (10, 20), region=Region((0.25, 0.5), (0.25, 0.25)), bits=32)
    np.testing.assert_allclose(part, whole[20:30, 20:40], atol=2e-6)


# the module


MODULES = {**CASES, "one axis": {"shape": (50,)}, "three axes": {"shape": (9, 10, 12)}}


@pytest.mark.parametrize("settings", MODULES.values(), ids=MODULES)
def test_module_computes_the_formula(tmp_path, settings):
    network = network_for(**{"shape": (13, 22)} | settings)
    fftool.save(network, tmp_path / "model.st")
    d = len(network.config.signal.axes)
    v = np.concatenate([np.random.default_rng(0).random((300, d)), np.zeros((1, d)), np.ones((1, d))])
    expected, double = read_values(tmp_path / "model.st", v), copy.deepcopy(network).double()
    with torch.no_grad():
        np.testing.assert_allclose(double(torch.from_numpy(v)).numpy(), expected, rtol=1e-9)
        logits = double.logits(torch.from_numpy(v)).numpy()
        np.testing.assert_allclose(network(torch.from_numpy(v).float()).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(logits, np.log(expected / (1 - expected)), atol=1e-9)


@pytest.mark.parametrize("margin", [1, 3, 4])
@pytest.mark.parametrize("shape", [(16, 24), (32,), (9, 10, 12)])
def test_function_is_continuous_across_tiles(shape, margin):
    """Its values within a millionth of a sample of an edge, and of the ends of the margins there."""
    if min(shape) < 12 and margin == 4:
        margin = 2  # where tiles have sides of 6
    network = network_for(shape, margin=margin).double()
    random = np.random.default_rng(0)
    for axis, (side, count) in enumerate(zip(network.tiles.tile, network.tiles.counts, strict=True)):
        x, length = len(shape) - 1 - axis, shape[axis]
        assert count > 1
        for edge in (side * i + offset for i in range(1, count) for offset in (-margin, 0, margin)):
            v = random.random((40, len(shape)))
            before, at, after = (v.copy() for _ in range(3))
            for points, offset in ((before, -1e-6), (at, 0), (after, 1e-6)):
                points[:, x] = (edge + offset) / length
            with torch.no_grad():
                first, middle, second = (network(torch.from_numpy(points)).numpy() for points in (before, at, after))
            np.testing.assert_allclose(first, second, atol=2e-5)
            np.testing.assert_allclose(first - middle, middle - second, atol=1e-9)  # the slope too


def test_function_without_margins_has_edges():
    """Which margins are for: values jump from one tile to the next."""
    network = network_for((16, 24), margin=0).double()
    v = torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before, after = v.clone(), v.clone()
    before[:, 0], after[:, 0] = (8 - 1e-6) / 24, (8 + 1e-6) / 24
    with torch.no_grad():
        assert (network(before) - network(after)).abs().min(dim=0).values.max() > 1e-4


def test_module_has_a_gradient(tmp_path):
    """By autograd, equal to differences of the values, by a weight of each tile that covers the points."""
    network = network_for((13, 22)).double()
    v = torch.rand(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network(v).sum().backward()
    bias = network.layers[1].bias
    for tile in range(network.tiles.n_tiles):
        sums = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                bias[tile, 4] += step
                sums.append(network(v).sum().item())
        with torch.no_grad():
            bias[tile, 4] += 1e-5
        assert bias.grad[tile, 4].item() == pytest.approx((sums[0] - sums[1]) / 2e-5, abs=1e-6)
    assert (bias.grad != 0).any(dim=1).all()


def test_all_tiles_start_from_the_same_numbers(photo):
    """Those of a single network of their size."""
    encoding, training = EncodingConfig(scale=8.0, dimension=6), TrainingConfig(epochs=1, seed=5)
    configs = [
        next(fftool.fit(photo, encoding, NetworkConfig(hidden=10, tile=tile), training)).network.config
        for tile in (16, "none")
    ]
    tiled, single = (CoordinateMLP(config).state_dict() for config in configs)
    assert tiled.keys() == single.keys()
    assert torch.equal(tiled["encoding.B"], single["encoding.B"])
    for name in single.keys() - {"encoding.B"}:
        assert tiled[name].shape == (12, *single[name].shape)
        assert all(torch.equal(each, single[name]) for each in tiled[name])


def test_layers_are_named_as_in_a_checkpoint(tmp_path):
    network = network_for((13, 22), layers=1)
    fftool.save(network, tmp_path / "model.st")
    saved = {name: info.shape for name, info in fftool.describe(tmp_path / "model.st").tensors.items()}
    assert saved == {
        "encoding.B": (2, 7),
        "layers.0.weight": (6, 10, 14),
        "layers.0.bias": (6, 10),
        "layers.1.weight": (6, 3, 10),
        "layers.1.bias": (6, 3),
    }
    assert network.config.n_parameters == 6 * (14 * 10 + 10 + 10 * 3 + 3)
    parameters = named_parameters(network.layer_list)
    for name, parameter in network.named_parameters():
        assert parameters[name] is parameter
    part = named_parameters([layer.of(slice(2, 4)) for layer in network.detached_layers])
    empty = named_parameters(empty_layers(network.config.widths, torch.device("meta"), (2,)))
    assert {name: t.shape for name, t in part.items()} == {name: t.shape for name, t in empty.items()}
    assert part["layers.0.bias"].data_ptr() == network.layers[0].bias[2].data_ptr()


# the gradient


LOSSES = {
    "bce": lambda logits, values: F.binary_cross_entropy_with_logits(logits, values, reduction="none"),
    "mse": lambda logits, values: (logits.sigmoid() - values) ** 2,
}
NETWORKS = [(0, "gaussian"), (1, "none"), (2, "gaussian"), (3, "positional")]


def batch(layers, kind, n=40):
    """A network of 6 tiles, features of positions, and values and a mask for each tile."""
    network = network_for((13, 22), layers=layers, kind=kind, scale="auto" if kind == "none" else 3.0).double()
    random = torch.Generator().manual_seed(layers)
    v = torch.rand(n, 2, generator=random, dtype=torch.float64)
    values = torch.rand(6, 3, n, generator=random, dtype=torch.float64)
    trained = (torch.rand(6, 1, n, generator=random) < 0.7).double()
    trained[4] = 0  # a tile whose samples are all held out
    return network, network.encoding(v), values, trained


def plain_logits(network, features, tile):
    *hidden, last = network.layers
    x = features
    for layer in hidden:
        x = F.relu(F.linear(x, layer.weight[tile], layer.bias[tile]))
    return F.linear(x, last.weight[tile], last.bias[tile]).t()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("layers", "kind"), NETWORKS)
def test_gradient_equals_autograd_in_float64(layers, kind, loss, masked):
    """Of each tile's sum over the trained values, over the number of all; the sums are over the trained ones."""
    network, features, values, trained = batch(layers, kind)
    gradient = TileGradient(network.detached_layers, loss, torch.float64)
    sums, found = gradient(features, values, trained if masked else None)
    losses = squares = torch.zeros((), dtype=torch.float64)
    for tile in range(6):
        mask = trained[tile] if masked else torch.ones(1, 40, dtype=torch.float64)
        logits = plain_logits(network, features, tile)
        losses = losses + (mask * LOSSES[loss](logits, values[tile])).sum()
        squares = squares + (mask * (logits.sigmoid() - values[tile]) ** 2).sum()
    names, parameters = zip(*network.named_parameters(), strict=True)
    expected = dict(zip(names, torch.autograd.grad(losses / (3 * 40), parameters), strict=True))
    assert sums.tolist() == pytest.approx([losses.item(), squares.item()], rel=1e-12)
    assert found.keys() == expected.keys()
    for name, derivative in expected.items():
        torch.testing.assert_close(found[name], derivative, rtol=1e-9, atol=1e-14)
        assert not (masked and found[name][4].any())


def test_gradient_is_the_formula_in_each_tile():
    """By numpy, as for a single network."""
    network = network_for((13, 22)).double()
    random = np.random.default_rng(0)
    v, values = random.random((40, 2)), random.random((6, 40, 3))
    features = network.encoding(torch.from_numpy(v))
    channels_first = torch.from_numpy(values).mT.contiguous()
    sums, found = TileGradient(network.detached_layers, "bce", torch.float64)(features, channels_first)
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    results = [gradient_in_numpy(of_tile(tensors, tile), v, values[tile]) for tile in range(6)]
    assert sums.tolist() == pytest.approx([sum(each[0] for each in results), sum(each[1] for each in results)])
    for name, gradient in found.items():
        expected = np.stack([gradients[name] for _, _, gradients in results])
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-9, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("loss", LOSSES)
def test_bfloat16_gradient_is_within_a_twentieth(loss):
    """Of its length, for each parameter of all tiles."""
    network, features, values, trained = batch(2, "gaussian", n=1000)
    _, exact = TileGradient(network.detached_layers, loss, torch.float64)(features, values, trained)
    single = network.float()
    rough = TileGradient(single.detached_layers, loss, torch.bfloat16)
    _, found = rough(features.bfloat16(), values.float(), trained.float())
    for name, expected in exact.items():
        assert found[name].dtype == torch.float32
        assert (found[name].double() - expected).norm() < 0.05 * expected.norm(), name


def test_gradient_follows_the_weights_as_they_change():
    network, features, values, _ = batch(2, "gaussian")
    network, features, values = network.float(), features.bfloat16(), values.float()
    gradient = TileGradient(network.detached_layers, "bce", torch.bfloat16)
    _, before = gradient(features, values)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    _, after = gradient(features, values)
    _, fresh = TileGradient(network.detached_layers, "bce", torch.bfloat16)(features, values)
    for name, expected in fresh.items():
        assert torch.equal(after[name], expected), name
        assert not torch.equal(after[name], before[name]), name
