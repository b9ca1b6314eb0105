"""Ordinary resizing: samples interpolated with a kernel, one axis after the other.

Three kernels: linear; cubic, Keys' with a = −0.5 (1981), which programs call bicubic; and Lanczos' with 3 lobes. As in
Pillow, a kernel is widened where the size is reduced, and at the border it is cut off and normalized.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fftool.config import ResizeKernel
from fftool.errors import SizeError
from fftool.signal import Samples, quantize

Floats = NDArray[np.floating[Any]]
Weights = Callable[[Floats], Floats]  # of samples at distances in units of theirs


def _linear(distance: Floats) -> Floats:
    weight: Floats = np.maximum(1 - np.abs(distance), 0)
    return weight


def _cubic(distance: Floats) -> Floats:
    d = np.minimum(np.abs(distance), 2)
    return np.where(d < 1, (1.5 * d - 2.5) * d**2 + 1, ((2.5 - 0.5 * d) * d - 4) * d + 2)


def _lanczos(distance: Floats) -> Floats:
    d = np.clip(distance, -3, 3)
    weight: Floats = np.sinc(d) * np.sinc(d / 3)
    return weight


# Each kernel with its reach, beyond which it is 0.
KERNELS: dict[ResizeKernel, tuple[Weights, int]] = {
    "linear": (_linear, 1),
    "cubic": (_cubic, 2),
    "lanczos": (_lanczos, 3),
}


def resize(
    samples: Samples, shape: tuple[int, ...], kernel: ResizeKernel, grid: tuple[slice, ...] | None = None
) -> Samples:
    """Samples with shape (…, y, x, channels) at another size, (*shape, channels).

    `grid` is the place in the array of the samples to interpolate between, as a `Split` has it; all unless given. The
    others have no part in the result. Raises SizeError if it does not fit in memory.
    """
    sizes = samples.shape[:-1]
    grid = grid or tuple(slice(None) for _ in sizes)
    known, peak = samples[grid], np.float32(np.iinfo(samples.dtype).max)
    try:
        result: Samples = np.empty((*shape, samples.shape[-1]), samples.dtype)
        for channel in range(samples.shape[-1]):
            values: Floats = known[..., channel] / peak
            for axis, (old, new, part) in enumerate(zip(sizes, shape, grid, strict=True)):
                first, _, step = part.indices(old)
                spacing = old / new / step  # of the result's samples, in known ones
                centres = ((np.arange(new) + 0.5) * old / new - 0.5 - first) / step
                values = _interpolate(values, axis, centres, max(spacing, 1.0), kernel)
            result[..., channel] = quantize(values, 8 * samples.dtype.itemsize)
    except MemoryError as error:
        raise SizeError(prod(shape)) from error
    return result


def _interpolate(values: Floats, axis: int, centres: Floats, width: float, kernel: ResizeKernel) -> Floats:
    """Values between those along an axis, at positions in units of their distance, by a kernel stretched to a width.

    Its taps are added up one by one, so that memory does not grow with their number.
    """
    weights, reach = KERNELS[kernel]
    length, along = values.shape[axis], [1] * values.ndim
    along[axis] = len(centres)
    result = np.zeros([*values.shape[:axis], len(centres), *values.shape[axis + 1 :]], np.float32)
    total = np.zeros(len(centres))
    first = np.ceil(centres - reach * width).astype(np.int64)
    for index in (first + tap for tap in range(floor(2 * reach * width) + 1)):
        weight = np.where((index >= 0) & (index < length), weights((centres - index) / width), 0)
        taken = np.take(values, index.clip(0, length - 1), axis)
        taken *= weight.astype(np.float32).reshape(along)
        result += taken
        total += weight
    result /= total.astype(np.float32).reshape(along)
    return result
