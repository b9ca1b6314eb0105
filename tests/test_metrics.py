"""PSNR by its definition, and the corners of both measures."""

import math

import numpy as np
import pytest

from fftool import metrics, psnr, ssim

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535)])
def test_psnr_is_its_definition(dtype, peak):
    a, b = (RANDOM.integers(0, peak, (9, 8, 3)).astype(dtype) for _ in range(2))
    error = np.mean((a.astype(np.float64) - b) ** 2)
    assert psnr(a, b) == pytest.approx(10 * math.log10(peak**2 / error))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(9, 8, 3), (150, 40, 1), (20, 30, 12, 2)])
def test_both_are_scikit_images(dtype, shape, monkeypatch):
    """However many bands and chunks it takes."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    peak = np.iinfo(dtype).max
    a = RANDOM.integers(0, peak, shape, dtype, endpoint=True)
    b = (a * 0.9 + RANDOM.integers(0, peak // 10, shape, dtype)).astype(dtype)
    for chunk in (100, 1000, metrics.CHUNK):
        monkeypatch.setattr(metrics, "CHUNK", chunk)
        assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b), rel=1e-12)
        assert ssim(a, b) == pytest.approx(structural_similarity(a, b, data_range=peak, channel_axis=-1), rel=1e-9)


def test_equal_pictures():
    picture = RANDOM.integers(0, 255, (9, 8, 3)).astype(np.uint8)
    assert psnr(picture, picture) == math.inf
    assert ssim(picture, picture) == pytest.approx(1)


def test_ssim_falls_with_noise():
    picture = np.tile(np.arange(0, 128, 4, np.uint8), (32, 1))[:, :, np.newaxis]
    noise = RANDOM.integers(0, 64, picture.shape).astype(np.uint8)
    assert ssim(picture, picture + noise // 8) > ssim(picture, picture + noise) > 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (6, 100, 1)])
def test_ssim_needs_room_for_its_window(shape):
    picture = np.zeros(shape, np.uint8)
    assert ssim(picture, picture) is None
