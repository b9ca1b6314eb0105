"""Spectra of signals and of encodings, with any number of axes."""

import numpy as np
import pytest
import torch
from scipy.stats import chi

from fftool.config import EncodingConfig
from fftool.models.encoding import frequency_matrix
from fftool.scale import spectrum
from fftool.scale.spectrum import density, radial_spectrum


def wave(shape, frequency):
    """Cosine with so many cycles along each axis, in array order, as 8-bit samples with one channel."""
    centres = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij")
    product = np.prod([np.cos(2 * np.pi * f * v) for f, v in zip(frequency, centres, strict=True)], axis=0)
    return np.rint(255 * (0.5 + 0.4 * product)).astype(np.uint8)[..., None]


@pytest.mark.parametrize(
    ("shape", "frequency", "expected"),
    [
        ((4096,), (16,), 16),
        ((256, 256), (0, 16), 16),
        ((250, 130), (12, 16), 20),  # √(12² + 16²)
        ((40, 48, 64), (4, 4, 14), 15.1),
    ],
)
def test_spectrum_of_a_wave_is_in_its_octave(shape, frequency, expected):
    found, share = radial_spectrum(wave(shape, frequency))
    assert abs(np.log2(found[share.argmax()] / expected)) <= 1 / 4  # half a bin
    assert share[(found >= expected / 2) & (found <= expected * 2)].sum() > 0.99 * share.sum()


@pytest.mark.parametrize("shape", [(300,), (24, 40), (7, 12, 9)])
def test_shares_equal_a_cosine_transform_written_as_a_sum(shape):
    samples = np.random.default_rng(0).integers(0, 256, (*shape, 2)).astype(np.uint8)
    power = np.zeros(shape)
    for channel in range(2):
        values = samples[..., channel] - samples[..., channel].mean()
        for axis, n in enumerate(shape):
            k, i = np.arange(n), np.arange(n)
            waves = np.cos(np.pi * np.outer(k, i + 0.5) / n) * np.where(k == 0, np.sqrt(1 / n), np.sqrt(2 / n))[:, None]
            values = np.moveaxis(np.tensordot(waves, values, axes=(1, axis)), 0, axis)
        power += values**2
    radius = np.linalg.norm(np.stack(np.meshgrid(*(np.arange(n) / 2 for n in shape), indexing="ij")), axis=0)
    found, share = radial_spectrum(samples)
    for frequency, value in zip(found, share, strict=True):
        inside = (radius > frequency * 2**-0.25) & (radius <= frequency * 2**0.25)
        assert value == pytest.approx(2 * power[inside].sum() / power.sum(), rel=1e-6)  # a bin is half an octave


def test_shares_add_up_to_one():
    samples = np.random.default_rng(0).integers(0, 65536, (30, 20, 3)).astype(np.uint16)
    _, share = radial_spectrum(samples)
    assert share.sum() / spectrum.BINS_PER_OCTAVE == pytest.approx(1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (20, 30, 3), (50, 1), (2, 3, 4, 1)])
def test_constant_signal_has_no_power(shape):
    found, share = radial_spectrum(np.full(shape, 40_000, np.uint16))
    assert len(found) == len(share) > 0
    assert share.max() < 1e-6


@pytest.mark.parametrize("shape", [(4096,), (101, 90), (50, 40, 3)])
def test_large_signals_are_reduced_without_moving_their_frequencies(monkeypatch, shape):
    samples = wave(shape, (3,) * len(shape[:2]) + (0,) * (len(shape) - 2))
    whole, share = radial_spectrum(samples)
    monkeypatch.setattr(spectrum, "MAX_SAMPLES", 1000)
    reduced, share_reduced = radial_spectrum(samples)
    assert reduced.max() < whole.max()
    assert reduced[share_reduced.argmax()] == whole[share.argmax()]


def test_reduction_averages_blocks_and_keeps_short_axes():
    values = np.arange(7 * 2, dtype=np.uint8).reshape(7, 2)
    means = spectrum._block_means(values, [3, 1])
    np.testing.assert_array_equal(means, [values[:3].mean(axis=0), values[3:6].mean(axis=0), values[6]])
    assert spectrum._reduction((3, 4000, 4000)) == [1, 4, 3]


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_gaussian_density_is_a_chi_distribution_by_octave(n_axes):
    frequency = np.geomspace(0.1, 100, 50)
    expected = chi.pdf(frequency / 9, n_axes) / 9 * frequency * np.log(2)
    np.testing.assert_allclose(density("gaussian", 9.0, frequency, n_axes), expected)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_density_of_a_candidate_is_that_of_its_matrix(kind, n_axes):
    octaves = np.linspace(-20, 12, 16_001)
    shares = density(kind, 9.0, 2**octaves, n_axes)
    assert np.trapezoid(shares, octaves) == pytest.approx(1, rel=0.01)
    encoding = EncodingConfig(kind=kind, scale=9.0, dimension=20_000).resolve()
    B = frequency_matrix(encoding, n_axes, torch.Generator().manual_seed(0))
    lengths = np.log2(np.linalg.norm(B.numpy(), axis=0))
    for low, high in ((0, 2), (2, 3), (3, 4)):
        inside = (octaves >= low) & (octaves <= high)
        expected = np.trapezoid(shares[inside], octaves[inside])
        assert ((lengths >= low) & (lengths <= high)).mean() == pytest.approx(expected, abs=0.02)


def test_positional_density_below_one_lies_between_sigma_and_one():
    share = density("positional", 0.25, np.array([0.2, 0.25, 0.5, 1, 1.1]), 2)
    np.testing.assert_allclose(share, [0, 0.5, 0.5, 0.5, 0])
