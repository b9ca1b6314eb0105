"""Fourier features against the formula, written out in numpy and float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fftool import Encoding, EncodingConfig, FourierFeatures, fourier_features, frequency_matrix, generator
from fftool.errors import SettingError

KINDS = ("gaussian", "positional", "basic", "none")


def draw(axes: int = 2, seed: int = 0, **settings: object) -> torch.Tensor | None:
    return frequency_matrix(EncodingConfig(**settings).resolve(), axes, generator(seed, "frequencies"))


@pytest.mark.parametrize("kind", ["gaussian", "positional", "basic"])
def test_features_follow_the_formula(kind):
    B = draw(kind=kind, dimension=16, scale=10.0)
    v = torch.rand(50, 2, generator=torch.Generator().manual_seed(1))
    phase = 2 * np.pi * v.numpy().astype(np.float64) @ B.numpy().astype(np.float64)
    expected = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    features = fourier_features(v, B)
    assert features.dtype == torch.float32
    # A phase of 2π·40 turns is known in float32 to within 2e-5 of a radian.
    np.testing.assert_allclose(features.numpy(), expected, atol=1e-4)
    memory = torch.full_like(features, torch.nan)
    assert fourier_features(v, B, memory) is memory
    np.testing.assert_allclose(memory.numpy(), expected, atol=1e-4)


def test_basic_is_one_turn_along_each_axis():
    x, y = 0.25, 0.125
    features = fourier_features(torch.tensor([[x, y]]), draw(kind="basic"))
    expected = [np.cos(2 * np.pi * x), np.cos(2 * np.pi * y), np.sin(2 * np.pi * x), np.sin(2 * np.pi * y)]
    np.testing.assert_allclose(features[0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("axes", "dimension"), [(1, 5), (2, 8), (2, 7), (3, 8)])
@pytest.mark.parametrize("each_axis", [False, True])
def test_positional_is_log_spaced_along_each_axis(axes, dimension, each_axis):
    """From 1 to the axis's own σ; a remainder of m / d goes to the first axes."""
    scales = (32.0, 9.0, 1.5)[:axes] if each_axis else (32.0,) * axes
    B = draw(axes, kind="positional", dimension=dimension, scale=scales if each_axis else 32.0).numpy()
    assert B.shape == (axes, dimension)
    assert (np.count_nonzero(B, axis=0) == 1).all()
    counts = [np.count_nonzero(row) for row in B]
    assert counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 1
    for row, scale in zip(B, scales, strict=True):
        frequencies = row[row != 0]
        assert frequencies[0] == 1
        assert frequencies[-1] == pytest.approx(scale)
        assert np.diff(np.log(frequencies)) == pytest.approx(np.log(scale) / (len(frequencies) - 1), rel=1e-5)


@pytest.mark.parametrize("scale", [0.5, 25.0, 300.0])
def test_gaussian_has_the_scale_as_standard_deviation(scale):
    B = draw(kind="gaussian", dimension=50_000, scale=scale).numpy()
    # 100,000 draws: the standard error of the deviation is 0.22 %, of the mean 0.32 % of σ.
    assert B.std() == pytest.approx(scale, rel=0.012)
    assert abs(B.mean()) < 0.016 * scale


def test_gaussian_has_a_standard_deviation_for_each_axis():
    """In coordinate order: the first row of B belongs to x. 50,000 draws have a standard error of 0.32 %."""
    B = draw(3, kind="gaussian", dimension=50_000, scale=(25.0, 4.0, 0.5)).numpy()
    np.testing.assert_allclose(B.std(axis=1), [25, 4, 0.5], rtol=0.016)


@pytest.mark.parametrize("kind", ["gaussian", "positional"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_equal_scales_are_one_scale(kind, axes):
    settings = {"kind": kind, "dimension": 12}
    assert torch.equal(draw(axes, scale=(8.0,) * axes, **settings), draw(axes, scale=8.0, **settings))


@pytest.mark.parametrize("kind", ["basic", "none"])
def test_encodings_without_a_scale_ignore_it(kind):
    encoding = EncodingConfig(kind=kind, scale=(3.0, 4.0)).resolve()
    assert encoding.scale == ()
    assert encoding == EncodingConfig(kind=kind).resolve()


@pytest.mark.parametrize(
    ("scale", "name", "file_name"),
    [
        (25.0, "gaussian σ=25", "gaussian-25"),
        (0.5, "gaussian σ=0.5", "gaussian-0.5"),
        ((25.0, 25.0, 4.5), "gaussian σ=25,25,4.5", "gaussian-25-25-4.5"),
        ("auto", "gaussian σ=auto", "gaussian-auto"),
    ],
)
def test_name_has_the_scale_of_each_axis(scale, name, file_name):
    request = EncodingConfig(scale=scale)
    assert (request.name, request.file_name) == (name, file_name)
    if scale != "auto":
        resolved = request.resolve()
        assert (resolved.name, resolved.request) == (name, replace(request, dimension=128))
    assert EncodingConfig(kind="basic", scale=scale).name == EncodingConfig(kind="basic", scale=scale).file_name


def test_resolved_encoding_has_a_scale_where_it_uses_one():
    with pytest.raises(SettingError, match="expected a number, as there is no signal to measure"):
        EncodingConfig().resolve()
    with pytest.raises(SettingError, match=r"invalid scale \(\): expected a number for the gaussian encoding"):
        Encoding(kind="gaussian")
    with pytest.raises(SettingError, match=r"invalid scale \(8\): expected none for the basic encoding"):
        Encoding(kind="basic", scale=(8.0,))


def test_seed_decides_B():
    assert torch.equal(draw(seed=3, scale=10.0), draw(seed=3, scale=10.0))
    assert not torch.equal(draw(seed=3, scale=10.0), draw(seed=4, scale=10.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_B_has_the_shape_that_the_config_promises(kind, axes):
    B = draw(axes, kind=kind, dimension=9, scale=10.0)
    m = {"gaussian": 9, "positional": 9, "basic": axes, "none": 0}[kind]
    assert EncodingConfig(kind=kind, dimension=9).n_frequencies(axes) == m
    assert (B is None) if m == 0 else (B.shape == (axes, m) and B.dtype == torch.float32)


points = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2).map(
    lambda p: torch.tensor([p], dtype=torch.float64)
)


@given(u=points, v=points, shift=points, seed=st.integers(0, 2**32))
def test_kernel_is_stationary(u, v, shift, seed):
    """‖γ(v)‖² = m, and γ(u)·γ(v) depends on u - v alone."""
    B = draw(seed=seed, dimension=32, scale=10.0).double()
    gamma_u, gamma_v = fourier_features(u, B), fourier_features(v, B)
    assert (gamma_v**2).sum().item() == pytest.approx(32)
    moved = fourier_features(u + shift, B) * fourier_features(v + shift, B)
    assert (gamma_u * gamma_v).sum().item() == pytest.approx(moved.sum().item(), abs=1e-8)


def test_module_is_the_function_and_keeps_B():
    B, v = draw(dimension=16, scale=10.0), torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    module = FourierFeatures(B)
    assert torch.equal(module(v), fourier_features(v, B))
    assert torch.equal(module.state_dict()["B"], B)
    assert not list(module.parameters())
