"""Ordinary resizing, against Pillow, against formulas, and by what has to hold of any kernel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fftool.comparison.outcome import resize_variant
from fftool.config import Baseline, TrainingConfig
from fftool.errors import SettingError, SizeError
from fftool.resampling import KERNELS, resize
from fftool.signal import Signal

PILLOW = {
    "linear": Image.Resampling.BILINEAR,
    "cubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
LATTICE = (slice(0, None, 2), slice(0, None, 2))
each_kernel = pytest.mark.parametrize("kernel", KERNELS)


def random_samples(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def largest_difference(first, second):
    return np.abs(first.astype(float) - second).max()


def pillow_resize(samples, shape, kernel, box=None):
    """Each channel resized by Pillow as 32-bit floats, not rounded."""
    planes = [Image.fromarray(samples[..., i].astype(np.float32)) for i in range(samples.shape[-1])]
    return np.stack([np.asarray(plane.resize(shape[::-1], PILLOW[kernel], box)) for plane in planes], axis=-1)


@each_kernel
@pytest.mark.parametrize("shape", [(61, 90), (20, 23), (7, 5), (1, 1), (64, 8), (3, 200)])
def test_resize_is_that_of_pillow(kernel, shape):
    """Enlarged, reduced, and one of each."""
    samples = random_samples(20, 23, 3)
    exact = pillow_resize(samples, shape, kernel)
    assert largest_difference(resize(samples, shape, kernel), exact.clip(0, 255)) <= 0.51
    samples = samples // 2 + 64  # Pillow clamps 8 bits between its two passes, and here there is nothing to clamp
    rounded = Image.fromarray(samples).resize(shape[::-1], PILLOW[kernel])
    assert largest_difference(resize(samples, shape, kernel), np.asarray(rounded)) <= 1


@each_kernel
@pytest.mark.parametrize("shape", [(9, 31), (30, 14)])
def test_all_16_bits_are_kept(kernel, shape):
    samples = random_samples(12, 15, 2, dtype=np.uint16)
    resized = resize(samples, shape, kernel)
    assert resized.dtype == np.uint16
    assert largest_difference(resized, pillow_resize(samples, shape, kernel).clip(0, 65535)) <= 0.6


@each_kernel
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_size_of_its_own_changes_nothing(kernel, dtype):
    samples = random_samples(13, 8, 3, dtype=dtype)
    np.testing.assert_array_equal(resize(samples, (13, 8), kernel), samples)


@each_kernel
def test_ramp_stays_a_ramp_at_the_centres_of_its_samples(kernel):
    """At 3 times the size, sample i is at (i + 0.5) / 3 - 0.5 of the old ones; away from the border."""
    ramp = np.broadcast_to(np.arange(20, dtype=np.uint16)[:, None, None] * 3000, (20, 4, 1))
    resized = resize(ramp, (60, 4), kernel)
    expected = ((np.arange(60) + 0.5) / 3 - 0.5) * 3000
    tolerance = 60 if kernel == "lanczos" else 0.51  # which is not exact for a ramp, only 2 % of its step
    assert np.abs(resized[9:-9, :, 0] - expected[9:-9, None]).max() < tolerance


@each_kernel
def test_lattice_is_kept_and_filled_at_its_own_centres(kernel):
    """Half-way between two samples of a ramp, every kernel is exact, as it is symmetric."""
    ramp = (np.arange(31)[:, None] * 5 + np.arange(24) * 4).astype(np.uint8)[..., None]
    filled = resize(ramp, ramp.shape[:2], kernel, LATTICE)
    np.testing.assert_array_equal(filled[LATTICE], ramp[LATTICE])
    np.testing.assert_array_equal(filled[6:-6, 6:-6], ramp[6:-6, 6:-6])


@each_kernel
@pytest.mark.parametrize("shape", [(17, 23), (40, 50), (6, 7)])
def test_lattice_is_resized_like_an_array_of_its_own(kernel, shape):
    """Pillow's box (left, top, right, bottom) is the whole signal, in the lattice's pixels, which are 2 wide.

    The first of these is from -0.5 to 1.5 in the signal's pixels, so that the signal begins at a quarter of it.
    """
    samples = random_samples(17, 23, 1)
    whole = (0.25, 0.25, 0.25 + 23 / 2, 0.25 + 17 / 2)
    expected = pillow_resize(samples[LATTICE], shape, kernel, whole).clip(0, 255)
    assert largest_difference(resize(samples, shape, kernel, LATTICE), expected) <= 0.51


@each_kernel
def test_samples_outside_of_the_lattice_have_no_part(kernel):
    samples = random_samples(17, 22, 1)
    changed = np.zeros_like(samples)
    changed[LATTICE] = samples[LATTICE]
    for shape in ((17, 22), (40, 50), (6, 7)):
        resized = resize(samples, shape, kernel, LATTICE)
        np.testing.assert_array_equal(resized, resize(changed, shape, kernel, LATTICE))


def keys_half_way(values):
    """Keys' weights at a distance of half a sample: −1, 9, 9, −1, of 16."""
    return (9 * (values[1:-2] + values[2:-1]) - values[:-3] - values[3:]) / 16


def test_signal_with_one_axis_is_filled_with_the_weights_of_keys():
    samples = random_samples(101, 2, dtype=np.uint16)
    filled = resize(samples, (101,), "cubic", (slice(0, None, 2),))
    expected = keys_half_way(samples[::2].astype(float)).clip(0, 65535)
    assert largest_difference(filled[3:-3:2], expected) <= 0.51


def test_signal_with_three_axes_is_the_mean_of_eight_neighbours():
    samples = random_samples(7, 9, 5, 1)
    filled = resize(samples, (7, 9, 5), "linear", (slice(0, None, 2),) * 3)
    known = samples[::2, ::2, ::2].astype(float)
    corners = [known[i : i + 3, j : j + 4, k : k + 2] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    assert largest_difference(filled[1::2, 1::2, 1::2], sum(corners) / 8) <= 0.51


@given(
    value=st.integers(0, 255),
    old=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    new=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    kernel=st.sampled_from(sorted(KERNELS)),
    lattice=st.booleans(),
)
def test_one_colour_stays_that_colour(value, old, new, kernel, lattice):
    """At any size, to the border."""
    resized = resize(np.full((*old, 1), value, np.uint8), new, kernel, LATTICE if lattice else None)
    np.testing.assert_array_equal(resized, np.full((*new, 1), value, np.uint8))


def test_result_too_large_for_memory_is_refused():
    with pytest.raises(SizeError, match="do not fit in memory"):
        resize(random_samples(2, 2, 1), (2**31, 2**31), "linear")


# Baselines


def psnr(first, second):
    return -10 * np.log10(np.mean((first / 255 - second / 255) ** 2))


def test_baseline_is_measured_at_the_samples_half_way_between_trained_ones():
    samples = random_samples(20, 20, 3)
    outcome = resize_variant(Signal(samples), Baseline("linear"), TrainingConfig(holdout="lattice"))
    known = samples[::2, ::2].astype(float)
    known = np.pad(known, ((0, 1), (0, 1), (0, 0)), mode="edge")  # beyond the last one, linear is constant
    expected = np.rint((known[1:, 1:] + known[1:, :-1] + known[:-1, 1:] + known[:-1, :-1]) / 4)
    assert outcome.quality.holdout_psnr == pytest.approx(psnr(samples[1::2, 1::2], expected), abs=0.01)
    assert (outcome.quality.psnr, outcome.quality.ssim) == (np.inf, 1)
    assert largest_difference(outcome.samples[1::2, 1::2], expected) <= 1


def test_baseline_does_not_see_colours_that_alpha_hides():
    """A grey disc on transparent black is resized without a dark rim."""
    y, x = np.mgrid[:24, :24] - 11.5
    inside = x**2 + y**2 < 64
    samples = np.stack([inside * 200, inside * 255], axis=-1).astype(np.uint8)
    for holdout in ("none", "lattice"):
        outcome = resize_variant(Signal(samples), Baseline("cubic"), TrainingConfig(holdout=holdout))
        enlarged = outcome.render((96, 96))
        assert set(np.unique(enlarged[enlarged[..., 1] > 0][:, 0])) == {200}


def test_baseline_without_a_grid_is_refused():
    with pytest.raises(SettingError, match=r"invalid holdout 0\.1: expected 'lattice' or 'none'"):
        resize_variant(Signal(random_samples(9, 9, 1)), Baseline("cubic"), TrainingConfig(holdout=0.1))
