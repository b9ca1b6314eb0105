"""What only a GPU can show: skipped where torch finds none."""

import pytest
import torch

import fftool
from fftool import EncodingConfig, TrainingConfig
from fftool.cuda_graph import Replayed

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")


def test_a_replayed_function_gives_what_it_would_give():
    """Before the capture, after it, and for another shape; each of its effects comes once."""
    total = torch.zeros(3, device="cuda")

    def function(x):
        return total.add_(x.sum(0)).clone()

    replayed, expected = Replayed(function), torch.zeros(3)
    random = torch.Generator().manual_seed(0)
    for rows in (5, 5, 5, 5, 5, 2, 5, 5):
        x = torch.randn(rows, 3, generator=random)
        expected += x.sum(0)
        torch.testing.assert_close(replayed(x.cuda()).cpu(), expected)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_a_gpu_learns_what_a_cpu_does(photo, optimizer):
    scores = {}
    for device in ("cpu", "cuda"):
        training = TrainingConfig(epochs=10, device=device, optimizer=optimizer, precision="float32")
        for progress in fftool.fit(photo, EncodingConfig(scale=8), training=training):
            pass
        scores[device] = fftool.evaluate(progress, photo).psnr
    assert scores["cuda"] == pytest.approx(scores["cpu"], abs=1)


def test_a_gpu_draws_what_a_cpu_does(model_path):
    network = fftool.load(model_path)
    on_cpu = fftool.render(network, (90, 70), bits=16).astype(int)
    on_gpu = fftool.render(network.cuda(), (90, 70), bits=16).astype(int)
    assert abs(on_gpu - on_cpu).max() <= 16
