"""PSNR by its definition, both figures against scikit-image, and arrays that cannot be compared."""

import math

import numpy as np
import pytest

from fftool import metrics, psnr, ssim
from fftool.config import finite, format_psnr
from fftool.errors import SignalError
from fftool.holdout import split
from fftool.metrics import Quality, compare

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535)])
def test_psnr_is_its_definition(dtype, peak):
    a, b = (RANDOM.integers(0, peak, (9, 8, 3)).astype(dtype) for _ in range(2))
    error = np.mean((a.astype(np.float64) - b) ** 2)
    assert psnr(a, b) == pytest.approx(10 * math.log10(peak**2 / error))


def test_psnr_of_known_arrays():
    """One of 4 values off by the peak: 10 log₁₀ 4 dB."""
    a = np.zeros((2, 2, 1), np.uint16)
    b = a.copy()
    b[0, 1] = 65535
    assert psnr(a, b) == pytest.approx(6.0206, abs=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(9, 8, 3), (150, 40, 1), (20, 30, 12, 2)])
def test_both_equal_scikit_images(dtype, shape, monkeypatch):
    """However many bands and chunks it takes; for a clip, the mean over its frames."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    peak = np.iinfo(dtype).max
    a = RANDOM.integers(0, peak, shape, dtype, endpoint=True)
    b = (a * 0.9 + RANDOM.integers(0, peak // 10, shape, dtype)).astype(dtype)
    planes = [plane.reshape(-1, *shape[-3:]) for plane in (a, b)]
    similar = [structural_similarity(*pair, data_range=peak, channel_axis=-1) for pair in zip(*planes, strict=True)]
    for chunk in (100, 1000, metrics.CHUNK):
        monkeypatch.setattr(metrics, "CHUNK", chunk)
        assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b), rel=1e-12)
        assert ssim(a, b) == pytest.approx(np.mean(similar), rel=1e-9)


def test_equal_images():
    image = RANDOM.integers(0, 255, (9, 8, 3)).astype(np.uint8)
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1)


def test_ssim_falls_with_noise():
    image = np.tile(np.arange(0, 128, 4, np.uint8), (32, 1))[:, :, np.newaxis]
    noise = RANDOM.integers(0, 64, image.shape).astype(np.uint8)
    assert ssim(image, image + noise // 8) > ssim(image, image + noise) > 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (6, 100, 1), (100, 6, 1), (50, 6, 9, 1)])
def test_ssim_needs_room_for_its_window(shape):
    image = np.zeros(shape, np.uint8)
    assert ssim(image, image) is None


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize(
    ("reference", "samples", "seen"),
    [
        (np.zeros((2, 3, 1), np.uint8), np.zeros((3, 2, 1), np.uint8), r"\(2, 3, 1\) of uint8 against \(3, 2, 1\)"),
        (np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 3), np.uint8), r"\(9, 9, 1\) of uint8 against \(9, 9, 3\)"),
        (np.zeros((9, 9, 1), np.uint8), np.zeros((1, 9, 9, 1), np.uint8), r"against \(1, 9, 9, 1\)"),
        (np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 1), np.uint16), "of uint8 against .* of uint16"),
        (np.zeros((9, 9, 1), np.float32), np.zeros((9, 9, 1), np.float32), "samples are float32"),
        (np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 1), np.int64), "samples are int64"),
        (np.zeros((9, 9, 1), bool), np.zeros((9, 9, 1), bool), "samples are bool"),
        (np.zeros((0, 9, 1), np.uint8), np.zeros((0, 9, 1), np.uint8), r"samples have shape \(0, 9, 1\)"),
    ],
)
def test_refuses_arrays_that_cannot_be_compared(measure, reference, samples, seen):
    for pair in ((reference, samples), (samples, reference)):
        with pytest.raises(SignalError):
            measure(*pair)
    with pytest.raises(SignalError, match=seen):
        measure(reference, samples)


def test_each_part_of_a_split_counts_apart():
    """Errors in the held-out samples alone, then in the trained ones."""
    reference = RANDOM.integers(0, 200, (20, 22, 3)).astype(np.uint8)
    held_out = split((20, 22), "lattice", 0)
    samples = reference.copy()
    samples.reshape(-1, 3)[held_out.test.numpy()] += 51  # a fifth of the peak: 10 log₁₀ 25
    quality = compare(reference, samples, held_out)
    assert quality == Quality(psnr=math.inf, ssim=1.0, holdout_psnr=pytest.approx(13.9794, abs=1e-4))
    assert quality.exact == ("psnr",)
    samples = reference.copy()
    samples.reshape(-1, 3)[held_out.train.numpy()] += 51
    quality = compare(reference, samples, held_out)
    assert (quality.psnr, quality.holdout_psnr) == (pytest.approx(13.9794, abs=1e-4), math.inf)
    assert quality.exact == ("holdout_psnr",)
    assert quality.ssim == ssim(reference[::2, ::2], samples[::2, ::2]) < 1


def test_without_a_split_nothing_is_held_out():
    image = RANDOM.integers(0, 255, (9, 8, 3)).astype(np.uint8)
    quality = compare(image, image)
    assert quality == Quality(psnr=math.inf, ssim=pytest.approx(1), holdout_psnr=None)
    assert quality.exact == ("psnr",)
    assert compare(image, 255 - image).exact == ()


def test_psnr_as_text_and_in_json():
    assert [format_psnr(value) for value in (math.inf, 31.416)] == ["exact", "31.42 dB"]
    assert [finite(value) for value in (None, math.inf, 31.4)] == [None, None, 31.4]
