"""Training through the library: it learns, it repeats itself exactly, and it knows no pictures."""

import copy
import math

import numpy as np
import pytest
import torch
from conftest import recorded_visits

import fftool
from fftool import EncodingConfig, FFToolError, NetworkConfig, Signal, TrainingConfig
from fftool.optimizer import Muon, learning_rate_factor


def train(signal, *, epochs=3, stop=math.inf, kind="gaussian", scale=8.0, network=NetworkConfig(hidden=32), **settings):
    encoding = EncodingConfig(kind=kind, scale=scale, dimension=32)
    for progress in fftool.fit(signal, encoding, network, TrainingConfig(epochs=epochs, **settings)):
        if progress.step >= stop:
            break
    return progress


def weights(progress):
    return {name: tensor.clone() for name, tensor in progress.network.state_dict().items()}


def test_the_encoding_is_what_makes_a_photo_learnable(photo):
    """At equal epochs: features reach a PSNR that coordinates alone, or a B of nearly zero, stay far below."""
    score = {}
    for name, settings in {
        "gaussian": {"scale": 8.0},
        "zero": {"scale": 1e-6},
        "none": {"kind": "none"},
    }.items():
        progress = train(photo, epochs=20, network=NetworkConfig(), **settings)
        score[name] = fftool.evaluate(progress, photo).psnr
    assert score["gaussian"] > 24
    assert score["none"] < score["gaussian"] - 5
    assert score["zero"] < score["gaussian"] - 8


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_the_loss_falls(photo, loss):
    losses = {p.epochs: p.loss for p in fftool.fit(photo, training=TrainingConfig(epochs=3, loss=loss))}
    assert losses[3] < losses[1]


def test_the_loss_is_the_one_asked_for():
    """One step on one pixel: the loss reported is that of the untrained network, computed here from its output."""
    signal = Signal(np.array([[[51, 204]]], np.uint8))
    y = np.array([0.2, 0.8])
    for name, formula in {
        "bce": lambda p: -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(),
        "mse": lambda p: ((p - y) ** 2).mean(),
    }.items():
        config = next(iter(fftool.fit(signal, training=TrainingConfig(epochs=1, loss=name)))).network.config
        untrained = fftool.CoordinateMLP(config)
        with torch.no_grad():
            p = untrained(torch.tensor([[0.5, 0.5]]))[0].double().numpy()
        training = TrainingConfig(epochs=1, loss=name, precision="float32")
        progress = next(iter(fftool.fit(signal, training=training)))
        assert progress.loss == pytest.approx(formula(p), rel=1e-5)
        assert progress.psnr == pytest.approx(-10 * np.log10(((p - y) ** 2).mean()), rel=1e-5)


def test_every_pixel_is_visited_once_in_an_epoch_in_a_new_order(monkeypatch):
    """37 pixels in batches of 10: three full batches and a rest."""
    visited = recorded_visits(monkeypatch)
    signal = Signal(np.arange(37, dtype=np.uint8).reshape(1, 37, 1))
    run = fftool.fit(signal, training=TrainingConfig(epochs=2, batch_size=10))
    steps = [(p.step, p.done, p.cells, p.epochs) for p in run]
    assert steps == [
        (1, 1 / 8, 10, 0), (2, 2 / 8, 20, 0), (3, 3 / 8, 30, 0), (4, 4 / 8, 37, 1),
        (5, 5 / 8, 47, 1), (6, 6 / 8, 57, 1), (7, 7 / 8, 67, 1), (8, 1, 74, 2),
    ]  # fmt: skip
    first, second = visited[:37], visited[37:]
    assert sorted(first) == sorted(second) == list(range(37))
    assert first != second
    assert list(range(37)) not in (first, second)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_learning_rate_follows_the_schedule(photo, monkeypatch, schedule):
    rates = []
    monkeypatch.setattr(Muon, "step", lambda self, gradients, rate: rates.append(float(rate)))
    steps = train(photo, epochs=3, learning_rate=0.5, schedule=schedule).step
    assert rates == pytest.approx([0.5 * learning_rate_factor(schedule, step, step / steps) for step in range(steps)])


def test_the_seed_decides_everything(photo):
    first, second, other = (weights(train(photo, epochs=1, seed=seed)) for seed in (5, 5, 6))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
        assert not torch.equal(tensor, other[name]), name


def test_training_leaves_the_global_random_state_alone(photo):
    before = torch.get_rng_state()
    train(photo, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_encoding_starts_from_the_same_weights(photo):
    gaussian, positional = (
        fftool.CoordinateMLP(train(photo, epochs=1, stop=1, kind=kind).network.config).state_dict()
        for kind in ("gaussian", "positional")
    )
    assert not torch.equal(gaussian["encoding.B"], positional["encoding.B"])
    assert torch.equal(gaussian["layers.0.weight"], positional["layers.0.weight"])


def test_B_is_not_trained(photo):
    progress = train(photo, epochs=1)
    untrained = fftool.CoordinateMLP(progress.network.config).state_dict()
    trained = progress.network.state_dict()
    assert torch.equal(trained["encoding.B"], untrained["encoding.B"])
    assert not torch.equal(trained["layers.0.weight"], untrained["layers.0.weight"])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (15, 1, 4), (5, 4, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_shape_depth_and_number_of_channels(shape, dtype):
    samples = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    signal = Signal(samples)
    progress = train(signal, epochs=400, network=NetworkConfig(), scale=4.0)
    assert fftool.evaluate(progress, signal).psnr is None or progress.network.config.training.result.psnr > 20
    assert fftool.render(progress.network).dtype == dtype


def test_a_volume_is_only_one_more_axis():
    """A ball that grows with t, learnt as (x, y, t) without a line that knows of it."""
    t, y, x = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in (6, 10, 12)], indexing="ij")
    samples = (255 * (np.hypot(x - 0.5, y - 0.5) < 0.1 + 0.3 * t)).astype(np.uint8)[..., np.newaxis]
    signal = Signal(samples, axes=("t", "y", "x"))
    progress = train(signal, epochs=30, scale=2.0)
    assert fftool.psnr(signal.samples, fftool.render(progress.network)) > 25
    assert progress.network.config.signal.axes == ("t", "y", "x")


def test_the_result_is_recorded(photo):
    progress = train(photo, epochs=2)
    assert progress.network.config.training.result is None
    result = fftool.evaluate(progress, photo)
    assert progress.network.config.training.result == result
    assert (result.epochs, result.steps, result.loss) == (2, progress.step, progress.loss)
    rendered = fftool.render(progress.network)
    assert result.psnr == fftool.psnr(photo.samples, rendered)
    assert result.ssim == fftool.ssim(photo.samples, rendered)


@pytest.mark.parametrize("holdout", [None, 0.1])
@pytest.mark.parametrize("target", [24, 28, 32])
def test_it_stops_once_a_target_is_reached(photo, target, holdout):
    """By the picture as it would be saved; the mean over an epoch, which tells when to look, lags by one at most."""
    training = TrainingConfig(epochs=100, target_psnr=target, holdout=holdout)
    epochs, after_each = 0, []
    for progress in fftool.fit(photo, EncodingConfig(scale=8.0), training=training):
        if progress.epochs > epochs:
            epochs = progress.epochs
            after_each.append(fftool.evaluate(progress, photo).psnr)
    assert after_each[-1] >= target
    assert max(after_each[:-2], default=0) < target


def test_what_was_left_open_is_recorded(photo):
    training = train(photo, epochs=1, stop=1).network.config.training
    assert training.batch_size is not None
    assert training.device == "cuda" if torch.cuda.is_available() else training.device in ("cpu", "mps")


def test_a_loss_that_is_no_number_is_reported(photo):
    with pytest.raises(FFToolError, match="finite"):
        train(photo, epochs=30, learning_rate=1e30)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_absent_device_is_named(photo, device):
    available = {"cuda": torch.cuda, "mps": torch.backends.mps}[device].is_available()
    if available:
        assert train(photo, epochs=1, device=device).network.device.type == device
    else:
        with pytest.raises(FFToolError, match=device):
            train(photo, epochs=1, device=device)


def test_the_network_is_the_one_in_the_paper():
    """The forward pass, written anew in numpy and float64."""
    signal = Signal(np.zeros((4, 4, 3), np.uint8))
    network = train(signal, epochs=1, stop=1, network=NetworkConfig(hidden=16, layers=3)).network
    t = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    v = fftool.coordinates((4, 4))
    phase = 2 * np.pi * v.double().numpy() @ t["encoding.B"]
    x = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    for i in range(3):
        x = np.maximum(x @ t[f"layers.{i}.weight"].T + t[f"layers.{i}.bias"], 0)
    expected = 1 / (1 + np.exp(-(x @ t["layers.3.weight"].T + t["layers.3.bias"])))
    with torch.no_grad():
        np.testing.assert_allclose(network(v).numpy(), expected, atol=1e-5)
    assert copy.deepcopy(network).config == network.config
