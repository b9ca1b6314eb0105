"""Rendering: blocks, regions, sizes and depths."""

import numpy as np
import pytest
import torch

import fftool
from fftool import Region, rendering
from fftool.grid import pieces


@pytest.fixture
def network(model_path):
    return fftool.load(model_path)


def values(network, shape, region=None):
    with torch.no_grad():
        return network(fftool.coordinates(shape, region)).reshape(*shape, -1).numpy()


@pytest.mark.parametrize(("block", "blocks"), [(1, 9 * 31), (7, 9 * 5), (100, 3), (10_000, 1)])
def test_blocks_make_the_same_picture_as_all_at_once(network, block, blocks, monkeypatch):
    """Parts of a row, or several rows."""
    monkeypatch.setitem(rendering.BLOCK, "cpu", block)
    seen = []
    samples = fftool.render(network, (9, 31), bits=16, report=seen.append)
    # A matrix product over other blocks may be rounded otherwise in its last float32 digits.
    assert np.abs(samples - values(network, (9, 31)) * 65535).max() <= 0.5 + 0.25
    assert seen[-1] == 9 * 31
    assert len(seen) == blocks
    assert seen == sorted(seen)


def test_at_the_trained_size_it_is_what_was_learnt(network, photo):
    samples = fftool.render(network)
    assert samples.shape == photo.samples.shape
    assert samples.dtype == np.uint8
    assert np.abs(samples - values(network, photo.shape) * 255).max() <= 0.5 + 1e-3
    assert fftool.psnr(photo.samples, samples) == network.config.training.result.psnr > 20


def test_another_size_lines_up_with_the_source(network):
    """Each pixel of a 3 times finer render, in the middle of its cell, is a pixel of the coarse one."""
    coarse, fine = fftool.render(network), fftool.render(network, (144, 192))
    assert np.abs(fine[1::3, 1::3].astype(int) - coarse).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (501, 3)])
def test_any_size(network, shape):
    assert fftool.render(network, shape).shape == (*shape, 3)


def test_a_region_is_that_part_of_the_whole(network):
    whole = fftool.render(network, (40, 60)).astype(int)
    part = fftool.render(network, (10, 30), region=Region(origin=(0.25, 0.5), extent=(0.5, 0.25)))
    assert np.abs(part - whole[20:30, 15:45]).max() <= 1


def test_16_bits_are_finer_than_8(network):
    deep, flat = fftool.render(network, bits=16), fftool.render(network, bits=8)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - flat).max() <= 0.51
    assert (deep % 257 != 0).any()


def test_an_impossible_size_is_an_error(network):
    with pytest.raises(fftool.FFToolError, match="memory"):
        fftool.render(network, (10**9, 10**9))


@pytest.mark.parametrize("arguments", [{"shape": (5,)}, {"shape": (-1, 5)}, {"shape": (0, 5)}, {"bits": 12}])
def test_a_request_that_makes_no_sense_is_an_error(network, arguments):
    with pytest.raises(fftool.FFToolError):
        fftool.render(network, **arguments)
    with pytest.raises(fftool.FFToolError):
        fftool.render(network, region=Region(origin=(0.0,), extent=(0.5,)))


def test_float32_is_within_a_hundredth_of_a_step_of_float64(network):
    exact = network.double()(fftool.coordinates((48, 64)).double()).detach().numpy().reshape(48, 64, 3)
    assert np.abs(values(network.float(), (48, 64)) - exact).max() * 255 < 0.01


@pytest.mark.parametrize("kind", ["gaussian", "positional", "basic", "none"])
@pytest.mark.parametrize(
    ("axes", "shape"), [(("y", "x"), (50, 5000)), (("y", "x"), (300, 7)), (("t", "y", "x"), (3, 9, 20))]
)
@pytest.mark.parametrize("origin", [0.0, 0.3])
def test_without_a_sine_for_each_pixel_it_is_the_same_picture(kind, axes, shape, origin):
    """Against float64, on the whole and on a part: within a hundredth of an 8-bit step, at σ = 25."""
    signal = fftool.Signal(np.arange(16, dtype=np.uint8).reshape(*[1] * (len(axes) - 2), 4, 4, 1), axes=axes)
    encoding = fftool.EncodingConfig(kind=kind)
    network = next(fftool.fit(signal, encoding, training=fftool.TrainingConfig(epochs=1, learning_rate=0.3))).network
    region = Region(origin=(origin,) * len(axes), extent=(1 - origin,) * len(axes))
    samples = fftool.render(network, shape, region=region, bits=16)
    with torch.no_grad():
        exact = network.double()(fftool.coordinates(shape, region, torch.float64)).numpy().reshape(samples.shape)
    assert np.abs(samples / 65535 - exact).max() * 255 < 0.01
    assert np.ptp(samples) > 255


@pytest.mark.parametrize(("shape", "cells"), [((7, 10), 30), ((3, 1000), 64), ((5, 1), 2), ((1, 1), 9)])
def test_pieces_cover_a_grid_once(shape, cells):
    count = np.zeros(shape, int)
    for y, x in pieces(*shape, cells):
        assert count[y, x].size <= cells
        count[y, x] += 1
    assert (count == 1).all()


def test_bands_are_the_picture(network, monkeypatch):
    monkeypatch.setattr(rendering, "BAND", 100)
    bands = list(rendering.render_bands(network, (50, 30), bits=8))
    assert [len(band) for band in bands] == [3] * 16 + [2]
    assert np.abs(np.concatenate(bands).astype(int) - fftool.render(network, (50, 30), bits=8)).max() <= 1


def test_values_that_are_no_numbers_are_not_drawn(network):
    with torch.no_grad():
        for layer in network.layers:
            layer.weight.mul_(1e30)
    with pytest.raises(fftool.FFToolError, match="not finite"):
        fftool.render(network)
