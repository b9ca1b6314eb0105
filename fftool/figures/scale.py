"""Evidence for a σ: the signal's spectrum, the frequencies of each candidate, and the score of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

from fftool.config import Encoding, ScaleSearch
from fftool.figures.page import COLOURS, GREY, Page, styled
from fftool.scale.spectrum import density

CHOSEN, NYQUIST = to_rgba(COLOURS[1]), to_rgba(COLOURS[0])
COLOUR_MAP = colormaps["viridis"]
ROW, PANEL_WIDTH, PANEL_HEIGHT = 4.8, 4.6, 2.9  # inches

Spectrum = tuple[NDArray[np.float64], NDArray[np.float64]]  # frequencies, and the share of power around each


@styled
def explanation(
    title: str,
    spectrum: Spectrum,
    encodings: Sequence[Encoding],
    shape: tuple[int, ...],
    noun: str = "signal",
    unit: str = "samples",
) -> Page:
    """A row of two panels for each encoding: spectrum and candidates, and the scores of these.

    Args:
        title: the title of the page.
        spectrum: the signal's, from `fftool.scale.spectrum.radial_spectrum`.
        encodings: encodings with a search.
        shape: the signal's, without its channels.
        noun: what to call the signal.
        unit: what to call its samples.

    """
    searches = [(encoding, encoding.search) for encoding in encodings if encoding.search]
    page = Page(11, 0.7 + ROW * len(searches))
    page.title(0.6, 0.2, title)
    for row, (encoding, search) in enumerate(searches):
        top = 0.6 + row * ROW
        page.text(0.6, top + 0.05, _summary(encoding, search, noun, unit), color=GREY)
        left = page.axes(0.75, top + 0.6, PANEL_WIDTH, PANEL_HEIGHT)
        right = page.axes(6.1, top + 0.6, PANEL_WIDTH, PANEL_HEIGHT)
        _draw_spectrum(left, spectrum, noun)
        _draw_densities(left, encoding, search, len(shape))
        _draw_scores(right, search)
        for axes in (left, right):
            _set_frequency_axis(axes, search, shape)
            page.legend_below(axes, fontsize=8)
    return page


def _summary(encoding: Encoding, search: ScaleSearch, noun: str, unit: str) -> str:
    return (
        f"{encoding.kind}: σ = {search.chosen:g}, for {encoding.scale_for}. The {noun} has {search.frequency:.3g} "
        f"cycles per side on average, and the network has room for {search.rate:.3g} {unit} per side."
    )


def _colour(search: ScaleSearch, i: int) -> tuple[float, float, float, float]:
    return CHOSEN if search.candidates[i].scale == search.chosen else COLOUR_MAP(0.9 * i / len(search.candidates))


def _draw_spectrum(axes: Axes, spectrum: Spectrum, noun: str) -> None:
    axes.fill_between(*spectrum, color="#cccccc", label=f"power of the {noun}")
    axes.set(xlabel="frequency (cycles per side)", ylabel="share per octave")
    axes.set_title(f"power of the {noun}, and frequencies of each candidate", loc="left")


def _draw_densities(axes: Axes, encoding: Encoding, search: ScaleSearch, n_axes: int) -> None:
    """Draw the frequencies of each candidate, and the signal's mean frequency as a dotted line."""
    frequency = np.geomspace(0.1, 10 * max(search.candidates[-1].scale, search.rate), 600)
    others = "frequencies of other candidates"
    for i, candidate in enumerate(search.candidates):
        share = density(encoding.kind, candidate.scale, frequency, n_axes)
        if candidate.scale == search.chosen:
            axes.plot(frequency, share, color=CHOSEN, linewidth=2.4, label=f"frequencies of σ = {candidate.scale:g}")
        else:
            axes.plot(frequency, share, color=_colour(search, i), linewidth=0.9, label=others)
            others = "_"  # in the legend once
    if search.frequency:
        axes.axvline(search.frequency, color="black", linestyle=":", linewidth=1, label="mean frequency")
    axes.set_ylim(bottom=0)


def _draw_scores(axes: Axes, search: ScaleSearch) -> None:
    scales, scores = zip(*((each.scale, each.score) for each in search.candidates), strict=True)
    axes.plot(scales, scores, color=GREY, linewidth=0.9, zorder=1)
    for i, (scale, score) in enumerate(zip(scales, scores, strict=True)):
        chosen, above = scale == search.chosen, scale > search.chosen
        axes.scatter(scale, score, s=160 if chosen else 30, marker="*" if chosen else "o", color=_colour(search, i))
        axes.annotate(
            f"{scale:g}",
            (scale, score),
            (0, 9) if chosen else (4 if above else -4, 3),
            textcoords="offset points",
            ha="center" if chosen else "left" if above else "right",
            fontsize=9 if chosen else 7,
            color=CHOSEN if chosen else GREY,
        )
    lowest = min(*scores, -0.1)
    axes.set(xlabel="σ (cycles per side)", ylabel="expected PSNR, relative to the best σ (dB)")
    axes.set_ylim(1.15 * lowest, -0.15 * lowest)
    axes.set_title("score of each candidate", loc="left")


def _set_frequency_axis(axes: Axes, search: ScaleSearch, shape: tuple[int, ...]) -> None:
    """Make the x axis logarithmic, with all candidates and the Nyquist frequency of each axis on it."""
    limits = sorted({length / 2 for length in shape})
    scales = [candidate.scale for candidate in search.candidates]
    axes.set(xscale="log", xlim=(0.7 * min(0.5, scales[0]), 1.5 * max(limits[-1], scales[-1])))
    axes.xaxis.set_major_formatter("{x:g}")
    label = "Nyquist" if len(limits) == 1 else "Nyquist of each axis"
    for limit in limits:
        axes.axvline(limit, color=NYQUIST, linestyle="--", linewidth=1, label=label)
        label = "_"  # in the legend once
    axes.grid()
    axes.set_axisbelow(True)
