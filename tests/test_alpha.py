"""Alpha: hidden colours are neither trained on nor compared, and edges are right on any background."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig, media
from fftool.media.image.alpha import bled, premultiplied

COLOUR = np.array([200, 60, 30])
SIZE = 32
TRAINING = TrainingConfig(epochs=40, precision="float32")


def disc(hidden, dtype=np.uint8):
    """A disc of one colour, alpha 0 or the peak, with other colours hidden beneath the transparent part."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    inside = np.hypot(x - SIZE / 2, y - SIZE / 2) < SIZE / 3
    colours = {"black": 0, "white": 255, "noise": np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3))}[hidden]
    samples = np.concatenate([np.where(inside[..., None], COLOUR, colours), 255 * inside[..., None]], axis=-1)
    return (samples * (np.iinfo(dtype).max // 255)).astype(dtype)


def composed(samples, background):
    """In levels of 255."""
    values = samples / np.iinfo(samples.dtype).max
    alpha = values[..., -1:]
    return 255 * alpha * values[..., :-1] + (1 - alpha) * background


def fit(samples, **training):
    network = NetworkConfig(hidden=64)
    for progress in fftool.fit(Signal(samples), EncodingConfig(scale=2), network, TRAINING):
        pass
    return progress


@pytest.fixture(scope="module")
def trained():
    return {hidden: fit(disc(hidden)) for hidden in ("black", "noise")}


@pytest.mark.parametrize("hidden", ["black", "noise"])
def test_edges_are_right_when_enlarged(trained, hidden):
    """On the disc's own colour nothing is to be seen of it; the black beneath made rims of more than 50 levels."""
    enlarged = fftool.render(trained[hidden].network, (4 * SIZE, 4 * SIZE))
    assert np.abs(composed(enlarged, COLOUR) - COLOUR).max() <= 20
    assert enlarged[2, 2, 3] < 10 and enlarged[2 * SIZE, 2 * SIZE, 3] > 245


def test_hidden_colours_change_nothing(trained):
    """Neither the network nor its quality: both are those of the visible image."""
    black, noise = (trained[hidden] for hidden in ("black", "noise"))
    for tensor, other in zip(black.network.parameters(), noise.network.parameters(), strict=True):
        assert tensor.equal(other)
    results = [fftool.evaluate(trained[hidden], Signal(disc(hidden))) for hidden in ("black", "noise")]
    assert results[0] == results[1]
    assert results[0].psnr > 20
    scales = {fftool.search_scale(Signal(disc(hidden))).chosen for hidden in ("black", "white", "noise")}
    assert len(scales) == 1


def test_quality_is_that_of_the_visible_image():
    """Colours under alpha 0 have no part in it, and others as much as alpha lets through."""
    reference, samples = disc("black"), disc("white")
    medium = media.get()
    assert fftool.psnr(medium.visible(reference), medium.visible(samples)) == math.inf
    samples = np.full((8, 8, 4), 128, np.uint8)
    other = samples + np.array([100, 0, 0, 0], np.uint8)
    expected = np.rint([228 * 128 / 255, 128 * 128 / 255])
    error = (expected[0] - expected[1]) ** 2 / 4
    assert fftool.psnr(medium.visible(samples), medium.visible(other)) == pytest.approx(10 * math.log10(255**2 / error))


PICTURES = st.sampled_from([(np.uint8, 2), (np.uint8, 4), (np.uint16, 4)]).flatmap(
    lambda kind: arrays.arrays(
        kind[0],
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(kind[1])),
        elements=st.one_of(st.sampled_from([0, 1, 2, np.iinfo(kind[0]).max]), st.integers(0, np.iinfo(kind[0]).max)),
    )
)


@settings(deadline=None)
@given(samples=PICTURES, background=st.floats(0, 255))
def test_bled_image_looks_the_same(samples, background):
    """Within half a level on any background, and with the same alpha."""
    changed = bled(samples)
    np.testing.assert_array_equal(changed[..., -1], samples[..., -1])
    levels = np.iinfo(samples.dtype).max / 255
    assert np.abs(composed(changed, background) - composed(samples, background)).max() * levels <= 0.5 + 1e-6
    opaque = samples[..., -1] > np.iinfo(samples.dtype).max // 2
    np.testing.assert_array_equal(changed[opaque], samples[opaque])


def test_colours_bleed_from_what_is_near():
    samples = np.zeros((16, 64, 4), np.uint8)
    samples[:, :8] = 250, 10, 10, 255
    samples[:, -8:] = 10, 10, 250, 255
    changed = bled(samples).astype(int)
    assert np.abs(changed[:, 8:20, :3] - [250, 10, 10]).max() < 60
    assert np.abs(changed[:, -20:-8, :3] - [10, 10, 250]).max() < 60
    assert np.abs(np.diff(changed[..., 0], axis=1)).max() < 60  # without a jump anywhere


@pytest.mark.parametrize("samples", [np.zeros((5, 7, 4), np.uint8), np.zeros((1, 1, 2), np.uint16)])
def test_invisible_image_is_trained(samples):
    progress = fit(samples)
    assert fftool.evaluate(progress, Signal(samples)).psnr > 20


@pytest.mark.parametrize("channels", [1, 3])
def test_image_without_alpha_is_itself(channels):
    samples = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    assert bled(samples) is samples
    assert premultiplied(samples) is samples


def test_held_out_pixels_have_no_part_in_bled_colours():
    """Or else a network would be trained on what it is tested on."""
    samples = disc("black")
    split = fftool.holdout.split(samples.shape[:2], "lattice", 0)
    changed = samples.copy()
    changed.reshape(-1, 4)[split.test.numpy(), :3] = 0
    trained = [media.get().trainable(image, split).reshape(-1, 4)[split.train.numpy()] for image in (samples, changed)]
    np.testing.assert_array_equal(*trained)


def test_commands_see_the_visible_image_alone(run, tmp_path):
    for hidden in ("black", "noise"):
        fftool.write_image(tmp_path / f"{hidden}.png", disc(hidden))
        done = run(
            "train", f"{hidden}.png", "--scale", 2, "--hidden", 32, "--epochs", 3, "-o", f"{hidden}.st", "--json"
        )
        assert done.returncode == 0, done.stderr
    first, second = (fftool.load(tmp_path / f"{hidden}.st") for hidden in ("black", "noise"))
    assert first.result == second.result
    np.testing.assert_array_equal(fftool.render(first), fftool.render(second))
    assert run("compare", "noise.png", "black.st", "-o", "sheet.png").returncode == 0
