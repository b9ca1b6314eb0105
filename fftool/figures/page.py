"""The page that all figures are drawn on: its layout, style and file formats."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.backends.backend_agg  # or else it is imported when the first figure is drawn
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from fftool.config import DEFAULT_QUALITY
from fftool.errors import FormatError
from fftool.files import replacing
from fftool.signal import Samples

DPI = 150
# Okabe and Ito's colour-blind safe palette, without black, which is the colour of the axes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GREY, GRID = "#666666", "#dddddd"
DEFAULTS = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}
STYLE: dict[Any, Any] = DEFAULTS | {  # all settings, so that a matplotlibrc changes nothing
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "fftool",
}
styled = mpl.rc_context(STYLE)  # decorator of functions that draw a page
# Settings of each format: no date, so that the same figure gives the same bytes, and colours as sharp as the rest.
OPTIONS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
    **{kind: {"pil_kwargs": {"quality": DEFAULT_QUALITY, "subsampling": 0}} for kind in ("jpg", "jpeg")},
    "webp": {"pil_kwargs": {"lossless": True}},  # or else it halves the resolution of colours
}
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tiff", ".tif", ".pdf", ".svg")
TITLE_LENGTH = 60  # characters
LEGEND = 0.48  # inches between the x axis and a legend below it


class Page:
    """Figure with axes and text placed by their distance from its upper left corner, in inches."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=DPI)

    def axes(self, x: float, y: float, width: float, height: float, **settings: Any) -> Axes:
        """Axes with their upper left corner at (x, y)."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place, **settings)

    def text(self, x: float, y: float, text: str, **settings: Any) -> None:
        """Text with its upper left corner at (x, y), unless aligned otherwise."""
        place = (x / self.width, 1 - y / self.height)
        self.figure.text(*place, text, parse_math=False, **({"verticalalignment": "top"} | settings))

    def title(self, x: float, y: float, text: str) -> None:
        """Title of the page, with its upper left corner at (x, y)."""
        self.text(x, y, shortened(text, TITLE_LENGTH), fontsize=12, weight="bold")

    def legend_below(self, axes: Axes, **settings: Any) -> None:
        """Legend in two columns below the label of the x axis, where it covers nothing."""
        offset = LEGEND / (axes.get_position().height * self.height)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -offset), ncols=2, borderaxespad=0, **settings)

    def image(self) -> Image.Image:
        """The page as an RGB image."""
        pixels = BytesIO()
        self.figure.savefig(pixels, format="png")
        return Image.open(pixels).convert("RGB")

    def save(self, path: Path) -> None:
        """Write the page in the format that the suffix names. Raises FormatError and WriteError."""
        check_suffix(path)
        kind = path.suffix.lower().removeprefix(".")
        with replacing(path) as file, mpl.rc_context(STYLE):
            self.figure.savefig(file, format=kind, **OPTIONS.get(kind, {}))


def check_suffix(path: Path) -> None:
    """Raise FormatError unless the suffix names a format of figures."""
    if path.suffix.lower() not in SUFFIXES:
        expected = f"one of {', '.join(SUFFIXES)}"
        raise FormatError("suffix", f"{path}: no suffix of a known figure format: expected {expected}")


def displayed(samples: Samples) -> Samples:
    """Samples with shape (height, width, channels) as matplotlib takes them: 8 bits, and grey as RGB."""
    peak = np.iinfo(samples.dtype).max
    shown = samples if peak == 255 else np.rint(samples * (255 / peak)).astype(np.uint8)
    if samples.shape[-1] in (1, 2):
        shown = np.concatenate([np.repeat(shown[..., :1], 3, axis=-1), shown[..., 1:]], axis=-1)
    return shown


def show(axes: Axes, samples: Samples) -> None:
    """Draw an image into axes without a frame: enlarged pixels are squares, and reduced ones are averaged."""
    axes.imshow(displayed(samples), interpolation="auto")
    axes.set_axis_off()


def shortened(name: str, length: int) -> str:
    """The end of a name that is too long for its place."""
    return name if len(name) <= length else f"…{name[1 - length :]}"
