"""What all figures share: the page they are on, its type and colours, and the file it goes into."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from fftool.errors import FFToolError
from fftool.files import replacing
from fftool.signal import Samples

DPI = 150
# Okabe and Ito's colours, which stay apart for the colour-blind; black, which is the axes', is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GREY = "#666666"
DEFAULTS = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}
STYLE: dict[Any, Any] = DEFAULTS | {  # whatever a matplotlibrc has
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "fftool",
}
styled = mpl.rc_context(STYLE)  # decorates what draws a page
# How formats are written: without the date, so that the same figure gives the same bytes; and finer than by default.
OPTIONS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
    **{kind: {"pil_kwargs": {"quality": 90}} for kind in ("jpg", "jpeg", "webp")},
}
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tiff", ".tif", ".pdf", ".svg")


class Page:
    """A figure on which things are placed by their distance from its upper left corner, in inches."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=DPI)

    def axes(self, x: float, y: float, width: float, height: float, **settings: Any) -> Axes:
        """Axes whose upper left corner is at (x, y)."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place, **settings)

    def text(self, x: float, y: float, text: str, **settings: Any) -> None:
        """Text whose upper left corner is at (x, y), unless aligned otherwise."""
        place = (x / self.width, 1 - y / self.height)
        self.figure.text(*place, text, parse_math=False, **({"verticalalignment": "top"} | settings))

    def image(self) -> Image.Image:
        """The page as pixels."""
        pixels = BytesIO()
        self.figure.savefig(pixels, format="png")
        return Image.open(pixels).convert("RGB")

    def save(self, path: Path) -> None:
        """Write it in the format that the suffix names. Raises FFToolError where the file can't be written."""
        check_suffix(path)
        kind = path.suffix.lower().removeprefix(".")
        with replacing(path) as file, mpl.rc_context(STYLE):
            self.figure.savefig(file, format=kind, **OPTIONS.get(kind, {}))


def check_suffix(path: Path) -> None:
    """Raise FFToolError unless the suffix names a format that figures are written in."""
    if path.suffix.lower() not in SUFFIXES:
        raise FFToolError(f"{path} has no suffix of a known figure format", f"use one of {', '.join(SUFFIXES)}")


def displayed(samples: Samples) -> Samples:
    """Samples with shape (height, width, channels) as matplotlib shows them: 8 bits, and colours if not grey."""
    peak = np.iinfo(samples.dtype).max
    shown = samples if peak == 255 else np.rint(samples * (255 / peak)).astype(np.uint8)
    channels = samples.shape[-1]
    if channels in (1, 2):
        shown = np.concatenate([np.repeat(shown[..., :1], 3, axis=-1), shown[..., 1:]], axis=-1)
    return shown


def show(axes: Axes, samples: Samples) -> None:
    """Draw a picture into axes without a frame: enlarged pixels are squares, and reduced ones are averaged."""
    axes.imshow(displayed(samples), interpolation="auto")
    axes.set_axis_off()


def shortened(name: str, length: int) -> str:
    """The end of a name that is too long for its place."""
    return name if len(name) <= length else f"…{name[1 - length :]}"
