"""A network into samples, block by block, so that memory grows with the picture drawn and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod

import numpy as np
import torch
from torch import Tensor

from fftool.buffers import Buffers
from fftool.config import check_bits
from fftool.device import block_size, enough_memory, in_blocks
from fftool.errors import FFToolError, SettingError
from fftool.grid import cell_centres, pieces
from fftool.network import CoordinateMLP, rectified
from fftool.region import Region
from fftool.signal import DTYPES, Samples, assembled, quantize
from fftool.waves import Waves

BLOCK = {"cpu": 8192}  # cells; 4096 are 3 to 10 % slower, fewer more so, and 16384 no faster
LARGE_BLOCK = 2**16  # on other devices, which have to be kept busy
LEAST_BLOCK = 256  # where memory is short
BAND = 2**18  # cells that are handed over at once

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
        report: called now and then with the number of cells drawn so far.

    Returns:
        uint8 or uint16 array with shape (*shape, channels).

    Raises:
        FFToolError: if the result does not fit in memory, a size, region or bit depth makes no sense, or the network's
            values are not finite.

    """
    signal = network.config.signal
    shape = shape or signal.shape
    bits = bits or signal.bits
    bands = render_bands(network, shape, region=region, bits=bits, report=report)
    return assembled(bands, (*shape, signal.channels), bits)


def render_bands(
    network: CoordinateMLP,
    shape: tuple[int, ...],
    *,
    region: Region | None = None,
    bits: int,
    report: Report = ignore,
) -> Iterator[Samples]:
    """What `render` gives, some rows at a time: arrays with shape (rows, width, channels), one after the other.

    All have the same number of rows, but the last one may have fewer.
    """
    signal = network.config.signal
    if len(shape) != len(signal.axes) or min(shape) < 1 or (region and len(region.extent) != len(shape)):
        axes = ", ".join(signal.axes)
        raise SettingError(f"a signal with axes ({axes}) cannot have the shape {shape}", "give a size for each axis")
    check_bits(bits)
    return _bands(network, shape, region, bits, report)


def _bands(
    network: CoordinateMLP, shape: tuple[int, ...], region: Region | None, bits: int, report: Report
) -> Iterator[Samples]:
    rows, width = prod(shape[:-1]), shape[-1]
    size = max(1, BAND // width)  # rows in a band
    with enough_memory("use a smaller --size, or another --device"):
        drawing = _Drawing(network, shape, region)
        for first in range(0, rows, size):
            band = np.empty((min(size, rows - first), width, network.config.signal.channels), DTYPES[bits])
            drawing.fill(band, first, bits, report)
            yield band


class _Drawing:
    """A network on a grid, in pieces of up to so many cells."""

    def __init__(self, network: CoordinateMLP, shape: tuple[int, ...], region: Region | None) -> None:
        self.device, self.shape, self.region, self.B = network.device, shape, region, network.B
        self.layers = network.weights_and_biases
        if self.B is not None:
            weight, bias = self.layers[0]
            # waves have each cosine next to its sine
            self.layers[0] = weight.unflatten(1, (2, -1)).mT.flatten(1), bias
        most = BLOCK.get(self.device.type, LARGE_BLOCK)
        self.block = block_size(most, 4 * sum(network.config.widths), LEAST_BLOCK)
        self.waves: Waves | None = None
        self.buffers = Buffers(self.device)

    def fill(self, band: Samples, first: int, bits: int, report: Report) -> None:
        """Draw some rows, of which the first is that one of the grid."""
        _, self.block = in_blocks(partial(self._fill, band, first, bits, report), self.block, LEAST_BLOCK)

    def _fill(self, band: Samples, first: int, bits: int, report: Report, block: int) -> None:
        if block < self.block:
            self.waves, self.buffers = None, Buffers(self.device)
        width = band.shape[1]
        if self.B is not None and self.waves is None:
            self.waves = Waves(self.B, self.shape, self.region, min(width, block))
        for y, x in pieces(len(band), width, block):
            piece = band[y, x]
            values = self.values(first + y.start, x.start, piece.shape[:2]).numpy(force=True)
            if not np.isfinite(values).all():
                raise FFToolError("the network's values are not finite", "train it with a smaller --learning-rate")
            piece[:] = quantize(values, bits).reshape(piece.shape)
            report((first + y.start) * width + len(piece) * x.stop)

    @torch.inference_mode()
    def values(self, row: int, column: int, shape: tuple[int, int]) -> Tensor:
        """Those of a piece with that first row and column: float32 with shape (rows × columns, channels)."""
        x = self._features(row, column, shape)
        *hidden, (weight, bias) = self.layers
        for layer in hidden:
            x = rectified(x, *layer)
        return torch.addmm(bias, x, weight.t()).sigmoid_()

    def _features(self, row: int, column: int, shape: tuple[int, int]) -> Tensor:
        rows, columns = shape
        if self.waves is None:
            starts = torch.arange(row, row + rows) * self.shape[-1] + column
            cells = (starts[:, None] + torch.arange(columns)).flatten().to(self.device)
            return cell_centres(cells, self.shape, self.region)
        features = self.buffers("features", rows * columns, self.layers[0][0].shape[1])
        self.waves.draw(row, column, torch.view_as_complex(features.view(rows, columns, -1, 2)))
        return features
