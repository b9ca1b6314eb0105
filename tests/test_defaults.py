"""Settings that a request leaves to fftool."""

import math

import pytest

from fftool import TrainingConfig, TrainingSettings
from fftool.training import defaults
from fftool.training.defaults import resolve_defaults


def resolve(training, n_samples):
    return resolve_defaults(training, n_samples, "cpu", "float32")


@pytest.mark.parametrize(
    ("optimizer", "n_samples", "size", "rate", "schedule"),
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
def test_defaults_follow_the_size(optimizer, n_samples, size, rate, schedule):
    settings = resolve(TrainingConfig(optimizer=optimizer), n_samples)
    assert (settings.batch_size, settings.schedule) == (size, schedule)
    assert settings.learning_rate == pytest.approx(rate, rel=0.01)
    assert (settings.device, settings.precision) == ("cpu", "float32")
    assert (settings.seconds, settings.target_psnr, settings.threads) == (math.inf, math.inf, 0)
    assert not settings.is_timed


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_batches_are_whole_and_grow_with_the_image(optimizer):
    sizes = [defaults.batch_size(optimizer, n_samples) for n_samples in range(1, 200_000, 997)]
    assert sizes == sorted(sizes)
    assert all(size % 64 == 0 for size in sizes)


def test_learning_rate_follows_the_batch_size_asked_for():
    assert resolve(TrainingConfig(batch_size=192), 384 * 256).learning_rate == pytest.approx(0.05)


def test_settings_that_were_given_are_kept():
    values = {
        "epochs": 7,
        "seconds": 2.5,
        "target_psnr": 33.0,
        "batch_size": 7,
        "schedule": "constant",
        "learning_rate": 0.5,
        "optimizer": "adam",
        "loss": "mse",
        "holdout": 0.25,
        "seed": 9,
        "threads": 3,
    }
    asked = TrainingConfig(device="auto", precision="auto", **values)
    settings = resolve_defaults(asked, 1000, "mps", "bfloat16")
    assert settings == TrainingSettings(device="mps", precision="bfloat16", **values)
    assert settings.is_timed
