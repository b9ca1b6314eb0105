"""Speed of training and rendering, as a share of the speed of their matrix products alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from benchmarks.figure import Figure
from benchmarks.quality import ONE_NETWORK, begin
from fftool import CoordinateMLP, NetworkConfig, Signal, render
from fftool.backend.device import DTYPES
from fftool.rendering import RENDER_BLOCK
from fftool.training.groups import make_groups
from fftool.training.optimizers import ORTHOGONALIZING, TILE_ITERATIONS

ROUNDS = 5
SECONDS = 0.5  # for each side of a comparison in a round


def training(signal: Signal, request: NetworkConfig = ONE_NETWORK) -> Figure:
    """Training steps of the default settings against their products alone, of the same sizes and dtype.

    Of tiles, the steps of their first group; the pixels of their margins count too.
    """
    network = begin(signal, network=request)
    settings, groups = network.config.training, make_groups(network, signal, signal)
    groups.begin(0)
    size, n_tiles = settings.batch_size, len(groups.tiles)
    order = torch.randperm(groups.n_positions, dtype=torch.int32)
    batches = cycle(order[: groups.n_positions // size * size].split(size))  # another one each time, as in training
    products = tile_step_products(network, n_tiles, size) if network.tiles else step_products(network, size)
    ours, floor = side_by_side(lambda: groups.step(next(batches), 1e-4), products)
    tiles = f" of {n_tiles} tiles" if network.tiles else ""
    return Figure(
        name=f"training, of the speed of its products, batches of {size}{tiles} in {settings.precision}",
        value=floor / ours,
        parts={"pixels_per_second": n_tiles * size / ours, "roofline_pixels_per_second": n_tiles * size / floor},
    )


def step_products(network: CoordinateMLP, n: int) -> Callable[[], None]:
    """The matrix products of a step on a batch of n, each as one call of torch: forward, backward, and Muon's."""
    dtype = DTYPES[network.config.training.precision]
    weights = [layer.weight.to(dtype) for layer in network.detached_layers]
    inputs = [torch.rand(n, weight.shape[1]).to(dtype) for weight in weights]
    slopes = [torch.rand(n, len(weight)).to(dtype) for weight in weights]
    gradients = [torch.empty_like(weight) for weight in weights]
    squares = torch.rand(len(weights) - 1, len(weights[0]), len(weights[0])).to(dtype)
    products = torch.empty_like(squares)
    assert all(weight.shape == weights[0].shape for weight in weights[:-1])  # so that Muon computes them together

    def run() -> None:
        for i, weight in enumerate(weights):
            torch.mm(inputs[i], weight.t(), out=slopes[i])
        for i, weight in reversed(list(enumerate(weights))):
            torch.mm(slopes[i].t(), inputs[i], out=gradients[i])
            if i:
                torch.mm(slopes[i], weight, out=inputs[i])
        for _ in range(3 * len(ORTHOGONALIZING)):
            torch.bmm(squares, squares.mT, out=products)

    return run


def tile_step_products(network: CoordinateMLP, n_tiles: int, n: int) -> Callable[[], None]:
    """The matrix products of a step of so many tiles on n samples of each: forward, backward, and Muon's."""
    dtype = DTYPES[network.config.training.precision]
    first, *others = (layer.weight[:n_tiles].to(dtype) for layer in network.detached_layers)
    features = torch.rand(n, first.shape[2]).to(dtype)
    outputs, slopes = (
        [torch.rand(n_tiles, weight.shape[1], n).to(dtype) for weight in (first, *others)] for _ in range(2)
    )
    gradients = [torch.empty_like(weight) for weight in (first, *others)]
    orthogonalizing = [orthogonalizing_products(weight) for weight in (first, *others)[:-1]]

    def run() -> None:
        torch.mm(first.flatten(0, 1), features.t(), out=outputs[0].flatten(0, 1))
        for i, weight in enumerate(others):
            torch.bmm(weight, outputs[i], out=outputs[i + 1])
        for i, weight in reversed(list(enumerate(others))):
            torch.bmm(slopes[i + 1], outputs[i].mT, out=gradients[i + 1])
            torch.bmm(weight.mT, slopes[i + 1], out=slopes[i])
        torch.mm(slopes[0].flatten(0, 1), features, out=gradients[0].flatten(0, 1))
        for products in orthogonalizing:
            products()

    return run


def orthogonalizing_products(weight: Tensor) -> Callable[[], None]:
    """The matrix products of Muon for a weight of tiles, with shape (tiles, out, in)."""
    x = weight.mT.contiguous() if weight.shape[1] > weight.shape[2] else weight
    gram, square = (x.new_empty(len(x), x.shape[1], x.shape[1]) for _ in range(2))
    product = torch.empty_like(x)

    def run() -> None:
        for _ in range(TILE_ITERATIONS):
            torch.bmm(x, x.mT, out=gram)
            torch.bmm(gram, gram, out=square)
            torch.bmm(square, x, out=product)

    return run


def rendering(network: CoordinateMLP, width: int, height: int) -> Figure:
    """Rendering against its products alone, in blocks of the same size."""
    n_samples, most = width * height, RENDER_BLOCK["cpu"]
    block = min(n_samples, most // width * width or most)
    weights = [layer.weight for layer in network.detached_layers]
    x = torch.rand(block, weights[0].shape[1])
    outputs = [torch.empty(block, len(weight)) for weight in weights]

    def products() -> None:
        for _ in range(n_samples // block):
            inputs = x
            for weight, output in zip(weights, outputs, strict=True):
                inputs = torch.mm(inputs, weight.t(), out=output)

    ours, floor = side_by_side(lambda: render(network, (height, width)), products)
    return Figure(
        name=f"rendering, of the speed of its products, {width}×{height}",
        value=floor / ours,
        parts={"pixels_per_second": n_samples / ours, "roofline_pixels_per_second": n_samples // block * block / floor},
    )


def side_by_side(*works: Callable[[], object]) -> list[float]:
    """Seconds that one run of each takes: the median over a few rounds, in which they take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, seconds in zip(works, times, strict=True):
            runs, start = 0, perf_counter()
            while (elapsed := perf_counter() - start) < SECONDS or not runs:
                work()
                runs += 1
            seconds.append(elapsed / runs)
    return [median(seconds) for seconds in times]
