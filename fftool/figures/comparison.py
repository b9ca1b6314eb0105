"""How several networks draw one picture: a sheet of them all, and the curves of their learning."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isinf
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.transform import downscale_local_mean

from fftool.comparison import Outcome, comparable
from fftool.figures.page import COLOURS, GREY, Page, shortened, show, styled
from fftool.metrics import Quality, decibels
from fftool.region import Region
from fftool.signal import Samples, Signal

COLUMNS = 5  # of pictures in a band, beside the source
CELL, GAP, MARGIN = 2.6, 0.12, 0.4  # inches
TITLE, HEADER = 0.6, 0.62
MIN_ASPECT, MAX_ASPECT = 0.4, 3.0  # of the cell of a whole picture: a longer one leaves part of it empty
NAME_LENGTH, TITLE_LENGTH = 28, 60
DETAIL_SHARE = 5  # the detail is this part of the shorter side
MIN_DETAIL = 8  # pixels
SEARCHED_SIDE = 1024  # pixels: the detail is searched in pictures reduced to that
ERROR_COLOURS, ERROR_QUANTILE = "inferno", 0.99
MARKERS, LINES = "os^Dv", ("-", "--", ":", "-.")
MARKED_EPOCHS = 60  # with more points, markers hide the line


@styled
def sheet(signal: Signal, outcomes: Sequence[Outcome], drawn: Sequence[Samples], title: str) -> Page:
    """Networks beside their source: each picture whole, in a magnified detail, and by its distance from the source.

    Args:
        signal: the source.
        outcomes: the networks, at least one; what they draw at the source's size gives the distances.
        drawn: what to show of each, with shape (height, width, channels), of any size.
        title: the line above it all.

    """
    height, width = signal.shape
    tall = CELL * min(max(height / width, MIN_ASPECT), MAX_ASPECT)
    offsets = [0, HEADER, HEADER + tall + GAP, HEADER + tall + CELL + 2 * GAP]
    band_height = offsets[-1] + tall + 3 * GAP
    bands = ceil(len(outcomes) / COLUMNS)
    columns = ceil(len(outcomes) / bands)
    page = Page(2 * MARGIN + (1 + columns) * (CELL + GAP) - GAP, TITLE + bands * band_height + MARGIN / 2)
    page.text(MARGIN, 0.22, shortened(title, TITLE_LENGTH), fontsize=12, weight="bold")

    pictures = [outcome.samples for outcome in outcomes]
    detail = telling_detail(signal.samples, pictures)
    distances = [distance(signal.samples, picture) for picture in pictures]
    limit = max(1, ceil(max(float(np.quantile(values, ERROR_QUANTILE)) for values in distances)))
    colours = ScalarMappable(Normalize(0, limit), ERROR_COLOURS)
    magnified = (CELL / (detail.extent[0] * width)) / min(CELL / width, tall / height)
    best = max(outcome.quality.psnr for outcome in outcomes) if comparable(outcomes) else None
    for band in range(bands):
        tops = [TITLE + band * band_height + offset for offset in offsets]
        members = range(len(outcomes))[band * columns : (band + 1) * columns]
        _column(page, MARGIN, tops, tall, signal.samples, detail)
        _header(page, MARGIN, tops[0], signal.source, f"the source, {width}x{height} pixels")
        for top, label in zip(tops[1:], ("whole", f"detail, {magnified:.2g} times as large", "distance"), strict=True):
            page.text(MARGIN - 0.1, top, label, rotation=90, horizontalalignment="right", color=GREY, fontsize=8)
        bar = page.axes(MARGIN + 0.75 * CELL, tops[3] + 0.1, 0.13, tall - 0.2)
        page.figure.colorbar(colours, cax=bar, extend="max", ticklocation="left")
        page.text(
            MARGIN,
            tops[3] + 0.1,
            "distance from\nthe source:\nmean of the\nchannels, in\nsteps of 1/255",
            fontsize=8,
            linespacing=1.3,
        )
        for x, i in enumerate(members, start=1):
            left, outcome = MARGIN + x * (CELL + GAP), outcomes[i]
            _column(page, left, tops, tall, drawn[i], detail)
            _header(page, left, tops[0], outcome.name, quality_text(outcome.quality), outcome.quality.psnr == best)
            axes = page.axes(left, tops[3], CELL, tall, anchor="N")
            axes.imshow(distances[i], cmap=ERROR_COLOURS, vmin=0, vmax=limit)
            axes.set_axis_off()
    return page


def _column(page: Page, left: float, tops: Sequence[float], tall: float, samples: Samples, detail: Region) -> None:
    """A whole picture with the detail marked in it, and the detail below it."""
    height, width = samples.shape[:2]
    x, y = (origin * size - 0.5 for origin, size in zip(detail.origin, (width, height), strict=True))
    across, down = (extent * size for extent, size in zip(detail.extent, (width, height), strict=True))
    whole = page.axes(left, tops[1], CELL, tall, anchor="N")
    show(whole, samples)
    for colour, thickness in (("black", 2.4), ("white", 1.0)):
        whole.add_patch(Rectangle((x, y), across, down, fill=False, edgecolor=colour, linewidth=thickness))
    part = page.axes(left, tops[2], CELL, CELL, anchor="N")
    show(part, samples)
    part.set(xlim=(x, x + across), ylim=(y + down, y))


def _header(page: Page, left: float, top: float, name: str, text: str, best: bool = False) -> None:
    star = "  ★ best PSNR" if best else ""
    page.text(left, top + 0.05, shortened(name, NAME_LENGTH - len(star)) + star, weight="bold", fontsize=10)
    page.text(left, top + 0.25, text, color=GREY, linespacing=1.3)


def quality_text(quality: Quality) -> str:
    """PSNR and SSIM, and on a line of its own the held-out PSNR."""
    parts = [f"PSNR {decibels(quality.psnr)}"] + ([] if quality.ssim is None else [f"SSIM {quality.ssim:.4f}"])
    held = "" if quality.holdout_psnr is None else f"\nheld-out PSNR {decibels(quality.holdout_psnr)}"
    return ", ".join(parts) + held


def distance(reference: Samples, samples: Samples) -> NDArray[np.float64]:
    """How far each pixel is from the reference's: the mean over its channels, in steps of 1/255."""
    difference = np.abs(reference.astype(np.float64) - samples).mean(axis=-1)
    scaled: NDArray[np.float64] = difference * (255 / np.iinfo(reference.dtype).max)
    return scaled


def telling_detail(reference: Samples, pictures: Sequence[Samples]) -> Region:
    """The square in which the fine structure of the pictures, the reference among them, differs most.

    Differences count by their size, not its square, so that texture wins over a single edge. Large pictures are reduced
    first: what a sheet cannot show tells nothing.
    """
    step = ceil(max(reference.shape) / SEARCHED_SIDE)
    everything = [downscale_local_mean(picture, (step, step, 1)) for picture in (reference, *pictures)]
    height, width = everything[0].shape[:2]
    side = min(max(min(height, width) // DETAIL_SHARE, MIN_DETAIL), height, width)
    fine = [picture - gaussian(picture, sigma=side / 16, channel_axis=-1) for picture in everything]
    mean = np.mean(fine, axis=0)
    spread = np.sum([np.abs(picture - mean).mean(axis=-1) for picture in fine], axis=0)
    total = np.pad(spread, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    squares = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    y, x = np.unravel_index(squares.argmax(), squares.shape)
    return Region(origin=(float(x) / width, float(y) / height), extent=(side / width, side / height))


@styled
def curves(outcomes: Sequence[Outcome], title: str) -> Page:
    """PSNR against epochs and against seconds; a checkpoint, whose learning is not known, is a level line."""
    page = Page(11, max(4.6, 1 + 0.5 * len(outcomes)))  # the legend has up to three lines for each
    page.text(0.6, 0.22, shortened(title, TITLE_LENGTH), fontsize=12, weight="bold")
    for x, attribute, label in ((0.7, "epoch", "epoch"), (4.65, "seconds", "seconds of training")):
        axes = page.axes(x, 0.75, 3.55, 3.2)
        for i, outcome in enumerate(outcomes):
            _curve(axes, i, outcome, attribute)
        axes.set(xlabel=label, xlim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=attribute == "epoch"))
        axes.grid(color="#dddddd", linewidth=0.6)
        if x == 0.7:
            axes.set_ylabel("PSNR over each epoch (dB)")
            handles, labels = axes.get_legend_handles_labels()
            legend = page.figure.legend(
                handles, labels, loc="upper left", bbox_to_anchor=(8.35 / page.width, 1 - 0.7 / page.height), fontsize=8
            )
            for text in legend.get_texts():
                text.set_parse_math(False)  # a file's name may hold a $
    return page


def _curve(axes: Axes, i: int, outcome: Outcome, attribute: str) -> None:
    style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i // len(COLOURS) % len(LINES)]}
    label = f"{shortened(outcome.name, NAME_LENGTH)}\n{quality_text(outcome.quality)}"
    if outcome.history:
        marker = MARKERS[i % len(MARKERS)] if len(outcome.history) <= MARKED_EPOCHS else ""
        x = [getattr(epoch, attribute) for epoch in outcome.history]
        axes.plot(x, [epoch.psnr for epoch in outcome.history], marker=marker, markersize=3.5, label=label, **style)
    elif not isinf(outcome.quality.psnr):
        axes.axhline(outcome.quality.psnr, linewidth=0.9, label=label, **style | {"linestyle": (0, (1, 2))})
