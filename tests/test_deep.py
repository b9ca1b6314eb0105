"""Deep networks: what they start from, how they train, and a word where they do not fit."""

import math

import numpy as np
import pytest
import torch
from conftest import EXAMPLES

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.metrics import flat_psnr
from fftool.training.defaults import learning_rate

MUSHROOM = EXAMPLES / "mushroom.png"


def start(layers, hidden=64, seed=0):
    """A new network on the mushroom, and its optimizer's settings."""
    training = TrainingConfig(epochs=1, learning_rate=1e-30, seed=seed, precision="float32")
    encoding = EncodingConfig(scale=1.0, dimension=32)
    course = fftool.fit(fftool.read_image(MUSHROOM), encoding, NetworkConfig(layers=layers, hidden=hidden), training)
    return next(course).network


def bounds(network):
    """Largest weight of each layer, and largest bias, times the square root of its inputs."""
    return [
        [float(tensor.detach().abs().max()) * math.sqrt(layer.weight.shape[1]) for tensor in (layer.weight, layer.bias)]
        for layer in network.layers
    ]


@pytest.mark.parametrize("layers", [0, 1, 2, 8])
def test_networks_of_few_layers_start_as_torch_starts_them(layers):
    """Uniform within ±1/√inputs: the largest of many is near to that."""
    for weight, bias in bounds(start(layers)):
        assert 0.95 < weight <= 1
        assert bias <= 1


def test_deep_networks_start_from_larger_hidden_weights():
    """Within ±√(6/inputs), but the last layer."""
    *hidden, last = bounds(start(9))
    assert len(hidden) == 9
    for weight, bias in hidden:
        assert 0.95 * math.sqrt(6) < weight <= math.sqrt(6)
        assert bias <= 1
    assert 0.95 < last[0] <= 1


def test_default_network_starts_from_the_same_weights_as_ever():
    """The first numbers of the stream, in the order weight, bias, of each layer in turn."""
    network = start(2, hidden=16)
    weights = fftool.generator(0, "weights")
    for layer in network.layers:
        for parameter in (layer.weight, layer.bias):
            drawn = torch.rand(parameter.shape, generator=weights, dtype=torch.float32)
            expected = (2 * drawn - 1) / math.sqrt(layer.weight.shape[1])
            torch.testing.assert_close(parameter.detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layers", [32, 64])
def test_values_keep_their_size_through_a_deep_network(layers):
    """So that what differs between two positions still differs behind the last hidden layer."""
    network = start(layers)
    x = network.encoding(fftool.coordinates((15, 15))).double().numpy()
    before = x.std(axis=0).mean()
    for layer in list(network.layers)[:-1]:
        weight, bias = (tensor.detach().double().numpy() for tensor in (layer.weight, layer.bias))
        x = np.maximum(x @ weight.T + bias, 0)
    assert 0.01 < x.std(axis=0).mean() / before < 10


def test_deep_network_fits_an_image():
    """32 layers, of which nothing came out before but the mean colour."""
    signal = fftool.read_image(MUSHROOM)
    settings = EncodingConfig(scale=1.0, dimension=32), NetworkConfig(layers=32, hidden=32)
    for progress in fftool.fit(signal, *settings, TrainingConfig(epochs=60, precision="float32")):
        pass
    assert flat_psnr(signal.samples) < 11
    assert fftool.evaluate(progress, signal).psnr > 18


@pytest.mark.parametrize(
    ("optimizer", "layers", "share"),
    [("muon", 0, 1), ("muon", 2, 1), ("muon", 8, 1), ("muon", 16, 1 / 2), ("muon", 64, 1 / 8), ("adam", 64, 1)],
)
def test_learning_rate_of_muon_falls_with_depth(photo, optimizer, layers, share):
    expected = share * learning_rate(optimizer, 128)
    assert learning_rate(optimizer, 128, layers) == pytest.approx(expected)
    training = TrainingConfig(epochs=1, batch_size=128, optimizer=optimizer)
    progress = next(fftool.fit(photo, network=NetworkConfig(layers=layers, hidden=4), training=training))
    assert progress.network.config.training.learning_rate == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_psnr_of_a_constant_is_that_of_the_mean(dtype):
    peak = np.iinfo(dtype).max
    samples = np.random.default_rng(0).integers(0, peak, (30, 40, 3), dtype)
    samples[..., 1] //= 3
    error = np.mean((samples - samples.reshape(-1, 3).mean(axis=0)) ** 2)
    assert flat_psnr(samples) == pytest.approx(10 * math.log10(peak**2 / error))
    assert flat_psnr(np.full((3, 4, 2), 7, dtype)) == math.inf


NOTE = "is hardly better than a constant, of 10.0 dB. More epochs may help, or fewer --layers."


def test_training_says_that_a_network_stays_flat(run):
    done = run("train", MUSHROOM, "--layers", 100, "--hidden", 8, "--optimizer", "adam", "--epochs", 2)
    assert done.returncode == 0
    assert f"The network {NOTE}" in " ".join(done.stderr.split())


def test_comparison_names_the_variants_that_stay_flat(run):
    settings = ("--scale", 1, "--layers", 100, "--hidden", 8, "--optimizer", "adam", "--epochs", 2)
    done = run("compare", MUSHROOM, *settings)
    assert done.returncode == 0
    assert f"gaussian σ=1 {NOTE}" in " ".join(done.stderr.split())


@pytest.mark.parametrize("layers", [2, 12])
def test_network_that_fits_has_no_word(run, layers):
    done = run("train", MUSHROOM, "--hidden", 32, "--epochs", 50, "--layers", layers)
    assert done.returncode == 0
    assert "hardly better" not in done.stderr


def test_constant_image_is_fitted_without_a_word(run, tmp_path):
    fftool.write_image(tmp_path / "flat.png", Signal(np.full((8, 8, 1), 90, np.uint8)).samples)
    done = run("train", "flat.png", "--hidden", 8, "--layers", 9, "--epochs", 20)
    assert done.returncode == 0
    assert "hardly better" not in done.stderr
