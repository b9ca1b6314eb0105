"""σ chosen from the signal."""

import numpy as np
import pytest
from conftest import field
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import gaussian_filter

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig, fit, search_scale
from fftool.checkpoint.reading import describe
from fftool.errors import SettingError
from fftool.evaluation import assess
from fftool.holdout import split
from fftool.scale.frequency import MAX_EXAMINED
from fftool.scale.search import MIN_SCALE


def enlarged(signal: Signal) -> Signal:
    """Twice the size, by a spectrum padded with zeros: the same content, with nothing above the old Nyquist."""
    side = len(signal.samples)
    spectrum = np.fft.fftshift(np.fft.fft2(signal.samples[..., 0] / 65535))
    values = np.fft.ifft2(np.fft.ifftshift(np.pad(spectrum, side // 2))).real * 4
    return Signal(fftool.quantize(values, 16)[..., None])


@pytest.mark.parametrize("bandwidth", [4, 8, 16])
def test_finds_the_frequency_of_a_field_of_known_bandwidth(bandwidth):
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


def test_scale_grows_with_the_size_for_the_same_content_per_pixel():
    """Twice the pixels along a side, with as much content in each as before: twice the σ, within 10 %."""
    small, large = search_scale(field(128, 8)), search_scale(field(256, 16))
    assert large.chosen / small.chosen == pytest.approx(2, rel=0.1)


def test_enlarged_image_has_the_same_frequency_and_a_larger_scale():
    """The same content at twice the resolution: √2 times the σ, within 10 %."""
    signal = field(128, 8)
    small, large = search_scale(signal), search_scale(enlarged(signal))
    assert large.frequency == pytest.approx(small.frequency, rel=0.05)
    assert large.chosen / small.chosen == pytest.approx(2**0.5, rel=0.1)


def test_frequency_and_scale_equal_the_formula(photo):
    values = photo.samples / 255
    s = np.sqrt(np.mean([values[..., channel].var() for channel in range(3)]))
    x, y = 64 * np.abs(np.diff(values, axis=1)).mean(), 48 * np.abs(np.diff(values, axis=0)).mean()
    search = search_scale(photo, training=TrainingConfig(epochs=20))
    assert search.frequency == pytest.approx((x + y) / 2 / (s * np.sqrt(8 * np.pi)))
    assert search.rate == pytest.approx((64 * x + 48 * y) / (x + y))
    assert search.chosen == pytest.approx(0.2 * np.sqrt(search.frequency * search.rate), rel=0.05)  # two digits


def test_noise_is_ignored_unless_detail_is_asked_for():
    noise = Signal(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))
    assert search_scale(noise).chosen < 3
    assert search_scale(noise, EncodingConfig(scale_for="detail")).chosen > 15


@pytest.mark.parametrize("spacing", [2, 5, 16])
def test_lines_one_pixel_wide_are_not_taken_for_noise(spacing):
    samples = np.full((128, 128, 1), 255, np.uint8)
    samples[:, ::spacing] = 0
    shuffled = np.random.default_rng(0).permuted(samples, axis=1)  # as many changes, each on its own
    assert search_scale(Signal(samples)).chosen > 2.5 * search_scale(Signal(shuffled)).chosen


def test_constant_channel_changes_nothing(photo):
    opaque = np.concatenate([photo.samples, np.full((48, 64, 1), 255, np.uint8)], axis=-1)
    assert search_scale(Signal(opaque)) == search_scale(photo)


def test_image_on_its_side_has_the_same_scale(photo):
    turned = Signal(np.ascontiguousarray(photo.samples.transpose(1, 0, 2)))
    assert search_scale(turned).chosen == search_scale(photo).chosen


def test_wide_image_gets_the_scale_of_its_long_side():
    wide = Signal(np.ascontiguousarray(field(512, 30).samples[:64]))  # with an eighth of the content down its height
    square = Signal(np.ascontiguousarray(field(512, 30).samples[:181, :181]))  # as many pixels
    assert search_scale(wide).chosen > 1.5 * search_scale(square).chosen


@given(
    arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=9)),
    st.sampled_from(["gaussian", "positional"]),
    st.sampled_from(["resize", "detail"]),
)
def test_any_image_gets_a_scale(samples, kind, goal):
    search = search_scale(Signal(samples), EncodingConfig(kind=kind, scale_for=goal))
    assert MIN_SCALE <= search.chosen < max(samples.shape) + 1
    assert np.isfinite([search.frequency, search.rate]).all()
    assert EncodingConfig(scale=search.chosen).resolve().scale == (search.chosen,)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 1), (50, 1, 4), (2, 2, 2), (15, 15, 3), (300, 200, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_single_colour_gets_the_smallest_scale(shape, dtype):
    assert search_scale(Signal(np.full(shape, 7, dtype))).chosen == MIN_SCALE


def test_signals_of_other_ranks_get_a_scale():
    sound = Signal(fftool.quantize(0.5 + 0.4 * np.sin(np.linspace(0, 60, 2000)), 16)[:, None], axes=("x",))
    volume = Signal(np.random.default_rng(0).integers(0, 256, (9, 8, 7, 1), np.uint8), axes=("z", "y", "x"))
    assert search_scale(sound).rate == pytest.approx(2000)
    assert 7 < search_scale(volume).rate < 9
    assert min(search_scale(sound).chosen, search_scale(volume).chosen) >= MIN_SCALE


def test_candidates_lie_around_the_best_one(photo):
    search = search_scale(photo)
    scales, scores = zip(*((each.scale, each.score) for each in search.candidates), strict=True)
    assert list(scales) == sorted(set(scales))
    assert scales[scores.index(max(scores))] == search.chosen
    assert max(scores) == pytest.approx(0, abs=0.01)
    assert scales[0] < search.chosen / 3 and scales[-1] > search.chosen * 3


def test_number_of_examined_samples_is_bounded():
    signal = field(1024, 20)
    values, network = signal.samples / 65535, NetworkConfig(hidden=1024)  # with capacity for all of it
    x, y = (1024 * np.abs(np.diff(values, axis=axis)).mean() for axis in (1, 0))
    search = search_scale(signal, network=network)
    assert search.n_samples == MAX_EXAMINED
    assert search.frequency == pytest.approx((x + y) / 2 / (values.std() * np.sqrt(8 * np.pi)), rel=0.01)


@pytest.mark.parametrize("holdout", [0.3, "lattice"])
def test_held_out_pixels_change_nothing(photo, holdout):
    training = TrainingConfig(holdout=holdout)
    held_out = split(photo.shape, holdout, training.seed)
    rows = photo.samples.reshape(-1, 3).copy()
    rows[held_out.test] = np.random.default_rng(0).integers(0, 256, (len(held_out.test), 3))
    changed = Signal(rows.reshape(photo.samples.shape))
    assert search_scale(changed, training=training) == search_scale(photo, training=training)
    assert search_scale(changed) != search_scale(photo)
    first = next(fftool.fit(changed, training=training))
    assert first.network.config.encoding.search == search_scale(photo, training=training)


def test_lattice_halves_the_rate(photo):
    training = TrainingConfig(holdout="lattice")
    search = search_scale(photo, training=training)
    assert search == search_scale(Signal(np.ascontiguousarray(photo.samples[::2, ::2])))
    assert search.rate == pytest.approx(search_scale(photo).rate / 2, rel=0.02)


def test_network_too_small_for_an_image_measures_it_more_coarsely():
    signal = field(512, 30)
    large, small = (search_scale(signal, network=NetworkConfig(hidden=hidden)) for hidden in (256, 8))
    assert large.rate == 512
    assert small.rate < 100
    assert MIN_SCALE < small.chosen < large.chosen / 3


def test_search_is_of_one_signal(photo):
    """An encoding asked for again by its σ keeps that σ, and no evidence from another signal."""
    first = next(fftool.fit(photo)).network.config.encoding
    assert first.scale == (first.search.chosen,)
    assert first.name == f"gaussian σ={first.search.chosen:g} (auto)"
    second = next(fftool.fit(field(32, 4), first.request)).network.config.encoding
    assert (second.scale, second.search) == (first.scale, None)


def test_search_is_kept_in_a_checkpoint(photo, tmp_path):
    network = next(fftool.fit(photo, network=NetworkConfig(hidden=8))).network
    fftool.save(network, tmp_path / "model.st")
    assert describe(tmp_path / "model.st").config.encoding.search == network.config.encoding.search is not None


def test_longer_training_takes_a_smaller_scale(photo):
    chosen = [search_scale(photo, training=TrainingConfig(epochs=epochs)).chosen for epochs in (5, 20, 80)]
    assert chosen == sorted(chosen, reverse=True)
    assert chosen[0] / chosen[2] == pytest.approx(2, rel=0.05)
    assert (
        search_scale(photo, training=TrainingConfig(seconds=5)).chosen == chosen[1]
    )  # as the measurements, as time decides


def test_few_epochs_are_enough_where_a_network_lacks_capacity():
    signal, network = field(256, 20), NetworkConfig(hidden=8)
    few, many, most = (
        search_scale(signal, network=network, training=TrainingConfig(epochs=epochs)).chosen for epochs in (5, 20, 80)
    )
    assert few == many > most


@pytest.mark.parametrize("epochs", [1, 50, 10**9])
@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_detail_takes_a_larger_scale(photo, kind, epochs):
    training = TrainingConfig(epochs=epochs)
    resize, detail = (
        search_scale(photo, EncodingConfig(kind=kind, scale_for=goal), training=training).chosen
        for goal in ("resize", "detail")
    )
    assert detail > 1.2 * resize


@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_chosen_scale_comes_near_to_the_best_of_a_sweep(photo, kind):
    training = TrainingConfig(epochs=20, holdout=0.1, batch_size=512)

    def held_out_psnr(scale):
        encoding, network = EncodingConfig(kind=kind, scale=scale), NetworkConfig(hidden=128)
        for progress in fftool.fit(photo, encoding, network, training):
            pass
        return assess(progress.network, photo)[1].holdout_psnr

    best = max(held_out_psnr(scale) for scale in (1, 2, 4, 8, 16, 32))
    assert held_out_psnr("auto") > best - 0.8


def test_scale_for_detail_reproduces_the_pixels_better(photo):
    def trained(scale_for):
        encoding, network = EncodingConfig(scale_for=scale_for), NetworkConfig(hidden=128)
        for progress in fftool.fit(photo, encoding, network, TrainingConfig(epochs=20, batch_size=256)):
            pass
        return progress.network.config.encoding.scale[0], assess(progress.network, photo)[1].psnr

    (resize, blurred), (detail, sharp) = trained("resize"), trained("detail")
    assert detail > 1.5 * resize
    assert sharp > blurred + 2


def test_refuses_a_scale_that_cannot_be_chosen():
    with pytest.raises(SettingError, match="invalid scale 'auto': expected a number, as there is no signal to measure"):
        EncodingConfig().resolve()
    with pytest.raises(SettingError, match="invalid scale 'automatic': expected a positive number"):
        EncodingConfig(scale="automatic")
    with pytest.raises(SettingError, match="invalid encoding 'basic': expected gaussian or positional"):
        search_scale(field(32, 4), EncodingConfig(kind="basic"))


def test_refuses_a_checkpoint_whose_scale_is_not_its_search(photo, tmp_path):
    from test_checkpoint import rewrite

    fftool.save(next(fftool.fit(photo, network=NetworkConfig(hidden=8))).network, tmp_path / "a.st")
    rewrite(tmp_path / "a.st", tmp_path / "b.st", config={"encoding.scale": 3.0})
    with pytest.raises(fftool.FFToolError, match=r"invalid scale 3: expected .*, which its search came to"):
        describe(tmp_path / "b.st")


@pytest.mark.parametrize(("goal", "cycles"), [("resize", 1.0), ("detail", 1.6)])
def test_tiles_of_three_axes_follow_the_change_along_each(goal, cycles):
    """By numpy: cycles per tile, times the power of 2/3 of the mean difference over the geometric mean of all three."""
    samples = np.random.default_rng(0).random((32, 40, 48, 1))
    samples = 255 * gaussian_filter(samples, (1, 2, 4, 0), mode="wrap")
    signal = Signal(samples.astype(np.uint8), axes=("t", "y", "x"))
    change = np.array([np.abs(np.diff(signal.samples.astype(float), axis=axis)).mean() for axis in range(3)])
    shares = (change / np.cbrt(change.prod())) ** (2 / 3)
    found = scales_of_tiles(signal, goal)
    assert found == pytest.approx(cycles / 16 * (shares * signal.shape)[::-1], rel=0.06)  # two digits
    assert found[0] / 48 < found[1] / 40 < found[2] / 32


def test_axis_without_change_has_a_quarter_of_the_mean_scale():
    still = np.repeat(np.random.default_rng(0).integers(0, 255, (1, 32, 32, 1), np.uint8), 32, axis=0)
    x, y, t = scales_of_tiles(Signal(still, axes=("t", "y", "x")), "resize")
    assert x == pytest.approx(y, rel=0.1)
    assert x == pytest.approx(2, rel=0.1)  # a cycle in each of two tiles
    assert t == pytest.approx(0.5, rel=0.1)


def scales_of_tiles(signal, goal):
    """σ in coordinate order, with tiles of 16×16×16."""
    network, encoding = NetworkConfig(tile=16, hidden=8), EncodingConfig(scale_for=goal)
    return next(fit(signal, encoding, network, TrainingConfig(epochs=1))).network.config.encoding.scale
