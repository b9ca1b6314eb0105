"""Curves of training: PSNR against epochs and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fftool.figures.page import COLOURS, Page, shortened, styled
from fftool.figures.sheet import NAME_LENGTH, quality_text
from fftool.metrics import Quality

MARKERS, LINES = "os^Dv", ("-", "--", ":", "-.")
LEVEL_LINE = (0, (1, 2))  # dots, apart
MARKED_EPOCHS = 60  # with more points, markers would hide the line


class Point(Protocol):
    """State of a training after an epoch: its number, seconds since the start, and the PSNR over it in dB.

    `holdout_psnr` is that of samples held out, at its end; None if there are none.
    """

    @property
    def epoch(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def psnr(self) -> float: ...
    @property
    def holdout_psnr(self) -> float | None: ...


@dataclass(frozen=True)
class Curve:
    """Training of one network. A loaded checkpoint or a resize has no history, and is shown as a level line."""

    name: str
    quality: Quality  # at the end
    history: Sequence[Point] = ()
    profile: Sequence[float] = ()  # PSNR (dB) of each part: of the frames of a clip


@styled
def curves(lines: Sequence[Curve], title: str, unit: str = "") -> Page:
    """PSNR of each network against epochs and against seconds, and that of each part of the signal, such as a frame."""
    has_profiles = any(line.profile for line in lines)
    height = 8.0 if has_profiles else 4.6
    page = Page(11, max(height, 1 + 0.5 * len(lines)))  # the legend has up to three lines of text for each
    page.title(0.6, 0.22, title)
    epochs, seconds = (page.axes(x, 0.75, 3.4, 3.2) for x in (0.7, 4.75))
    for i, line in enumerate(lines):
        _draw_curve(epochs, i, line, [point.epoch for point in line.history])
        _draw_curve(seconds, i, line, [point.seconds for point in line.history])
    for axes, label in ((epochs, "epoch"), (seconds, "seconds of training")):
        axes.set(xlabel=label, xlim=(0, None))
        axes.grid()
    epochs.xaxis.set_major_locator(MaxNLocator(integer=True))
    epochs.set_ylabel("PSNR over each epoch (dB)")
    if has_profiles:
        _draw_profiles(page.axes(0.7, 4.75, 7.45, 2.6), lines, unit)
    held_out = any(point.holdout_psnr is not None for line in lines for point in line.history)
    _draw_legend(page, epochs, has_thin_lines=held_out)
    return page


def _style(i: int) -> dict[str, Any]:
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i // len(COLOURS) % len(LINES)]}


def _draw_profiles(axes: Axes, lines: Sequence[Curve], unit: str) -> None:
    for i, line in enumerate(lines):
        axes.plot(line.profile, **_style(i))
    axes.set(xlabel=unit, ylabel=f"PSNR of each {unit} (dB)", xlim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()


def _draw_curve(axes: Axes, i: int, line: Curve, x: Sequence[float]) -> None:
    style = _style(i)
    label = f"{shortened(line.name, NAME_LENGTH)}\n{quality_text(line.quality)}"
    if line.history:
        marker = MARKERS[i % len(MARKERS)] if len(line.history) <= MARKED_EPOCHS else ""
        axes.plot(x, [point.psnr for point in line.history], marker=marker, markersize=3.5, label=label, **style)
        held_out = [(at, psnr) for at, point in zip(x, line.history, strict=True) if (psnr := point.holdout_psnr)]
        if held_out:
            axes.plot(*zip(*held_out, strict=True), linewidth=0.9, **style)
    else:
        style |= {"linestyle": LEVEL_LINE, "linewidth": 0.9, "label": label}
        if isfinite(level := _level(line.quality)):
            axes.axhline(level, **style)
        else:
            axes.plot([], [], **style)  # in the legend alone


def _level(quality: Quality) -> float:
    """PSNR of a line without a history: the held-out one of a resize, which repeats the other samples."""
    return quality.psnr if isfinite(quality.psnr) or quality.holdout_psnr is None else quality.holdout_psnr


def _draw_legend(page: Page, axes: Axes, has_thin_lines: bool) -> None:
    place = (8.35 / page.width, 1 - 0.7 / page.height)
    handles, labels = axes.get_legend_handles_labels()
    title = "thin: held-out samples" if has_thin_lines else None
    legend = page.figure.legend(
        handles, labels, loc="upper left", bbox_to_anchor=place, fontsize=8, title=title, title_fontsize=8
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # the name of a file may hold a $
