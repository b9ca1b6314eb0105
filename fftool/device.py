"""Where the arithmetic runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

import torch
from torch import Tensor

from fftool.config import Device, Precision
from fftool.errors import FFToolError


def select_device(name: Device) -> Device:
    """The device of that name, if this machine has it; for `auto` a GPU if torch finds one, else the CPU.

    Raises FFToolError if torch finds no such device.
    """
    available: dict[Device, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(kind for kind, there in available.items() if there)
    if not available[name]:
        raise FFToolError(f"torch finds no {name} device on this machine", "use --device cpu, or leave --device out")
    return name


def use_threads(count: int | None) -> None:
    """Compute with that many threads on the CPU from now on, in the whole process; None leaves it as it is."""
    if count is not None:
        torch.set_num_threads(count)


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MARGIN = 1.3  # by which bfloat16 has to be faster to be taken, so that noise never decides


def select_precision(name: Precision, device: Device) -> Precision:
    """The precision of that name; for `auto`, bfloat16 where it is clearly faster on this machine, else float32.

    On a CPU, that is measured, which takes a few milliseconds: without hardware for it, bfloat16 is many times slower.
    """
    if name != "auto":
        return name
    if device == "cpu":
        faster = MARGIN * _seconds(torch.bfloat16) < _seconds(torch.float32)
    else:
        faster = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if faster else "float32"


def _seconds(dtype: torch.dtype) -> float:
    """The shortest of a few times that a product as large as a training step's takes."""
    a, b = torch.ones(512, 256, dtype=dtype), torch.ones(256, 256, dtype=dtype)
    times = []
    for _ in range(6):  # the first one also sets up the threads and the kernel
        start = perf_counter()
        a @ b
        times.append(perf_counter() - start)
    return min(times)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Within it, memory that runs out on the CPU or on a GPU is a MemoryError."""
    try:
        yield
    except RuntimeError as error:
        # torch has a type for a GPU's memory alone: the CPU's allocator raises a plain RuntimeError
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise


@contextmanager
def enough_memory(hint: str) -> Iterator[None]:
    """Within it, FFToolError with that hint is raised where memory runs out."""
    try:
        with memory_errors():
            yield
    except MemoryError as error:
        raise FFToolError("there is not enough memory", hint) from error


BLOCK_BYTES = 2**30


def block_size(most: int, bytes_per_cell: int, least: int) -> int:
    """How many cells to work on at once: up to BLOCK_BYTES, as asking for more than there is may end the process."""
    return min(most, max(BLOCK_BYTES // bytes_per_cell, least))


Result = TypeVar("Result")


def in_blocks(work: Callable[[int], Result], block: int, least: int) -> tuple[Result, int]:
    """What comes of work in blocks of that size, or half of it, and so on down to `least` where memory runs out.

    Also gives the size that was small enough. Raises MemoryError if none was.
    """
    while True:
        try:
            with memory_errors():
                return work(block), block
        except MemoryError:
            if block <= least:
                raise
        block = max(block // 2, least)  # out of the handler, which holds the memory of what failed


class Watch:
    """Tells whether numbers that a device computes are finite.

    Of a CUDA device it tells that one call late, so that the work after them is under way before they are waited for.
    """

    def __init__(self, device: torch.device) -> None:
        self.late = device.type == "cuda"
        self.copied: tuple[Tensor, torch.cuda.Event] | None = None

    def __call__(self, numbers: Tensor) -> bool:
        """Whether these, or of a CUDA device those of the last call, are finite."""
        if not self.late:
            return all(map(math.isfinite, numbers.tolist()))
        previous = self.copied
        self.copied = torch.empty_like(numbers, device="cpu", pin_memory=True), torch.cuda.Event()
        self.copied[0].copy_(numbers, non_blocking=True)
        self.copied[1].record()
        if previous is None:
            return True
        previous[1].synchronize()
        return all(map(math.isfinite, previous[0].tolist()))
