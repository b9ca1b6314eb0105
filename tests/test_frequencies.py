"""Kernel of an encoding, and its features on a grid of any number of axes."""

from math import inf

import numpy as np
import pytest
import torch

from fftool.config import EncodingConfig
from fftool.models.encoding import above_nyquist, expected_kernel, frequency_matrix, kernel
from fftool.models.frequencies import Frequencies


def frequencies(shape, kind="gaussian", scale=3.0, dimension=25):
    encoding = EncodingConfig(kind=kind, scale=scale, dimension=dimension).resolve()
    return Frequencies(encoding, frequency_matrix(encoding, len(shape), torch.Generator().manual_seed(0)), shape)


def given(B, shape):
    """Frequencies with this B."""
    return Frequencies(EncodingConfig(scale=1.0).resolve(), torch.tensor(B), shape)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_kernel_is_the_product_of_features(n_axes):
    random = np.random.default_rng(0)
    u, v, B = random.random((50, n_axes)), random.random((50, n_axes)), random.normal(0, 5, (n_axes, 30))

    def gamma(v):
        return np.concatenate([np.cos(2 * np.pi * v @ B), np.sin(2 * np.pi * v @ B)], axis=1)

    expected = (gamma(u) * gamma(v)).sum(axis=1) / 30
    np.testing.assert_allclose(kernel(torch.from_numpy(u - v), torch.from_numpy(B)).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("scale", "direction"),
    [((3.0,), (1.0, 0.0)), ((3.0,), (0.6, 0.8)), ((3.0, 1.0), (0.6, 0.8)), ((4.0, 2.0, 1.0), (0.48, 0.64, 0.6))],
)
def test_expected_kernel_is_the_mean_over_many_frequencies(scale, direction):
    """With 100,000 frequencies, the kernel is within five of its standard deviations."""
    sigma = np.array(scale * len(direction) if len(scale) == 1 else scale)
    normal = np.random.default_rng(0).standard_normal((len(direction), 100_000))
    difference = np.linspace(0, 0.3, 20)[:, None] * np.array(direction)
    measured = kernel(torch.from_numpy(difference), torch.from_numpy(normal * sigma[:, None])).numpy()
    expected = expected_kernel(torch.from_numpy(difference), scale).numpy()
    np.testing.assert_allclose(expected, np.exp(-2 * np.pi**2 * ((sigma * difference) ** 2).sum(axis=1)))
    assert np.abs(measured - expected).max() < 5 * (0.5 / 100_000) ** 0.5


@pytest.mark.parametrize("shape", [(100,), (100, 100), (20, 100, 100)])
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_kernel_narrows_as_sigma_grows(scale, shape):
    """To one half at √(ln 2 / 2) / (π σ), by its expectation."""
    width = frequencies(shape, scale=scale, dimension=2000).half_width
    assert width == pytest.approx(np.sqrt(np.log(2) / 2) / (np.pi * scale), rel=0.03)


def test_kernel_that_never_falls_has_an_infinite_width():
    assert given([[0.1], [0.0]], (10, 10)).half_width == inf


def test_kernel_profile_averages_over_the_plane_of_x_and_y():
    shown = frequencies((5, 20, 30))
    distance = torch.tensor([0.0, 0.03, 0.2], dtype=torch.float64)
    angles = np.pi * np.arange(64) / 64
    bx, by, _ = shown.B.double().numpy()
    phase = 2 * np.pi * (np.cos(angles)[:, None] * bx + np.sin(angles)[:, None] * by)  # of unit steps: (64, m)
    expected = np.cos(distance.numpy()[None, :, None] * phase[:, None, :]).mean(axis=-1)
    np.testing.assert_allclose(shown.kernel_profile(distance).numpy(), expected, atol=1e-12)


def test_kernel_profile_of_one_axis_has_one_direction():
    shown = frequencies((30,))
    distance = torch.tensor([0.0, 0.03, 0.2], dtype=torch.float64)
    expected = np.cos(2 * np.pi * np.outer(distance.numpy(), shown.B[0].double().numpy())).mean(axis=1)
    np.testing.assert_allclose(shown.kernel_profile(distance).numpy(), expected[None], atol=1e-12)


def test_expected_profile_averages_one_sigma_for_each_axis():
    """The mean over directions of exp(-a cos² - b sin²) is exp(-(a + b)/2) I₀((a - b)/2)."""
    distance = np.array([0.0, 0.01, 0.05])
    profile = frequencies((20, 30), scale=(9.0, 2.0)).expected_profile(torch.from_numpy(distance))
    a, b = (2 * (np.pi * sigma * distance) ** 2 for sigma in (9, 2))
    np.testing.assert_allclose(profile.numpy(), np.exp(-(a + b) / 2) * np.i0((a - b) / 2), rtol=1e-9)


def test_expected_profile_is_known_for_gaussian_alone():
    distance = torch.tensor([0.1], dtype=torch.float64)
    assert frequencies((9, 9), "positional").expected_profile(distance) is None
    assert frequencies((9, 9), "basic").expected_profile(distance) is None
    expected = np.exp(-2 * (np.pi * 3 * 0.1) ** 2)
    for shape in ((9,), (9, 9), (9, 9, 9)):
        np.testing.assert_allclose(frequencies(shape).expected_profile(distance).numpy(), expected)


@pytest.mark.parametrize("shape", [(40,), (30, 40), (5, 6, 7)])
def test_features_equal_the_formula_rounded_once(shape):
    shown = frequencies(shape)
    centres = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij")[::-1]  # x first
    pairs = list(shown.features())
    assert len(pairs) == 25
    for b, pair in zip(shown.B.double().numpy().T, pairs, strict=True):
        phase = 2 * np.pi * sum(component * v for component, v in zip(b, centres, strict=True))
        for samples, wave in zip(pair, (np.cos, np.sin), strict=True):
            assert samples.shape == (*shape, 1)
            np.testing.assert_array_equal(samples[..., 0], np.rint((wave(phase) + 1) / 2 * 255).astype(np.uint8))


def test_nyquist_is_half_the_samples_on_each_axis():
    B = torch.tensor([[50.0, 50.1, -51.0, 0.0, 0.0], [0.0, 0.0, 0.0, 20.0, -20.1]])
    assert above_nyquist(B, (40, 100)).tolist() == [False, True, True, False, True]
    assert given(B.tolist(), (40, 100)).above_nyquist.tolist() == [False, True, True, False, True]
    assert given([[50.0, -50.1]], (100,)).above_nyquist.tolist() == [False, True]
    assert given([[1.0, 1.0], [1.0, 1.0], [4.0, 4.1]], (8, 40, 100)).above_nyquist.tolist() == [False, True]


def test_fastest_frequency_is_the_longest_column():
    assert given([[3.0, 1.0], [4.0, 1.0]], (9, 9)).fastest == 5
    assert given([[1e30], [1e30]], (9, 9)).fastest == pytest.approx(np.sqrt(2) * 1e30)  # its square overflows float32


def test_plane_frequencies_are_those_along_x_and_y():
    assert given([[1.0, 2.0]], (9,)).plane_frequencies.tolist() == [[1, 2], [0, 0]]
    assert given([[1.0], [2.0]], (9, 9)).plane_frequencies.tolist() == [[1], [2]]
    assert given([[1.0], [2.0], [3.0]], (9, 9, 9)).plane_frequencies.tolist() == [[1], [2]]


def test_title_names_every_sigma():
    assert frequencies((9, 9), scale=25.0).title == "gaussian σ = 25"
    assert frequencies((9, 9, 9), scale=(25.0, 25.0, 4.5)).title == "gaussian σ = 25, 25, 4.5"
    assert frequencies((9, 9), "basic").title == "basic"
