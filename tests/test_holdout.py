"""Pixels held out: none is in both parts, none is learnt from, and each part is measured by itself."""

import numpy as np
import pytest
import torch
from conftest import recorded_visits
from hypothesis import given
from hypothesis import strategies as st

import fftool
from fftool import EncodingConfig, FFToolError, NetworkConfig, Signal, TrainingConfig
from fftool.holdout import split, trained_cells

SHAPES = st.lists(st.integers(2, 7), min_size=1, max_size=3).map(tuple)


def train(signal, **settings):
    encoding, network = EncodingConfig(scale=8.0, dimension=32), NetworkConfig(hidden=32)
    for progress in fftool.fit(signal, encoding, network, TrainingConfig(epochs=3, **settings)):
        pass
    return progress


@given(SHAPES)
def test_the_lattice_is_the_papers(shape):
    cells = np.arange(np.prod(shape)).reshape(shape)
    held = split(shape, TrainingConfig(holdout="lattice"))
    assert held.train.tolist() == cells[(slice(None, None, 2),) * len(shape)].ravel().tolist()
    assert held.test.tolist() == cells[(slice(1, None, 2),) * len(shape)].ravel().tolist()
    assert len(held.train) == trained_cells(shape, "lattice")
    assert not set(held.train.tolist()) & set(held.test.tolist())


@given(SHAPES, st.floats(0.001, 0.999), st.integers(0, 2**63 - 1))
def test_a_share_leaves_every_cell_in_one_part(shape, share, seed):
    held = split(shape, TrainingConfig(holdout=share, seed=seed))
    cells = int(np.prod(shape))
    assert sorted([*held.train.tolist(), *held.test.tolist()]) == list(range(cells))
    assert len(held.train) == trained_cells(shape, share) > 0
    assert abs(len(held.test) - share * cells) <= 1


def test_the_seed_decides_which_are_held_out():
    first, second, other = (split((20, 20), TrainingConfig(holdout=0.1, seed=seed)).test.tolist() for seed in (1, 1, 2))
    assert first == second
    assert first != other
    assert first != sorted(first)[:40]


@pytest.mark.parametrize(("shape", "holdout"), [((1, 9), "lattice"), ((9, 1), "lattice"), ((1, 1), 0.5)])
def test_a_picture_too_small(shape, holdout):
    with pytest.raises(FFToolError, match="too small"):
        split(shape, TrainingConfig(holdout=holdout))


@pytest.mark.parametrize("holdout", [0, 1, -0.1, 1.5, float("nan"), "half"])
def test_a_share_that_is_none(holdout):
    with pytest.raises(FFToolError, match="hold out"):
        TrainingConfig(holdout=holdout)


@pytest.mark.parametrize("holdout", ["lattice", 0.3])
def test_what_is_held_out_is_not_learnt_from(photo, holdout):
    """Other colours there change nothing in the network, to the last bit."""
    test = split(photo.shape, TrainingConfig(holdout=holdout)).test.numpy()
    changed = photo.samples.copy()
    changed.reshape(-1, 3)[test] = 255 - changed.reshape(-1, 3)[test]
    first, second = (
        train(Signal(samples), holdout=holdout).network.state_dict() for samples in (photo.samples, changed)
    )
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_an_epoch_visits_each_trained_pixel_once(photo, monkeypatch):
    visited = recorded_visits(monkeypatch)
    progress = train(photo, holdout="lattice")
    trained = split(photo.shape, TrainingConfig(holdout="lattice")).train.tolist()
    assert sorted(visited) == sorted(3 * trained)
    assert progress.cells == 3 * len(trained)
    assert (progress.epochs, progress.done) == (3, 1)


@pytest.mark.parametrize("holdout", ["lattice", 0.3])
def test_each_part_is_measured_by_itself(photo, holdout):
    progress = train(photo, holdout=holdout)
    result = fftool.evaluate(progress, photo)
    held = split(photo.shape, TrainingConfig(holdout=holdout))
    drawn = fftool.render(progress.network)
    for part, measured in ((held.train, result.psnr), (held.test, result.holdout_psnr)):
        errors = (photo.samples.reshape(-1, 3)[part] / 255 - drawn.reshape(-1, 3)[part] / 255) ** 2
        assert measured == pytest.approx(-10 * np.log10(errors.mean()))
    if holdout == "lattice":
        assert result.ssim == fftool.ssim(photo.samples[::2, ::2], drawn[::2, ::2])
    else:
        assert result.ssim is None


def test_without_it_nothing_is_held_out(photo):
    assert fftool.evaluate(train(photo), photo).holdout_psnr is None
    assert split(photo.shape, TrainingConfig()) is None
    assert trained_cells(photo.shape, None) == photo.cells
