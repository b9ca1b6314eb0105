"""What the sheet of a comparison is made of."""

import numpy as np

import fftool
from fftool.comparison import Outcome
from fftool.figures.comparison import curves, distance, telling_detail
from fftool.metrics import Quality


def test_the_detail_is_where_the_fine_structure_differs():
    """A smooth error everywhere, and a pattern that only one picture has."""
    y, x = np.mgrid[0:100, 0:150]
    source = np.repeat((x[..., None] + 50).astype(np.uint8), 3, axis=2)
    smooth, fine = source + 50, source.copy()
    fine[60:70, 120:130] += (20 * ((x + y) % 2)).astype(np.uint8)[60:70, 120:130, None]
    detail = telling_detail(source, [smooth, fine])
    left, top = round(detail.origin[0] * 150), round(detail.origin[1] * 100)
    assert (round(detail.extent[0] * 150), round(detail.extent[1] * 100)) == (20, 20)
    assert left <= 120
    assert left + 20 >= 130
    assert top <= 60
    assert top + 20 >= 70


def test_the_distance_is_in_steps_of_eight_bits():
    reference = np.zeros((2, 2, 2), np.uint16)
    samples = reference.copy()
    samples[0, 1] = (257, 3 * 257)
    np.testing.assert_allclose(distance(reference, samples), [[0, 2], [0, 0]])


def test_a_name_that_looks_like_a_formula(tmp_path, photo, model_path):
    """Matplotlib would take what stands between two $ for one, and fail to draw it."""
    quality = Quality(psnr=20.0, ssim=0.5)
    outcome = Outcome(
        name="a$_\\bad{$.st", network=fftool.load(model_path), samples=photo.samples, quality=quality, bytes=0
    )
    curves([outcome], "b$^$.png").save(tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()
