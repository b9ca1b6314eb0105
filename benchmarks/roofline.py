"""How much of the time matrix products take that nobody can do without."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from statistics import median
from time import perf_counter

import torch

from benchmarks.figure import Figure
from fftool import CoordinateMLP, Signal, TrainingConfig, fit, render
from fftool.device import PRECISIONS
from fftool.learner import Learner
from fftool.optimizer import ORTHOGONALIZING
from fftool.rendering import BLOCK

ROUNDS = 5
SECONDS = 0.5  # that each side of a comparison takes in a round


def training(signal: Signal) -> Figure:
    """Training steps of the default settings against their products alone, of the same sizes and dtype."""
    network = next(fit(signal, training=TrainingConfig(epochs=1))).network
    settings = network.config.training
    learner = Learner(network, signal)
    size = settings.batch_size or signal.cells
    order = torch.randperm(signal.cells, dtype=torch.int32)
    batches = cycle(order[: signal.cells // size * size].split(size))  # new ones each time, as in training
    step, floor = side_by_side(lambda: learner.step(next(batches), 1e-4), step_products(network, size))
    return Figure(
        name=f"training, of the speed of its products, batches of {size} in {settings.precision}",
        value=floor / step,
        parts={"pixels_per_second": size / step, "roofline_pixels_per_second": size / floor},
    )


def step_products(network: CoordinateMLP, n: int) -> Callable[[], None]:
    """The matrix products of a step on a batch of n, each as one call of torch's: forward, backward, and Muon's."""
    precision = PRECISIONS[network.config.training.precision]
    weights = [weight.to(precision) for weight, _ in network.weights_and_biases]
    inputs = [torch.rand(n, weight.shape[1]).to(precision) for weight in weights]
    slopes = [torch.rand(n, len(weight)).to(precision) for weight in weights]
    gradients = [torch.empty_like(weight) for weight in weights]
    squares = torch.rand(len(weights) - 1, len(weights[0]), len(weights[0])).to(precision)
    turned = torch.empty_like(squares)
    assert all(weight.shape == weights[0].shape for weight in weights[:-1])  # so that one batch of products is all

    def run() -> None:
        for i, weight in enumerate(weights):
            torch.mm(inputs[i], weight.t(), out=slopes[i])
        for i, weight in reversed(list(enumerate(weights))):
            torch.mm(slopes[i].t(), inputs[i], out=gradients[i])
            if i:
                torch.mm(slopes[i], weight, out=inputs[i])
        for _ in range(3 * len(ORTHOGONALIZING)):
            torch.bmm(squares, squares.mT, out=turned)

    return run


def rendering(network: CoordinateMLP, width: int, height: int) -> Figure:
    """Rendering against its products alone, in blocks of the same size."""
    cells = width * height
    block = min(cells, BLOCK["cpu"] // width * width or BLOCK["cpu"])
    weights = [weight for weight, _ in network.weights_and_biases]
    x = torch.rand(block, weights[0].shape[1])
    outputs = [torch.empty(block, len(weight)) for weight in weights]

    def products() -> None:
        for _ in range(cells // block):
            inputs = x
            for weight, output in zip(weights, outputs, strict=True):
                inputs = torch.mm(inputs, weight.t(), out=output)

    ours, floor = side_by_side(lambda: render(network, (height, width)), products)
    return Figure(
        name=f"rendering, of the speed of its products, {width}×{height}",
        value=floor / ours,
        parts={"pixels_per_second": cells / ours, "roofline_pixels_per_second": cells // block * block / floor},
    )


def side_by_side(*works: Callable[[], object]) -> list[float]:
    """The seconds that one run of each takes: the median of a few rounds, in which they take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, seconds in zip(works, times, strict=True):
            runs, start = 0, perf_counter()
            while (taken := perf_counter() - start) < SECONDS or not runs:
                work()
                runs += 1
            seconds.append(taken / runs)
    return [median(seconds) for seconds in times]
