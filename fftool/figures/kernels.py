"""Effect of σ: the frequencies in the plane, the kernel around a point, and the kernel over distance."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, inf, log10, pi
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from fftool.figures.page import COLOURS, GREY, Page, styled
from fftool.models.frequencies import Frequencies

BELOW, ABOVE = COLOURS[0], COLOURS[1]
LEFT, COLUMN, PANEL, GAP = 0.75, 3.5, 2.6, 0.75  # inches
KERNEL_SIDE, KERNEL_EXTENT = 241, 0.5


@styled
def scales(shown: Sequence[Frequencies], size_text: str, unit: str = "samples") -> Page:
    """A column of three panels for each encoding. Of more than two axes, x and y are shown.

    Args:
        shown: encodings for one grid, at least one.
        size_text: size of the grid, in words: 100x100 pixels.
        unit: what to call its samples.

    """
    caption = [
        "A larger σ spreads the frequencies and narrows the kernel:",
        "each sample then affects a smaller neighbourhood.",
    ]
    if shown[0].n_axes > 2:
        caption.append("Shown in the plane of x and y.")
    top = 0.95 + 0.15 * len(caption)
    page = Page(max(LEFT + len(shown) * COLUMN + 0.35, 5.6), top + 3 * (PANEL + GAP) + 0.35)
    page.title(LEFT - 0.5, 0.15, f"What the encoding does, at {size_text}")
    page.text(LEFT - 0.5, 0.42, "\n".join(caption), color=GREY)
    distance = _distances(shown)
    for column, each in enumerate(shown):
        plane, around, profile = (
            page.axes(LEFT + column * COLUMN, top + row * (PANEL + GAP), PANEL, PANEL) for row in range(3)
        )
        _draw_plane(plane, each)
        _draw_kernel(page, around, each, with_bar=column == len(shown) - 1)
        _draw_profile(page, profile, each, distance, unit)
    return page


def _distances(shown: Sequence[Frequencies]) -> Tensor:
    """Distances up to 1, from a tenth of the smallest structure in any kernel or grid."""
    smallest = 0.1 / max(max(*each.shape, each.fastest) for each in shown)
    return torch.logspace(floor(log10(smallest)), 0, 500, dtype=torch.float64, device="cpu")


def _draw_plane(axes: Axes, shown: Frequencies) -> None:
    """Draw the frequencies, and the rectangle of those below Nyquist; with one axis, the strip between its limits."""
    (bx, by), above = shown.plane_frequencies.numpy(), shown.above_nyquist.numpy()
    limits = [length / 2 for length in reversed(shown.shape[-2:])]
    reach = 1.15 * max(*limits, float(np.abs([bx, by]).max()))
    x, y = limits if len(limits) > 1 else (limits[0], 2 * reach)
    axes.add_patch(Rectangle((-x, -y), 2 * x, 2 * y, fill=False, linestyle="--", edgecolor=GREY))
    axes.scatter(bx[~above], by[~above], s=14, color=BELOW)
    axes.scatter(bx[above], by[above], s=20, color=ABOVE, marker="^")
    axes.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal", xlabel="bx (cycles per side)", ylabel="by")
    axes.set_title(f"{shown.title}\n{_nyquist_text(above)}", loc="left", color=ABOVE if above.any() else "black")
    # With one axis, a limit may cross the text.
    style: dict[str, Any] = {
        "color": GREY,
        "fontsize": 7,
        "zorder": 2,
        "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    }
    axes.annotate("dashed: Nyquist", (0.02, 0.012), xycoords="axes fraction", **style)
    _hide_y_of_one_axis(axes, shown)


def _nyquist_text(above: NDArray[np.bool_]) -> str:
    count = int(above.sum())
    return f"▲ {count} of {len(above)} above Nyquist: they alias" if count else f"all {len(above)} below Nyquist"


def _draw_kernel(page: Page, axes: Axes, shown: Frequencies, with_bar: bool) -> None:
    """Draw the kernel around a point."""
    offset = torch.linspace(-KERNEL_EXTENT, KERNEL_EXTENT, KERNEL_SIDE, dtype=torch.float64, device="cpu")
    x, y = (2 * pi * torch.outer(offset, b) for b in shown.plane_frequencies.double())  # phases along each axis
    values = (y.cos() @ x.cos().T - y.sin() @ x.sin().T).numpy() / x.shape[1]  # mean of cos(x + y)
    extent = (-KERNEL_EXTENT, KERNEL_EXTENT, KERNEL_EXTENT, -KERNEL_EXTENT)
    image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, extent=extent)
    axes.set(xlabel="ux − vx (sides)", ylabel="uy − vy")
    axes.set_title("kernel γ(u)·γ(v)/m", loc="left")
    _hide_y_of_one_axis(axes, shown)
    if with_bar:
        place = axes.get_position()
        bar = page.figure.add_axes((place.x1 + 0.006, place.y0, 0.008, place.height))
        page.figure.colorbar(image, cax=bar)
        bar.tick_params(labelsize=7)
        bar.set_ylabel("kernel", fontsize=7)


def _hide_y_of_one_axis(axes: Axes, shown: Frequencies) -> None:
    if shown.n_axes == 1:
        axes.set(ylabel="", yticks=())


def _draw_profile(page: Page, axes: Axes, shown: Frequencies, distance: Tensor, unit: str) -> None:
    """Draw the kernel over distance in all directions, and for the gaussian encoding its expectation."""
    x, kernel = distance.numpy(), shown.kernel_profile(distance).numpy()
    spacing, half = shown.spacing, shown.half_width
    if len(kernel) > 1:
        lowest, highest = kernel.min(axis=0), kernel.max(axis=0)
        axes.fill_between(x, lowest, highest, color=BELOW, alpha=0.25, linewidth=0, label="in all directions")
    axes.plot(x, kernel.mean(axis=0), color=BELOW, label="mean" if len(kernel) > 1 else "kernel")
    expected = shown.expected_profile(distance)
    if expected is not None:
        label = "exp(−2π²σ²‖u − v‖²)" if len(shown.encoding.scale) == 1 else "expected mean"
        axes.plot(x, expected.numpy(), "--", color="black", linewidth=1, label=label)
    axes.axvline(spacing, color=ABOVE, linewidth=1, linestyle=":", label=f"spacing of {unit}")
    axes.set(xscale="log", xlim=(x[0], 1), ylim=(-1.05, 1.05), yticks=(-1, -0.5, 0, 0.5, 1))
    axes.set(xlabel="distance ‖u − v‖ (sides)", ylabel="kernel")
    axes.grid()
    text = f"half at {half:.3g} = {half / spacing:.3g} {unit}" if half < inf else "never falls to one half"
    axes.set_title(text, loc="left")
    page.legend_below(axes, fontsize=7, columnspacing=1)
