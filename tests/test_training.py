"""Training through the library: it fits any signal, repeats itself exactly, and follows its settings."""

import math

import numpy as np
import pytest
import torch
from conftest import recorded_visits

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.errors import DeviceError, DivergenceError, SettingError
from fftool.holdout import split
from fftool.metrics import psnr
from fftool.training.optimizers import Muon

SMALL = NetworkConfig(hidden=32)


def train(signal, *, epochs=3, stop=math.inf, network=SMALL, kind="gaussian", scale=8.0, dimension=32, **settings):
    encoding = EncodingConfig(kind=kind, scale=scale, dimension=dimension)
    for progress in fftool.fit(signal, encoding, network, TrainingConfig(epochs=epochs, **settings)):
        if progress.step >= stop:
            break
    return progress


def weights(progress):
    return {name: tensor.clone() for name, tensor in progress.network.state_dict().items()}


def test_encoding_is_needed_to_fit_a_photo(photo):
    """At equal epochs: features reach a PSNR that coordinates alone, or a B of nearly zero, stay far below."""
    score = {}
    for name, settings in {
        "gaussian": {"scale": 8.0},
        "zero": {"scale": 1e-6},
        "none": {"kind": "none"},
    }.items():
        progress = train(photo, epochs=20, network=NetworkConfig(hidden=128), **settings)
        score[name] = fftool.evaluate(progress, photo).psnr
    assert score["gaussian"] > 24
    assert score["none"] < score["gaussian"] - 5
    assert score["zero"] < score["gaussian"] - 8


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_loss_falls(photo, loss):
    losses = {p.epochs: p.loss for p in fftool.fit(photo, network=SMALL, training=TrainingConfig(epochs=3, loss=loss))}
    assert losses[3] < losses[1]


def test_reports_the_loss_of_its_setting():
    """One step on one pixel: the loss is that of the untrained network, computed here from its output."""
    signal = Signal(np.array([[[51, 204]]], np.uint8))
    y = np.array([0.2, 0.8])
    for name, formula in {
        "bce": lambda p: -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(),
        "mse": lambda p: ((p - y) ** 2).mean(),
    }.items():
        training = TrainingConfig(epochs=1, loss=name, precision="float32")
        progress = next(fftool.fit(signal, training=training))
        untrained = fftool.CoordinateMLP(progress.network.config)
        with torch.no_grad():
            p = untrained(torch.tensor([[0.5, 0.5]]))[0].double().numpy()
        assert progress.loss == pytest.approx(formula(p), rel=1e-5)
        assert progress.psnr == pytest.approx(-10 * np.log10(((p - y) ** 2).mean()), rel=1e-5)


def test_epoch_visits_each_sample_once_in_a_new_order(monkeypatch):
    """37 samples in batches of 10: three full batches and a rest."""
    visited = recorded_visits(monkeypatch)
    signal = Signal(np.arange(37, dtype=np.uint8).reshape(1, 37, 1))
    course = fftool.fit(signal, training=TrainingConfig(epochs=2, batch_size=10))
    steps = [(p.step, p.done, p.n_samples, p.epochs) for p in course]
    assert steps == [
        (1, 1 / 8, 10, 0), (2, 2 / 8, 20, 0), (3, 3 / 8, 30, 0), (4, 4 / 8, 37, 1),
        (5, 5 / 8, 47, 1), (6, 6 / 8, 57, 1), (7, 7 / 8, 67, 1), (8, 1, 74, 2),
    ]  # fmt: skip
    first, second = visited[:37], visited[37:]
    assert sorted(first) == sorted(second) == list(range(37))
    assert first != second
    assert list(range(37)) not in (first, second)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1]),
        ("linear", [0.2, 0.4 * 7 / 8, 0.6 * 6 / 8, 0.8 * 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        # The warm-up times (1 + cos πk/8) / 2.
        ("cosine", [0.2, 0.4 * 0.961940, 0.6 * 0.853553, 0.8 * 0.691342, 0.5, 0.308658, 0.146447, 0.038060]),
    ],
)
def test_learning_rate_follows_the_schedule(photo, monkeypatch, schedule, factors):
    """Eight steps: a warm-up in fifths, times the decay."""
    rates = []
    monkeypatch.setattr(Muon, "step", lambda self, gradients, rate: rates.append(float(rate)))
    train(photo, epochs=2, batch_size=768, learning_rate=0.5, schedule=schedule, device="cpu")
    assert rates == pytest.approx([0.5 * factor for factor in factors], abs=1e-6)


def test_seed_decides_every_weight(photo):
    first, second, other = (weights(train(photo, epochs=1, seed=seed, device="cpu")) for seed in (5, 5, 6))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
        assert not torch.equal(tensor, other[name]), name


def test_leaves_the_global_random_state_alone(photo):
    before = torch.get_rng_state()
    train(photo, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_encoding_starts_from_the_same_weights(photo):
    gaussian, positional = (
        fftool.CoordinateMLP(train(photo, epochs=1, stop=1, kind=kind).network.config).state_dict()
        for kind in ("gaussian", "positional")
    )
    assert not torch.equal(gaussian["encoding.B"], positional["encoding.B"])
    assert torch.equal(gaussian["layers.0.weight"], positional["layers.0.weight"])


def test_does_not_train_B(photo):
    progress = train(photo, epochs=1)
    untrained = fftool.CoordinateMLP(progress.network.config).state_dict()
    trained = progress.network.state_dict()
    assert torch.equal(trained["encoding.B"], untrained["encoding.B"])
    assert not torch.equal(trained["layers.0.weight"], untrained["layers.0.weight"])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (15, 1, 4), (5, 4, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fits_any_shape_depth_and_number_of_channels(shape, dtype):
    samples = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    signal = Signal(samples)
    progress = train(signal, epochs=200, network=NetworkConfig(hidden=64), scale=4.0)
    assert fftool.evaluate(progress, signal).psnr > 20
    rendered = fftool.render(progress.network)
    assert (rendered.shape, rendered.dtype) == (shape, dtype)


def test_fits_a_clip():
    """A disk that grows with t, trained as (x, y, t) without a line that knows of it."""
    t, y, x = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in (6, 10, 12)], indexing="ij")
    samples = (255 * (np.hypot(x - 0.5, y - 0.5) < 0.1 + 0.3 * t)).astype(np.uint8)[..., np.newaxis]
    signal = Signal(samples, axes=("t", "y", "x"))
    progress = train(signal, epochs=30, scale=2.0)
    assert fftool.psnr(signal.samples, fftool.render(progress.network)) > 25
    assert progress.network.config.signal.axes == ("t", "y", "x")


def test_scale_of_each_axis_is_trained_with():
    """A pattern fast along x and constant along y: σ = 8 for x and nearly 0 for y cannot vary along y."""
    samples = np.tile(np.random.default_rng(0).integers(0, 256, 32, np.uint8), (12, 1))[..., np.newaxis]
    progress = train(Signal(samples), epochs=30, scale=(8.0, 1e-6))
    assert progress.network.config.encoding.scale == (8.0, 1e-6)
    rendered = fftool.render(progress.network)
    assert fftool.psnr(samples, rendered) > 20
    assert np.ptp(rendered, axis=0).max() <= 1


def test_records_the_result(photo):
    progress = train(photo, epochs=2)
    assert progress.network.result is None
    result = fftool.evaluate(progress, photo)
    assert progress.network.result == result
    assert (result.epochs, result.steps, result.loss) == (2, progress.step, progress.loss)
    rendered = fftool.render(progress.network)
    assert result.psnr == fftool.psnr(photo.samples, rendered)
    assert result.ssim == fftool.ssim(photo.samples, rendered)
    assert result.exact == ()


def test_result_of_an_exact_network_is_infinite():
    signal = Signal(np.full((4, 4, 1), 128, np.uint8))
    progress = train(signal, epochs=100)
    result = fftool.evaluate(progress, signal)
    assert (result.psnr, result.holdout_psnr, result.exact) == (math.inf, None, ("psnr",))


@pytest.fixture(scope="module", params=["none", 0.1])
def until_32_db(request, photo):
    """Settings of a training, and the PSNR of the image as it would be saved after each epoch, up to 32 dB."""
    settings = {"epochs": 100, "batch_size": 512, "holdout": request.param}
    encoding, network = EncodingConfig(scale=8.0), NetworkConfig(hidden=128)
    held_out = split(photo.shape, request.param, seed=0)
    after_each = []
    for progress in fftool.fit(photo, encoding, network, TrainingConfig(target_psnr=32, **settings)):
        if progress.epochs > len(after_each):
            rendered = fftool.render(progress.network)
            after_each.append(psnr(photo.samples, rendered, held_out.train if held_out else None))
    return {"dimension": encoding.dimension, "network": network, **settings}, after_each


@pytest.mark.parametrize("target", [24, 28, 32])
def test_stops_once_the_target_is_reached(photo, until_32_db, target):
    """By the image as it would be saved; the mean over an epoch, which tells when to look, lags behind."""
    settings, after_each = until_32_db
    epochs = len(after_each) if target == 32 else train(photo, target_psnr=target, **settings).epochs
    assert after_each[epochs - 1] >= target
    assert max(after_each[: epochs - 2], default=0) < target + 1


def test_stops_at_the_time_limit(photo, monkeypatch):
    """By a clock that each look advances by a second: in the step that begins before the limit, at full progress."""
    now = iter(range(10**6))
    monkeypatch.setattr("fftool.training.trainer.perf_counter", lambda: float(next(now)))
    progress = train(photo, epochs=1, seconds=20.0, batch_size=700)
    assert 20 <= progress.seconds < 25
    assert progress.done == 1
    assert progress.epochs > 1  # the limit stands in place of the epochs


def test_records_the_resolved_settings(photo):
    training = train(photo, epochs=1, stop=1).network.config.training
    assert (training.batch_size, training.schedule, training.holdout) == (128, "cosine", "none")  # for 3072 samples
    assert training.learning_rate == pytest.approx(0.1 * (128 / 3072) ** 0.25)
    assert (training.seconds, training.target_psnr, training.threads) == (math.inf, math.inf, 0)
    assert training.precision in ("float32", "bfloat16")
    assert training.device == "cuda" if torch.cuda.is_available() else training.device in ("cpu", "mps")


def test_reports_a_loss_that_is_not_finite(photo):
    with pytest.raises(DivergenceError, match="the loss is not finite in epoch 1") as caught:
        train(photo, epochs=30, learning_rate=1e30)
    assert caught.value.learning_rate == 1e30


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_names_an_absent_device(photo, device):
    available = {"cuda": torch.cuda, "mps": torch.backends.mps}[device].is_available()
    if available:
        assert train(photo, epochs=1, device=device).network.device.type == device
    else:
        with pytest.raises(DeviceError, match=f"torch finds no {device} device on this machine"):
            train(photo, epochs=1, device=device)


@pytest.mark.parametrize("scale", [(8.0, 4.0, 2.0), (8.0, 4.0, 2.0, 1.0)])
def test_refuses_a_scale_for_other_axes(photo, scale):
    with pytest.raises(SettingError, match=r"invalid scale .*: expected one number, or one for each of 2 axes"):
        train(photo, scale=scale)
