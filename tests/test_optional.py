"""HEIC, OpenEXR and raw files take optional packages: without one, the error names what installs it."""

import os
import struct
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
    "OpenEXR": ("a.exr", b"\x76\x2f\x31\x01" + bytes(100), "OpenEXR"),
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


def with_mark(mark):
    """A TIFF with a thumbnail, and a mark between its header and its first page."""
    entries = [(256, 4, 4), (257, 4, 4), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (279, 4, 16)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0\x10\0\0\0" + mark + bytes(4) + struct.pack("<H", len(entries)) + body + bytes(4)


RAW_FILES = {
    "canon.cr2": with_mark(b"CR\2\0"),
    "phase-one.iiq": with_mark(b"IIII"),
    "canon.cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100),
    "canon.crw": b"II\x1a\0\0\0HEAPCCDR" + bytes(100),
    "fujifilm.raf": b"FUJIFILMCCD-RAW 0201" + bytes(100),
    "olympus.orf": b"IIRO\x08\0\0\0" + bytes(100),
    "panasonic.rw2": b"IIU\0\x18\0\0\0" + bytes(100),
    "sigma.x3f": b"FOVb" + bytes(100),
    "minolta.mrw": b"\0MRM" + bytes(100),
    "mosaic.dng": pictures.dng(pictures.bright(), thumbnail=True),
    "linear.dng": pictures.dng(pictures.bright(), thumbnail=True, mosaic=False),
    "nikon.nef": pictures.tiff_of(
        (pictures.smooth(3)[::2, ::2], {"subfiletype": 1, "subifds": 2}),
        (pictures.smooth(3), {"subfiletype": 1}),
        (pictures.smooth(1, 16)[..., 0], {"photometric": "cfa"}),
    ),
    "pentax.pef": pictures.tiff_of(
        (pictures.smooth(1, 16)[..., 0], {"photometric": "cfa"}), (pictures.smooth(3)[::2, ::2], {})
    ),
}


@pytest.mark.parametrize("name", RAW_FILES)
def test_recognizes_raw_files_of_all_cameras(tmp_path, monkeypatch, name):
    """By their content: none is read as its thumbnail."""
    (tmp_path / "a.tif").write_bytes(RAW_FILES[name])
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(MissingPackageError, match="a camera's raw file"):
        read_image(tmp_path / "a.tif")


def test_thumbnail_without_mark_is_a_plain_tiff(tmp_path):
    (tmp_path / "a.tif").write_bytes(with_mark(bytes(4)))
    assert read_image(tmp_path / "a.tif").samples.shape == (4, 4, 1)


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
    (own,) = [each for each in extras["dev"] if each.startswith("fftool[")]
    assert own == f"fftool[{','.join(sorted(extras.keys() - {'dev'}))}]"


@pytest.mark.parametrize("module", ["pillow_heif", "rawpy"])
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
