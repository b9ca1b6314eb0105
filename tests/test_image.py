"""Picture files of each kind, made by Pillow, tifffile and imagecodecs, and read as a viewer would show them."""

import itertools

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from fftool import FFToolError, read_image, write_image
from fftool.media import image
from fftool.media.image import write_bands

RANDOM = np.random.default_rng(0)


def noise(channels: int, bits: int = 8, size: tuple[int, int] = (5, 7)) -> np.ndarray:
    return RANDOM.integers(0, 2**bits, (*size, channels)).astype({8: np.uint8, 16: np.uint16}[bits])


def flat(samples: np.ndarray) -> np.ndarray:
    return samples[:, :, 0] if samples.shape[2] == 1 else samples


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_8_bits(tmp_path, channels, suffix):
    samples, path = noise(channels), tmp_path / f"a{suffix}"
    Image.fromarray(flat(samples)).save(path)
    signal = read_image(path)
    assert (signal.bits, signal.channels, signal.source) == (8, channels, path.name)
    np.testing.assert_array_equal(signal.samples, samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png(tmp_path, channels):
    samples, path = noise(channels, 16), tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(samples))
    np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"byteorder": ">"}, {"planarconfig": "separate"}])
def test_16_bit_tiff(tmp_path, channels, options):
    samples, path = noise(channels, 16), tmp_path / "a.tif"
    planes = np.moveaxis(samples, -1, 0) if "planarconfig" in options and channels > 1 else flat(samples)
    layout = {
        "photometric": "rgb" if channels > 2 else "minisblack",
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
    } | (options if channels > 1 or "planarconfig" not in options else {})
    tifffile.imwrite(path, planes, **layout)
    np.testing.assert_array_equal(read_image(path).samples, samples)


def test_16_bit_pgm(tmp_path):
    samples, path = noise(1, 16), tmp_path / "a.pgm"
    path.write_bytes(b"P5 7 5 65535\n" + samples.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1)])
def test_the_smallest_pictures(tmp_path, size):
    samples, path = noise(3, size=size), tmp_path / "a.png"
    write_image(path, samples)
    np.testing.assert_array_equal(read_image(path).samples, samples)


def test_deep_tiff_pages_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 5, 7), np.uint16), photometric="minisblack")
    with pytest.raises(FFToolError, match="3 pictures"):
        read_image(tmp_path / "a.tif")


def test_a_cameras_preview_does_not_make_an_animation(tmp_path):
    first, second = Image.fromarray(noise(3)), Image.fromarray(noise(3))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.jpg").samples.shape == (5, 7, 3)


@pytest.mark.parametrize(
    ("samples", "layout", "seen"),
    [
        (np.zeros((5, 7), np.float32), {"photometric": "minisblack"}, "float32"),
        (noise(4, 16), {"photometric": "separated"}, "SEPARATED"),
        (noise(3, 16), {"photometric": "cielab"}, "CIELAB"),
        (noise(5, 16), {"photometric": "minisblack", "planarconfig": "contig"}, "MINISBLACK"),
        (noise(1, 16)[:, :, 0], {"photometric": "palette", "colormap": np.zeros((3, 65536), np.uint16)}, "PALETTE"),
        (noise(1, 16, (3, 9 * 13)).reshape(3, 9, 13), {"photometric": "minisblack", "volumetric": True}, "MINISBLACK"),
    ],
)
def test_a_tiff_that_needs_conversion_is_refused(tmp_path, samples, layout, seen):
    """Rather than shown as something else."""
    tifffile.imwrite(tmp_path / "a.tif", samples, **layout)
    with pytest.raises(FFToolError, match=seen):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_small_sizes_of_every_shape(tmp_path, suffix):
    """Where a format could take a side for channels, or channels for a side."""
    for height, width, channels, bits in itertools.product((1, 3, 4), (1, 2, 4), (1, 2, 3, 4), (8, 16)):
        samples, path = noise(channels, bits, (height, width)), tmp_path / f"a{suffix}"
        write_image(path, samples)
        np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("suffix", "bits"), [(".png", 8), (".png", 16), (".tiff", 8), (".tif", 16), (".bmp", 8)])
def test_lossless_formats_give_back_what_was_written(tmp_path, channels, suffix, bits):
    samples, path = noise(channels, bits), tmp_path / f"a{suffix}"
    if suffix == ".bmp" and channels in (2, 4):
        with pytest.raises(FFToolError, match="alpha"):
            write_image(path, samples)
        return
    write_image(path, samples)
    np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize(("suffix", "channels"), [(".jpg", 1), (".jpeg", 3), (".webp", 3), (".webp", 4), (".JPG", 3)])
def test_lossy_formats_come_close(tmp_path, suffix, channels):
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    samples = np.stack([np.tile(ramp, (32, 1))] * (channels - (channels == 4)), axis=-1)
    samples = np.concatenate([samples, np.full((32, 32, 1), 255, np.uint8)], axis=-1) if channels == 4 else samples
    write_image(tmp_path / f"a{suffix}", samples)
    again = read_image(tmp_path / f"a{suffix}").samples
    assert again.shape[:2] == (32, 32)
    assert np.abs(again[..., 0].astype(int) - samples[..., 0]).max() <= 8


def test_grey_is_written_as_grey(tmp_path):
    for suffix, mode in ((".png", "L"), (".jpg", "L"), (".tiff", "L"), (".bmp", "L")):
        write_image(tmp_path / f"a{suffix}", noise(1))
        with Image.open(tmp_path / f"a{suffix}") as image:
            assert image.mode == mode


@pytest.mark.parametrize(
    ("name", "samples", "seen"),
    [
        ("a.jpg", noise(3, 16), "JPEG holds 8 bits"),
        ("a.webp", noise(3, 16), "WebP holds 8 bits"),
        ("a.bmp", noise(1, 16), "BMP holds 8 bits"),
        ("a.jpg", noise(4), "JPEG holds no alpha"),
        ("a.xyz", noise(3), "no suffix"),
        ("a", noise(3), "no suffix"),
        ("a.jpg", noise(1, size=(1, 65536)), "65536x1"),
        ("a.webp", noise(1, size=(16384, 1)), "1x16384"),
        ("a.png", noise(5), "up to 4 channels"),
        ("a.png", noise(1)[:, :, 0], r"\(5, 7\)"),
    ],
)
def test_what_a_format_cannot_hold_is_said(tmp_path, name, samples, seen):
    with pytest.raises(FFToolError, match=seen):
        write_image(tmp_path / name, samples)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_tiff_in_bands_is_the_picture(tmp_path, channels, bits):
    """Read by tifffile and, where it can, by Pillow: all rows, in strips, the last one shorter."""
    samples, path = noise(channels, bits, (50, 7)), tmp_path / "a.tif"
    write_bands(path, samples.shape, (samples[top : top + 8] for top in range(0, 50, 8)))
    np.testing.assert_array_equal(read_image(path).samples, samples)
    np.testing.assert_array_equal(tifffile.imread(path), flat(samples))
    if bits == 8:
        with Image.open(path) as picture:
            np.testing.assert_array_equal(np.asarray(picture), flat(samples))
    with tifffile.TiffFile(path) as tiff:
        assert not tiff.is_bigtiff
        assert len(tiff.pages.first.dataoffsets) == 7


def test_a_large_tiff_is_a_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "MAX_WHOLE_PIXELS", 1000)
    samples = noise(3, 8, (64, 32))
    write_bands(tmp_path / "a.tif", samples.shape, iter([samples[:40], samples[40:]]))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").samples, samples)
    with pytest.raises(FFToolError, match="written as a whole") as refused:
        write_image(tmp_path / "a.png", samples)
    assert ".tif" in refused.value.hint


def test_other_formats_put_bands_together(tmp_path):
    samples = noise(3, 16, (50, 7))
    write_bands(tmp_path / "a.png", samples.shape, (samples[top : top + 8] for top in range(0, 50, 8)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").samples, samples)


def test_a_tiff_whose_drawing_fails_is_not_there(tmp_path):
    def bands():
        yield noise(3, 8, (5, 7))
        raise FFToolError("no more")

    with pytest.raises(FFToolError, match="no more"):
        write_bands(tmp_path / "a.tif", (10, 7, 3), bands())
    assert not list(tmp_path.iterdir())
