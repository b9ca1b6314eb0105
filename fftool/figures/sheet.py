"""Sheet that compares networks and resizes: each beside the source, whole, in a magnified detail, and by its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil, inf

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.transform import downscale_local_mean

from fftool.config import format_psnr
from fftool.figures.page import GREY, Page, shortened, show, styled
from fftool.media.base import Preview
from fftool.media.image.alpha import premultiplied
from fftool.metrics import Quality
from fftool.region import Region
from fftool.signal import Samples

COLUMNS = 5  # entries in a band, beside the source
CELL, GAP, MARGIN = 2.6, 0.12, 0.4  # inches
TITLE, SUBTITLE, HEADER = 0.6, 0.3, 0.62
MIN_ASPECT, MAX_ASPECT = 0.4, 3.0  # of the cell of a whole image; beyond them, part of the cell stays empty
NAME_LENGTH = 28  # characters
DETAIL_SHARE = 5  # the detail's side is this part of the shorter side
MIN_DETAIL = 8  # pixels
SEARCHED_SIDE = 1024  # pixels; larger images are reduced before the detail is searched
ERROR_COLOURS, ERROR_QUANTILE = "inferno", 0.99

Errors = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Entry:
    """One network or resize on a sheet.

    `samples` are its previews at the source's size, for the error maps; `rendered` are those to show, of any size. Both
    go with the source's previews, one for each.
    """

    name: str
    quality: Quality
    samples: Sequence[Preview]
    rendered: Sequence[Preview]
    best: bool = False  # in held-out PSNR, or in PSNR where nothing was held out

    @property
    def exact(self) -> bool:
        return is_exact(self.quality)


@dataclass(frozen=True, eq=False)
class _Column:
    """One preview of an entry. `errors` is None where the entry is exact."""

    entry: Entry
    rendered: Samples
    errors: Errors | None


@dataclass(frozen=True, eq=False)
class _Band:
    """One preview of the source beside those of some entries: a row each of headers, images, details and error maps."""

    source: Preview
    detail: Region
    columns: Sequence[_Column]
    first: bool  # of the bands with this preview

    @property
    def tall(self) -> float:
        """Height of the cell of a whole image, in inches."""
        height, width = self.source.samples.shape[:2]
        aspect: float = height / width
        return CELL * min(max(aspect, MIN_ASPECT), MAX_ASPECT)

    @property
    def offsets(self) -> list[float]:
        """Distance of each row from the band's top, then the band's height. Where no entry has errors, 3 rows."""
        heights = [HEADER, self.tall + GAP, CELL + GAP, self.tall + GAP]
        if all(column.errors is None for column in self.columns):
            heights.pop()
        start = SUBTITLE if self.first and self.source.title else 0.0
        return list(accumulate(heights, initial=start))

    @property
    def height(self) -> float:
        return self.offsets[-1] + 2 * GAP


@styled
def sheet(source: Sequence[Preview], source_name: str, source_size: str, entries: Sequence[Entry], title: str) -> Page:
    """Networks beside their source, a block of bands for each preview of the source.

    Args:
        source: previews of the source.
        source_name: its name.
        source_size: its size, in words: 512x512 pixels.
        entries: the networks, at least one.
        title: the title of the page.

    """
    if all(entry.exact for entry in entries):
        entries = [replace(entry, best=False) for entry in entries]
    bands = _bands(source, entries)
    n_columns = 1 + max(len(band.columns) for band in bands)
    page = Page(2 * MARGIN + n_columns * (CELL + GAP) - GAP, TITLE + sum(band.height for band in bands) + MARGIN / 2)
    page.title(MARGIN, 0.22, title)
    norm = _error_norm(bands)
    top = TITLE
    for band in bands:
        tops = [top + offset for offset in band.offsets]
        _draw_source(page, band, tops, source_name, f"the source, {source_size}")
        for x, column in enumerate(band.columns, start=1):
            _draw_column(page, MARGIN + x * (CELL + GAP), tops, band, column, norm)
        if len(tops) > 4:
            _draw_error_scale(page, tops[3], band.tall, norm)
        top += band.height
    return page


def _bands(source: Sequence[Preview], entries: Sequence[Entry]) -> list[_Band]:
    n_bands = ceil(len(entries) / COLUMNS)
    width = ceil(len(entries) / n_bands)
    bands = []
    for i, preview in enumerate(source):
        reference = preview.samples
        detail = detail_region(reference, [entry.samples[i].samples for entry in entries])
        columns = [
            _Column(
                entry=entry,
                rendered=entry.rendered[i].samples,
                errors=None if entry.exact else error_map(reference, entry.samples[i].samples),
            )
            for entry in entries
        ]
        for start in range(0, len(columns), width):
            bands.append(_Band(preview, detail, columns[start : start + width], first=start == 0))
    return bands


def _error_norm(bands: Sequence[_Band]) -> Normalize:
    """Range of the colours of all error maps, which the largest errors may exceed."""
    maps = [column.errors for band in bands for column in band.columns if column.errors is not None]
    limit = max([1.0, *(float(np.quantile(errors, ERROR_QUANTILE)) for errors in maps)])
    return Normalize(0, ceil(limit))


def _draw_source(page: Page, band: _Band, tops: Sequence[float], name: str, text: str) -> None:
    """Draw the source in the first column, and the labels of the rows beside it."""
    if band.first and band.source.title:
        page.text(MARGIN, tops[0] - SUBTITLE, band.source.title, fontsize=11)
    _draw_header(page, MARGIN, tops[0], name, text)
    _draw_image(page, MARGIN, tops, band, band.source.samples)
    height, width = band.source.samples.shape[:2]
    zoom = (CELL / (band.detail.extent[0] * width)) / min(CELL / width, band.tall / height)
    for top, label in zip(tops[1:-1], ("whole", f"detail, {zoom:.2g} times as large", "error"), strict=False):
        page.text(MARGIN - 0.1, top, label, rotation=90, horizontalalignment="right", color=GREY, fontsize=8)


def _draw_column(page: Page, left: float, tops: Sequence[float], band: _Band, column: _Column, norm: Normalize) -> None:
    """Draw an entry: its header, its image, its detail, and its error map unless it is exact."""
    _draw_header(page, left, tops[0], column.entry.name, entry_text(column.entry))
    _draw_image(page, left, tops, band, column.rendered)
    if column.errors is not None:
        axes = page.axes(left, tops[3], CELL, band.tall, anchor="N")
        axes.imshow(column.errors, cmap=ERROR_COLOURS, norm=norm)
        axes.set_axis_off()


def _draw_header(page: Page, left: float, top: float, name: str, text: str) -> None:
    page.text(left, top + 0.05, shortened(name, NAME_LENGTH), weight="bold", fontsize=10)
    page.text(left, top + 0.25, text, color=GREY, linespacing=1.3)


def _draw_image(page: Page, left: float, tops: Sequence[float], band: _Band, samples: Samples) -> None:
    """Draw a whole image with its detail outlined, and the detail below it."""
    height, width = samples.shape[:2]
    x, y = (origin * size - 0.5 for origin, size in zip(band.detail.origin, (width, height), strict=True))
    across, down = (extent * size for extent, size in zip(band.detail.extent, (width, height), strict=True))
    whole = page.axes(left, tops[1], CELL, band.tall, anchor="N")
    show(whole, samples)
    for colour, thickness in (("black", 2.4), ("white", 1.0)):
        outline = Rectangle((x, y), across, down, fill=False, edgecolor=colour, linewidth=thickness, clip_on=False)
        whole.add_patch(outline)
    part = page.axes(left, tops[2], CELL, CELL, anchor="N")
    show(part, samples)
    part.set(xlim=(x, x + across), ylim=(y + down, y))


def _draw_error_scale(page: Page, top: float, tall: float, norm: Normalize) -> None:
    text = "absolute error:\nmean over the\nchannels, in\nsteps of 1/255"
    page.text(MARGIN, top + 0.1, text, fontsize=8, linespacing=1.3)
    bar = page.axes(MARGIN + 0.75 * CELL, top + 0.1, 0.13, tall - 0.2)
    page.figure.colorbar(ScalarMappable(norm, ERROR_COLOURS), cax=bar, extend="max", ticklocation="left")


def entry_text(entry: Entry) -> str:
    """Quality of an entry as its header says it, with a star where it is the best: at the held-out PSNR, if any."""
    text = quality_text(entry.quality)
    if not entry.best:
        return text
    if entry.quality.holdout_psnr is not None and not entry.exact:
        return text.replace("\nheld-out", "\n★ best held-out")
    return f"★ best PSNR, {text}" if entry.exact else f"★ best {text}"


def quality_text(quality: Quality) -> str:
    """PSNR and SSIM, and on a second line the held-out PSNR; "exact" alone if all samples are; the IoU of a shape."""
    if quality.iou is not None:
        return f"IoU {quality.iou:.4f},\nnear the surface {quality.near_iou:.4f}"
    if is_exact(quality):
        return "exact"
    parts = [f"PSNR {format_psnr(quality.psnr)}"] + ([] if quality.ssim is None else [f"SSIM {quality.ssim:.4f}"])
    held_out = "" if quality.holdout_psnr is None else f"\nheld-out PSNR {format_psnr(quality.holdout_psnr)}"
    return ", ".join(parts) + held_out


def is_exact(quality: Quality) -> bool:
    """Whether all samples equal the reference's, held-out ones too."""
    return quality.psnr == inf and quality.holdout_psnr in (None, inf)


def error_map(reference: Samples, samples: Samples) -> Errors:
    """Absolute error of what is visible of each pixel: the mean over its channels, in steps of 1/255.

    Both images have the shape (height, width, channels), the result (height, width).
    """
    error = np.abs(premultiplied(reference).astype(np.float64) - premultiplied(samples)).mean(axis=-1)
    scaled: Errors = error * (255 / np.iinfo(reference.dtype).max)
    return scaled


def detail_region(reference: Samples, others: Sequence[Samples]) -> Region:
    """Square in which the fine structure of images with shape (height, width, channels) differs most.

    Differences count by their size, not its square, so that texture outweighs a single edge. Large images are reduced
    first: a sheet does not show their finest structure.
    """
    step = ceil(max(reference.shape[:2]) / SEARCHED_SIDE)
    images = [downscale_local_mean(premultiplied(image), (step, step, 1)) for image in (reference, *others)]
    height, width = images[0].shape[:2]
    side = min(max(min(height, width) // DETAIL_SHARE, MIN_DETAIL), height, width)
    fine = [image - gaussian(image, sigma=side / 16, channel_axis=-1) for image in images]
    mean = np.mean(fine, axis=0)
    spread = np.sum([np.abs(image - mean).mean(axis=-1) for image in fine], axis=0)
    total = np.pad(spread, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    squares = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    y, x = np.unravel_index(squares.argmax(), squares.shape)
    return Region(origin=(float(x) / width, float(y) / height), extent=(side / width, side / height))
