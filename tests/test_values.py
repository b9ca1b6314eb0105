"""Values that samples stand for: heights and light, from files of numbers and back."""

import re

import numpy as np
import pytest
import tifffile
from conftest import fails
from hypothesis import given, settings
from hypothesis import strategies as st
from imagecodecs import rgbe_decode, rgbe_encode

import fftool
from fftool import Signal
from fftool.config import ValueRange
from fftool.errors import SignalError
from fftool.values import from_samples, to_samples, value_range

y, x = np.mgrid[:12, :16] / 16
HEIGHTS = (np.sin(5 * x) * np.cos(4 * y) * 800 - 120).astype(np.float32)
LIGHT = np.stack([np.exp(6 * np.sin(3 * x)), np.exp(5 * np.cos(4 * y)), 1 + x], -1).astype(np.float32)
LIGHT[2:4, 2:4] = 5e4
FIT = ("--scale", 2, "--hidden", 64, "--epochs", 150, "--precision", "float32")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "uint32"])
@settings(deadline=None)
@given(numbers=st.lists(st.integers(-100, 100), min_size=1, max_size=20))
def test_values_come_back_within_half_a_step(dtype, numbers):
    values = (np.abs(numbers) if dtype == "uint32" else np.array(numbers)).astype(dtype)
    found = value_range(values)
    back = from_samples(to_samples(values, found), found)
    assert (back.dtype, back.shape) == (values.dtype, values.shape)
    step = (found.high - found.low) / 65535
    rounding = np.spacing(values.astype("float16")).astype(float) if dtype == "float16" else 1e-5
    assert (np.abs(back.astype(float) - values.astype(float)) <= step / 2 + rounding).all()
    if values.dtype.kind != "f":
        np.testing.assert_array_equal(back, values)


def test_light_keeps_its_ratios():
    """From a millionth of the brightest up, to a thousandth; a linear range would lose the dark half."""
    light = np.geomspace(1e-2, 1e4, 200, dtype=np.float32)
    found = value_range(light, is_light=True)
    back = from_samples(to_samples(light, found), found)
    bright = light > 0.02  # twice the darkest, which is 0 of the range
    assert np.abs(np.log(back[bright] / light[bright])).max() < 0.01
    expected = np.log1p(found.mu * (light - light.min()) / (light.max() - light.min())) / np.log1p(found.mu)
    np.testing.assert_allclose(to_samples(light, found) / 65535, expected, atol=1e-5)


def test_constant_values_have_a_range():
    for value in (0.0, -3.5, 1e30, 1.7e308, -1.7e308, 5e-324):
        values = np.full((2, 2), value, np.float64)
        found = value_range(values)
        assert 0 in (found.low, found.high)  # black below 0 and white above
        np.testing.assert_array_equal(from_samples(to_samples(values, found), found), values)


def test_rendered_values_are_not_rounded_to_samples():
    found = ValueRange(low=0, high=65535, dtype="float32")
    np.testing.assert_allclose(from_samples(np.array([0.5, 0.25], np.float32), found), [32767.5, 16383.75])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_refuses_numbers_that_are_not_finite(value):
    with pytest.raises(SignalError, match="not finite"):
        value_range(np.array([0, value]))


def test_refuses_numbers_that_are_too_far_apart():
    with pytest.raises(SignalError, match=r"values are from -1.7e\+308 to 1.7e\+308: expected a range below"):
        value_range(np.array([-1.7e308, 1.7e308]))


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_heights_come_back_in_their_type(run, tmp_path, dtype):
    heights = HEIGHTS.astype(dtype)
    tifffile.imwrite(tmp_path / "heights.tif", heights)
    assert run("train", "heights.tif", *FIT).returncode == 0
    signal = fftool.describe(tmp_path / "model.st").config.signal
    assert signal.values == ValueRange(low=heights.min(), high=heights.max(), dtype=dtype)
    assert re.search(rf"^values +{int(heights.min())}", run("info", "model.st").stdout, re.MULTILINE)
    assert run("render", "model.st", "-o", "same.tif").returncode == 0
    same = tifffile.imread(tmp_path / "same.tif")
    assert (same.dtype, same.shape) == (heights.dtype, heights.shape)
    assert np.abs(same.astype(float) - heights).max() < 20  # of 1600
    assert run("render", "model.st", "--size", "400%", "-o", "large.tif").returncode == 0
    large = tifffile.imread(tmp_path / "large.tif")
    if dtype == "float32":  # smooth, without the steps of 16 bits
        assert len(np.unique(large)) > 0.9 * large.size
    assert run("render", "model.st", "-o", "grey.png").returncode == 0  # to look at
    grey = fftool.read_image(tmp_path / "grey.png").samples[..., 0]
    expected = (heights.astype(float) - heights.min()) / (float(heights.max()) - heights.min())
    assert np.abs(grey / 65535 - expected).max() < 0.02


@pytest.mark.parametrize("suffix", ["hdr", "exr", "tif"])
def test_light_comes_back_as_light(run, tmp_path, suffix):
    (tmp_path / "light.hdr").write_bytes(rgbe_encode(LIGHT))
    assert run("train", "light.hdr", *FIT).returncode == 0
    assert run("render", "model.st", "-o", f"out.{suffix}").returncode == 0
    if suffix == "exr":
        openexr = pytest.importorskip("OpenEXR")
        with openexr.File(str(tmp_path / "out.exr")) as file:
            light = file.channels()["RGB"].pixels
    elif suffix == "hdr":
        light = rgbe_decode((tmp_path / "out.hdr").read_bytes())
    else:
        light = tifffile.imread(tmp_path / "out.tif")
    ratio = np.abs(np.log(np.maximum(light, 1e-3) / LIGHT))
    assert light.shape == LIGHT.shape
    assert np.median(ratio) < 0.05
    assert light.max() > 4e4


def test_openexr_is_read(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    for name, pixels in (("RGB", LIGHT), ("Y", LIGHT[..., 0].copy())):
        with openexr.File(
            {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}, {name: pixels}
        ) as file:
            file.write(str(tmp_path / "light.exr"))
        signal = fftool.read_image(tmp_path / "light.exr")
        assert signal.channels == (3 if name == "RGB" else 1)
        assert signal.values.mu > 0
        back = from_samples(signal.samples, signal.values).reshape(pixels.shape)
        assert np.abs(back - pixels).max() / pixels.max() < 1e-3


def test_display_colours_are_written_as_light(run, tmp_path):
    """SRGB 188 of 255 is half of the light."""
    fftool.write_image(tmp_path / "grey.png", np.full((8, 8, 3), 188, np.uint8))
    assert run("train", "grey.png", "--hidden", 16, "--epochs", 60).returncode == 0
    assert run("render", "model.st", "-o", "light.hdr").returncode == 0
    assert rgbe_decode((tmp_path / "light.hdr").read_bytes()) == pytest.approx(0.5, abs=0.1)


def test_32_bits_are_the_network_s_values(run, tmp_path, model_path):
    assert run("render", model_path, "--bits", 32, "-o", "out.tif").returncode == 0
    values = tifffile.imread(tmp_path / "out.tif")
    assert values.dtype == np.float32
    rounded = np.rint(255 * values.astype(np.float64)).astype(np.uint8)
    np.testing.assert_array_equal(rounded, fftool.render(fftool.load(model_path)))


GDAL_NODATA = (42113, 2, 0, "-9999", True)


def with_value(value):
    heights = HEIGHTS.copy()
    heights[3, 4] = value
    return heights


@pytest.mark.parametrize(
    ("heights", "options", "problem"),
    [
        (with_value(np.nan), {}, "some values are not finite: expected numbers"),
        (with_value(np.inf), {}, "some values are not finite: expected numbers"),
        (with_value(-9999), {"extratags": [GDAL_NODATA]}, "some pixels have no data (-9999), expected a value in each"),
        (HEIGHTS.astype(np.complex64), {}, "unsupported kind of TIFF"),
        (np.stack([HEIGHTS] * 4, -1), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "unsupported kind"),
    ],
)
def test_refuses_values_that_cannot_be_fitted(run, tmp_path, heights, options, problem):
    tifffile.imwrite(tmp_path / "heights.tif", heights, **options)
    done = run("train", "heights.tif")
    assert done.returncode == 1
    assert f"error: heights.tif: {problem}" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_no_data_that_is_nowhere_is_no_obstacle(tmp_path):
    tifffile.imwrite(tmp_path / "heights.tif", HEIGHTS, extratags=[GDAL_NODATA])
    assert fftool.read_image(tmp_path / "heights.tif").values.high == HEIGHTS.max()


@pytest.mark.parametrize(
    ("output", "bits", "problem"),
    [
        ("out.png", 32, "PNG holds 8 or 16 bits per channel, not 32"),
        ("out.hdr", 16, "Radiance HDR holds 32 bits per channel, not 16"),
        ("out.tif", 24, "invalid bit depth 24: expected 8, 16 or 32"),
    ],
)
def test_refuses_bits_that_a_format_does_not_hold(run, model_path, output, bits, problem):
    assert problem in run("render", model_path, "--bits", bits, "-o", output).stderr


def test_refuses_grey_light_in_a_radiance_file(run, tmp_path):
    tifffile.imwrite(tmp_path / "heights.tif", HEIGHTS)
    assert run("train", "heights.tif", "--hidden", 4, "--epochs", 1).returncode == 0
    assert "Radiance HDR holds 3 channels, not 1" in run("render", "model.st", "-o", "out.hdr").stderr


def test_missing_package_to_write_is_named(run, model_path, monkeypatch):
    monkeypatch.setattr("fftool.media.image.formats.find_spec", lambda name: None)
    done = run("render", model_path, "-o", "out.exr")
    assert (
        "error: OpenEXR takes the package OpenEXR to write\nhint: install it: pipx inject fftool OpenEXR" in done.stderr
    )


@pytest.mark.parametrize("data", [rgbe_encode(LIGHT), b"#?RADIANCE\n\n-Y 100000 +X 100000\n", b"#?RADIANCE\n\n\n"])
def test_broken_light_is_refused_in_a_line(run, tmp_path, data):
    generator = np.random.default_rng(0)
    for i in range(12):
        broken = bytearray(data[: generator.integers(12, len(data) + 1)])
        broken[generator.integers(12, len(broken) + 1) - 1] ^= 1 << generator.integers(8)
        (tmp_path / f"{i}.hdr").write_bytes(broken)
    done = run("train", *(f"{i}.hdr" for i in range(12)), "-o", "models", "--hidden", 4, "--epochs", 1)
    assert done.returncode in (0, 1)
    assert "bug" not in done.stderr


def test_samples_of_other_values_resume_and_compare(run, tmp_path):
    tifffile.imwrite(tmp_path / "heights.tif", HEIGHTS)
    assert run("train", "heights.tif", "--hidden", 4, "--epochs", 1).returncode == 0
    assert run("train", "--resume", "model.st", "heights.tif", "--epochs", 2).returncode == 0
    assert run("compare", "heights.tif", "model.st").returncode == 0
    tifffile.imwrite(tmp_path / "heights.tif", 2 * HEIGHTS)  # the same samples, and other values
    done = run("train", "--resume", "model.st", "heights.tif", "--epochs", 3)
    low, high = (float(value) for value in (HEIGHTS.min(), HEIGHTS.max()))
    trained, seen = (f"{factor * low!r} to {factor * high!r} (float32)" for factor in (1, 2))
    fails(done, 1, f"is not the signal that the run was trained on: values {seen}, expected {trained}")
    done = run("compare", "heights.tif", "model.st")
    fails(done, 1, f"model.st: was trained on values from {trained}; heights.tif has values from {seen}")
    tifffile.imwrite(tmp_path / "grey.tif", np.zeros((12, 16), np.uint8))
    fails(run("compare", "grey.tif", "model.st"), 1, "grey.tif has samples of 8 bits")


def test_library_takes_values_of_a_signal():
    found = value_range(HEIGHTS)
    signal = Signal(to_samples(HEIGHTS, found)[..., None], values=found)
    assert signal.config.values == found
