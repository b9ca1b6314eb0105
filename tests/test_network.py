"""The forward pass, written out in numpy and float64: the module, rendering and training all agree with it."""

import copy

import numpy as np
import pytest
import torch

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.backend import kernels
from fftool.models.layers import empty_layers, named_parameters
from fftool.training.gradient import Gradient

SHAPE = (5, 7)


@pytest.fixture(scope="module", params=[("gaussian", 2), ("gaussian", 0), ("positional", 3), ("basic", 1), ("none", 0)])
def network(request):
    """A network after a large step, so that its values differ from sample to sample."""
    kind, layers = request.param
    samples = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    encoding = EncodingConfig(kind=kind, dimension=12, scale=3.0)
    course = fftool.fit(Signal(samples), encoding, NetworkConfig(hidden=16, layers=layers), TrainingConfig(epochs=3))
    return list(course)[-1].network


def as_numpy(network):
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def centres(shape):
    y, x = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def pass_in_numpy(t, v):
    """Features, then the output of each layer before its activation."""
    x = v
    if "encoding.B" in t:
        phase = 2 * np.pi * v @ t["encoding.B"]
        x = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    outputs = [x]
    last = max(int(name.split(".")[1]) for name in t if name.startswith("layers."))
    for i in range(last + 1):
        x = x @ t[f"layers.{i}.weight"].T + t[f"layers.{i}.bias"]
        outputs.append(x)
        x = np.maximum(x, 0)
    return outputs


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gradient_in_numpy(t, v, values):
    """Sums of cross-entropy and squared error, and the gradient of the mean cross-entropy."""
    features, *outputs = pass_in_numpy(t, v)
    p = sigmoid(outputs[-1])
    losses = -(values * np.log(p) + (1 - values) * np.log(1 - p))
    delta, gradients = (p - values) / values.size, {}
    for i in reversed(range(len(outputs))):
        below = features if i == 0 else np.maximum(outputs[i - 1], 0)
        gradients |= {f"layers.{i}.weight": delta.T @ below, f"layers.{i}.bias": delta.sum(axis=0)}
        if i:
            delta = delta @ t[f"layers.{i}.weight"] * (outputs[i - 1] > 0)
    return losses.sum(), ((p - values) ** 2).sum(), gradients


def test_module_computes_the_formula(network):
    v = centres(SHAPE)
    expected = pass_in_numpy(as_numpy(network), v)[-1]
    double, points = copy.deepcopy(network).double(), torch.from_numpy(v)
    with torch.no_grad():
        np.testing.assert_allclose(double.logits(points).numpy(), expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(double(points).numpy(), sigmoid(expected), rtol=1e-9)
        np.testing.assert_allclose(network(points.float()).numpy(), sigmoid(expected), atol=1e-5)
    np.testing.assert_allclose(network(points.float()).detach().numpy(), sigmoid(expected), atol=1e-5)  # with a tape


@pytest.mark.parametrize("shape", [SHAPE, (11, 6)])
def test_rendering_computes_the_formula(network, shape):
    """Rounded to 16 bits, which moves a value by half a step at most."""
    expected = sigmoid(pass_in_numpy(as_numpy(network), centres(shape))[-1]).reshape(*shape, 3)
    assert np.abs(fftool.render(network, shape, bits=16) - 65535 * expected).max() < 0.6
    assert np.ptp(expected) > 0.05


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_training_computes_the_formula(network, dtype, tolerance):
    """The loss from the same forward pass, and its gradient by every weight and bias."""
    v, values = centres(SHAPE), np.random.default_rng(1).random((SHAPE[0] * SHAPE[1], 3))
    t = as_numpy(network)
    loss, squares, gradients = gradient_in_numpy(t, v, values)
    layers, features = copy.deepcopy(network).to(dtype).detached_layers, torch.from_numpy(pass_in_numpy(t, v)[0])
    sums, found = Gradient(layers, "bce", dtype)(features.to(dtype), torch.from_numpy(values).to(dtype))
    assert sums.tolist() == pytest.approx([loss, squares], rel=tolerance)
    assert found.keys() == gradients.keys()
    for name, expected in gradients.items():
        largest = np.abs(expected).max()
        np.testing.assert_allclose(found[name].double().numpy(), expected, atol=tolerance * largest, err_msg=name)


def test_forward_pass_needs_no_private_functions(network, monkeypatch):
    v = torch.from_numpy(centres(SHAPE)).float()
    with torch.inference_mode():
        expected = network(v)
        monkeypatch.setattr(kernels, "_linear_pointwise", None)
        torch.testing.assert_close(network(v), expected, rtol=1e-5, atol=1e-6)


def test_layers_are_named_as_in_a_checkpoint(network, tmp_path):
    """A list of layers tells weights from biases by name, and holds the parameters themselves."""
    fftool.save(network, tmp_path / "model.st")
    saved = {name: info.shape for name, info in fftool.describe(tmp_path / "model.st").tensors.items()}
    saved.pop("encoding.B", None)
    parameters = named_parameters(network.layer_list)
    assert {name: tuple(tensor.shape) for name, tensor in parameters.items()} == saved
    for name, parameter in network.named_parameters():
        assert parameters[name] is parameter
    for name, tensor in named_parameters(network.detached_layers).items():
        assert tensor.data_ptr() == parameters[name].data_ptr()
        assert not tensor.requires_grad
    empty = named_parameters(empty_layers(network.config.widths, torch.device("meta")))
    assert {name: tuple(tensor.shape) for name, tensor in empty.items()} == saved


def test_last_activation_is_the_only_sigmoid(network):
    activations = [layer.activation for layer in network.layer_list]
    assert activations == ["relu"] * network.config.network.layers + ["sigmoid"]


def test_network_copies_with_its_config(network):
    clone = copy.deepcopy(network)
    assert clone.config == network.config
    assert torch.equal(clone.state_dict()["layers.0.weight"], network.state_dict()["layers.0.weight"])
