"""What becomes of settings that are left open."""

import pytest
import torch

from fftool import TrainingConfig, recipe
from fftool.device import select_precision


@pytest.mark.parametrize(
    ("optimizer", "cells", "size", "rate", "schedule"),
    [
        ("muon", 1, 64, 0.038, "cosine"),
        ("muon", 15 * 15, 64, 0.038, "cosine"),
        ("muon", 96 * 64, 192, 0.05, "cosine"),
        ("muon", 384 * 256, 3072, 0.1, "linear"),
        ("muon", 20_000_000, 4096, 0.1075, "linear"),
        ("adam", 1, 64, 3e-3, "cosine"),
        ("adam", 384 * 256, 320, 3e-3, "linear"),
        ("adam", 20_000_000, 512, 3e-3, "linear"),
    ],
)
def test_what_is_left_open_follows_the_size(optimizer, cells, size, rate, schedule):
    completed = recipe.completed(TrainingConfig(optimizer=optimizer), cells)
    assert (completed.batch_size, completed.schedule) == (size, schedule)
    assert completed.learning_rate == pytest.approx(rate, rel=0.01)
    assert completed.device != "auto"
    assert completed.precision in ("float32", "bfloat16")


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_batches_are_whole_and_grow_with_the_picture(optimizer):
    sizes = [recipe.batch_size(optimizer, cells) for cells in range(1, 200_000, 997)]
    assert sizes == sorted(sizes)
    assert all(size % 64 == 0 for size in sizes)


def test_the_learning_rate_is_that_of_the_batch_asked_for():
    assert recipe.completed(TrainingConfig(batch_size=192), 384 * 256).learning_rate == pytest.approx(0.05)


def test_what_is_said_is_kept():
    asked = TrainingConfig(
        batch_size=7, schedule="constant", learning_rate=0.5, precision="bfloat16", device="cpu", optimizer="adam"
    )
    assert recipe.completed(asked, 1000) == asked


def test_the_faster_precision_is_taken(monkeypatch):
    for seconds, chosen in (({torch.float32: 3.0, torch.bfloat16: 1.0}, "bfloat16"),
                            ({torch.float32: 1.0, torch.bfloat16: 3.0}, "float32"),
                            ({torch.float32: 1.1, torch.bfloat16: 1.0}, "float32")):  # fmt: skip
        monkeypatch.setattr("fftool.device._seconds", seconds.__getitem__)
        assert select_precision("auto", "cpu") == chosen
        assert select_precision("bfloat16", "cpu") == "bfloat16"
