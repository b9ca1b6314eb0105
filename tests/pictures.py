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
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import OpenEXR
import pillow_heif
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
    yield from among_copies()
    yield from heics()
    yield from jxls()
    yield from raws()


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


def tiff_of(*pages: tuple[Array, dict[str, Any]]) -> bytes:
    """A TIFF of several pages; `subifds` of a page is the number of those after it that are nested in it."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for samples, options in pages:
            writer.write(samples, **({"photometric": "rgb", "metadata": None} | options))
    return file.getvalue()


REDUCED = {"subfiletype": 1}


def among_copies() -> Iterator[Picture]:
    """TIFFs with reduced copies of their image."""
    rgb, turned = smooth(3), np.rot90(smooth(3), -1)
    small, smaller = rgb[::2, ::2], rgb[::4, ::4]
    orientation = {"extratags": [(274, 3, 1, 6, True)]}
    kinds = {
        "copies-nested": ((rgb, {"subifds": 2}), (small, REDUCED), (smaller, REDUCED)),
        "copies-nested-unmarked": ((rgb, {"subifds": 2}), (small, {}), (smaller, {})),
        "copies-behind": ((rgb, {}), (small, REDUCED), (smaller, REDUCED)),
        "copy-before": ((small, REDUCED), (rgb, {})),
        "copy-around": ((small, REDUCED | {"subifds": 1}), (rgb, {})),
        "copy-around-unmarked": ((small, {"subifds": 1}), (rgb, {})),
        "copies-around-and-beside": ((smaller, REDUCED | {"subifds": 2}), (small, REDUCED), (rgb, {})),
        "copies-of-floats": ((rgb, {"subifds": 1}), (small.astype(np.float32), REDUCED)),
    }
    for name, pages in kinds.items():
        yield Picture(f"{name}.tif", tiff_of(*pages), rgb)
    yield Picture("copy-turned.tif", tiff_of((small, REDUCED | {"subifds": 1} | orientation), (rgb, {})), turned)


def heic(samples: Array, bits: int = 8, profile: bytes | None = None, **options: Any) -> bytes:
    """Samples in a HEIC without loss but that of its colour model."""
    height, width, channels = samples.shape
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels] + ("" if bits == 8 else ";16")
    file = io.BytesIO()
    image = pillow_heif.from_bytes(mode, (width, height), samples.tobytes())
    if profile:
        image.info.update(icc_profile=profile, icc_profile_type="prof")
    image.save(file, quality=-1, chroma=444, **options)
    return file.getvalue()


def heics() -> Iterator[Picture]:
    rgb, rgba, adobe = smooth(3), smooth(4), imagecodecs.cms_profile("adobergb")
    yield Picture("rgb.heic", heic(rgb), rgb, 1)
    yield Picture("rgba.heic", heic(rgba), rgba, 1)
    yield Picture("grey.heic", heic(smooth(1)), smooth(1), 1)
    yield Picture("rgb-16.heic", heic(smooth(3, 16), 16), smooth(3, 16), 140)  # stored with 10 bits: steps of 64
    for orientation in (3, 6, 7):
        exif = Image.Exif()
        exif[274] = orientation
        data = heic(rgb, exif=exif.tobytes())
        yield Picture(f"orientation-{orientation}.heic", data, TURNED[orientation](rgb), 1)
    file = io.BytesIO()
    several = pillow_heif.from_pillow(Image.fromarray(rgb[::2, ::2]))
    several.add_from_pillow(Image.fromarray(rgb))
    several.save(file, quality=-1, chroma=444, primary_index=1)
    yield Picture("second-is-primary.heic", file.getvalue(), rgb, 1)
    yield Picture("adobe-rgb.heic", heic(rgb, profile=adobe), adobe_to_srgb(rgb), 6)
    data = heic(rgb, save_nclx_profile=True, color_primaries=12, transfer_characteristics=13)
    yield Picture("p3.heic", data, p3_to_srgb(rgb), 6)


P3_TO_SRGB = np.array([[1.2249402, -0.2249402, 0], [-0.0420570, 1.0420570, 0], [-0.0196376, -0.0786361, 1.0982736]])


def srgb_curve(linear: Array) -> Array:
    """Values of sRGB, from linear light in [0, 1]."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def linear_light(values: Array) -> Array:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def p3_to_srgb(samples: Array) -> Array:
    """8-bit samples of Display P3, converted by the formulas of both standards."""
    linear = np.clip(linear_light(samples / 255) @ P3_TO_SRGB.T, 0, 1)
    return np.rint(255 * srgb_curve(linear)).astype(np.uint8)


def jxl_header(*, size: tuple[int, int] = (WIDTH, HEIGHT), orientation: int = 1, p3: bool = False) -> bytes:
    """Header of a JPEG XL with 8 bits per channel, as ISO/IEC 18181-1 has it: each number with its bits."""
    (width, height), turned = size, orientation > 1

    def side(length: int) -> list[tuple[int, int]]:
        return [(0, 2), (length - 1, 9)] if length <= 512 else [(3, 2), (length - 1, 30)]

    extras = [(orientation - 1, 3), (0, 1), (0, 1), (0, 1)]  # not shown at another size, no preview, no animation
    # RGB for white D65, with primaries 11 and curve 13, to be converted relative to white.
    colours = [(0, 1), (0, 1), (0, 2), (1, 2), (2, 2), (9, 4), (0, 1), (2, 2), (11, 4), (1, 2)] if p3 else [(1, 1)]
    fields = [
        *[(0, 1), *side(height), (0, 3), *side(width)],
        *[(0, 1), (turned, 1), *(extras if turned else [])],
        *[(0, 1), (0, 2), (1, 1), (0, 2), (0, 1), *colours],  # 8 bits, no extra channels, colours as they are stored
        *([(1, 1)] if turned else []),  # no tone mapping
        *[(0, 2), (1, 1)],  # no extensions, default transforms
    ]
    value = at = 0
    for number, bits in fields:
        value |= int(number) << at
        at += bits
    return b"\xff\x0a" + value.to_bytes(-(-at // 8), "little")


def jxl(samples: Array, **fields: Any) -> bytes:
    """8-bit RGB samples in a JPEG XL without loss, with another header."""
    data = imagecodecs.jpegxl_encode(samples, lossless=True)
    plain = jxl_header()
    assert data.startswith(plain)
    return jxl_header(**fields) + data[len(plain) :]


def jxls() -> Iterator[Picture]:
    rgb, adobe = smooth(3), imagecodecs.cms_profile("adobergb")
    for channels in (1, 2, 3, 4):
        samples = smooth(channels)
        flat = samples[..., 0] if channels == 1 else samples
        data = imagecodecs.jpegxl_encode(flat, lossless=True, usecontainer=channels % 2 == 0)
        yield Picture(f"{channels}-channels.jxl", data, samples)
        deep = smooth(channels, 16)
        data = imagecodecs.jpegxl_encode(deep[..., 0] if channels == 1 else deep, lossless=True)  # marked as linear
        colours = deep[..., : channels - (channels in (2, 4))]
        shown = np.rint(65535 * srgb_curve(colours / 65535)).astype(np.uint16)
        yield Picture(f"{channels}-channels-16.jxl", data, np.concatenate([shown, deep[..., shown.shape[2] :]], -1), 2)
    yield Picture("lossy.jxl", imagecodecs.jpegxl_encode(rgb, distance=0.05), rgb, 30)
    ten = smooth(3, 10)
    data = imagecodecs.jpegxl_encode(ten, lossless=True, bitspersample=10)
    yield Picture("10-bits.jxl", data, np.rint(65535 * srgb_curve(ten / 1023)).astype(np.uint16), 4)
    yield Picture("p3.jxl", jxl(rgb, p3=True), p3_to_srgb(rgb), 2)
    for orientation, turn in TURNED.items():
        yield Picture(f"orientation-{orientation}.jxl", jxl(rgb, orientation=orientation), turn(rgb))
    for name, options in {"plain": {}, "adobe-rgb": {"icc_profile": adobe}}.items():
        jpeg = saved(rgb, "JPEG", quality=95, subsampling=0, **options)
        shown = np.array(Image.open(io.BytesIO(jpeg)))
        data = imagecodecs.jpegxl_encode_jpeg(jpeg)
        yield Picture(f"{name}-jpeg.jxl", data, adobe_to_srgb(shown) if options else shown, 4)


def dng_tags(orientation: int = 1) -> list[tuple[int, int, int, Any, bool]]:
    """Tags of a DNG whose sensor has the colours of sRGB, in white light D65."""
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    matrix = [number for value in np.linalg.inv(to_xyz).ravel() for number in (round(value * 10_000), 10_000)]
    return [
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),  # DNGVersion
        (50708, 2, 0, "A camera", True),
        (274, 3, 1, orientation, True),
        (50778, 3, 1, 21, True),  # light D65
        (50721, 10, 9, tuple(matrix), True),  # XYZ to the sensor's colours
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # white, as shot
    ]


def dng(rgb: Array, thumbnail: bool = False, orientation: int = 1, mosaic: bool = True) -> bytes:
    """A camera's raw file of an image with values in [0, 1]: linear light through a Bayer mosaic, or without one."""
    y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    linear = np.rint(65535 * linear_light(rgb)).astype(np.uint16)
    if mosaic:
        linear = np.take_along_axis(linear, np.array([[0, 1], [1, 2]])[y % 2, x % 2, None], axis=2)[..., 0]
    pattern = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([0, 1, 1, 2]), True)] if mosaic else []
    tags, photometric = dng_tags(orientation), "cfa" if mosaic else "linear_raw"
    if not thumbnail:
        return tiff_of((linear, {"photometric": photometric, "extratags": [*tags, *pattern]}))
    small = np.rint(255 * rgb[::4, ::4]).astype(np.uint8)
    first = {"subfiletype": 1, "subifds": 1, "extratags": tags}
    return tiff_of((small, first), (linear, {"photometric": photometric, "extratags": pattern}))


def bright(height: int = 40, width: int = 60) -> Array:
    """Values in [0, 1] without fine detail, with as much light that LibRaw leaves the brightness as it is."""
    y, x = np.mgrid[:height, :width]
    return np.stack([np.minimum(1.1 * x / width, 1), y / height, np.full((height, width), 0.3)], axis=-1)


def raws() -> Iterator[Picture]:
    rgb = bright()
    shown = np.rint(65535 * rgb).astype(np.uint16)
    yield Picture("linear.dng", dng(rgb, mosaic=False), shown, 100)
    yield Picture("linear-with-thumbnail.dng", dng(rgb, thumbnail=True, mosaic=False), shown, 100)
    for orientation in (3, 6, 8):
        data = dng(rgb, thumbnail=True, orientation=orientation, mosaic=False)
        yield Picture(f"orientation-{orientation}.dng", data, TURNED[orientation](shown), 700)
    yield Picture("mosaic.dng", dng(rgb), shown, 1500)
    yield Picture("mosaic-with-thumbnail.dng", dng(rgb, thumbnail=True), shown, 1500)


Refusal = tuple[type[MediaError], str]  # type of a file's error, and how its problem begins

SEVERAL: Refusal = (UnsupportedFileError, "holds 3 images, expected one")
UNSUPPORTED_TIFF: Refusal = (UnsupportedFileError, "unsupported kind of TIFF: ")
TOO_LARGE: Refusal = (LargeFileError, "too large: ")
DAMAGED: Refusal = (DamagedFileError, "damaged: ")
NO_CAMERA: Refusal = (UnsupportedFileError, "a camera's raw file of a kind that LibRaw does not read")
SEQUENCE: Refusal = (UnsupportedFileError, "holds a sequence of images, expected one")
ANIMATION: Refusal = (UnsupportedFileError, "holds an animation, expected one image")
ONLY_REDUCED: Refusal = (UnsupportedFileError, "holds only a reduced copy of its image")
LARGER_COPY: Refusal = (UnsupportedFileError, "holds a reduced copy that is larger than its image")
INCOMPLETE: Refusal = (DamagedFileError, "damaged: some pixels are missing")
UNKNOWN: Refusal = (UnknownFormatError, "not an image of a known format")


def refused() -> Iterator[tuple[str, bytes, Refusal]]:
    """Files that are not one image, or not one that is read, by name, and the error of each."""
    rgb = smooth(3)
    frames = [Image.fromarray(np.roll(rgb, i, axis=1)) for i in range(3)]
    for form in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        data = written(frames[0], form, save_all=True, append_images=frames[1:])
        yield f"animated.{form.lower()}", data, SEVERAL
    yield "complex.tif", tiff(rgb[..., 0].astype(np.complex64), photometric="minisblack"), UNSUPPORTED_TIFF
    yield "float-white.tif", tiff(rgb[..., 0].astype(np.float32), photometric="miniswhite"), UNSUPPORTED_TIFF
    yield "float-cielab.tif", tiff(rgb.astype(np.float32), photometric="cielab"), UNSUPPORTED_TIFF
    yield "deep.tif", tiff(rgb[..., 0].astype(np.uint64), photometric="minisblack"), UNSUPPORTED_TIFF
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
    with tifffile.TiffFile(io.BytesIO(plain)) as opened:
        count = opened.pages.first.tags["ImageWidth"].offset + 4
    yield (
        "many-widths.tif",
        claiming(plain, count, struct.pack("<II", 100, 8)),
        (DamagedFileError, "damaged: its size is"),
    )
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
    for major, refusal in {b"heic": DAMAGED, b"mif1": DAMAGED, b"hevc": SEQUENCE, b"msf1": SEQUENCE}.items():
        box = b"ftyp" + major + b"\0\0\0\0mif1heic"
        yield f"{major.decode()}.heic", struct.pack(">I", len(box) + 4) + box + bytes(200), refusal
    hdr = heic(smooth(3, 16), 16, save_nclx_profile=True, color_primaries=9, transfer_characteristics=16)
    yield "hdr.heic", hdr, (UnsupportedFileError, "HEIC in HDR (PQ), expected standard range")
    square = heic(np.zeros((64, 64, 3), np.uint8))
    yield "bomb.heic", claiming(square, square.index(b"ispe") + 8, struct.pack(">II", 14_000, 14_000)), TOO_LARGE
    yield "bomb.jxl", jxl(rgb, size=(60_000, 60_000)), TOO_LARGE
    yield "animated.jxl", imagecodecs.jpegxl_encode(np.stack([rgb, rgb]), lossless=True), ANIMATION
    yield "float.jxl", imagecodecs.jpegxl_encode(rgb / np.float32(255)), (UnsupportedFileError, "JPEG XL with samples")
    yield from refused_copies()
    raw = dng(bright())
    for part in (2, 8):
        yield f"cut-{part}.dng", raw[: len(raw) * (part - 1) // part], DAMAGED
    plain_mosaic = tiff_of((smooth(1)[..., 0], {"photometric": "cfa"}))
    yield "no-camera.tif", plain_mosaic, NO_CAMERA
    yield "cut.orf", b"IIRO" + bytes(60), NO_CAMERA
    yield "program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", UNKNOWN
    yield "text.jpg", b"not an image at all\n", UNKNOWN
    yield "page.png", b"<!DOCTYPE html><title>404</title>", UNKNOWN
    yield "zeros.tif", bytes(500), UNKNOWN
    yield "empty.png", b"", (DamagedFileError, "the file is empty")


def refused_copies() -> Iterator[tuple[str, bytes, Refusal]]:
    """TIFFs in which the image beside reduced copies is missing, not read, or one of several."""
    rgb = smooth(3)
    small, complex_numbers = rgb[::2, ::2], rgb.astype(np.complex64)
    yield "thumbnail.tif", tiff_of((small, REDUCED)), ONLY_REDUCED
    yield "thumbnails.tif", tiff_of((small, REDUCED | {"subifds": 1}), (rgb, REDUCED)), ONLY_REDUCED
    yield "complex-within.tif", tiff_of((small, REDUCED | {"subifds": 1}), (complex_numbers, {})), UNSUPPORTED_TIFF
    yield "complex-within-unmarked.tif", tiff_of((small, {"subifds": 1}), (complex_numbers, {})), UNSUPPORTED_TIFF
    yield "larger-copy-within.tif", tiff_of((small, {"subifds": 1}), (rgb, REDUCED)), LARGER_COPY
    yield "larger-copy-behind.tif", tiff_of((small, {}), (rgb, REDUCED)), LARGER_COPY
    yield "three-within.tif", tiff_of((small, REDUCED | {"subifds": 3}), *[(rgb, {})] * 3), SEVERAL


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
    "rgba.heic",
    "4-channels.jxl",
    "copy-around.tif",
    "mosaic-with-thumbnail.dng",
    "adobe-rgb-8.png",
)


def exr(light: Array) -> bytes:
    """Light in an OpenEXR."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "light.exr")
        with OpenEXR.File(header, {"RGB": light}) as file:
            file.write(str(path))
        return path.read_bytes()


def numbers() -> Iterator[tuple[str, bytes]]:
    """Files of numbers that are no colours of a display."""
    light = np.exp(smooth(3) / np.float32(50))
    yield "light.hdr", imagecodecs.rgbe_encode(light)
    yield "light.exr", exr(light)
    yield "heights.tif", tiff(light[..., 0], photometric="minisblack")


def broken(flips: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Each of BASES and `numbers`, cut at every eighth of its length, and `flips` copies with 1 to 3 bits flipped.

    In half of these copies, the bits are among the first 64 bytes.
    """
    generator = np.random.default_rng(seed)
    bases = {picture.name: picture.data for picture in whole() if picture.name in BASES} | dict(numbers())
    for name, whole_data in bases.items():
        stem, _, suffix = name.rpartition(".")
        for eighth in range(8):
            yield f"{stem}-cut-{eighth}.{suffix}", whole_data[: len(whole_data) * eighth // 8]
        for number in range(flips):
            reach = 64 if number % 2 else len(whole_data)
            data = bytearray(whole_data)
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
