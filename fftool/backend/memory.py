"""Memory: reused buffers, block sizes, and errors of every allocator made alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from fftool.errors import OutOfMemoryError, Work

CHECKED = 2**22  # numbers at once
BLOCK_BYTES = 2**30  # at once, as a request for more than there is may end the process

# Messages of RuntimeErrors by torch's allocators, which have a type of their own for CUDA alone.
ALLOCATION_MESSAGES = (
    "can't allocate memory",  # CPU on Linux and macOS
    "not enough memory: you tried to allocate",  # CPU on Windows
    "MPS backend out of memory",
    "Cannot allocate memory",  # mmap and threads
    "CUDA out of memory",  # re-raised without its type, as by a captured graph
    "CUDA error: out of memory",  # by the driver
    "CUBLAS_STATUS_ALLOC_FAILED",
)


class Buffers:
    """Matrices by name on one device, reused: new memory for each batch costs more than most of the work in it.

    Each is as large as the largest one that was asked for by its name.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = device, dtype
        self.memory: dict[str, Tensor] = {}

    def __call__(self, name: str, rows: int, columns: int) -> Tensor:
        """Matrix of that size with arbitrary content; all by one name have the same number of columns."""
        if name not in self.memory or len(self.memory[name]) < rows:
            self.memory[name] = torch.empty(rows, columns, dtype=self.dtype, device=self.device)
        return self.memory[name][:rows]

    def clear(self) -> None:
        """Give the memory back."""
        self.memory.clear()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch means that memory ran out, on any device and system."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in ALLOCATION_MESSAGES)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Section in which memory that runs out, on any device, raises MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise


@contextmanager
def enough_memory(work: Work) -> Iterator[None]:
    """Section in which memory that runs out raises OutOfMemoryError."""
    try:
        with memory_errors():
            yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(work) from error


def all_finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite, in memory that does not grow with the tensor: `isfinite` copies it."""
    return all(bool(part.isfinite().all()) for part in tensor.detach().reshape(-1).split(CHECKED))


def block_size(most: int, bytes_per_sample: int, least: int) -> int:
    """Number of samples to process at once, within BLOCK_BYTES."""
    return min(most, max(BLOCK_BYTES // bytes_per_sample, least))


Result = TypeVar("Result")


def in_blocks(work: Callable[[int], Result], block: int, least: int) -> tuple[Result, int]:
    """Result of work in blocks of a size, or of half of it, and so on down to `least` while memory runs out.

    Also returns the size that was small enough. Raises MemoryError if none was.
    """
    while True:
        try:
            with memory_errors():
                return work(block), block
        except MemoryError:
            if block <= least:
                raise
        block = max(block // 2, least)  # outside of the handler, which keeps the memory of the failed attempt alive
