"""What becomes of settings that are left open."""

import pytest
import torch

from fftool import TrainingConfig, recipe
from fftool.device import select_precision


@pytest.mark.parametrize(
    ("cells", "size", "schedule"),
    [(1, 64, "cosine"), (15 * 15, 90, "cosine"), (384 * 256, 1878, "linear"), (20_000_000, 4096, "linear")],
)
def test_batches_and_schedule_follow_the_size(cells, size, schedule):
    completed = recipe.completed(TrainingConfig(), cells)
    assert (completed.batch_size, completed.schedule) == (size, schedule)
    assert completed.device != "auto"
    assert completed.precision in ("float32", "bfloat16")


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
