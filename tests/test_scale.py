"""σ chosen from the signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import fftool
from fftool import EncodingConfig, Signal, TrainingConfig, search_scale
from fftool.changes import LOOKED_AT
from fftool.config import SettingError
from fftool.scale import LEAST
from fftool.training import assess
from tests.conftest import field


def enlarged(signal: Signal) -> Signal:
    """Twice the size, by a spectrum padded with zeros: the same content, with nothing above the old Nyquist."""
    side = len(signal.samples)
    spectrum = np.fft.fftshift(np.fft.fft2(signal.samples[..., 0] / 65535))
    values = np.fft.ifft2(np.fft.ifftshift(np.pad(spectrum, side // 2))).real * 4
    return Signal(fftool.quantize(values, 16)[..., None])


@pytest.mark.parametrize("bandwidth", [4, 8, 16])
def test_the_frequency_of_a_field_of_known_bandwidth_is_found(bandwidth):
    search = search_scale(field(256, bandwidth))
    assert search.frequency == pytest.approx(bandwidth, rel=0.1)
    assert search.rate == 256
    assert 0.1 * 256 > search.chosen > 0.5 * bandwidth**0.5  # far below the samples' rate, and not below the content's


@pytest.mark.parametrize("scale_for", ["resize", "detail"])
def test_more_content_takes_a_larger_scale(scale_for):
    chosen = [
        search_scale(field(256, width), EncodingConfig(scale_for=scale_for)).chosen for width in (2, 4, 8, 16, 32)
    ]
    assert chosen == sorted(set(chosen))


def test_the_scale_is_in_proportion_to_the_size_for_the_same_content_in_each_pixel():
    """Twice the pixels a side, and in each of them as much as before: twice the σ, within 10 %."""
    small, large = search_scale(field(128, 8)), search_scale(field(256, 16))
    assert large.chosen / small.chosen == pytest.approx(2, rel=0.1)


def test_an_enlarged_picture_has_the_same_frequency_and_a_little_more_room():
    """The same content at twice the resolution: √2 times the σ, within 10 %."""
    signal = field(128, 8)
    small, large = search_scale(signal), search_scale(enlarged(signal))
    assert large.frequency == pytest.approx(small.frequency, rel=0.05)
    assert large.chosen / small.chosen == pytest.approx(2**0.5, rel=0.1)


def test_it_is_the_frequency_that_independent_code_finds(photo):
    values = photo.samples / 255
    s = np.sqrt(np.mean([values[..., channel].var() for channel in range(3)]))
    x, y = 64 * np.abs(np.diff(values, axis=1)).mean(), 48 * np.abs(np.diff(values, axis=0)).mean()
    search = search_scale(photo, training=TrainingConfig(epochs=20))
    assert search.frequency == pytest.approx((x + y) / 2 / (s * np.sqrt(8 * np.pi)))
    assert search.rate == pytest.approx((64 * x + 48 * y) / (x + y))
    assert search.chosen == pytest.approx(0.2 * np.sqrt(search.frequency * search.rate), rel=0.05)  # two digits


def test_noise_is_left_alone_unless_it_is_what_matters():
    noise = Signal(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))
    assert search_scale(noise).chosen < 3
    assert search_scale(noise, EncodingConfig(scale_for="detail")).chosen > 15


@pytest.mark.parametrize("spacing", [2, 5, 16])
def test_lines_of_a_single_pixel_are_no_noise(spacing):
    samples = np.full((128, 128, 1), 255, np.uint8)
    samples[:, ::spacing] = 0
    shuffled = np.random.default_rng(0).permuted(samples, axis=1)  # as many changes, but none beside another
    assert search_scale(Signal(samples)).chosen > 2.5 * search_scale(Signal(shuffled)).chosen


def test_a_channel_that_never_changes_has_no_say(photo):
    opaque = np.concatenate([photo.samples, np.full((48, 64, 1), 255, np.uint8)], axis=-1)
    assert search_scale(Signal(opaque)) == search_scale(photo)


def test_a_picture_on_its_side_has_the_same_scale(photo):
    turned = Signal(np.ascontiguousarray(photo.samples.transpose(1, 0, 2)))
    assert search_scale(turned).chosen == search_scale(photo).chosen


def test_a_wide_picture_gets_what_its_long_side_needs():
    wide = Signal(np.ascontiguousarray(field(512, 30).samples[:64]))  # with an eighth of the content down its height
    square = Signal(np.ascontiguousarray(field(512, 30).samples[:181, :181]))  # as many pixels
    assert search_scale(wide).chosen > 1.5 * search_scale(square).chosen


@given(
    arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=9)),
    st.sampled_from(["gaussian", "positional"]),
    st.sampled_from(["resize", "detail"]),
)
def test_every_picture_gets_a_scale(samples, kind, goal):
    search = search_scale(Signal(samples), EncodingConfig(kind=kind, scale_for=goal))
    assert LEAST <= search.chosen < max(samples.shape) + 1
    assert np.isfinite([search.frequency, search.rate]).all()
    assert EncodingConfig(scale=search.chosen).sigma == search.chosen


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 1), (50, 1, 4), (2, 2, 2), (15, 15, 3), (300, 200, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_single_colour_gets_the_least_scale(shape, dtype):
    assert search_scale(Signal(np.full(shape, 7, dtype))).chosen == LEAST


def test_signals_of_other_ranks_have_a_scale_too():
    sound = Signal(fftool.quantize(0.5 + 0.4 * np.sin(np.linspace(0, 60, 2000)), 16)[:, None], axes=("x",))
    volume = Signal(np.random.default_rng(0).integers(0, 256, (9, 8, 7, 1), np.uint8), axes=("z", "y", "x"))
    assert search_scale(sound).rate == pytest.approx(2000)
    assert 7 < search_scale(volume).rate < 9
    assert min(search_scale(sound).chosen, search_scale(volume).chosen) >= LEAST


def test_candidates_lie_around_the_chosen_one_which_is_the_best(photo):
    search = search_scale(photo)
    scales, scores = zip(*((each.scale, each.score) for each in search.candidates), strict=True)
    assert list(scales) == sorted(set(scales))
    assert scales[scores.index(max(scores))] == search.chosen
    assert max(scores) == pytest.approx(0, abs=0.01)
    assert scales[0] < search.chosen / 3 and scales[-1] > search.chosen * 3


def test_what_it_looks_at_is_bounded():
    signal = field(1024, 20)
    values, network = signal.samples / 65535, fftool.NetworkConfig(hidden=1024)  # which has room for all of it
    x, y = (1024 * np.abs(np.diff(values, axis=axis)).mean() for axis in (1, 0))
    search = search_scale(signal, network=network)
    assert search.cells == LOOKED_AT
    assert search.frequency == pytest.approx((x + y) / 2 / (values.std() * np.sqrt(8 * np.pi)), rel=0.01)


@pytest.mark.parametrize("holdout", [0.3, "lattice"])
def test_held_out_pixels_have_no_say(photo, holdout):
    training = TrainingConfig(holdout=holdout)
    held = fftool.holdout.split(photo.shape, training)
    rows = photo.samples.reshape(-1, 3).copy()
    rows[held.test] = np.random.default_rng(0).integers(0, 256, (len(held.test), 3))
    changed = Signal(rows.reshape(photo.samples.shape))
    assert search_scale(changed, training=training) == search_scale(photo, training=training)
    assert search_scale(changed) != search_scale(photo)
    first = next(fftool.fit(changed, training=training))
    assert first.network.config.encoding.scale_search == search_scale(photo, training=training)


def test_a_lattice_halves_the_rate(photo):
    training = TrainingConfig(holdout="lattice")
    search = search_scale(photo, training=training)
    assert search == search_scale(Signal(np.ascontiguousarray(photo.samples[::2, ::2])))
    assert search.rate == pytest.approx(search_scale(photo).rate / 2, rel=0.02)


def test_a_network_too_small_for_a_picture_sees_a_coarser_one():
    signal = field(512, 30)
    large, small = (search_scale(signal, network=fftool.NetworkConfig(hidden=hidden)) for hidden in (256, 8))
    assert large.rate == 512
    assert small.rate < 100
    assert LEAST < small.chosen < large.chosen / 3


def test_a_second_signal_gets_a_search_of_its_own_or_none(photo):
    first = next(fftool.fit(photo)).network.config.encoding
    second = next(fftool.fit(field(32, 4), first)).network.config.encoding
    assert (second.scale, second.scale_search) == (first.scale, None)


def test_longer_training_takes_a_smaller_scale_between_the_pixels(photo):
    chosen = [search_scale(photo, training=TrainingConfig(epochs=epochs)).chosen for epochs in (5, 20, 80)]
    assert chosen == sorted(chosen, reverse=True)
    assert chosen[0] / chosen[2] == pytest.approx(2, rel=0.05)
    assert search_scale(photo, training=TrainingConfig(seconds=5)).chosen == chosen[1]  # nobody knows how many


def test_what_a_network_has_no_room_for_is_not_learnt_by_heart():
    signal, network = field(256, 20), fftool.NetworkConfig(hidden=8)
    few, many, most = (
        search_scale(signal, network=network, training=TrainingConfig(epochs=epochs)).chosen for epochs in (5, 20, 80)
    )
    assert few == many > most


@pytest.mark.parametrize("epochs", [1, 50, 10**9])
@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_for_the_pixels_themselves_it_is_higher(photo, kind, epochs):
    training = TrainingConfig(epochs=epochs)
    resize, detail = (
        search_scale(photo, EncodingConfig(kind=kind, scale_for=goal), training=training).chosen
        for goal in ("resize", "detail")
    )
    assert detail > 1.2 * resize


@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_training_with_it_comes_near_to_the_best_of_a_sweep(photo, kind):
    def held_out(scale):
        training = TrainingConfig(epochs=20, holdout=0.1)
        for progress in fftool.fit(photo, EncodingConfig(kind=kind, scale=scale), training=training):
            pass
        return assess(progress.network, photo)[1].holdout_psnr

    best = max(held_out(scale) for scale in (1, 2, 4, 8, 16, 32))
    assert held_out("auto") > best - 0.8


def test_with_a_higher_one_the_pixels_are_nearer(photo):
    def trained(scale_for):
        encoding = EncodingConfig(scale_for=scale_for)
        for progress in fftool.fit(photo, encoding, training=TrainingConfig(epochs=20)):
            pass
        return progress.network.config.encoding.sigma, assess(progress.network, photo)[1].psnr

    (resize, blurred), (detail, sharp) = trained("resize"), trained("detail")
    assert detail > 1.5 * resize
    assert sharp > blurred + 2


def test_a_scale_that_is_still_open_is_no_number():
    with pytest.raises(SettingError, match="still to be chosen"):
        _ = EncodingConfig().sigma
    with pytest.raises(SettingError, match="the scale is automatic"):
        EncodingConfig(scale="automatic")
    with pytest.raises(SettingError, match="basic encoding has no scale"):
        search_scale(field(32, 4), EncodingConfig(kind="basic"))
    with pytest.raises(SettingError, match="its search came to another"):
        EncodingConfig(scale=3, scale_search=search_scale(field(32, 4)))
