"""The image medium: files made by Pillow, tifffile and imagecodecs are read, and images are written and read again."""

import itertools
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from conftest import pixels
from PIL import Image, JpegImagePlugin

from fftool import media
from fftool.errors import FFToolError, FormatError, ReadError, SettingError, SignalError, UnsupportedFileError
from fftool.media.image import formats
from fftool.media.image.medium import ImageMedium, read_image, write_image

MEDIUM = ImageMedium()
RANDOM = np.random.default_rng(0)


def noise(channels: int, bits: int = 8, size: tuple[int, int] = (5, 7)) -> np.ndarray:
    return RANDOM.integers(0, 2**bits, (*size, channels)).astype({8: np.uint8, 16: np.uint16}[bits])


def flat(samples: np.ndarray) -> np.ndarray:
    return samples[:, :, 0] if samples.shape[2] == 1 else samples


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_reads_8_bit_png_and_tiff(tmp_path, channels, suffix):
    samples, path = noise(channels), tmp_path / f"a{suffix}"
    Image.fromarray(flat(samples)).save(path)
    signal = read_image(path)
    assert (signal.bits, signal.channels, signal.source) == (8, channels, path.name)
    np.testing.assert_array_equal(signal.samples, samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_reads_16_bit_png(tmp_path, channels):
    samples, path = noise(channels, 16), tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(samples))
    np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"byteorder": ">"}, {"planarconfig": "separate"}])
def test_reads_16_bit_tiff(tmp_path, channels, options):
    samples, path = noise(channels, 16), tmp_path / "a.tif"
    planes = np.moveaxis(samples, -1, 0) if "planarconfig" in options and channels > 1 else flat(samples)
    layout = {
        "photometric": "rgb" if channels > 2 else "minisblack",
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
    } | (options if channels > 1 or "planarconfig" not in options else {})
    tifffile.imwrite(path, planes, **layout)
    np.testing.assert_array_equal(read_image(path).samples, samples)


def test_reads_16_bit_pgm(tmp_path):
    samples, path = noise(1, 16), tmp_path / "a.pgm"
    path.write_bytes(b"P5 7 5 65535\n" + samples.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1)])
def test_round_trips_smallest_images(tmp_path, size):
    samples, path = noise(3, size=size), tmp_path / "a.png"
    write_image(path, samples)
    np.testing.assert_array_equal(read_image(path).samples, samples)


def test_rejects_deep_tiff_pages(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 5, 7), np.uint16), photometric="minisblack")
    with pytest.raises(UnsupportedFileError, match="holds 3 images, expected one"):
        read_image(tmp_path / "a.tif")


def test_reads_camera_image_with_preview(tmp_path):
    first, second = Image.fromarray(noise(3)), Image.fromarray(noise(3))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.jpg").samples.shape == (5, 7, 3)


@pytest.mark.parametrize(
    ("samples", "layout", "problem"),
    [
        (np.zeros((5, 7), np.complex64), {"photometric": "minisblack"}, "complex64"),
        (noise(4, 16), {"photometric": "separated"}, "SEPARATED"),
        (noise(3, 16), {"photometric": "cielab"}, "CIELAB"),
        (noise(5, 16), {"photometric": "minisblack", "planarconfig": "contig"}, "MINISBLACK"),
        (noise(1, 16)[:, :, 0], {"photometric": "palette", "colormap": np.zeros((3, 65536), np.uint16)}, "PALETTE"),
        (noise(1, 16, (3, 9 * 13)).reshape(3, 9, 13), {"photometric": "minisblack", "volumetric": True}, "MINISBLACK"),
    ],
)
def test_rejects_tiff_that_needs_conversion(tmp_path, samples, layout, problem):
    """Such a TIFF would otherwise be shown as a different image."""
    tifffile.imwrite(tmp_path / "a.tif", samples, **layout)
    with pytest.raises(UnsupportedFileError, match=f"unsupported kind of TIFF: .*{problem}"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_round_trips_every_small_shape(tmp_path, suffix):
    """In these, an encoder could mistake a side for channels, or channels for a side."""
    for height, width, channels, bits in itertools.product((1, 3, 4), (1, 2, 4), (1, 2, 3, 4), (8, 16)):
        samples, path = noise(channels, bits, (height, width)), tmp_path / f"a{suffix}"
        write_image(path, samples)
        np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("suffix", "bits"), [(".png", 8), (".png", 16), (".tiff", 8), (".tif", 16), (".bmp", 8)])
def test_lossless_formats_round_trip_exactly(tmp_path, channels, suffix, bits):
    samples, path = noise(channels, bits), tmp_path / f"a{suffix}"
    if suffix == ".bmp" and channels in (2, 4):
        with pytest.raises(FormatError, match="alpha"):
            write_image(path, samples)
        return
    write_image(path, samples)
    np.testing.assert_array_equal(read_image(path).samples, samples)


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [(".jpg", 1), (".jpeg", 3), (".webp", 3), (".webp", 4), (".JPG", 3), (".avif", 1), (".avif", 4)],
)
def test_lossy_formats_round_trip_closely(tmp_path, suffix, channels):
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    samples = np.stack([np.tile(ramp, (32, 1))] * (channels - (channels == 4)), axis=-1)
    samples = np.concatenate([samples, np.full((32, 32, 1), 255, np.uint8)], axis=-1) if channels == 4 else samples
    write_image(tmp_path / f"a{suffix}", samples)
    again = read_image(tmp_path / f"a{suffix}").samples
    assert again.shape[:2] == (32, 32)
    assert np.abs(again[..., 0].astype(int) - samples[..., 0]).max() <= 8


def checkerboard(*colours):
    """One pixel of one colour beside one of the other, over 15×15 pixels."""
    y, x = np.mgrid[:15, :15]
    return np.array(colours, np.uint8)[(x + y) % 2]


def decibels(samples, again):
    mean_square = np.square(samples.astype(float) - again).mean()
    return 10 * np.log10(255**2 / mean_square) if mean_square else np.inf


@pytest.mark.parametrize(("suffix", "at_least"), [(".jpg", 38), (".jpeg", 38), (".avif", 45), (".webp", np.inf)])
def test_lossy_formats_keep_the_resolution_of_colours(tmp_path, suffix, at_least):
    """With half of it, each of these has less than 24 dB."""
    red, blue, orange, teal = (255, 0, 0), (0, 0, 255), (240, 140, 20), (20, 130, 130)
    for colours in ((red, blue), (orange, teal)):
        samples = checkerboard(*colours)
        write_image(tmp_path / f"a{suffix}", samples)
        with Image.open(tmp_path / f"a{suffix}") as image:
            assert decibels(samples, np.asarray(image.convert("RGB"))) >= at_least
            assert image.format != "JPEG" or JpegImagePlugin.get_sampling(image) == 0


def test_webp_is_lossless_at_the_highest_quality(tmp_path):
    """With the colours of transparent pixels too. Below it, what lossless compression does not shrink is lossy."""
    samples, path = noise(4, size=(50, 70)), tmp_path / "a.webp"
    write_image(path, samples, quality=100)
    np.testing.assert_array_equal(pixels(path), samples)
    largest = path.stat().st_size
    write_image(path, samples, quality=99)
    assert path.stat().st_size < largest
    assert decibels(samples[..., :3], pixels(path)[..., :3]) < 30


@pytest.mark.parametrize("quality", [0, 101, 50.5, "high", True])
def test_rejects_quality_out_of_range(tmp_path, quality):
    with pytest.raises(SettingError, match="invalid quality"):
        write_image(tmp_path / "a.jpg", noise(3), quality=quality)
    assert not list(tmp_path.iterdir())


def test_rejects_quality_for_formats_that_have_none(tmp_path):
    for suffix, name in {".png": "PNG", ".tif": "TIFF", ".bmp": "BMP"}.items():
        with pytest.raises(FormatError, match=f"{name} has no quality") as caught:
            write_image(tmp_path / f"a{suffix}", noise(3), quality=95)
        assert caught.value.limit == "quality"
    assert not list(tmp_path.iterdir())


def test_writes_one_channel_as_grey(tmp_path):
    for suffix, mode in ((".png", "L"), (".jpg", "L"), (".avif", "L"), (".tiff", "L"), (".bmp", "L")):
        write_image(tmp_path / f"a{suffix}", noise(1))
        with Image.open(tmp_path / f"a{suffix}") as image:
            assert image.mode == mode


@pytest.mark.parametrize(
    ("name", "samples", "limit", "problem"),
    [
        ("a.jpg", noise(3, 16), "bits", "JPEG holds 8 bits per channel, not 16"),
        ("a.webp", noise(3, 16), "bits", "WebP holds 8 bits per channel, not 16"),
        ("a.bmp", noise(1, 16), "bits", "BMP holds 8 bits per channel, not 16"),
        ("a.jpg", noise(4), "alpha", "JPEG holds no alpha channel"),
        ("a.xyz", noise(3), "suffix", "no suffix of a known image format"),
        ("a", noise(3), "suffix", "no suffix of a known image format"),
        ("a.jpg", noise(1, size=(1, 65536)), "size", "up to 65,535 pixels, not 65536x1"),
        ("a.webp", noise(1, size=(16384, 1)), "size", "up to 16,383 pixels, not 1x16384"),
        ("a.png", noise(5), "channels", "up to 4 channels, not 5"),
        ("a.avif", noise(3, 16), "bits", "AVIF holds 8 bits per channel, not 16"),
        ("a.avif", noise(1, size=(1, 32769)), "size", "up to 32,768 pixels, not 32769x1"),
    ],
)
def test_rejects_images_that_format_cannot_hold(tmp_path, name, samples, limit, problem):
    with pytest.raises(FormatError, match=problem) as caught:
        write_image(tmp_path / name, samples)
    assert caught.value.limit == limit
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (noise(1)[:, :, 0], r"samples have shape \(5, 7\): expected \(height, width, channels\): add a channel axis"),
        (noise(3)[np.newaxis], r"samples have shape \(1, 5, 7, 3\): expected \(height, width, channels\)"),
        (np.zeros((5, 7, 3), np.float32), "samples are float32: expected uint8 or uint16"),
        (np.zeros((5, 7, 3), np.int64), "samples are int64: expected uint8 or uint16"),
        (np.zeros((5, 7, 3), bool), "samples are bool: expected uint8 or uint16"),
        (np.zeros((0, 7, 3), np.uint8), r"samples have shape \(0, 7, 3\): expected at least one sample"),
        (np.zeros((5, 0, 3), np.uint16), r"samples have shape \(5, 0, 3\): expected at least one sample"),
        (np.zeros((5, 7, 0), np.uint8), r"samples have shape \(5, 7, 0\): expected at least one sample"),
    ],
)
@pytest.mark.parametrize("suffix", [suffix for each in formats.FORMATS for suffix in each.suffixes])
def test_rejects_arrays_that_are_no_images(tmp_path, suffix, samples, problem):
    with pytest.raises(SignalError, match=problem):
        write_image(tmp_path / f"a{suffix}", samples)
    assert not list(tmp_path.iterdir())
    file = BytesIO()
    with pytest.raises(SignalError, match=problem):
        MEDIUM.encode(file, samples)
    assert not file.getvalue()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_encodes_png_to_file_that_cannot_seek(channels, bits):
    class Pipe(BytesIO):
        def seek(self, *arguments):
            raise OSError("not seekable")

        tell = seekable = seek

    samples, file = noise(channels, bits), Pipe()
    MEDIUM.encode(file, samples)
    np.testing.assert_array_equal(imagecodecs.png_decode(file.getvalue()).reshape(samples.shape), samples)


def test_rejects_encoding_more_channels_than_png_holds():
    with pytest.raises(FormatError, match="PNG holds up to 4 channels, not 5"):
        MEDIUM.encode(BytesIO(), noise(5))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_writes_tiff_in_bands(tmp_path, channels, bits):
    """All rows are read by tifffile and, for 8 bits, by Pillow; each band is a strip, and the last one is shorter."""
    samples, path = noise(channels, bits, (50, 7)), tmp_path / "a.tif"
    MEDIUM.write(path, samples.shape, (samples[top : top + 8] for top in range(0, 50, 8)))
    np.testing.assert_array_equal(read_image(path).samples, samples)
    np.testing.assert_array_equal(tifffile.imread(path), flat(samples))
    if bits == 8:
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), flat(samples))
    with tifffile.TiffFile(path) as tiff:
        assert not tiff.is_bigtiff
        assert len(tiff.pages.first.dataoffsets) == 7


def test_writes_large_tiff_as_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "MAX_WHOLE_PIXELS", 1000)
    samples = noise(3, 8, (64, 32))
    MEDIUM.write(tmp_path / "a.tif", samples.shape, iter([samples[:40], samples[40:]]))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").samples, samples)
    with pytest.raises(FormatError, match="PNG is encoded in memory, up to 1,000 pixels, not 32x64") as caught:
        write_image(tmp_path / "a.png", samples)
    assert caught.value.limit == "memory"


def test_other_formats_assemble_bands(tmp_path):
    samples = noise(3, 16, (50, 7))
    MEDIUM.write(tmp_path / "a.png", samples.shape, (samples[top : top + 8] for top in range(0, 50, 8)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").samples, samples)


def test_leaves_no_file_if_rendering_fails(tmp_path):
    def bands():
        yield noise(3, 8, (5, 7))
        raise FFToolError("no more")

    with pytest.raises(FFToolError, match="no more"):
        MEDIUM.write(tmp_path / "a.tif", (10, 7, 3), bands())
    assert not list(tmp_path.iterdir())


def test_rejects_missing_file(tmp_path):
    with pytest.raises(ReadError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")


def test_medium_opens_any_file_as_image(tmp_path):
    samples, path = noise(3), tmp_path / "a.png"
    write_image(path, samples)
    signal = media.open(path)
    assert (signal.medium, signal.axes, signal.source) == ("image", ("y", "x"), "a.png")
    np.testing.assert_array_equal(signal.samples, samples)
    assert media.recognize(path).name == media.of(signal.config).name == "image"


def test_medium_names_formats_and_units():
    assert MEDIUM.suffix == ".png"
    assert MEDIUM.suffixes == (
        ".png",
        ".jpg",
        ".jpeg",
        ".webp",
        ".avif",
        ".tiff",
        ".tif",
        ".zarr",
        ".bmp",
        ".hdr",
        ".exr",
    )
    assert (MEDIUM.noun, MEDIUM.count((1000, 2))) == ("image", "2,000 pixels")
    assert MEDIUM.format_of(Path("a.TIF")).name == "TIFF"
    assert [(each.name, each.bits) for each in formats.FORMATS if 16 in each.bits] == [
        ("PNG", (8, 16)),
        ("TIFF", (8, 16, 32)),
        ("Zarr", (8, 16, 32)),
    ]


def test_previews_show_image_itself():
    samples = noise(4)
    (preview,) = MEDIUM.previews(samples)
    np.testing.assert_array_equal(preview.samples, samples)


def test_reading_and_writing_adds_no_log_handlers(tmp_path):
    """A program that uses fftool decides itself what becomes of other libraries' warnings."""
    write_image(tmp_path / "a.tif", noise(3))
    code = """
import logging, sys
import imagecodecs, imageio.v3, PIL.Image, tifffile

def handlers():
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    return {each.name: list(each.handlers) for each in loggers if each.handlers}

before, last_resort = handlers(), logging.lastResort
from fftool.media.image.medium import read_image, write_image
for name in ("b.png", "b.jpg", "b.tif"):
    write_image(name, read_image("a.tif").samples)
    read_image(name)
assert handlers() == before, (handlers(), before)
assert logging.lastResort is last_resort
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
