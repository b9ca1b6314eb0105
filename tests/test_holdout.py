"""Samples held out: none is in both parts, none is trained on, and each part is measured by itself."""

import gc
import math

import numpy as np
import pytest
import torch
from conftest import recorded_visits
from hypothesis import given
from hypothesis import strategies as st

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig, holdout
from fftool.errors import HoldoutError, SettingError
from fftool.holdout import split, training_size

SHAPES = st.lists(st.integers(2, 7), min_size=1, max_size=3).map(tuple)


def train(signal, **settings):
    encoding, network = EncodingConfig(scale=8.0, dimension=32), NetworkConfig(hidden=32)
    for progress in fftool.fit(signal, encoding, network, TrainingConfig(epochs=3, device="cpu", **settings)):
        pass
    return progress


@given(SHAPES)
def test_lattice_is_the_papers(shape):
    index = np.arange(np.prod(shape)).reshape(shape)
    held_out = split(shape, "lattice", 0)
    assert held_out.train.tolist() == index[(slice(None, None, 2),) * len(shape)].ravel().tolist()
    assert held_out.test.tolist() == index[(slice(1, None, 2),) * len(shape)].ravel().tolist()
    assert index[held_out.grid].ravel().tolist() == held_out.train.tolist()
    assert len(held_out.train) == training_size(shape, "lattice")
    assert not set(held_out.train.tolist()) & set(held_out.test.tolist())


@given(SHAPES, st.floats(0.001, 0.999), st.integers(0, 2**63 - 1))
def test_fraction_leaves_each_sample_in_one_part(shape, fraction, seed):
    held_out = split(shape, fraction, seed)
    n_samples = int(np.prod(shape))
    assert sorted([*held_out.train.tolist(), *held_out.test.tolist()]) == list(range(n_samples))
    assert len(held_out.train) == training_size(shape, fraction) > 0
    assert abs(len(held_out.test) - fraction * n_samples) <= 1
    assert held_out.grid is None


def test_seed_decides_the_samples_held_out():
    first, second, other = (split((20, 20), 0.1, seed).test.tolist() for seed in (1, 1, 2))
    assert first == second
    assert first != other
    assert first != sorted(first)


@pytest.mark.parametrize(
    ("shape", "fraction", "expected"),
    [
        ((1, 9), "lattice", "its size is 9x1, expected 2 or more along each axis"),
        ((9, 1), "lattice", "its size is 1x9, expected 2 or more along each axis"),
        ((1, 1), 0.5, "its size is 1x1, expected 2 samples or more"),
    ],
)
def test_refuses_a_signal_that_is_too_small(shape, fraction, expected):
    with pytest.raises(HoldoutError, match=expected):
        split(shape, fraction, 0)
    with pytest.raises(HoldoutError, match=expected):
        train(Signal(np.zeros((*shape, 1), np.uint8)), holdout=fraction)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, math.nan, math.inf, True, "half", "0.1"])
def test_refuses_a_fraction_out_of_range(fraction):
    with pytest.raises(SettingError, match=r"invalid share of samples to hold out .*: expected a fraction between 0"):
        TrainingConfig(holdout=fraction)


@pytest.mark.parametrize("fraction", ["lattice", 0.3])
def test_held_out_samples_are_not_trained_on(photo, fraction):
    """Other colours there change nothing in the network, to the last bit."""
    test = split(photo.shape, fraction, 0).test.numpy()
    changed = photo.samples.copy()
    changed.reshape(-1, 3)[test] = 255 - changed.reshape(-1, 3)[test]
    first, second = (
        train(Signal(samples), holdout=fraction).network.state_dict() for samples in (photo.samples, changed)
    )
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_epoch_visits_each_trained_sample_once(photo, monkeypatch):
    visited = recorded_visits(monkeypatch)
    progress = train(photo, holdout="lattice")
    trained = split(photo.shape, "lattice", 0).train.tolist()
    assert sorted(visited) == sorted(3 * trained)
    assert progress.n_samples == 3 * len(trained)
    assert (progress.epochs, progress.done) == (3, 1)


@pytest.mark.parametrize("fraction", ["lattice", 0.3])
def test_each_part_is_measured_by_itself(photo, fraction):
    progress = train(photo, holdout=fraction)
    result = fftool.evaluate(progress, photo)
    held_out = split(photo.shape, fraction, 0)
    rendered = fftool.render(progress.network)
    for part, measured in ((held_out.train, result.psnr), (held_out.test, result.holdout_psnr)):
        errors = (photo.samples.reshape(-1, 3)[part] / 255 - rendered.reshape(-1, 3)[part] / 255) ** 2
        assert measured == pytest.approx(-10 * np.log10(errors.mean()))
    if fraction == "lattice":
        assert result.ssim == fftool.ssim(photo.samples[::2, ::2], rendered[::2, ::2])
    else:
        assert result.ssim is None


def test_nothing_is_held_out_unless_asked_for(photo):
    assert fftool.evaluate(train(photo), photo).holdout_psnr is None
    assert split(photo.shape, "none", 0) is None
    assert training_size(photo.shape, "none") == photo.n_samples
    assert TrainingConfig(holdout=None) == TrainingConfig(holdout="none") == TrainingConfig()


@pytest.mark.parametrize("fraction", ["lattice", 0.3])
def test_split_in_use_is_shared_and_freed_afterwards(fraction):
    key = (31, 17), fraction, 5
    first = split(*key)
    assert split(*key) is first
    assert holdout._splits[key] is first
    assert split((31, 17), "lattice" if fraction == 0.3 else 0.3, 5) is not first
    del first
    gc.collect()
    assert key not in holdout._splits


def test_training_and_evaluation_draw_the_split_once(photo, monkeypatch):
    """It takes 400 MB at 100 megapixels: σ, training, the target PSNR and evaluation share one."""
    drawn, draw = [], holdout._random

    def counted(*arguments):
        drawn.append(draw(*arguments))
        return drawn[-1]

    monkeypatch.setattr(holdout, "_random", counted)
    progress = None
    training = TrainingConfig(epochs=2, holdout=0.25, target_psnr=15, seed=77)
    for progress in fftool.fit(photo, network=NetworkConfig(hidden=32), training=training):
        assert len(drawn) == 1
    assert fftool.evaluate(progress, photo).holdout_psnr is not None
    assert len(drawn) == 1
    key = photo.shape, 0.25, 77
    assert holdout._splits[key] is drawn[0]
    del progress
    drawn.clear()
    gc.collect()
    assert key not in holdout._splits
