"""Where the arithmetic runs, and how precisely."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import torch
from torch import Tensor

from fftool.backend import kernels
from fftool.backend.processors import available_processors
from fftool.config import Device, Precision, ResolvedDevice, ResolvedPrecision
from fftool.errors import DeviceError

DTYPES: dict[ResolvedPrecision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # of the libraries below torch


def select_device(name: Device) -> ResolvedDevice:
    """The device of that name; for `auto` a GPU if torch finds one, else the CPU.

    Raises DeviceError if torch finds no such device.
    """
    available: dict[ResolvedDevice, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(kind for kind, there in available.items() if there)
    if not available[name]:
        raise DeviceError(name)
    return name


def select_precision(name: Precision, device: ResolvedDevice) -> ResolvedPrecision:
    """The precision of that name; for `auto`, bfloat16 where the processor is faster with it, else float32.

    It follows from the machine alone, so that the same seed always gives the same bytes there.
    """
    if name != "auto":
        return name
    if device == "cpu":
        return "bfloat16" if kernels.multiplies_bfloat16() else "float32"
    has_bfloat16 = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_bfloat16 else "float32"


def use_threads(count: int) -> None:
    """Compute with that many CPU threads from now on, in the whole process.

    0 leaves the number as it is, but for those that would wait for each other: more than the system grants processors.
    A number in the environment is torch's to follow.
    """
    if not count and not any(name in os.environ for name in THREAD_VARIABLES):
        available = available_processors()
        count = available if available and available < torch.get_num_threads() else 0
    if count:
        torch.set_num_threads(count)


class FiniteCheck:
    """Check that numbers computed on a device are finite.

    Where `late`, as on a CUDA device, it answers for the numbers of the call before, so that the work after them is
    under way before anything waits for them.
    """

    def __init__(self, late: bool) -> None:
        self.late = late
        self.copied: tuple[Tensor, Callable[[], object]] | None = None

    def __call__(self, values: Tensor) -> bool:
        """Whether these numbers, or those of the call before, are finite."""
        if not self.late:
            return all(map(math.isfinite, values.tolist()))
        previous, self.copied = self.copied, _copy_to_host(values)
        if previous is None:
            return True
        copy, wait = previous
        wait()
        return all(map(math.isfinite, copy.tolist()))


def _copy_to_host(values: Tensor) -> tuple[Tensor, Callable[[], object]]:
    """A copy that is complete once the function beside it has returned."""
    if values.device.type != "cuda":
        return values.to("cpu", copy=True), lambda: None
    copy, event = torch.empty_like(values, device="cpu", pin_memory=True), torch.cuda.Event()
    copy.copy_(values, non_blocking=True)
    event.record()
    return copy, event.synchronize
