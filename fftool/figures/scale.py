"""Why a σ was chosen: the spectrum of the picture, the frequencies of each candidate, and what each should lose."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, log2

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import NDArray
from scipy.fft import dctn
from skimage.transform import downscale_local_mean

from fftool.config import EncodingConfig, EncodingKind, ScaleSearch
from fftool.figures.page import COLOURS, GREY, Page, shortened, styled
from fftool.signal import Signal

CHOSEN, NYQUIST = to_rgba(COLOURS[1]), to_rgba(COLOURS[0])
COLOUR_MAP = colormaps["viridis"]
TITLE_LENGTH = 60
ROW, PANEL_WIDTH, PANEL_HEIGHT = 4.3, 4.6, 2.9  # inches
ANALYSED_SIDE = 2048  # pixels: larger pictures are reduced first
BINS_PER_OCTAVE = 2


@styled
def explanation(signal: Signal, encodings: Sequence[EncodingConfig]) -> Page:
    """The evidence for each σ that was chosen: a row of two panels for each encoding that has a `scale_search`."""
    page = Page(11, 0.75 + ROW * len(encodings))
    page.text(0.6, 0.2, shortened(f"{signal.source}: how σ was chosen", TITLE_LENGTH), fontsize=12, weight="bold")
    frequency, share = radial_spectrum(signal)
    for row, encoding in enumerate(encodings):
        search = encoding.scale_search
        assert search is not None
        top = 0.6 + row * ROW
        page.text(0.6, top + 0.05, _summary(encoding, search), color=GREY)
        spectrum = page.axes(0.75, top + 0.6, PANEL_WIDTH, PANEL_HEIGHT)
        scores = page.axes(6.1, top + 0.6, PANEL_WIDTH, PANEL_HEIGHT)
        _spectrum(spectrum, encoding.kind, search, frequency, share)
        _scores(scores, search)
        for axes in (spectrum, scores):
            _frequency_axis(axes, search, signal.shape)
    return page


def _summary(encoding: EncodingConfig, search: ScaleSearch) -> str:
    return (
        f"{encoding.kind}: σ = {search.chosen:g}, for {encoding.scale_for}. "
        f"The picture has {search.frequency:.3g} cycles a side on average, seen with {search.rate:.3g} pixels a side."
    )


def _colour(search: ScaleSearch, i: int) -> tuple[float, float, float, float]:
    return CHOSEN if search.candidates[i].scale == search.chosen else COLOUR_MAP(0.9 * i / len(search.candidates))


def _spectrum(
    axes: Axes, kind: EncodingKind, search: ScaleSearch, frequency: NDArray[np.float64], share: NDArray[np.float64]
) -> None:
    axes.fill_between(frequency, share, color="#cccccc", label="the picture's power")
    r = np.geomspace(0.1, 10 * max(search.candidates[-1].scale, search.rate), 600)
    for i, candidate in enumerate(search.candidates):
        chosen = candidate.scale == search.chosen
        label = (
            f"the frequencies of σ = {candidate.scale:g}" if chosen else "of the other candidates" if i == 0 else None
        )
        width = 2.4 if chosen else 0.9
        axes.plot(r, density(kind, candidate.scale, r), color=_colour(search, i), linewidth=width, label=label)
    if search.frequency:
        axes.axvline(search.frequency, color="black", linestyle=":", linewidth=1, label="the picture's mean frequency")
    axes.set(xlabel="frequency (cycles per picture side)", ylabel="share in each octave", ylim=(0, None))
    axes.set_ylim(top=1.45 * axes.get_ylim()[1])  # which leaves room for the legend
    axes.set_title("the picture's power, and each candidate's frequencies", loc="left")
    axes.legend(fontsize=7, loc="upper left", ncols=2)


def _scores(axes: Axes, search: ScaleSearch) -> None:
    scales, scores = zip(*((each.scale, each.score) for each in search.candidates), strict=True)
    axes.plot(scales, scores, color=GREY, linewidth=0.9, zorder=1)
    for i, (scale, score) in enumerate(zip(scales, scores, strict=True)):
        chosen = scale == search.chosen
        axes.scatter(scale, score, s=160 if chosen else 30, marker="*" if chosen else "o", color=_colour(search, i))
        axes.annotate(
            f"{scale:g}",
            (scale, score),
            (0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=9 if chosen else 7,
            color=CHOSEN if chosen else GREY,
        )
    axes.set(xlabel="σ (cycles per picture side)", ylabel="PSNR expected beyond the best σ's (dB)")
    axes.set_ylim(1.15 * min(scores), -0.15 * min(scores))
    axes.set_title("the score of each candidate", loc="left")


def _frequency_axis(axes: Axes, search: ScaleSearch, shape: tuple[int, ...]) -> None:
    """A logarithmic one, with all candidates and Nyquist on it."""
    low, high = min(shape) / 2, max(shape) / 2
    scales = [candidate.scale for candidate in search.candidates]
    axes.set(xscale="log", xlim=(0.8 * min(0.5, scales[0]), 1.5 * max(high, scales[-1])))
    axes.xaxis.set_major_formatter("{x:g}")
    for limit in {low, high}:
        axes.axvline(limit, color=NYQUIST, linestyle="--", linewidth=1)
    sides = "Nyquist" if low == high else "Nyquist, of both sides"
    axes.annotate(f"{sides} ", (low, 0.02), xycoords=("data", "axes fraction"), ha="right", color=NYQUIST, fontsize=7)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def density(kind: EncodingKind, scale: float, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of an encoding's frequencies in the octave around each: (n,), for pictures, as B is drawn."""
    if kind == "positional":
        inside = (frequency >= min(scale, 1)) & (frequency <= max(scale, 1))
        return inside / max(abs(log2(scale)), 1 / BINS_PER_OCTAVE)
    squares = (frequency / scale) ** 2
    return log(2) * squares * np.exp(-squares / 2)  # Rayleigh's density of ‖b‖, by octave


def radial_spectrum(signal: Signal) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of a picture's variance in the octave around each frequency, by a cosine transform.

    Its waves end at the picture's edges as the picture does, so that nothing has to be faded out there. Both have shape
    (n,), and frequencies are in cycles per side, from half a cycle up. All shares are 0 for a single colour.
    """
    step = ceil(max(signal.shape) / ANALYSED_SIDE)
    shape = tuple(ceil(length / step) for length in signal.shape)
    power = np.zeros(shape)
    for channel in np.moveaxis(signal.samples, -1, 0):
        values = downscale_local_mean(channel, (step, step)) / np.iinfo(channel.dtype).max
        power += dctn(values - values.mean(), norm="ortho") ** 2
    power[0, 0] = 0
    y, x = (np.arange(length) / 2 for length in shape)
    octaves = np.log2(np.maximum(np.hypot(y[:, None], x), 0.5))
    bins, which = np.unique(np.round(BINS_PER_OCTAVE * octaves), return_inverse=True)
    sums = np.bincount(which.ravel(), power.ravel())
    shares: NDArray[np.float64] = sums * BINS_PER_OCTAVE / max(float(sums.sum()), 1e-12)
    return 2 ** (bins / BINS_PER_OCTAVE), shares
