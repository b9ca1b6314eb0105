"""Where the arithmetic runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fftool.config import Device
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


@contextmanager
def enough_memory(hint: str) -> Iterator[None]:
    """Within it, FFToolError with that hint is raised where memory runs out, on the CPU or on a GPU."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch has a type for a GPU's memory alone: the CPU's allocator raises a plain RuntimeError
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise FFToolError("there is not enough memory", hint) from error
        raise
