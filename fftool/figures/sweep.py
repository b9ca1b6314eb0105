"""PSNR of the runs of a sweep against σ: a line for each network, with a band over seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, geometric_mean, stdev

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, ScalarFormatter

from fftool.figures.page import COLOURS, GREY, Page, shortened, styled

LINES = ("-", "--", ":", "-.")
NAME_LENGTH = 40
BAND_OPACITY = 0.2


@dataclass(frozen=True)
class Point:
    """Outcome of one run: its network (encoding and tiles), σ if it has one, and PSNR in dB."""

    network: str
    scale: float | None
    is_auto: bool  # whether σ was chosen from the signal
    file: str
    seed: int
    psnr: float


@dataclass(frozen=True)
class _Level:
    """Outcomes of one network at one σ, 0 where it has none: their mean over files, of each seed."""

    scale: float
    by_seed: Sequence[float]

    @property
    def mean(self) -> float:
        return fmean(self.by_seed)

    @property
    def deviation(self) -> float:
        return stdev(self.by_seed) if len(self.by_seed) > 1 else 0.0


@styled
def sweep(points: Iterable[Point], title: str, is_held_out: bool) -> Page:
    """PSNR against σ. A σ that was chosen is a diamond, at its mean; an encoding without σ is a level line."""
    points = [point for point in points if isfinite(point.psnr)]
    networks = list(dict.fromkeys(point.network for point in points))
    page = Page(7.6, 4.75 + 0.2 * ((len(networks) + 1) // 2))
    page.title(0.2, 0.22, title)
    axes = page.axes(0.85, 0.85, 6.5, 3.2)
    n_seeds, n_files = (len({getattr(point, name) for point in points}) for name in ("seed", "file"))
    page.text(0.2, 0.5, _caption(n_seeds, n_files), color=GREY)
    for i, network in enumerate(networks):
        _draw(axes, i, network, [point for point in points if point.network == network])
    axes.set(xlabel="σ (cycles per side)", ylabel=f"{'held-out ' if is_held_out else ''}PSNR (dB)")
    axes.grid()
    if any(point.scale is not None for point in points):
        axes.set_xscale("log")
        axes.set_xticks(sorted({point.scale for point in points if point.scale is not None and not point.is_auto}))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
    page.legend_below(axes)
    return page


def _caption(n_seeds: int, n_files: int) -> str:
    band = f"The band is one standard deviation over {n_seeds} seeds." if n_seeds > 1 else "One seed."
    return f"{band} Mean over {n_files} files." if n_files > 1 else band


def _draw(axes: Axes, i: int, network: str, points: Sequence[Point]) -> None:
    colour, style = COLOURS[i % len(COLOURS)], LINES[i // len(COLOURS) % len(LINES)]
    label = shortened(network, NAME_LENGTH)
    fixed = _levels(point for point in points if point.scale is not None and not point.is_auto)
    if fixed:
        scales, means = [level.scale for level in fixed], [level.mean for level in fixed]
        low = [level.mean - level.deviation for level in fixed]
        high = [level.mean + level.deviation for level in fixed]
        axes.fill_between(scales, low, high, color=colour, alpha=BAND_OPACITY, linewidth=0)
        axes.plot(scales, means, style, color=colour, marker="o", markersize=4, label=label)
    for level in _levels(point for point in points if point.is_auto):
        name = None if fixed else label
        axes.errorbar([level.scale], [level.mean], [level.deviation], fmt="D", color=colour, capsize=3, label=name)
        axes.annotate("auto", (level.scale, level.mean), (6, 5), textcoords="offset points", color=colour)
    for level in _levels(point for point in points if point.scale is None):
        axes.axhline(level.mean, color=colour, linestyle=style, linewidth=1.2, label=label)
        if level.deviation:
            axes.axhspan(
                level.mean - level.deviation,
                level.mean + level.deviation,
                color=colour,
                alpha=BAND_OPACITY,
                linewidth=0,
            )


def _levels(points: Iterable[Point]) -> list[_Level]:
    """Points at each σ, in its order; those with a chosen σ, which files do not share, are one level."""
    groups = defaultdict[float | None, list[Point]](list)
    for point in points:
        groups[None if point.is_auto else point.scale].append(point)
    levels = [_level(members) for members in groups.values()]
    return sorted(levels, key=lambda level: level.scale)


def _level(points: Sequence[Point]) -> _Level:
    seeds = defaultdict[int, list[float]](list)
    for point in points:
        seeds[point.seed].append(point.psnr)
    scales = [point.scale for point in points if point.scale is not None]
    return _Level(geometric_mean(scales) if scales else 0.0, [fmean(psnrs) for psnrs in seeds.values()])
