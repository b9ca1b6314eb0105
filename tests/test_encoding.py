"""Fourier features against the formula, written anew in numpy and float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fftool import EncodingConfig, FourierFeatures, fourier_features, frequency_matrix
from fftool.network import generator

KINDS = ("gaussian", "positional", "basic", "none")


def draw(axes: int = 2, seed: int = 0, **settings: object) -> torch.Tensor | None:
    return frequency_matrix(EncodingConfig(**settings), axes, generator(seed, "frequencies"))


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
def test_positional_is_log_spaced_along_each_axis(axes, dimension):
    B = draw(axes, kind="positional", dimension=dimension, scale=32.0).numpy()
    assert B.shape == (axes, dimension)
    assert (np.count_nonzero(B, axis=0) == 1).all()
    for row in B:
        frequencies = row[row != 0]
        assert frequencies[0] == 1
        assert frequencies[-1] == pytest.approx(32)
        assert np.diff(np.log(frequencies)) == pytest.approx(np.log(32) / (len(frequencies) - 1))


@pytest.mark.parametrize("scale", [0.5, 25.0, 300.0])
def test_gaussian_has_the_scale_as_standard_deviation(scale):
    B = draw(kind="gaussian", dimension=50_000, scale=scale).numpy()
    # 100,000 draws: the standard error of the deviation is 0.22 %, of the mean 0.32 % of σ.
    assert B.std() == pytest.approx(scale, rel=0.012)
    assert abs(B.mean()) < 0.016 * scale


def test_the_seed_decides_B():
    assert torch.equal(draw(seed=3, scale=10.0), draw(seed=3, scale=10.0))
    assert not torch.equal(draw(seed=3, scale=10.0), draw(seed=4, scale=10.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_B_has_the_shape_that_the_config_promises(kind, axes):
    B = draw(axes, kind=kind, dimension=9, scale=10.0)
    frequencies = EncodingConfig(kind=kind, dimension=9).frequencies(axes)
    assert (0 if B is None else B.shape[1]) == frequencies
    assert B is None or B.shape[0] == axes


points = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2).map(
    lambda p: torch.tensor([p], dtype=torch.float64)
)


@given(u=points, v=points, shift=points, seed=st.integers(0, 2**32))
def test_the_kernel_is_stationary(u, v, shift, seed):
    """‖γ(v)‖² = m, and γ(u)·γ(v) depends on u − v alone."""
    B = draw(seed=seed, dimension=32, scale=10.0).double()
    gamma_u, gamma_v = fourier_features(u, B), fourier_features(v, B)
    assert (gamma_v**2).sum().item() == pytest.approx(32)
    moved = fourier_features(u + shift, B) * fourier_features(v + shift, B)
    assert (gamma_u * gamma_v).sum().item() == pytest.approx(moved.sum().item(), abs=1e-8)


def test_the_module_is_the_function_and_keeps_B():
    B, v = draw(dimension=16, scale=10.0), torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    module = FourierFeatures(B)
    assert torch.equal(module(v), fourier_features(v, B))
    assert torch.equal(module.state_dict()["B"], B)
    assert not list(module.parameters())
