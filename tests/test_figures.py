"""Figures, by the text, the images and the lines that they hold."""

import subprocess
import sys
from dataclasses import dataclass, replace
from math import inf, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.legend import Legend
from matplotlib.text import Text
from PIL import Image
from scipy.special import ive
from skimage.feature import match_template

from fftool.config import EncodingConfig, ScaleCandidate, ScaleSearch
from fftool.errors import FormatError
from fftool.figures.curves import Curve, curves
from fftool.figures.encoding import contact_sheet
from fftool.figures.kernels import scales
from fftool.figures.page import DPI, SUFFIXES, Page, check_suffix, displayed, shortened
from fftool.figures.scale import explanation
from fftool.figures.sheet import Entry, detail_region, error_map, quality_text, sheet
from fftool.media.base import Preview
from fftool.metrics import Quality
from fftool.models.encoding import frequency_matrix
from fftool.models.frequencies import Frequencies

FORMULA = "a$_\\bad{$.st"  # which matplotlib would take for a formula, and fail to draw


def noise(shape, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


SOURCE = noise((40, 60, 3))


def entry(name, samples, best=False, **quality):
    figures = {"psnr": inf if np.array_equal(samples, SOURCE) else 20.0, "ssim": 0.5} | quality
    return Entry(name, Quality(**figures), [Preview(samples)], [Preview(samples)], best)


def draw_sheet(*entries):
    return sheet([Preview(SOURCE)], "photo.png", "60x40 pixels", entries, "title")


def texts(page):
    """All text on a page, as matplotlib draws it."""
    page.figure.draw_without_rendering()
    return [each.get_text() for each in page.figure.findobj(Text) if each.get_visible() and each.get_text()]


def images(page):
    """Arrays of all images on a page, without those of colour bars."""
    return [np.asarray(each.get_array()) for axes in page.figure.axes for each in axes.get_images()]


def error_maps(page):
    return [array for array in images(page) if array.ndim == 2]


def colour_bars(page):
    """Axes of a sheet that hold no image."""
    return [axes for axes in page.figure.axes if not axes.get_images()]


def boxes_of_legends(page):
    page.figure.draw_without_rendering()
    return [legend.get_window_extent() for legend in page.figure.findobj(Legend)]


def lines(axes):
    """Data of all labelled lines, by label."""
    return {line.get_label(): line.get_data() for line in axes.get_lines() if line.get_label()[0] != "_"}


# The sheet


def test_detail_is_where_the_fine_structure_differs():
    """A smooth error everywhere, and a pattern that only one image has."""
    y, x = np.mgrid[0:100, 0:150]
    source = np.repeat((x[..., None] + 50).astype(np.uint8), 3, axis=2)
    smooth, fine = source + 50, source.copy()
    fine[60:70, 120:130] += (20 * ((x + y) % 2)).astype(np.uint8)[60:70, 120:130, None]
    detail = detail_region(source, [smooth, fine])
    left, top = round(detail.origin[0] * 150), round(detail.origin[1] * 100)
    assert (round(detail.extent[0] * 150), round(detail.extent[1] * 100)) == (20, 20)
    assert 110 <= left <= 120
    assert 50 <= top <= 60


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 50, 3), (3, 2, 2), (2100, 30, 1)])
def test_detail_lies_within_images_of_any_size(shape):
    detail = detail_region(noise(shape), [noise(shape, 1)])
    for origin, extent in zip(detail.origin, detail.extent, strict=True):
        assert 0 <= origin < origin + extent <= 1 + 1e-9


def test_error_is_the_mean_over_channels_in_steps_of_eight_bits():
    reference = np.zeros((2, 2, 3), np.uint16)
    samples = reference.copy()
    samples[0, 1] = (257, 3 * 257, 2 * 257)
    np.testing.assert_allclose(error_map(reference, samples), [[0, 2], [0, 0]])
    np.testing.assert_allclose(error_map(samples, reference), [[0, 2], [0, 0]])


def test_error_is_that_of_the_visible_image():
    reference = np.array([[[10, 255], [10, 0], [10, 51]]], np.uint8)
    samples = np.array([[[30, 255], [200, 0], [110, 51]]], np.uint8)
    np.testing.assert_allclose(error_map(reference, samples), [[20 / 2, 0, (110 - 10) / 5 / 2]])


def test_sheet_names_every_entry_and_its_quality():
    found = texts(draw_sheet(entry("first", SOURCE // 2, psnr=12.345), entry("second", SOURCE // 3, holdout_psnr=9.0)))
    for expected in (
        "title",
        "photo.png",
        "the source, 60x40 pixels",
        "first",
        "PSNR 12.35 dB, SSIM 0.5000",
        "second",
        "PSNR 20.00 dB, SSIM 0.5000\nheld-out PSNR 9.00 dB",
        "whole",
        "detail, 7.5 times as large",
        "error",
    ):
        assert found.count(expected) == 1, expected


def test_star_is_for_the_best_entry_alone():
    found = texts(draw_sheet(entry("first", SOURCE // 2), entry("second", SOURCE // 3, best=True)))
    assert [text for text in found if "★" in text] == ["★ best PSNR 20.00 dB, SSIM 0.5000"]


def test_no_star_unless_an_entry_is_the_best():
    assert "★" not in "".join(texts(draw_sheet(entry("first", SOURCE // 2), entry("second", SOURCE // 3))))


def test_sheet_shows_each_image_whole_and_in_detail_and_its_errors():
    first, second = SOURCE // 2, SOURCE // 3
    page = draw_sheet(entry("first", first), entry("second", second))
    shown = images(page)
    for samples in (SOURCE, first, second):
        assert sum(array.shape == samples.shape and np.array_equal(array, samples) for array in shown) == 2
    for samples, found in zip((first, second), error_maps(page), strict=True):
        np.testing.assert_allclose(found, np.abs(SOURCE.astype(float) - samples).mean(axis=-1))
    assert len(colour_bars(page)) == 1


def test_all_error_maps_have_one_range_that_starts_at_zero():
    page = draw_sheet(entry("near", SOURCE ^ 1), entry("far", 255 - SOURCE))
    limits = {
        image.get_clim() for axes in page.figure.axes for image in axes.get_images() if image.get_array().ndim == 2
    }
    errors = np.abs(SOURCE.astype(float) - (255 - SOURCE)).mean(axis=-1)
    assert limits == {(0, np.ceil(np.quantile(errors, 0.99)))}


def test_exact_entries_have_no_error_map_and_no_star():
    page = draw_sheet(*(entry(f"variant {i}", SOURCE, best=True, ssim=1.0) for i in range(4)))
    found = texts(page)
    assert found.count("exact") == 4
    assert not [text for text in found if "★" in text or "PSNR" in text or "error" in text]
    assert error_maps(page) == []
    assert colour_bars(page) == []
    with_errors = draw_sheet(*(entry(f"variant {i}", SOURCE // 2) for i in range(4)))
    assert page.height < with_errors.height - 1  # no empty row


def test_exact_entry_beside_another_leaves_its_error_map_out():
    page = draw_sheet(entry("near", SOURCE ^ 1), entry("same", SOURCE, best=True))
    assert [np.unique(array).tolist() for array in error_maps(page)] == [[1]]
    assert [text for text in texts(page) if "exact" in text] == ["★ best PSNR, exact"]


def test_band_of_exact_entries_has_no_row_of_errors():
    near, same = [entry(f"near {i}", SOURCE ^ 1) for i in range(3)], [entry(f"same {i}", SOURCE) for i in range(3)]
    page = draw_sheet(*near, *same)
    assert len(error_maps(page)) == 3
    assert len(colour_bars(page)) == 1
    assert texts(page).count("error") == 1


def test_entry_that_is_exact_on_trained_samples_alone_has_an_error_map():
    page = draw_sheet(entry("trained", SOURCE ^ 1, psnr=inf, ssim=1.0, holdout_psnr=30.0))
    assert len(error_maps(page)) == 1
    assert "PSNR exact, SSIM 1.0000\nheld-out PSNR 30.00 dB" in texts(page)


def test_exact_is_said_once_of_held_out_samples_too():
    assert quality_text(Quality(psnr=inf, ssim=1.0, holdout_psnr=inf)) == "exact"
    assert quality_text(Quality(psnr=inf, ssim=None)) == "exact"
    assert quality_text(Quality(psnr=20.0, ssim=None, holdout_psnr=inf)) == "PSNR 20.00 dB\nheld-out PSNR exact"


def test_rendered_images_of_another_size_are_shown_and_errors_are_at_the_source_size():
    large = noise((80, 120, 3), 5)
    page = draw_sheet(replace(entry("large", SOURCE // 2), rendered=[Preview(large)]))
    assert sum(array.shape == large.shape and np.array_equal(array, large) for array in images(page)) == 2
    (errors,) = error_maps(page)
    np.testing.assert_allclose(errors, (SOURCE - SOURCE // 2).astype(float).mean(axis=-1))


def test_detail_axes_show_the_same_part_at_every_size():
    page = draw_sheet(replace(entry("large", SOURCE // 2), rendered=[Preview(noise((80, 120, 3), 5))]))
    views = [
        np.add(axes.get_xlim(), 0.5) / axes.get_images()[0].get_array().shape[1]
        for axes in page.figure.axes
        if axes.get_images() and axes.get_images()[0].get_array().ndim == 3
    ]
    details = [view for view in views if np.ptp(view) < 0.99]
    assert len(details) == 2
    np.testing.assert_allclose(details[0], details[1])


def test_each_preview_has_a_block_with_its_title_and_its_own_detail():
    y, x = np.mgrid[0:40, 0:60]
    previews, others = [], []
    for title, corner in (("z = 0", 0), ("z = 9", 30)):
        samples = np.full((40, 60, 1), 100, np.uint8)
        other = samples.copy()
        other[corner : corner + 8, corner : corner + 8, 0] += (50 * ((x + y) % 2))[:8, :8].astype(np.uint8)
        previews.append(Preview(samples, title))
        others.append(Preview(other, title))
    entries = [Entry(f"variant {i}", Quality(psnr=20.0 + i, ssim=None), others, others) for i in range(2)]
    page = sheet(previews, "scan.tif", "60x40x10 voxels", entries, "title")
    found = texts(page)
    assert (found.count("z = 0"), found.count("z = 9"), found.count("variant 0")) == (1, 1, 2)
    assert found.index("z = 0") < found.index("z = 9")
    assert len(error_maps(page)) == 4
    assert len(colour_bars(page)) == 2
    starts = {round(axes.get_xlim()[0] + 0.5) for axes in page.figure.axes if axes.get_images()}
    assert starts == {0, 30}
    blocks = [sheet([preview], "", "", entries, "") for preview in previews]
    assert page.height == pytest.approx(sum(block.height for block in blocks) - 0.6 - 0.2)  # one title and one margin


def test_untitled_preview_takes_no_room_for_a_title():
    entries = [entry("first", SOURCE // 2)]
    titled = sheet([Preview(SOURCE, "z = 0")], "photo.png", "60x40 pixels", entries, "title")
    assert draw_sheet(*entries).height == pytest.approx(titled.height - 0.3)


@pytest.mark.parametrize("count", [1, 5, 6])
def test_bands_hold_up_to_five_entries_each(count):
    page = draw_sheet(*(entry(f"variant {i}", SOURCE // 2) for i in range(count)))
    found = texts(page)
    assert [f"variant {i}" in found for i in range(count)] == [True] * count
    assert found.count("photo.png") == len(colour_bars(page)) == -(-count // 5)
    assert len(error_maps(page)) == count


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_samples_are_displayed_in_eight_bits_and_grey_as_rgb(channels, dtype):
    samples = noise((4, 5, channels), dtype=dtype)
    shown = displayed(samples)
    expected = np.rint(samples / (257 if dtype == np.uint16 else 1)).astype(np.uint8)
    assert shown.shape == (4, 5, {1: 3, 2: 4}.get(channels, channels))
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[..., 0], expected[..., 0])
    np.testing.assert_array_equal(shown[..., -1], expected[..., -1])


def test_nothing_on_a_sheet_overlaps():
    page = draw_sheet(*(entry("gaussian σ=13 (auto) and more", SOURCE // 2, best=True, holdout_psnr=9.0) for _ in "ab"))
    page.figure.draw_without_rendering()
    boxes = [each.get_window_extent() for each in page.figure.texts]
    boxes += [axes.get_window_extent() for axes in page.figure.axes]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= page.width * DPI


# Curves


@dataclass(frozen=True)
class Epoch:
    epoch: int
    seconds: float
    psnr: float
    holdout_psnr: float | None = None


HISTORY = [Epoch(i, 1.5 * i, 20 + sqrt(i)) for i in range(1, 9)]


def test_curves_show_psnr_against_epochs_and_seconds():
    page = curves([Curve("first", Quality(psnr=24.0, ssim=0.5), HISTORY)], "title")
    epochs, seconds = page.figure.axes
    for axes, label, x in ((epochs, "epoch", range(1, 9)), (seconds, "seconds of training", np.arange(1, 9) * 1.5)):
        assert axes.get_xlabel() == label
        ((found_x, found_y),) = lines(axes).values()
        np.testing.assert_allclose(found_x, x)
        np.testing.assert_allclose(found_y, [20 + sqrt(i) for i in range(1, 9)])
    assert "first\nPSNR 24.00 dB, SSIM 0.5000" in texts(page)


def test_held_out_psnr_is_a_second_curve():
    history = [Epoch(i, 1.5 * i, 20.0 + i, 18.0 - i) for i in range(1, 4)]
    page = curves([Curve("first", Quality(psnr=24.0, ssim=0.5), history)], "title")
    for axes in page.figure.axes:
        first, second = axes.get_lines()
        assert list(first.get_ydata()) == [21, 22, 23]
        assert list(second.get_ydata()) == [17, 16, 15]
        assert list(second.get_xdata()) == list(first.get_xdata())
        assert second.get_color() == first.get_color()
    (legend,) = page.figure.legends
    assert legend.get_title().get_text() == "thin: held-out samples"


def test_checkpoint_without_history_is_a_level_line():
    page = curves([Curve("model.st", Quality(psnr=24.0, ssim=None))], "title")
    for axes in page.figure.axes:
        ((_, y),) = lines(axes).values()
        assert list(y) == [24, 24]


def test_exact_checkpoint_is_in_the_legend_alone():
    page = curves([Curve("first", Quality(psnr=24.0, ssim=0.5), HISTORY), Curve("b.st", Quality(psnr=inf, ssim=1))], "")
    assert [len(x) for x, _ in lines(page.figure.axes[0]).values()] == [8, 0]
    assert "b.st\nexact" in texts(page)


def test_curves_differ_in_colour_or_dashes():
    page = curves([Curve(str(i), Quality(psnr=24.0, ssim=0.5), HISTORY) for i in range(20)], "title")
    styles = {(line.get_color(), line.get_linestyle()) for line in page.figure.axes[0].get_lines()}
    assert len(styles) == 20
    (box,) = boxes_of_legends(page)
    assert box.y0 > 0
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in page.figure.axes)


# The explanation of a σ


def search(chosen=4.0, frequency=4.8, best=0.0):
    found = [
        ScaleCandidate(scale=chosen * 2**octave, score=best - octave**2)
        for octave in (-2, -1.5, -1, -0.5, 0, 0.5, 1, 2)
    ]
    return ScaleSearch(
        method="mean frequency", frequency=frequency, rate=90.0, n_samples=9, candidates=tuple(found), chosen=chosen
    )


def explain(*encodings, shape=(40, 60), **words):
    frequency = 2 ** (np.arange(-2, 12) / 2)
    return explanation("title", (frequency, np.exp(-frequency / 9)), encodings, shape, **words)


def gaussian(found):
    return EncodingConfig().resolve(found)


@pytest.mark.parametrize("frequency", [0.5, 4.8, 40.0, 300.0])
@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_legend_of_a_scale_lies_over_nothing(kind, frequency):
    encodings = [EncodingConfig(kind=kind).resolve(search(chosen, frequency)) for chosen in (0.5, 11.0)]
    page = explain(*encodings)
    legends = boxes_of_legends(page)
    assert len(legends) == 4
    dotted = [line for axes in page.figure.axes for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert len(dotted) == 2
    drawn = [line.get_window_extent() for line in dotted]
    drawn += [axes.get_window_extent() for axes in page.figure.axes]
    drawn += [axes.xaxis.label.get_window_extent() for axes in page.figure.axes]
    drawn += [label.get_window_extent() for axes in page.figure.axes for label in axes.get_xticklabels()]
    drawn += [text.get_window_extent() for text in page.figure.texts]
    for legend in legends:
        assert not any(legend.overlaps(box) for box in drawn)
        assert legend.y0 > 0


def test_explanation_shows_the_spectrum_and_the_frequencies_of_each_candidate():
    page = explain(gaussian(search()))
    spectrum, _ = page.figure.axes
    (power,) = spectrum.collections
    corners = power.get_paths()[0].vertices
    np.testing.assert_allclose(corners[:, 0].max(), 2**5.5)
    np.testing.assert_allclose(corners[:, 1].max(), np.exp(-0.5 / 9))
    frequency, share = lines(spectrum)["frequencies of σ = 4"]
    ratio = frequency / 4
    np.testing.assert_allclose(share, np.log(2) * ratio**2 * np.exp(-(ratio**2) / 2))  # Rayleigh's density by octave
    (mean, _), _ = lines(spectrum)["mean frequency"]
    assert mean == 4.8
    assert {tuple(line.get_xdata()) for line in spectrum.get_lines() if line.get_linestyle() == "--"} == {
        (20,) * 2,
        (30,) * 2,
    }
    assert len([line for line in spectrum.get_lines() if len(line.get_xdata()) == len(frequency)]) == 8


@pytest.mark.parametrize(("shape", "peak"), [((60,), 1), ((60, 60), 2), ((9, 60, 60), 3)])
def test_frequencies_of_a_candidate_depend_on_the_number_of_axes(shape, peak):
    """By octave, a chi distribution with d degrees of freedom has its peak at √d σ."""
    spectrum, _ = explain(gaussian(search()), shape=shape).figure.axes
    frequency, share = lines(spectrum)["frequencies of σ = 4"]
    assert frequency[share.argmax()] == pytest.approx(4 * sqrt(peak), rel=0.02)


def test_scores_show_every_candidate_with_its_sigma():
    page = explain(gaussian(search()))
    scores = page.figure.axes[1]
    x, y = scores.get_lines()[0].get_data()
    np.testing.assert_allclose(x, 4.0 * 2.0 ** np.array([-2, -1.5, -1, -0.5, 0, 0.5, 1, 2]))
    np.testing.assert_allclose(y, -np.square([-2, -1.5, -1, -0.5, 0, 0.5, 1, 2]))
    assert [each.get_text() for each in scores.texts] == ["1", "1.41421", "2", "2.82843", "4", "5.65685", "8", "16"]
    assert scores.get_xlabel() == "σ (cycles per side)"


def test_explanation_has_a_row_for_each_encoding_with_a_search():
    encodings = [
        gaussian(search(4.0)),
        EncodingConfig(scale=8.0).resolve(),
        EncodingConfig(kind="positional", scale_for="detail").resolve(search(11.0)),
    ]
    page = explain(*encodings, noun="image", unit="pixels")
    assert len(page.figure.axes) == 4
    assert [text for text in texts(page) if "for " in text and ": σ" in text] == [
        "gaussian: σ = 4, for resize. The image has 4.8 cycles per side on average, "
        "and the network has room for 90 pixels per side.",
        "positional: σ = 11, for detail. The image has 4.8 cycles per side on average, "
        "and the network has room for 90 pixels per side.",
    ]


def test_constant_signal_is_explained_without_a_mean_frequency():
    flat = (np.array([0.5, 0.7]), np.zeros(2))
    page = explanation("title", flat, [gaussian(search(0.5, frequency=0.0))], (1, 1))
    assert "mean frequency" not in texts(page)
    assert page.image().size == (round(page.width * DPI), round(page.height * DPI))


# Encodings


def frequencies(shape, kind="gaussian", scale=3.0, dimension=9):
    encoding = EncodingConfig(kind=kind, scale=scale, dimension=dimension).resolve()
    return Frequencies(encoding, frequency_matrix(encoding, len(shape), torch.Generator().manual_seed(0)), shape)


def labelled(page, label):
    """Data of a line in each profile that has it."""
    return [found[label] for axes in page.figure.axes if label in (found := lines(axes))]


def test_scales_show_the_frequencies_in_the_plane():
    shown = frequencies((10, 20), scale=6.0, dimension=30)
    page = scales([shown], "20x10 pixels", "pixels")
    below, above = page.figure.axes[0].collections
    bx, by = shown.B.numpy()
    aliased = (np.abs(bx) > 10) | (np.abs(by) > 5)
    assert 0 < aliased.sum() < 30
    np.testing.assert_allclose(below.get_offsets(), np.stack([bx, by], axis=1)[~aliased])
    np.testing.assert_allclose(above.get_offsets(), np.stack([bx, by], axis=1)[aliased])
    (square,) = page.figure.axes[0].patches
    assert (square.get_xy(), square.get_width(), square.get_height()) == ((-10, -5), 20, 10)
    found = texts(page)
    assert "What the encoding does, at 20x10 pixels" in found
    assert f"gaussian σ = 6\n▲ {aliased.sum()} of 30 above Nyquist: they alias" in found
    assert "bx (cycles per side)" in found


def test_scales_show_the_kernel_around_a_point():
    shown = frequencies((10, 20))
    (values,) = [array for array in images(scales([shown], "20x10 pixels")) if array.shape == (241, 241)]
    offset = np.linspace(-0.5, 0.5, 241)
    bx, by = shown.B.double().numpy()
    for row, column in ((120, 120), (0, 0), (17, 200)):
        expected = np.cos(2 * np.pi * (offset[column] * bx + offset[row] * by)).mean()
        assert values[row, column] == pytest.approx(expected, abs=1e-9)


def test_scales_show_the_kernel_over_distance_and_its_expectation():
    page = scales([frequencies((10, 20), dimension=1500)], "20x10 pixels", "pixels")
    ((x, expected),) = labelled(page, "exp(−2π²σ²‖u − v‖²)")
    np.testing.assert_allclose(expected, np.exp(-2 * (np.pi * 3 * x) ** 2))
    ((_, mean),) = labelled(page, "mean")
    assert np.abs(mean - expected).max() < 0.03
    (((spacing, _), _),) = labelled(page, "spacing of pixels")
    assert spacing == 1 / 20
    half = sqrt(np.log(2) / 2) / (3 * np.pi)
    (title,) = [text for text in texts(page) if text.startswith("half at")]
    assert float(title.split()[2]) == pytest.approx(half, rel=0.03)
    assert float(title.split()[4]) == pytest.approx(20 * half, rel=0.03)


def test_one_sigma_for_each_axis_has_an_expectation_averaged_over_directions():
    page = scales([frequencies((30, 20), scale=(9.0, 2.0))], "20x30 pixels")
    ((x, expected),) = labelled(page, "expected mean")
    a, b = (2 * (np.pi * sigma * x) ** 2 for sigma in (9, 2))
    assert len(x) == 500
    np.testing.assert_allclose(expected, np.exp(-b) * ive(0, (a - b) / 2), atol=1e-3)  # ive(0, z) is exp(-z) I₀(z)
    assert any(text.startswith("gaussian σ = 9, 2\n") for text in texts(page))


def test_one_axis_has_a_strip_below_nyquist_and_a_kernel_that_changes_along_x():
    shown = frequencies((100,), scale=30.0, dimension=50)
    page = scales([shown], "100 samples")
    (strip,) = page.figure.axes[0].patches
    low, high = sorted(page.figure.axes[0].get_ylim())
    assert (strip.get_x(), strip.get_width()) == (-50, 100)
    assert strip.get_y() < low < high < strip.get_y() + strip.get_height()
    (values,) = [array for array in images(page) if array.shape == (241, 241)]
    np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape))
    assert np.ptp(values[0]) > 0.5
    assert "by" not in texts(page)
    assert len(labelled(page, "kernel")) == 1


def test_more_than_two_axes_are_shown_in_the_plane_of_x_and_y():
    page = scales([frequencies((9, 10, 20))], "20x10x9 voxels")
    assert "Shown in the plane of x and y." in "".join(texts(page))
    assert "Shown in" not in "".join(texts(scales([frequencies((10, 20))], "20x10 pixels")))


@pytest.mark.parametrize("kind", ["positional", "basic"])
def test_other_encodings_have_no_expectation(kind):
    page = scales([frequencies((20, 20), kind)], "20x20 pixels")
    assert labelled(page, "exp(−2π²σ²‖u − v‖²)") == labelled(page, "expected mean") == []


@pytest.mark.parametrize("shape", [(100,), (100, 100), (9, 100, 100)])
def test_nothing_in_the_figure_of_scales_overlaps(shape):
    page = scales([frequencies(shape, scale=scale) for scale in (1.0, 10.0, 100.0)], "100x100x100 samples")
    page.figure.draw_without_rendering()
    panels = [axes.get_tightbbox() for axes in page.figure.axes]  # with titles, labels and legends
    panels += [text.get_window_extent() for text in page.figure.texts]
    for i, panel in enumerate(panels):
        assert not any(panel.overlaps(other) for other in panels[:i])
        assert panel.y0 >= 0
        assert panel.x1 <= page.width * DPI
    legends = boxes_of_legends(page)
    assert len(legends) == 3
    for axes in page.figure.axes:
        assert not any(legend.overlaps(axes.get_window_extent()) for legend in legends)


def rendered(page):
    return np.asarray(page.image().convert("L"), float)


def is_on(page, image):
    return match_template(rendered(page), image.astype(float)).max() > 0.9999


def test_contact_sheet_shows_the_features_pixel_by_pixel():
    shown = frequencies((100, 110))
    pairs = list(shown.features())
    page = contact_sheet(shown, pairs, "110x100 pixels")
    for samples in (*pairs[0], *pairs[8]):
        assert is_on(page, samples[..., 0])


def test_contact_sheet_enlarges_small_images_by_a_whole_factor():
    shown = frequencies((10, 20), dimension=2)
    pairs = list(shown.features())
    page = contact_sheet(shown, pairs, "20x10 pixels")
    for samples in (*pairs[0], *pairs[1]):
        assert is_on(page, np.kron(samples[..., 0], np.ones((4, 4))))  # 80 pixels of up to 96


def test_contact_sheet_reduces_large_images_by_averaging():
    shown = frequencies((256, 128), dimension=2)
    pairs = list(shown.features())
    page = contact_sheet(shown, pairs, "128x256 pixels")
    for samples in (*pairs[0], *pairs[1]):
        assert is_on(page, samples[..., 0].reshape(128, 2, 64, 2).mean(axis=(1, 3)))


def test_contact_sheet_labels_each_pair_and_marks_those_above_nyquist():
    B = torch.tensor([[1.0, -2.5], [0.25, 60.0]])
    shown = Frequencies(EncodingConfig(scale=1.0).resolve(), B, (100, 100))
    found = texts(contact_sheet(shown, shown.features(), "100x100 pixels"))
    assert "0  (1, 0.25)" in found
    assert "▲ 1  (−2.5, 60)" in found
    assert "gaussian σ = 1: 2 frequencies" in found
    (about,) = [text for text in found if text.startswith("At 100x100 pixels: cos 2π(bx x + by y)")]
    assert "▲ above Nyquist, 1 in all" in about
    assert "(bx, by) in cycles per side" in about


@pytest.mark.parametrize(
    ("shape", "phase", "label"), [((30,), "cos 2πbx x", "0  (1)"), ((3, 4, 30), "cos 2πb·v", "0  (1, 0, 0)")]
)
def test_contact_sheet_of_other_numbers_of_axes(shape, phase, label):
    shown = frequencies(shape, "basic")
    previews = ((cos.reshape(-1, 30, 1), sin.reshape(-1, 30, 1)) for cos, sin in shown.features())
    found = texts(contact_sheet(shown, previews, "30 samples"))
    assert label in found
    assert phase in "".join(found)
    assert "above Nyquist" not in "".join(found)


def test_contact_sheet_shows_up_to_256_pairs():
    shown = frequencies((2, 2), dimension=300)
    page = contact_sheet(shown, shown.features(), "2x2 pixels")
    assert len(images(page)) == 2 * 256
    assert "The first 256 are shown." in "".join(texts(page))


def test_labels_of_a_contact_sheet_do_not_overlap():
    for shape in ((100, 100), (3, 4, 5)):
        shown = frequencies(shape, scale=1234.5, dimension=30)
        previews = ((cos.reshape(-1, shape[-1], 1), sin.reshape(-1, shape[-1], 1)) for cos, sin in shown.features())
        page = contact_sheet(shown, previews, "size")
        page.figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in page.figure.texts]
        assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])


# Names and files


def formula_pages():
    quality = Quality(psnr=20.0, ssim=0.5)
    yield sheet([Preview(SOURCE, FORMULA)], FORMULA, FORMULA, [entry(FORMULA, SOURCE // 2)], FORMULA), 5
    yield curves([Curve(FORMULA, quality, HISTORY), Curve(FORMULA, quality)], FORMULA), 3
    yield explanation(FORMULA, (np.ones(1), np.ones(1)), [gaussian(search())], (9, 9)), 1


def test_name_that_looks_like_a_formula_is_drawn_literally(tmp_path):
    for page, times in formula_pages():
        with_name = [each for each in page.figure.findobj(Text) if FORMULA in each.get_text()]
        assert len(with_name) == times
        assert not any(each.get_parse_math() for each in with_name)
        page.save(tmp_path / "a.png")  # which fails on a formula with an error


def test_long_names_keep_their_end():
    assert shortened("short.png", 9) == "short.png"
    assert shortened("a-long-name.png", 9) == "…name.png"
    assert len(shortened("x" * 100, 28)) == 28


def page_with_text():
    page = Page(2, 1)
    page.text(0.5, 0.25, "σ = 25")
    return page


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG"])
def test_page_is_saved_in_the_format_of_its_suffix_with_the_same_bytes_each_time(tmp_path, suffix):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        page_with_text().save(path)
    content = first.read_bytes()
    assert content == second.read_bytes()
    if suffix == ".pdf":
        assert content.startswith(b"%PDF")
    elif suffix == ".svg":
        assert b"<svg" in content
    else:
        with Image.open(first) as image:
            expected = (
                suffix.lower().removeprefix(".").replace("jpg", "jpeg").replace("tif", "tiff").replace("tifff", "tiff")
            )
            assert image.format.lower() == expected
            assert image.size == (300, 150)


@pytest.mark.parametrize(("suffix", "at_least"), [(".jpg", 35), (".jpeg", 35), (".webp", inf)])
def test_page_keeps_the_resolution_of_colours(tmp_path, suffix, at_least):
    """A checkerboard of red and blue pixels; with half of their resolution, it has 8 dB."""
    page = Page(60 / DPI, 60 / DPI)
    y, x = np.mgrid[:60, :60]
    board = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)[(x + y) % 2]
    page.figure.figimage(board, resize=False)
    page.save(tmp_path / f"a{suffix}")
    squares = np.square(np.array(Image.open(tmp_path / f"a{suffix}").convert("RGB")) - board.astype(float)).mean()
    assert (10 * np.log10(255**2 / squares) if squares else inf) >= at_least


@pytest.mark.parametrize("name", ["figure.gif", "figure", "figure.st"])
def test_rejects_a_suffix_of_no_figure_format(name, tmp_path):
    with pytest.raises(FormatError, match=r"no suffix of a known figure format: expected one of \.png, ") as error:
        check_suffix(Path(name))
    assert error.value.limit == "suffix"
    with pytest.raises(FormatError):
        page_with_text().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_text_and_axes_are_placed_in_inches_from_the_upper_left_corner():
    page = page_with_text()
    axes = page.axes(0.5, 0.5, 1, 0.25)
    page.figure.draw_without_rendering()
    (text,) = page.figure.texts
    box = text.get_window_extent()
    assert (box.x0 / DPI, 1 - box.y1 / DPI) == pytest.approx((0.5, 0.25), abs=0.02)
    box = axes.get_window_extent()
    assert (box.x0 / DPI, 1 - box.y1 / DPI, box.width / DPI, box.height / DPI) == pytest.approx((0.5, 0.5, 1, 0.25))


def test_import_leaves_the_log_of_matplotlib_alone():
    code = "import logging, fftool.figures.page; print(logging.getLogger('matplotlib').handlers)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
