"""Private functions of torch against their public fallbacks, and both against plain formulas."""

import re
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import fftool
from fftool.backend import kernels

PRIVATE = (
    "_linear_pointwise", "_threshold_backward", "_fused_adam", "_foreach_copy", "_foreach_add", "_foreach_mul",
    "_has_amx",
)  # fmt: skip


@contextmanager
def onednn_disabled():
    """Section with torch.backends.mkldnn.flags(enabled=False), without its warning about TF32 on other processors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def random(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.fixture(params=["private", "public"])
def variant(request, monkeypatch):
    """Both variants of each kernel: torch's own functions where it has them, and the fallbacks."""
    if request.param == "public":
        for name in PRIVATE:
            monkeypatch.setattr(kernels, name, None)
    return request.param


def calls_to(monkeypatch, name):
    """Calls of a private function from now on: a list that grows."""
    calls, function = [], getattr(kernels, name)
    if function is None:
        pytest.skip(f"this version of torch has no {name}")

    def recorded(*arguments, **options):
        calls.append(arguments)
        return function(*arguments, **options)

    monkeypatch.setattr(kernels, name, recorded)
    return calls


def test_each_private_function_is_tested():
    source = Path(kernels.__file__).read_text()
    assert set(re.findall(r"^(\w+) = _private\(", source, re.MULTILINE)) == set(PRIVATE)


def test_missing_function_is_none():
    assert kernels._private(torch, "no_such_function") is None
    assert kernels._private(torch.ops, "mkldnn.no_such_function") is None
    assert kernels._private(torch.ops, "no_such_namespace.function") is None
    assert kernels._private(torch, "cpu.no_such_function") is None


TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.02}  # relative to the largest value
DTYPES = list(TOLERANCE)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 300])
def test_linear_relu(variant, dtype, rows):
    x, weight, bias = (
        random(rows, 70, dtype=dtype),
        random(50, 70, dtype=dtype, seed=1),
        random(50, dtype=dtype, seed=2),
    )
    expected = (x.double() @ weight.double().T + bias.double()).clamp(min=0)
    for context in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with context:
            found = kernels.linear_relu(x, weight, bias)
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=TOLERANCE[dtype] * expected.max().item())
        assert (found >= 0).all() and (found == 0).any()


def test_linear_relu_is_fused_where_it_may_be(monkeypatch):
    """In float32 and bfloat16, unless oneDNN is disabled or autograd records."""
    calls = calls_to(monkeypatch, "_linear_pointwise")
    if not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")
    for dtype, fused in ((torch.float32, 1), (torch.bfloat16, 1), (torch.float64, 0)):
        x, weight, bias = random(9, 8, dtype=dtype), random(7, 8, dtype=dtype, seed=1), random(7, dtype=dtype, seed=2)
        kernels.linear_relu(x, weight, bias)
        assert len(calls) == fused, dtype
        with onednn_disabled():
            separate = kernels.linear_relu(x, weight, bias)
        assert len(calls) == fused, "oneDNN was disabled"
        torch.testing.assert_close(separate, kernels.linear_relu(x, weight, bias), rtol=0.02, atol=0.02)
        calls.clear()
        recorded = kernels.linear_relu(x, weight.requires_grad_(), bias)
        assert recorded.requires_grad
        with torch.no_grad():
            kernels.linear_relu(x, weight, bias)
        assert len(calls) == fused
        calls.clear()


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear(dtype):
    x, weight, bias = random(30, 20, dtype=dtype), random(5, 20, dtype=dtype, seed=1), random(5, dtype=dtype, seed=2)
    expected = x.double() @ weight.double().T + bias.double()
    found = kernels.linear(x, weight, bias)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=TOLERANCE[dtype] * expected.abs().max().item())


def test_bias_of_higher_precision_decides_the_result():
    """A logit is not rounded to bfloat16 once more, after its product was."""
    x, weight = random(30, 20, dtype=torch.bfloat16), random(5, 20, dtype=torch.bfloat16, seed=1)
    bias = random(5, seed=2)
    found = kernels.linear(x, weight, bias)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (x @ weight.T).float() + bias)


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_backward(variant, dtype):
    """In place, where the output is positive; zeros of both signs let nothing through."""
    gradient, output = random(40, 30, dtype=dtype), random(40, 30, dtype=dtype, seed=1).relu()
    output[0, :3] = torch.tensor([0.0, -0.0, 1e-30])
    expected = torch.where(output > 0, gradient, torch.zeros_like(gradient))
    assert kernels.relu_backward_(gradient, output) is gradient
    assert torch.equal(gradient, expected)
    assert gradient[0, 0] == gradient[0, 1] == 0 != gradient[0, 2]


@pytest.mark.parametrize("source_dtype", DTYPES)
@pytest.mark.parametrize("target_dtype", DTYPES)
def test_copy_all(variant, source_dtype, target_dtype):
    sources = [random(4, 3, dtype=source_dtype), random(5, dtype=source_dtype, seed=1)]
    targets = [torch.empty_like(source, dtype=target_dtype) for source in sources]
    kernels.copy_all_(targets, sources)
    for target, source in zip(targets, sources, strict=True):
        assert torch.equal(target, source.to(target_dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_over_lists(variant, dtype):
    """scale_all_, add_all_ and count_all_, each in place."""
    tensors = [random(4, 3, dtype=dtype), random(5, dtype=dtype, seed=1)]
    others = [random(4, 3, dtype=dtype, seed=2), random(5, dtype=dtype, seed=3)]
    before = [tensor.clone() for tensor in tensors]

    def check(expected):
        for tensor, wanted in zip(tensors, expected, strict=True):
            torch.testing.assert_close(tensor, wanted, rtol=0.02 if dtype == torch.bfloat16 else 1e-6, atol=1e-6)

    kernels.scale_all_(tensors, 0.5)
    check([0.5 * old for old in before])
    kernels.add_all_(tensors, others)
    check([0.5 * old + other for old, other in zip(before, others, strict=True)])
    kernels.add_all_(tensors, others, alpha=-3)
    check([0.5 * old - 2 * other for old, other in zip(before, others, strict=True)])
    counts = [torch.zeros(()), torch.tensor(41.0)]
    kernels.count_all_(counts)
    assert [count.item() for count in counts] == [1, 42]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam(variant, dtype):
    """Three steps by the formulas of Kingma and Ba."""
    parameters = [random(4, 3, dtype=dtype), random(5, dtype=dtype, seed=1)]
    expected = [parameter.to(torch.float64, copy=True) for parameter in parameters]
    m, v = ([torch.zeros_like(each) for each in expected] for _ in range(2))
    means, squares = ([torch.zeros_like(each) for each in parameters] for _ in range(2))
    counts, beta1, beta2 = [torch.zeros(()) for _ in parameters], 0.9, 0.99
    for t, rate in ((1, 0.1), (2, 0.05), (3, 0.2)):
        gradients = [random(*p.shape, dtype=dtype, seed=10 * t + i) for i, p in enumerate(parameters)]
        kernels.count_all_(counts)
        kernels.adam_(parameters, gradients, means, squares, counts, torch.tensor(rate), (beta1, beta2))
        for i, gradient in enumerate(g.double() for g in gradients):
            m[i] = beta1 * m[i] + (1 - beta1) * gradient
            v[i] = beta2 * v[i] + (1 - beta2) * gradient**2
            step = m[i] / (1 - beta1**t) / ((v[i] / (1 - beta2**t)).sqrt() + 1e-8)
            expected[i] = expected[i] - rate * step
    for found, wanted in zip((*parameters, *means, *squares), (*expected, *m, *v), strict=True):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-6)


def test_fallbacks_train_the_same_network(photo, monkeypatch):
    """A training with neither gives the same loss, but for rounding: nothing else calls the private functions."""

    def loss():
        encoding, network = fftool.EncodingConfig(scale=8.0, dimension=16), fftool.NetworkConfig(hidden=16)
        training = fftool.TrainingConfig(epochs=2, precision="float32", batch_size=512)
        return [progress.loss for progress in fftool.fit(photo, encoding, network, training)]

    with_private = loss()
    for name in PRIVATE:
        monkeypatch.setattr(kernels, name, None)
    assert loss() == pytest.approx(with_private, rel=1e-4)
