"""Rendering: blocks, regions, sizes and depths."""

import numpy as np
import pytest
import torch

import fftool
from fftool import Region, rendering


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
