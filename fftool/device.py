"""Where the arithmetic runs."""

from __future__ import annotations

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
