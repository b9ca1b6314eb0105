"""A GPU's work of many small kernels, launched as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]


class Graph(Protocol):
    """Recorded work of a function on one input tensor, which is overwritten before each replay."""

    def __init__(self, function: Function, input: Tensor) -> None: ...

    def replay(self) -> Tensor:
        """Do the work again; the result is overwritten by the next replay."""

    @staticmethod
    def warm_up(function: Function, input: Tensor) -> Tensor:
        """Run the function under the conditions of a recording, without one."""


class CudaGraph:
    """Graph of torch.cuda."""

    def __init__(self, function: Function, input: Tensor) -> None:
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):  # records, and runs nothing
            self.output = function(input)

    def replay(self) -> Tensor:
        self.graph.replay()
        return self.output

    @staticmethod
    def warm_up(function: Function, input: Tensor) -> Tensor:
        """Run on a side stream, as a graph is."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = function(input)
        torch.cuda.current_stream().wait_stream(stream)
        return output


class EagerGraph:
    """Graph that runs its function at each replay, on any device: the logic around a graph without a GPU."""

    def __init__(self, function: Function, input: Tensor) -> None:
        self.function, self.input = function, input

    def replay(self) -> Tensor:
        return self.function(self.input)

    @staticmethod
    def warm_up(function: Function, input: Tensor) -> Tensor:
        return function(input)


GRAPHS: dict[str, type[Graph]] = {"cuda": CudaGraph}  # by the type of device; others run without


class Replayed:
    """Function of one tensor that does the same work each time, replayed as a graph once it has run a few times.

    A training step is about fifty kernels, each of which takes longer to launch from Python than to run. The result is
    overwritten by the next call. An input with another number of rows, such as an epoch's last batch, runs kernel by
    kernel.
    """

    WARM_UP_RUNS = 3  # before the recording, so that libraries and memory are set up, as torch's notes on graphs ask

    def __init__(self, function: Function, rows: int, graph: type[Graph]) -> None:
        self.function, self.rows, self.make_graph = function, rows, graph
        self.reset()

    def reset(self) -> None:
        """Drop the graph, as the memory that it addresses is about to be freed."""
        self.runs = 0
        self.recorded: tuple[Graph, Tensor] | None = None

    def __call__(self, argument: Tensor) -> Tensor:
        if len(argument) != self.rows:
            return self.function(argument)
        if self.runs < self.WARM_UP_RUNS:
            self.runs += 1
            return self.make_graph.warm_up(self.function, argument)
        if self.recorded is None:
            input = argument.clone()
            graph = self.make_graph(self.function, input)
            if self.runs < self.WARM_UP_RUNS:  # memory ran out in between, and some that it addresses was freed
                return self(argument)
            self.recorded = graph, input
        graph, input = self.recorded
        input.copy_(argument)
        return graph.replay()
