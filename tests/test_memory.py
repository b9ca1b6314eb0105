"""Where memory is short: smaller blocks, then a hint."""

import resource
import sys

import numpy as np
import pytest
import torch
from conftest import EXAMPLES, SMALL

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


def within(size):
    """Have a process find no more memory than that, in bytes of its addresses."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold to RLIMIT_AS")
def test_the_command_within_2_gb(run, photo_path, tmp_path):
    """A batch and a drawing that would take more at once are gone through in blocks; a network is refused."""
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))}
    for arguments in (
        ("train", EXAMPLES / "astronaut.jpg", *SMALL, "--scale", 8, "--batch-size", 262_144),
        ("train", photo_path, "--hidden", 4, "--dimension", 4, "--epochs", 1, "--overwrite"),
        ("render", "model.st", "--size", "8000x6000", "-o", "a.tif"),
    ):
        done = run(*arguments, **limit)
        assert done.returncode == 0, done.stderr
    before = (tmp_path / "model.st").read_bytes()
    done = run("train", photo_path, "--hidden", 10_000, "--epochs", 1, "--overwrite", **limit)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: there is not enough memory",
        "hint: use a smaller --batch-size, fewer units, or fewer frequencies",
    ]
    assert (tmp_path / "model.st").read_bytes() == before
