"""Rendering: blocks, regions, sizes and depths."""

import copy

import numpy as np
import pytest
import torch

import fftool
from fftool import Region, rendering
from fftool.errors import NonFiniteError, SettingError, SizeError
from fftool.grid import blocks


@pytest.fixture
def network(model_path):
    return fftool.load(model_path)


def values(network, shape, region=None):
    with torch.no_grad():
        return network(fftool.coordinates(shape, region)).reshape(*shape, -1).numpy()


@pytest.mark.parametrize(("block", "n_blocks"), [(1, 9 * 31), (7, 9 * 5), (100, 3), (10_000, 1)])
def test_blocks_make_the_same_image_as_all_at_once(network, block, n_blocks, monkeypatch):
    """Parts of a row, or several rows."""
    monkeypatch.setitem(rendering.RENDER_BLOCK, "cpu", block)
    seen = []
    samples = fftool.render(network, (9, 31), bits=16, callback=seen.append)
    # A matrix product over other blocks may be rounded otherwise in its last float32 digits.
    assert np.abs(samples - values(network, (9, 31)) * 65535).max() <= 0.5 + 0.25
    assert seen[-1] == 9 * 31
    assert len(seen) == n_blocks
    assert seen == sorted(seen)


def test_trained_size_and_depth_are_the_defaults(network, photo):
    samples = fftool.render(network)
    assert samples.shape == photo.samples.shape
    assert samples.dtype == np.uint8
    assert np.abs(samples - values(network, photo.shape) * 255).max() <= 0.5 + 1e-3
    assert fftool.psnr(photo.samples, samples) == network.result.psnr > 20


def test_other_size_lines_up_with_the_source(network):
    """Each pixel of a 3 times finer render, in the middle of one of the coarse ones, equals that one."""
    coarse, fine = fftool.render(network), fftool.render(network, (144, 192))
    assert np.abs(fine[1::3, 1::3].astype(int) - coarse).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (501, 3)])
def test_renders_any_size(network, shape):
    """As the network is at the centres of its samples."""
    samples = fftool.render(network, shape)
    assert samples.shape == (*shape, 3)
    assert np.abs(samples - values(network, shape) * 255).max() <= 0.5 + 1e-3


def test_region_is_a_part_of_the_whole(network):
    whole = fftool.render(network, (40, 60)).astype(int)
    part = fftool.render(network, (10, 30), region=Region(origin=(0.25, 0.5), extent=(0.5, 0.25)))
    assert np.abs(part - whole[20:30, 15:45]).max() <= 1


def test_16_bits_are_finer_than_8(network):
    deep, flat = fftool.render(network, bits=16), fftool.render(network, bits=8)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - flat).max() <= 0.51
    assert (deep % 257 != 0).any()


def test_refuses_a_size_that_does_not_fit_in_memory(network):
    with pytest.raises(SizeError, match="1,000,000,000,000,000,000 samples do not fit in memory"):
        fftool.render(network, (10**9, 10**9))


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ({"shape": ()}, "invalid shape .*: expected a size from 1 up for each of the axes y, x"),
        ({"shape": (5,)}, "invalid shape"),
        ({"shape": (5, 5, 5)}, "invalid shape"),
        ({"shape": (-1, 5)}, "invalid shape"),
        ({"shape": (0, 5)}, "invalid shape"),
        ({"bits": 0}, "invalid bit depth 0: expected 8, 16 or 32"),
        ({"bits": 12}, "invalid bit depth 12: expected 8, 16 or 32"),
        ({"bits": True}, "invalid bit depth True: expected 8, 16 or 32"),
        ({"region": Region(origin=(0.0,), extent=(0.5,))}, "invalid region .*each of the axes y, x"),
    ],
)
def test_refuses_impossible_requests(network, arguments, seen):
    """At once, and not as if they had been left out."""
    with pytest.raises(SettingError, match=seen):
        fftool.render(network, **arguments)
    with pytest.raises(SettingError, match=seen):
        rendering.render_bands(network, **({"shape": (5, 5), "bits": 8} | arguments))


def test_float32_is_within_a_hundredth_of_a_step_of_float64(network):
    exact = network.double()(fftool.coordinates((48, 64)).double()).detach().numpy().reshape(48, 64, 3)
    assert np.abs(values(network.float(), (48, 64)) - exact).max() * 255 < 0.01


@pytest.fixture(scope="module")
def after_one_step():
    """Networks by kind of encoding and axes, after one large step: cheap, and full of variation."""
    made = {}

    def network(kind, axes):
        if (kind, axes) not in made:
            samples = np.arange(16, dtype=np.uint8).reshape(*[1] * (len(axes) - 2), 4, 4, 1)
            encoding = fftool.EncodingConfig(kind=kind, scale=25.0)
            training = fftool.TrainingConfig(epochs=1, learning_rate=0.3)
            made[kind, axes] = next(fftool.fit(fftool.Signal(samples, axes=axes), encoding, training=training)).network
        return made[kind, axes]

    return network


@pytest.mark.parametrize("kind", ["gaussian", "positional", "basic", "none"])
@pytest.mark.parametrize(
    ("axes", "shape"), [(("y", "x"), (50, 2000)), (("y", "x"), (300, 7)), (("t", "y", "x"), (3, 9, 20))]
)
@pytest.mark.parametrize("origin", [0.0, 0.3])
def test_angle_addition_gives_the_same_image(after_one_step, kind, axes, shape, origin):
    """Against float64, on the whole and on a part: within a hundredth of an 8-bit step, at σ = 25."""
    network = after_one_step(kind, axes)
    region = Region(origin=(origin,) * len(axes), extent=(1 - origin,) * len(axes))
    samples = fftool.render(network, shape, region=region, bits=16)
    with torch.no_grad():
        v = fftool.coordinates(shape, region, torch.float64)
        exact = copy.deepcopy(network).double()(v).numpy().reshape(samples.shape)
    assert np.abs(samples / 65535 - exact).max() * 255 < 0.01
    assert np.ptp(samples) > 255


@pytest.mark.parametrize(("shape", "n_samples"), [((7, 10), 30), ((3, 1000), 64), ((5, 1), 2), ((1, 1), 9)])
def test_blocks_cover_a_grid_once(shape, n_samples):
    count = np.zeros(shape, int)
    for y, x in blocks(*shape, n_samples):
        assert 0 < count[y, x].size <= n_samples
        count[y, x] += 1
    assert (count == 1).all()


def test_bands_make_the_image(network, monkeypatch):
    monkeypatch.setattr(rendering, "BAND", 100)
    bands = list(rendering.render_bands(network, (50, 30), bits=8))
    assert [len(band) for band in bands] == [3] * 16 + [2]
    assert np.abs(np.concatenate(bands).astype(int) - fftool.render(network, (50, 30), bits=8)).max() <= 1


def test_refuses_to_render_values_that_are_not_finite(network):
    with torch.no_grad():
        for layer in network.layers:
            layer.weight.mul_(1e30)
    with pytest.raises(NonFiniteError, match="the network's values are not finite"):
        fftool.render(network)
