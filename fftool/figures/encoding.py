"""Contact sheet of an encoding: the features of each frequency, as images."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from math import ceil, isqrt

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from fftool.figures.page import COLOURS, DPI, GREY, Page, styled
from fftool.models.frequencies import Frequencies
from fftool.signal import Samples

ABOVE = COLOURS[1]  # colour of frequencies above Nyquist
MAX_PAIRS = 256  # more would be too small to see
TILE, MAX_TILE = 96, 128  # pixels along the longer side of a tile: enlarged up to the first, reduced to the second
LEFT, TOP, SPACE = 30, 150, 4  # pixels
SYMBOLS = {1: ("bx x", "bx"), 2: ("(bx x + by y)", "(bx, by)")}  # phase and frequency, by the number of axes


@styled
def contact_sheet(frequencies: Frequencies, previews: Iterable[tuple[Samples, Samples]], size_text: str) -> Page:
    """Cosine and sine of each frequency side by side, below its number and its b.

    Args:
        frequencies: the frequencies.
        previews: images of the features, in the order of `Frequencies.features`, with shape (height, width, 1).
        size_text: size of the grid, in words: 100x100 pixels.

    """
    tiles = []
    for cos, sin in islice(previews, MAX_PAIRS):
        tiles.append((_tile(cos), _tile(sin)))
        is_reduced = max(cos.shape) > MAX_TILE
    tile_y, tile_x = tiles[0][0].shape
    label_width = 80 + 75 * frequencies.n_axes
    step_x, step_y = max(2 * tile_x + SPACE, label_width) + 24, tile_y + 40
    columns = max(4, isqrt(len(tiles) - 1) + 1)
    page = Page((columns * step_x + LEFT + 10) / DPI, (TOP + ceil(len(tiles) / columns) * step_y) / DPI)
    if is_reduced:  # waves that are too fine for a tile turn grey
        size_text += f", reduced to {tile_x}x{tile_y}"
    _draw_heading(page, frequencies, len(tiles), size_text)
    sheet = page.axes(0, 0, page.width, page.height)  # in pixels, so that no tile is resampled
    sheet.set_axis_off()
    for j, pair in enumerate(tiles):
        row, column = divmod(j, columns)
        x, y = LEFT + column * step_x, TOP + row * step_y
        _draw_label(page, x, y, frequencies, j)
        _draw_tile(sheet, x, y, pair[0])
        _draw_tile(sheet, x + tile_x + SPACE, y, pair[1])
    sheet.set(xlim=(0, page.width * DPI), ylim=(page.height * DPI, 0))
    return page


def _tile(samples: Samples) -> NDArray[np.uint8]:
    """An image enlarged by a whole factor, or reduced by averaging, shape (height, width)."""
    height, width = samples.shape[:2]
    longer = max(width, height)
    factor = max(1, TILE // longer) if longer <= MAX_TILE else MAX_TILE / longer
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(samples[..., 0]).resize(size, Image.Resampling.BOX))


def _draw_heading(page: Page, frequencies: Frequencies, shown: int, size_text: str) -> None:
    m, n_above = frequencies.B.shape[1], int(frequencies.above_nyquist.sum())
    phase, symbol = SYMBOLS.get(frequencies.n_axes, ("b·v", "b"))
    lines = [
        f"At {size_text}: cos 2π{phase}, and the sine beside it. Black is −1, white is 1.",
        f"Above each pair: its number, and {symbol} in cycles per side.",
    ]
    if shown < m:
        lines[1] += f" The first {shown} are shown."
    if n_above:
        lines.append(f"▲ above Nyquist, {n_above} in all: at this size they look like lower frequencies.")
    page.title(LEFT / DPI, 0.12, f"{frequencies.title}: {m} frequencies")
    page.text(LEFT / DPI, 0.37, "\n".join(lines), color=GREY, fontsize=7.5, linespacing=1.4)


def _draw_label(page: Page, x: float, y: float, frequencies: Frequencies, j: int) -> None:
    digits = len(str(frequencies.B.shape[1] - 1))
    above = bool(frequencies.above_nyquist[j])
    b = ", ".join(f"{component:.4g}" for component in frequencies.B[:, j].tolist()).replace("-", "−")
    text = f"{'▲ ' if above else ''}{j:0{digits}}  ({b})"
    colour = ABOVE if above else "black"
    page.text(x / DPI, (y - 4) / DPI, text, color=colour, fontsize=7.5, verticalalignment="bottom")


def _draw_tile(sheet: Axes, x: float, y: float, tile: NDArray[np.uint8]) -> None:
    height, width = tile.shape
    extent = (x, x + width, y + height, y)
    sheet.imshow(tile, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
