"""HEIC and raw files take optional packages: without one, the error names what installs it."""

import os
import sys
import tomllib
from pathlib import Path

import imagecodecs
import numpy as np
import pictures
import pytest
from conftest import QUICK, fails

import fftool
from fftool.errors import MissingPackageError
from fftool.media.image.medium import read_image

FILES = {
    "pillow_heif": ("a.heic", pictures.heic(pictures.smooth(3)), "pillow-heif"),
    "rawpy": ("a.dng", pictures.dng(pictures.bright(), thumbnail=True), "rawpy"),
}


@pytest.mark.parametrize("module", FILES)
def test_missing_package_is_named_with_its_installation(run, tmp_path, monkeypatch, module):
    name, data, package = FILES[module]
    (tmp_path / name).write_bytes(data)
    monkeypatch.setitem(sys.modules, module, None)
    done = run("train", name, *QUICK)
    fails(done, 1, f"error: {name}: ", f"which takes the package {package} to read\n")
    assert done.stderr.endswith(f'hint: install it: pipx inject fftool {package}, or pip install "fftool[formats]"\n')
    with pytest.raises(MissingPackageError) as caught:
        read_image(tmp_path / name)
    assert caught.value.package == package
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_images_load_no_optional_package(tmp_path):
    """Nor does a TIFF with a nested copy, which is looked through for a camera's raw image."""
    (tmp_path / "a.jpg").write_bytes(pictures.saved(pictures.smooth(3), "JPEG"))
    (tmp_path / "a.tif").write_bytes(pictures.tiff_of((pictures.smooth(3), {"subifds": 1}), (pictures.smooth(3), {})))
    with pytest.MonkeyPatch.context() as patch:
        for module in FILES:
            patch.setitem(sys.modules, module, None)
        for name in ("a.jpg", "a.tif"):
            assert read_image(tmp_path / name).samples.shape == (pictures.HEIGHT, pictures.WIDTH, 3)


def test_extra_holds_the_packages_and_the_tests_have_them():
    project = Path(fftool.__file__).parent.parent / "pyproject.toml"
    extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
    assert {each.split(">=")[0] for each in extras["formats"]} == {package for *_, package in FILES.values()}
    assert "fftool[formats]" in extras["dev"]


@pytest.mark.parametrize("module", FILES)
def test_trains_on_the_main_picture_and_says_its_size(run, tmp_path, module):
    name, data, _ = FILES[module]
    (tmp_path / name).write_bytes(data)
    done = run("train", name, *QUICK)
    assert done.returncode == 0, done.stderr
    size = {"a.heic": "23x17 pixels, 3 × 8 bits", "a.dng": "60x40 pixels, 3 × 16 bits"}[name]
    assert " ".join(done.stdout.split()).startswith(f"image {size} ")


def test_dark_raw_file_is_brightened(tmp_path):
    """As viewers show it: a hundredth of the pixels is white."""
    (tmp_path / "a.dng").write_bytes(pictures.dng(pictures.bright() / 4, mosaic=False))
    samples = read_image(tmp_path / "a.dng").samples
    assert 0.005 < (samples.max(axis=-1) == 65535).mean() < 0.2
    assert samples.mean() > 1.5 * 65535 * pictures.bright().mean() / 2


def test_standard_error_works_after_a_raw_file(tmp_path, capfd):
    (tmp_path / "a.dng").write_bytes(FILES["rawpy"][1])
    descriptors = Path("/dev/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        assert read_image(tmp_path / "a.dng").shape == (40, 60)
    assert len(list(descriptors.iterdir())) == before
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


@pytest.mark.parametrize("start", [b"heic", b"\0" * 4, b"avif"])
def test_box_without_its_end_is_refused(tmp_path, start):
    for length in range(12, 40):
        (tmp_path / "a.heic").write_bytes((b"\0\0\0\xffftyp" + start + b"mif1heic" * 4)[:length])
        with pytest.raises(fftool.FFToolError):
            read_image(tmp_path / "a.heic")


@pytest.mark.parametrize("size", [(1, 1), (5, 512), (512, 513), (700, 40)])
def test_reads_sizes_of_jpeg_xl(tmp_path, size):
    samples = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(samples, lossless=True))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jxl").samples, samples)
