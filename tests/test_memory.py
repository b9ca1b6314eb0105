"""Where memory is short: smaller blocks, then a hint."""

import numpy as np
import pytest
import torch

import fftool
from fftool import FFToolError, TrainingConfig
from fftool.batches import Features
from fftool.device import in_blocks
from fftool.gradient import Gradient
from fftool.rendering import _Drawing


def limited(monkeypatch, owner, name, argument, most):
    """Have a method run out of memory for more cells than that; the sizes that were asked for."""
    method, sizes = getattr(owner, name), []

    def short(self, *arguments):
        sizes.append(argument(*arguments))
        if sizes[-1] > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return method(self, *arguments)

    monkeypatch.setattr(owner, name, short)
    return sizes


def learnt(photo):
    training = TrainingConfig(epochs=2, batch_size=1000, precision="float32")
    for progress in fftool.fit(photo, fftool.EncodingConfig(scale=8.0), training=training):
        pass
    return progress


def test_training_takes_smaller_blocks(photo, monkeypatch):
    """The same gradient, but for rounding: 1000 cells do not fit, nor 500, but 250 do."""
    whole = learnt(photo)
    sizes = limited(monkeypatch, Gradient, "__call__", lambda features, values: len(features), 300)
    parts = learnt(photo)
    assert sizes[:3] == [1000, 500, 250]
    assert max(sizes[2:]) == 250
    assert parts.loss == pytest.approx(whole.loss, rel=1e-3)


def test_features_that_do_not_fit_are_computed_batch_by_batch(photo, monkeypatch):
    whole = learnt(photo)
    monkeypatch.setattr(Features, "_all", lambda self: (_ for _ in ()).throw(MemoryError()))
    assert learnt(photo).loss == whole.loss


def test_rendering_takes_smaller_blocks(model_path, monkeypatch):
    network = fftool.load(model_path)
    whole = fftool.render(network, (96, 128))
    sizes = limited(monkeypatch, _Drawing, "values", lambda row, column, shape: shape[0] * shape[1], 1500)
    parts = fftool.render(network, (96, 128))
    assert sizes[:2] == [8192, 4096]
    assert np.abs(whole.astype(int) - parts).max() <= 1


def test_where_nothing_is_small_enough_there_is_a_hint(model_path, photo, monkeypatch):
    network = fftool.load(model_path)
    limited(monkeypatch, _Drawing, "values", lambda row, column, shape: shape[0] * shape[1], 0)
    with pytest.raises(FFToolError, match=r"not enough memory.*--size"):
        fftool.render(network)
    limited(monkeypatch, Gradient, "__call__", lambda features, values: len(features), 0)
    with pytest.raises(FFToolError, match=r"not enough memory.*--batch-size"):
        learnt(photo)


def test_other_errors_are_no_lack_of_memory():
    def work(block):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_blocks(work, 8, 1)
    assert in_blocks(lambda block: torch.ones(block).sum().item(), 8, 1) == (8.0, 8)
