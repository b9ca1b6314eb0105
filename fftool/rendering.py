"""A network into samples, block by block, so that memory grows with the picture drawn and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import torch

from fftool.config import check_bits
from fftool.errors import FFToolError, SettingError
from fftool.grid import cell_centres
from fftool.network import CoordinateMLP
from fftool.region import Region
from fftool.signal import DTYPES, Samples, quantize

BLOCK = 2048  # cells; from 1024 to 8192 the speed is the same within the noise, beyond it falls
KEPT_BYTES = 31 * 2**20

Report = Callable[[int], object]


def ignore(cells: int) -> None:
    """A report that nobody reads."""


def render(
    network: CoordinateMLP,
    shape: tuple[int, ...] | None = None,
    *,
    region: Region | None = None,
    bits: int | None = None,
    report: Report = ignore,
) -> Samples:
    """Draw a network at any size.

    Args:
        network: on the device that is to do the work.
        shape: the grid's size in array order, (height, width) for a picture; the trained size unless given.
        region: the part of the signal to draw; all of it unless given.
        bits: 8 or 16; those of the trained signal unless given.
        report: called after each block with the number of cells drawn so far.

    Returns:
        uint8 or uint16 array with shape (*shape, channels).

    Raises:
        FFToolError: if the result does not fit in memory, or a size, region or bit depth makes no sense.

    """
    signal = network.config.signal
    shape = shape or signal.shape
    bits = bits or signal.bits
    if len(shape) != len(signal.axes) or min(shape) < 1 or (region and len(region.extent) != len(shape)):
        axes = ", ".join(signal.axes)
        raise SettingError(f"a signal with axes ({axes}) cannot have the shape {shape}", "give a size for each axis")
    check_bits(bits)
    samples = _empty((prod(shape), signal.channels), bits)
    _keep_freed_memory()
    with torch.inference_mode():
        for start in range(0, len(samples), BLOCK):
            index = torch.arange(start, min(start + BLOCK, len(samples)), device=network.device)
            values = network(cell_centres(index, shape, region))  # (block, channels)
            samples[start : start + BLOCK] = quantize(values.numpy(force=True), bits)
            report(start + len(index))
    return samples.reshape(*shape, signal.channels)


def _keep_freed_memory() -> None:
    """Have the C library keep the memory that one block frees for the next one.

    glibc gives freed memory back to the system, which hands it out again page by page, unless something as large had
    been freed before: up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). Measured at 1500×1000 on two cores: 1.3 million page
    faults without this, a few thousand with it, and 1.8 times the speed. Elsewhere it does nothing.
    """
    torch.empty(KEPT_BYTES, dtype=torch.uint8)


def _empty(shape: tuple[int, int], bits: int) -> Samples:
    try:
        return np.empty(shape, DTYPES[bits])
    except (MemoryError, OverflowError, ValueError) as error:
        raise FFToolError(f"{shape[0]:,} cells do not fit in memory", "ask for a smaller size") from error
