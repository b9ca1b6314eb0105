"""What an encoding looks like: its features as pictures, and what its scale does to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import ceil, floor, inf, isqrt, log10, pi, sqrt

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fftool.config import EncodingConfig
from fftool.encoding import above_nyquist, expected_kernel, fourier_features, kernel
from fftool.figures.page import COLOURS, DPI, GREY, Page, styled
from fftool.grid import coordinates
from fftool.signal import Samples, quantize

BELOW, ABOVE = COLOURS[0], COLOURS[1]
TILES = 256  # frequencies on a contact sheet: more would be too small to see
TILE, MAX_TILE = 96, 128  # pixels on a side of a tile, at least and at most
COLUMN, PANEL = 3.5, 2.6  # inches
DIRECTIONS = 64  # in which the kernel is measured
KERNEL_SIDE, KERNEL_EXTENT = 241, 0.5


@dataclass(frozen=True)
class Frequencies:
    """B, float32 with shape (2, m), of an encoding of pictures, and the shape (height, width) that it is shown at."""

    encoding: EncodingConfig
    B: Tensor
    shape: tuple[int, int]

    @property
    def title(self) -> str:
        return self.encoding.name.replace("=", " = ")

    @property
    def aliased(self) -> Tensor:
        """Which are above Nyquist: bool with shape (m,)."""
        return above_nyquist(self.B, self.shape)

    @property
    def fastest(self) -> float:
        """The highest frequency, in its own direction."""
        return float(self.B.double().norm(dim=0).max())  # whose square float32 may not hold

    def features(self) -> Iterator[tuple[Samples, Samples]]:
        """Each frequency's columns of γ as pictures: cosine and sine, uint8 with shape (height, width, 1).

        Values from -1 to 1 become 0 to 255. They are computed in float64, so that rounding them is all that is lost.
        """
        v = coordinates(self.shape, dtype=torch.float64)
        for b in self.B.double().T:
            cos, sin = fourier_features(v, b[:, None]).T.reshape(2, *self.shape, 1).numpy()
            yield quantize((cos + 1) / 2, 8), quantize((sin + 1) / 2, 8)

    def measured(self, distance: Tensor) -> Tensor:
        """The kernel at those distances, float64 with shape (n,), in each of some directions: (directions, n)."""
        angle = torch.arange(DIRECTIONS, dtype=torch.float64) * (pi / DIRECTIONS)
        unit = torch.stack([angle.cos(), angle.sin()], dim=-1)
        return torch.stack([kernel(distance[:, None] * u, self.B.double()) for u in unit])

    @cached_property
    def half_width(self) -> float:
        """Where the kernel's mean over all directions first falls to one half; infinite if not within the picture."""
        # At the least of these it is still above 0.99.
        distance = np.geomspace(0.01 / max(self.fastest, 1), sqrt(2), 400)
        mean = self.measured(torch.from_numpy(distance)).mean(dim=0).numpy()
        fallen = np.flatnonzero(mean < 0.5)
        if not len(fallen):
            return inf
        between = slice(fallen[0] - 1, fallen[0] + 1)
        return float(np.exp(np.interp(-0.5, -mean[between], np.log(distance[between]))))


@styled
def contact_sheet(frequencies: Frequencies) -> Page:
    """The cosine and the sine of each frequency, side by side under its number and its (bx, by)."""
    height, width = frequencies.shape
    factor = max(1, TILE // max(width, height)) if max(width, height) <= MAX_TILE else MAX_TILE / max(width, height)
    tile_x, tile_y = max(1, round(width * factor)), max(1, round(height * factor))
    step_x, step_y = max(2 * tile_x + 4, 230) + 24, tile_y + 40  # whole pixels, so that no tile is resampled
    m = frequencies.B.shape[1]
    shown = min(m, TILES)
    columns = max(4, isqrt(shown - 1) + 1)
    rows = ceil(shown / columns)
    aliased = frequencies.aliased
    about = [
        f"At {width}x{height} pixels: cos 2π(bx x + by y), and the sine beside it. Black is −1, white is 1.",
        "Above each pair: its number, and (bx, by) in cycles per picture side.",
        f"▲ above Nyquist, {int(aliased.sum())} in all: at this size they look like lower frequencies.",
    ]
    if shown < m:
        about[1] += f" The first {shown} are shown."
    top = 150
    page = Page((columns * step_x + 40) / DPI, (top + rows * step_y) / DPI)
    page.text(0.2, 0.12, f"{frequencies.title}: {m} frequencies", fontsize=12, weight="bold")
    page.text(0.2, 0.37, "\n".join(about[: 3 if aliased.any() else 2]), color=GREY, fontsize=7.5, linespacing=1.4)
    sheet = page.axes(0, 0, page.width, page.height)
    sheet.set_axis_off()
    digits = len(str(m - 1))
    for j, pair in enumerate(islice(frequencies.features(), shown)):
        row, column = divmod(j, columns)
        x, y = 30 + column * step_x, top + row * step_y
        bx, by = frequencies.B[:, j].tolist()
        mark, colour = ("▲ ", ABOVE) if aliased[j] else ("", "black")
        page.text(
            x / DPI,
            (y - 4) / DPI,
            f"{mark}{j:0{digits}}  ({bx:.4g}, {by:.4g})".replace("-", "−"),
            color=colour,
            fontsize=7.5,
            verticalalignment="bottom",
        )
        for offset, samples in zip((0, tile_x + 4), pair, strict=True):
            extent = (x + offset, x + offset + tile_x, y + tile_y, y)
            tile = Image.fromarray(samples[..., 0])
            if factor < 1:  # at once, so that no more than tiles are kept
                tile = tile.resize((tile_x, tile_y), Image.Resampling.BOX)
            sheet.imshow(np.asarray(tile), cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
    sheet.set(xlim=(0, page.width * DPI), ylim=(page.height * DPI, 0))
    return page


@styled
def scales(shown: Sequence[Frequencies]) -> Page:
    """What the scale does: B in the plane, the kernel around a point, and over the distance from it."""
    left, top = 0.75, 1.25
    page = Page(left + len(shown) * COLUMN + 0.35, top + 3 * (PANEL + 0.75))
    height, width = shown[0].shape
    page.text(left - 0.5, 0.15, f"What the encoding does, at {width}x{height} pixels", fontsize=12, weight="bold")
    page.text(
        left - 0.5,
        0.42,
        "A larger σ spreads the frequencies and narrows the kernel,\nwhich says how far around it each sample is felt.",
        color=GREY,
    )
    least = log10(0.1 / max(width, height, *(each.fastest for each in shown)))
    distance = torch.logspace(floor(least), 0, 500, dtype=torch.float64)
    for column, each in enumerate(shown):
        x = left + column * COLUMN
        tops = [top + row * (PANEL + 0.75) for row in range(3)]
        _plane(page.axes(x, tops[0], PANEL, PANEL), each)
        _spot(page, page.axes(x, tops[1], PANEL, PANEL), each, column == len(shown) - 1)
        _profile(page.axes(x, tops[2], PANEL, PANEL), each, distance)
    return page


def _plane(axes: Axes, shown: Frequencies) -> None:
    """The frequencies, and the square of those that the grid can hold."""
    height, width = shown.shape
    B, aliased = shown.B.numpy(), shown.aliased.numpy()
    reach = 1.15 * max(width / 2, height / 2, float(np.abs(B).max()))
    axes.add_patch(Rectangle((-width / 2, -height / 2), width, height, fill=False, linestyle="--", edgecolor=GREY))
    axes.scatter(B[0, ~aliased], B[1, ~aliased], s=14, color=BELOW)
    axes.scatter(B[0, aliased], B[1, aliased], s=20, color=ABOVE, marker="^")
    axes.set(
        xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal", xlabel="bx (cycles per picture side)", ylabel="by"
    )
    axes.set_title(f"{shown.title}\n{_nyquist_text(aliased)}", loc="left", color=ABOVE if aliased.any() else "black")
    axes.annotate(
        "Nyquist", (-width / 2, -height / 2), (2, -2), textcoords="offset points", va="top", color=GREY, fontsize=7
    )


def _nyquist_text(aliased: NDArray[np.bool_]) -> str:
    count = int(aliased.sum())
    return f"▲ {count} of {len(aliased)} above Nyquist: they alias" if count else f"all {len(aliased)} below Nyquist"


def _spot(page: Page, axes: Axes, shown: Frequencies, last: bool) -> None:
    """The kernel around a point."""
    offset = torch.linspace(-KERNEL_EXTENT, KERNEL_EXTENT, KERNEL_SIDE, dtype=torch.float64)
    x, y = ((2 * pi) * torch.outer(offset, b) for b in shown.B.double())  # phases along each axis
    values = (y.cos() @ x.cos().T - y.sin() @ x.sin().T).numpy() / len(shown.aliased)  # cos(x + y), and their mean
    extent = (-KERNEL_EXTENT, KERNEL_EXTENT, KERNEL_EXTENT, -KERNEL_EXTENT)
    image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, extent=extent)
    axes.set(xlabel="ux − vx (picture sides)", ylabel="uy − vy")
    axes.set_title("kernel γ(u)·γ(v)/m", loc="left")
    if last:
        place = axes.get_position()
        bar = page.figure.add_axes((place.x1 + 0.006, place.y0, 0.008, place.height))
        page.figure.colorbar(image, cax=bar)
        bar.tick_params(labelsize=7)
        bar.set_ylabel("kernel", fontsize=7)


def _profile(axes: Axes, shown: Frequencies, distance: Tensor) -> None:
    """The kernel over the distance, in all directions, and for the gaussian encoding what is expected of it."""
    x, measured = distance.numpy(), shown.measured(distance).numpy()
    pixel, half = 1 / max(shown.shape), shown.half_width
    least, most = measured.min(axis=0), measured.max(axis=0)
    axes.fill_between(x, least, most, color=BELOW, alpha=0.25, linewidth=0, label="in all directions")
    axes.plot(x, measured.mean(axis=0), color=BELOW, label="their mean")
    if shown.encoding.kind == "gaussian":
        expected = expected_kernel(distance, shown.encoding.sigma).numpy()
        axes.plot(x, expected, "--", color="black", linewidth=1, label="exp(−2π²σ²‖u − v‖²)")
    axes.axvline(pixel, color=ABOVE, linewidth=1, linestyle=":", label="one pixel")
    axes.set(
        xscale="log",
        xlim=(x[0], 1),
        ylim=(-1.05, 1.6),
        yticks=(-1, -0.5, 0, 0.5, 1),
        xlabel="distance ‖u − v‖ (picture sides)",
        ylabel="kernel",
    )
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_title(
        f"half at {half:.3g} = {half / pixel:.3g} pixels" if half < inf else "never falls to one half", loc="left"
    )
    axes.legend(
        loc="upper right", fontsize=6.5, ncols=2, columnspacing=1, frameon=True, edgecolor="none", borderaxespad=0
    )
