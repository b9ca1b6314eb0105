"""Image files of every common kind, and broken ones: for the tests, and for `tests.soak.pictures`.

`whole` yields files and the samples that a viewer shows, made without fftool; `refused` files that are not one image,
or not one that is read; `broken` the whole ones after they were cut or bits in them were flipped.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from fftool.errors import DamagedFileError, LargeFileError, MediaError, UnknownFormatError, UnsupportedFileError

Array = NDArray[Any]

FFTOOL = Path(sys.executable).with_name("fftool")
TINY = ("--hidden", "4", "--dimension", "4", "--epochs", "1", "--threads", "1")  # as fast as training can be
WIDTH, HEIGHT = 23, 17  # odd, so that the last bytes, tiles and passes are partly filled
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PNG_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}  # colour types by channels
GREY, RGB, PALETTE = 0, 2, 3


@dataclass(frozen=True)
class Picture:
    """A file, and the samples that a viewer shows, within a tolerance."""

    name: str
    data: bytes
    samples: Array
    tolerance: int = 0


def smooth(channels: int, bits: int = 8) -> Array:
    """Samples over the whole range, smooth enough for lossy formats to come close."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [0.5 + 0.5 * np.sin(0.2 * x + 0.1 * (channel + 1) * y + channel) for channel in range(channels)]
    samples = np.rint(np.stack(waves, axis=-1) * (2**bits - 1))
    return samples.astype(np.uint16 if bits > 8 else np.uint8)


def saved(samples: Array, form: str, **options: Any) -> bytes:
    """Samples in a file that Pillow writes."""
    image = Image.fromarray(samples[..., 0] if samples.ndim == 3 and samples.shape[2] == 1 else samples)
    return written(image, form, **options)


def written(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def tiff(samples: Array, **options: Any) -> bytes:
    """Samples in a TIFF that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, samples, metadata=None, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    samples: Array, bits: int, kind: int | None = None, interlaced: bool = False, before: bytes = b"", size: Any = None
) -> bytes:
    """A PNG of any bit depth, from samples with shape (height, width, channels), below 2^bits."""
    height, width, channels = samples.shape
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = [row for x, y, dx, dy in passes for row in samples[y::dy, x::dx] if row.size]
    kind = PNG_KINDS[channels] if kind is None else kind
    header = struct.pack(">IIBBBBB", *(size or (width, height)), bits, kind, 0, 0, interlaced)
    body = b"".join(b"\0" + packed(row.ravel(), bits) for row in rows)
    chunks = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def packed(row: Array, bits: int) -> bytes:
    """Samples packed into bytes, the first in the highest bits."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    digits = (row[:, None].astype(np.uint8) >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
    return np.packbits(digits.ravel()).tobytes()


def to_8_bits(samples: Array, bits: int) -> Array:
    return (samples * (255 // (2**bits - 1))).astype(np.uint8)


def whole() -> Iterator[Picture]:
    """Images of all kinds that are read."""
    yield from pngs()
    yield from jpegs()
    yield from tiffs()
    yield from others()
    yield from with_profiles()
    yield from turned()
    yield from with_odd_chunks()


def pngs() -> Iterator[Picture]:
    for interlaced in (False, True):
        how = "-interlaced" if interlaced else ""
        for bits in (1, 2, 4):
            grey, see_through = smooth(1, bits), struct.pack(">H", 1)
            shown = to_8_bits(grey, bits)
            yield Picture(f"grey-{bits}{how}.png", png(grey, bits, interlaced=interlaced), shown)
            data = png(grey, bits, interlaced=interlaced, before=chunk(b"tRNS", see_through))
            alpha = np.where(grey == 1, 0, 255).astype(np.uint8)
            yield Picture(f"grey-{bits}-transparent{how}.png", data, np.concatenate([shown, alpha], axis=-1))
        for channels, bits in itertools.product((1, 2, 3, 4), (8, 16)):
            samples = smooth(channels, bits)
            yield Picture(f"{channels}-channels-{bits}{how}.png", png(samples, bits, interlaced=interlaced), samples)
        for bits in (1, 2, 4, 8):
            index, colours = smooth(1, bits), np.arange(3 * 2**bits, dtype=np.uint8)[::-1].reshape(-1, 3)
            palette, alphas = chunk(b"PLTE", colours.tobytes()), np.array([0, 128], np.uint8)
            shown = colours[index[..., 0]]
            yield Picture(f"palette-{bits}{how}.png", png(index, bits, PALETTE, interlaced, palette), shown)
            data = png(index, bits, PALETTE, interlaced, palette + chunk(b"tRNS", alphas.tobytes()))
            alpha = np.concatenate([alphas, np.full(2**bits - 2, 255, np.uint8)])[index]
            yield Picture(f"palette-{bits}-transparent{how}.png", data, np.concatenate([shown, alpha], axis=-1))
    for bits in (8, 16):
        samples = smooth(3, bits)
        colour = samples[3, 5]
        alpha = np.where((samples == colour).all(axis=-1, keepdims=True), 0, 2**bits - 1).astype(samples.dtype)
        data = png(samples, bits, before=chunk(b"tRNS", struct.pack(">HHH", *colour)))
        yield Picture(f"rgb-{bits}-transparent.png", data, np.concatenate([samples, alpha], axis=-1))


def jpegs() -> Iterator[Picture]:
    grey, rgb, cmyk = smooth(1), smooth(3), smooth(4)
    multiplied = np.rint((255.0 - cmyk[..., :3]) * (255.0 - cmyk[..., 3:]) / 255).astype(np.uint8)
    yield Picture("grey.jpg", saved(grey, "JPEG", quality=98), grey, 8)
    for subsampling in (0, 1, 2):
        data = saved(rgb, "JPEG", quality=98, subsampling=subsampling)
        yield Picture(f"rgb-subsampling-{subsampling}.jpg", data, rgb, 40)
    yield Picture("rgb-progressive.jpg", saved(rgb, "JPEG", quality=98, progressive=True, subsampling=0), rgb, 8)
    data = written(Image.frombytes("CMYK", (WIDTH, HEIGHT), cmyk.tobytes()), "JPEG", quality=98)
    yield Picture("cmyk.jpg", data, multiplied, 12)
    inverted = imagecodecs.jpeg8_encode(
        255 - cmyk, level=100, colorspace="CMYK", outcolorspace="YCCK", subsampling="444"
    )
    yield Picture("ycck.jpg", inverted, multiplied, 20)  # with Adobe's marker, ink is stored inverted


def tiffs() -> Iterator[Picture]:
    layouts: dict[str, dict[str, Any]] = {
        "plain": {},
        "strips": {"rowsperstrip": 5},
        "tiles": {"tile": (16, 16)},
        "planes": {"planarconfig": "separate"},
        "planes-in-tiles": {"planarconfig": "separate", "tile": (16, 16)},
        "lzw": {"compression": "lzw", "predictor": True},
        "deflate-tiles": {"compression": "zlib", "tile": (16, 32)},
        "packbits": {"compression": "packbits"},
        "big-endian": {"byteorder": ">"},
        "bigtiff": {"bigtiff": True},
    }
    for (name, layout), bits in itertools.product(layouts.items(), (8, 16)):
        samples = smooth(3, bits)
        stored = np.moveaxis(samples, -1, 0) if "planarconfig" in layout else samples
        yield Picture(f"{name}-{bits}.tif", tiff(stored, photometric="rgb", **layout), samples)
    grey, rgb = smooth(1), smooth(3)
    for bits in (1, 2, 4):
        small = smooth(1, bits)
        data = tiff(small[..., 0].astype(bool if bits == 1 else np.uint8), photometric="minisblack", bitspersample=bits)
        yield Picture(f"grey-{bits}.tif", data, to_8_bits(small, bits))
    yield Picture("white-is-zero.tif", tiff(255 - grey[..., 0], photometric="miniswhite"), grey)
    black = Image.fromarray(grey[..., 0]).convert("1")
    for compression in ("group3", "group4"):
        yield Picture(
            f"{compression}.tif",
            written(black, "TIFF", compression=compression),
            np.array(black.convert("L"))[..., None],
        )
    colours = np.arange(768, dtype=np.uint16).reshape(3, 256) * 85
    data = tiff(grey[..., 0], photometric="palette", colormap=colours)
    yield Picture("palette.tif", data, (colours >> 8).astype(np.uint8).T[grey[..., 0]])
    cmyk = smooth(4)
    multiplied = np.rint((255.0 - cmyk[..., :3]) * (255.0 - cmyk[..., 3:]) / 255).astype(np.uint8)
    yield Picture("cmyk.tif", tiff(cmyk, photometric="separated"), multiplied, 1)
    data = tiff(
        rgb, photometric="rgb", compression="jpeg", compressionargs={"level": 98}, tile=(16, 16), subsampling=(1, 1)
    )
    yield Picture("jpeg-tiles.tif", data, rgb, 8)
    for bits in (8, 16):
        rgba = smooth(4, bits)
        data = tiff(rgba, photometric="rgb", extrasamples=["unassalpha"])
        yield Picture(f"straight-alpha-{bits}.tif", data, rgba)
        peak, alpha = 2**bits - 1, np.maximum(rgba[..., 3:], 2**bits // 2)
        multiplied = np.rint(rgba[..., :3] * (alpha / peak))
        straight = np.concatenate([rgba[..., :3], alpha], axis=-1)
        stored = np.concatenate([multiplied.astype(rgba.dtype), alpha], axis=-1)
        data = tiff(stored, photometric="rgb", extrasamples=["assocalpha"])
        yield Picture(f"associated-alpha-{bits}.tif", data, straight, 1)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as pages:
        pages.write(rgb, photometric="rgb", metadata=None)
        pages.write(rgb[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    yield Picture("with-a-preview.tif", file.getvalue(), rgb)


def others() -> Iterator[Picture]:
    grey, rgb, rgba = smooth(1), smooth(3), smooth(4)
    indexed = Image.fromarray(rgb).quantize(16)
    yield Picture("still.gif", written(indexed, "GIF"), np.array(indexed.convert("RGB")))
    yield Picture("lossless.webp", saved(rgb, "WEBP", lossless=True), rgb)
    yield Picture("alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True), rgba)
    yield Picture("lossy.webp", saved(rgb, "WEBP", quality=98), rgb, 45)
    yield Picture("rgb.bmp", saved(rgb, "BMP"), rgb)
    yield Picture("rgb.ppm", saved(rgb, "PPM"), rgb)
    yield Picture("rgba.tga", saved(rgba, "TGA"), rgba)
    yield Picture("rgba.qoi", imagecodecs.qoi_encode(rgba), rgba)
    yield Picture("lossless.jp2", imagecodecs.jpeg2k_encode(rgb, level=0), rgb)
    yield Picture("grey-16.jp2", imagecodecs.jpeg2k_encode(smooth(1, 16)[..., 0], level=0), smooth(1, 16))
    yield Picture("rgb.avif", saved(rgb, "AVIF", quality=100, subsampling="4:4:4"), rgb, 8)
    yield Picture("a-jpeg-named.png", saved(grey, "JPEG", quality=98), grey, 8)
    yield Picture("a-png-named.jpg", png(rgb, 8), rgb)
    yield Picture("a-tiff-named.gif", tiff(rgb, photometric="rgb"), rgb)


# Adobe RGB (1998) to XYZ and XYZ to sRGB, both for D65, and the exponents of their curves.
FROM_ADOBE = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
TO_SRGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)


def adobe_to_srgb(samples: Array) -> Array:
    """Samples converted by the formulas of both standards, in float64."""
    peak = np.iinfo(samples.dtype).max
    linear = np.clip((samples / peak) ** (563 / 256) @ FROM_ADOBE.T @ TO_SRGB.T, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curved * peak).astype(samples.dtype)


def with_profiles() -> Iterator[Picture]:
    adobe, srgb = imagecodecs.cms_profile("adobergb"), imagecodecs.cms_profile("srgb")
    for bits in (8, 16):
        rgb, rgba = smooth(3, bits), smooth(4, bits)
        shown = np.concatenate([adobe_to_srgb(rgba[..., :3]), rgba[..., 3:]], axis=-1)
        data = png(rgba, bits, before=chunk(b"iCCP", b"Adobe\0\0" + zlib.compress(adobe)))
        yield Picture(f"adobe-rgb-{bits}.png", data, shown, 2 if bits == 8 else 300)
        data = tiff(rgb, photometric="rgb", iccprofile=adobe)
        yield Picture(f"adobe-rgb-{bits}.tif", data, adobe_to_srgb(rgb), 2 if bits == 8 else 300)
    rgb, grey = smooth(3), smooth(1)
    yield Picture("adobe-rgb.webp", saved(rgb, "WEBP", lossless=True, icc_profile=adobe), adobe_to_srgb(rgb), 2)
    data = saved(rgb, "JPEG", quality=100, subsampling=0, icc_profile=adobe)
    yield Picture("adobe-rgb.jpg", data, adobe_to_srgb(np.array(Image.open(io.BytesIO(data)))), 2)
    yield Picture("srgb.png", saved(rgb, "PNG", icc_profile=srgb), rgb)
    yield Picture("profile-of-other-channels.png", saved(grey, "PNG", icc_profile=adobe), grey)
    yield Picture("profile-cut.png", saved(rgb, "PNG", icc_profile=adobe[:200]), rgb)
    yield Picture("profile-of-zeros.tif", tiff(rgb, photometric="rgb", iccprofile=bytes(300)), rgb)


TURNED: dict[int, Callable[[Array], Array]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


def turned() -> Iterator[Picture]:
    rgb = smooth(3)
    for orientation, turn in TURNED.items():
        exif = Image.Exif()
        exif[274] = orientation
        for form, options in {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.items():
            name = f"orientation-{orientation}.{form.lower()}"
            yield Picture(name, saved(rgb, form, exif=exif, **options), turn(rgb))
        data = saved(rgb, "JPEG", quality=98, subsampling=0, exif=exif)
        yield Picture(f"orientation-{orientation}.jpg", data, turn(rgb), 8)


def with_odd_chunks() -> Iterator[Picture]:
    """PNGs with broken chunks beside those that the pixels need."""
    rgb = smooth(3)
    odd = {
        "exif-of-zeros": chunk(b"eXIf", bytes(40)),
        "exif-loops": chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
        "orientation-9": chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0\0\0\0\0"),
        "text-too-large": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000))),
        "profile-too-large": chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000))),
        "profile-no-zlib": chunk(b"iCCP", b"a\0\0abc"),
        "wrong-checksum-beside": chunk(b"tEXt", b"a\0b")[:-1] + b"!",
        "unknown": chunk(b"ffTl", b"\xff" * 100),
    }
    for name, before in odd.items():
        yield Picture(f"{name}.png", png(rgb, 8, before=before), rgb)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(30)
    yield Picture("exif-cut.jpg", saved(rgb, "JPEG", quality=98, subsampling=0, exif=exif), rgb, 8)


Refusal = tuple[type[MediaError], str]  # type of a file's error, and how its problem begins

SEVERAL: Refusal = (UnsupportedFileError, "holds 3 images, expected one")
UNSUPPORTED_TIFF: Refusal = (UnsupportedFileError, "unsupported kind of TIFF: ")
TOO_LARGE: Refusal = (LargeFileError, "too large: ")
DAMAGED: Refusal = (DamagedFileError, "damaged: ")
INCOMPLETE: Refusal = (DamagedFileError, "damaged: some pixels are missing")
UNKNOWN: Refusal = (UnknownFormatError, "not an image of a known format")


def refused() -> Iterator[tuple[str, bytes, Refusal]]:
    """Files that are not one image, or not one that is read, by name, and the error of each."""
    rgb = smooth(3)
    frames = [Image.fromarray(np.roll(rgb, i, axis=1)) for i in range(3)]
    for form in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        data = written(frames[0], form, save_all=True, append_images=frames[1:])
        yield f"animated.{form.lower()}", data, SEVERAL
    yield "float.tif", tiff(rgb[..., 0].astype(np.float32), photometric="minisblack"), UNSUPPORTED_TIFF
    yield "float-rgb.tif", tiff(rgb.astype(np.float16), photometric="rgb"), UNSUPPORTED_TIFF
    yield "signed.tif", tiff(rgb[..., 0].astype(np.int16), photometric="minisblack"), UNSUPPORTED_TIFF
    yield "deep.tif", tiff(rgb[..., 0].astype(np.uint32), photometric="minisblack"), UNSUPPORTED_TIFF
    yield (
        "deep.jp2",
        imagecodecs.jpeg2k_encode(smooth(3, 16), level=0),
        (UnsupportedFileError, "JPEG 2000 with 16 bits"),
    )
    yield "bomb.png", png(rgb, 8, size=(60_000, 60_000)), TOO_LARGE
    yield "bomb-16.png", png(smooth(3, 16), 16, size=(60_000, 60_000)), TOO_LARGE
    yield "bomb.gif", claiming(saved(rgb, "GIF"), 6, struct.pack("<HH", 60_000, 60_000)), TOO_LARGE
    yield "bomb.bmp", claiming(saved(rgb, "BMP"), 18, struct.pack("<ii", 60_000, 60_000)), TOO_LARGE
    yield "no-size.png", png(rgb, 8, size=(0, 0)), DAMAGED
    yield "no-header.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""), DAMAGED
    # Readers may fill these with black, or allocate memory for all that they claim.
    plain, tiled = tiff(rgb, photometric="rgb"), tiff(rgb, photometric="rgb", tile=(16, 16))
    yield "sparse.tif", with_tags(plain, StripByteCounts=0), INCOMPLETE
    yield "longer.tif", with_tags(plain, ImageLength=2 * HEIGHT), INCOMPLETE
    yield "short-strip.tif", with_tags(plain, ImageLength=2 * HEIGHT, RowsPerStrip=2 * HEIGHT), DAMAGED
    for compression in ("lzw", "zlib", "packbits", "zstd"):
        data = tiff(rgb, photometric="rgb", compression=compression)
        data = with_tags(data, ImageLength=2 * HEIGHT, RowsPerStrip=2 * HEIGHT)
        yield f"short-{compression}.tif", data, DAMAGED
    yield "strip-beyond.tif", with_tags(plain, StripOffsets=2**31), INCOMPLETE
    yield "bomb.tif", with_tags(plain, ImageWidth=60_000, ImageLength=60_000, RowsPerStrip=60_000), TOO_LARGE
    yield "tile-bomb.tif", with_tags(tiled, TileWidth=60_000, TileLength=60_000), TOO_LARGE
    size, huge = struct.pack(">HH", HEIGHT, WIDTH), struct.pack(">HH", 5_000, 5_000)
    data = tiff(rgb, photometric="rgb", compression="jpeg").replace(size, huge)
    yield "jpeg-bomb.tif", data, (DamagedFileError, "damaged: a strip or tile has 5000x5000 pixels")
    yield "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', UNKNOWN
    heic = b"ftypheic\0\0\0\0mif1heic"
    yield "photo.heic", struct.pack(">I", len(heic) + 4) + heic + bytes(200), UNKNOWN
    yield "program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", UNKNOWN
    yield "text.jpg", b"not an image at all\n", UNKNOWN
    yield "page.png", b"<!DOCTYPE html><title>404</title>", UNKNOWN
    yield "zeros.tif", bytes(500), UNKNOWN
    yield "empty.png", b"", (DamagedFileError, "the file is empty")


def claiming(data: bytes, at: int, claim: bytes) -> bytes:
    return data[:at] + claim + data[at + len(claim) :]


def with_tags(data: bytes, **values: int) -> bytes:
    """A TIFF with other values in its tags."""
    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        tags = [opened.pages.first.tags[name] for name in values]
    for tag, value in zip(tags, values.values(), strict=True):
        data = claiming(data, tag.valueoffset, struct.pack("<I", value))
    return data


BASES = (  # one of each decoder and layout
    "3-channels-8.png",
    "4-channels-16-interlaced.png",
    "palette-4-transparent.png",
    "rgb-subsampling-2.jpg",
    "rgb-progressive.jpg",
    "ycck.jpg",
    "orientation-6.jpg",
    "plain-8.tif",
    "planes-in-tiles-16.tif",
    "lzw-8.tif",
    "deflate-tiles-8.tif",
    "palette.tif",
    "group4.tif",
    "still.gif",
    "lossy.webp",
    "alpha.webp",
    "rgb.bmp",
    "rgb.ppm",
    "rgba.tga",
    "rgba.qoi",
    "lossless.jp2",
    "rgb.avif",
    "adobe-rgb-8.png",
)


def broken(flips: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Each of BASES, cut at every eighth of its length, and in as many copies as `flips` with 1 to 3 bits flipped.

    In half of these copies, the bits are among the first 64 bytes.
    """
    generator = np.random.default_rng(seed)
    for picture in whole():
        if picture.name not in BASES:
            continue
        stem, _, suffix = picture.name.rpartition(".")
        for eighth in range(8):
            yield f"{stem}-cut-{eighth}.{suffix}", picture.data[: len(picture.data) * eighth // 8]
        for number in range(flips):
            reach = 64 if number % 2 else len(picture.data)
            data = bytearray(picture.data)
            for _ in range(1 + number % 3):
                data[generator.integers(min(reach, len(data)))] ^= 1 << int(generator.integers(8))
            yield f"{stem}-flipped-{number}.{suffix}", bytes(data)


def go_through(files: Mapping[str, bytes], folder: Path) -> tuple[set[str], set[str]]:
    """Train on all of these files in one process of `fftool train`: names of the trained ones, and of the failed ones.

    Raises AssertionError if it ends otherwise, or if its messages are more than the progress and a table of failures
    with one line for each.
    """
    for name, data in files.items():
        (folder / name).write_bytes(data)
    command = [str(FFTOOL), "train", *files, "-o", "models", *TINY, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    trained = {document["config"]["signal"]["source"] for document in report["done"]}
    failed = {document["name"] for document in report["failed"]}
    assert trained | failed == set(files)
    assert len(trained) + len(failed) == len(files)
    lines = re.sub(r"^(\d+ of \d+: |hint: ).*\n", "", done.stderr, flags=re.MULTILINE).splitlines()
    if failed:
        problems = {name: problem for name, _, problem in (line.strip().partition(" ") for line in lines)}
        assert all(problems.get(name, "").strip() for name in failed), done.stderr
        assert f"{len(failed)} of {len(files)} failed." in lines[-1]
    assert len(lines) == (len(failed) + 5 if failed else 0), done.stderr
    return trained, failed
