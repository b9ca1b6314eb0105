"""The image formats that are written, and what each of them can hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from fftool.config import DEFAULT_QUALITY, MAX_METADATA
from fftool.errors import FormatError, FormatPackageError
from fftool.media.base import Format

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_WHOLE_PIXELS = 100_000_000  # 300 MB of RGB, and an encoder may need as much again


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether an image with that shape (height, width, channels) is too large to be encoded in memory."""
    return shape[0] * shape[1] > MAX_WHOLE_PIXELS


@dataclass(frozen=True, kw_only=True)
class ImageFormat(Format):
    """An image format that fftool writes."""

    alpha: bool = False
    channels: tuple[int, ...] = (1, 2, 3, 4)
    is_light: bool = False  # scene-linear, and not as a display shows it
    package: str = ""  # that writes it, where not every installation has it
    extra: str = "formats"  # of fftool, which has that package
    longest_side: int = 2**31 - 1  # pixels
    full_chroma: dict[str, Any] = field(default_factory=dict)  # encoder options that keep the resolution of colours
    lossless: dict[str, Any] = field(default_factory=dict)  # encoder options, where a lossy format can be so
    longest_metadata: int = MAX_METADATA  # bytes of EXIF or of XMP, with their mark

    def encodings(self, channels: int, quality: int | None) -> list[dict[str, Any]]:
        """Options for the encoder: the smallest file is kept where there are several."""
        if not self.has_quality:
            return [{}]
        quality = DEFAULT_QUALITY if quality is None else quality
        if self.lossless and quality == 100:
            return [self.lossless]
        lossy = {"quality": quality} | (self.full_chroma if channels > 2 else {})
        return [lossy, self.lossless] if self.lossless else [lossy]

    def check(self, shape: tuple[int, ...], bits: int, quality: int | None = None) -> None:
        """Raise FormatError if the format cannot hold an image with that shape (height, width, channels)."""
        super().check(shape, bits, quality)
        height, width, channels = shape
        if channels in (2, 4) and not self.alpha:
            raise FormatError("alpha", f"{self.name} holds no alpha channel, and the image has one")
        if channels not in self.channels:
            held = " or ".join(map(str, self.channels)) if len(self.channels) < 3 else f"up to {max(self.channels)}"
            raise FormatError("channels", f"{self.name} holds {held} channels, not {channels}")
        if self.package and find_spec(self.package) is None:
            raise FormatPackageError(f"{self.name} takes the package {self.package} to write", self.package, self.extra)
        if not self.streams and is_large(shape):
            problem = f"{self.name} is encoded in memory, up to {MAX_WHOLE_PIXELS:,} pixels, not {width}x{height}"
            raise FormatError("memory", problem)
        if max(width, height) > self.longest_side:
            problem = f"{self.name} holds sides of up to {self.longest_side:,} pixels, not {width}x{height}"
            raise FormatError("size", problem)


# As an error lists them. Not all of these formats are read: it is better to say so than to pass over a file.
READABLE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".heic", ".heif", ".jxl",
    ".dng", ".jpe", ".jfif", ".mpo", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".dib", ".pbm", ".pgm", ".ppm", ".pnm",
    ".tga", ".ico", ".qoi", ".pcx", ".sgi", ".rgb", ".rgba", ".bw", ".hif", ".cr2", ".cr3", ".nef", ".arw", ".raf",
    ".orf", ".rw2", ".pef", ".hdr", ".exr", ".zarr",
)  # fmt: skip
PNG = ImageFormat(name="PNG", suffixes=(".png",), bits=(8, 16), alpha=True, longest_side=1_000_000)  # libpng's limit
RADIANCE = ImageFormat(name="Radiance HDR", suffixes=(".hdr",), bits=(32,), channels=(3,), is_light=True)
EXR = ImageFormat(name="OpenEXR", suffixes=(".exr",), bits=(32,), channels=(1, 3), is_light=True, package="OpenEXR")
ZARR = ImageFormat(
    name="Zarr",
    suffixes=(".zarr",),
    bits=(8, 16, 32),
    alpha=True,
    is_folder=True,
    streams=True,
    package="zarr",
    extra="zarr",
)
FORMATS = (
    PNG,
    ImageFormat(
        name="JPEG",
        suffixes=(".jpg", ".jpeg"),
        has_quality=True,
        longest_side=65535,
        full_chroma={"subsampling": 0},
        longest_metadata=65533,
    ),
    # Lossy WebP always halves the resolution of colours. Pixel art and line drawings are smaller without loss.
    ImageFormat(
        name="WebP",
        suffixes=(".webp",),
        has_quality=True,
        alpha=True,
        longest_side=16383,
        lossless={"lossless": True, "exact": True},
    ),
    ImageFormat(
        name="AVIF",
        suffixes=(".avif",),
        has_quality=True,
        alpha=True,
        longest_side=32768,  # that readers built on libavif accept
        full_chroma={"subsampling": "4:4:4"},
    ),
    ImageFormat(name="TIFF", suffixes=(".tiff", ".tif"), bits=(8, 16, 32), alpha=True, streams=True),
    ZARR,
    ImageFormat(name="BMP", suffixes=(".bmp",)),
    RADIANCE,
    EXR,
)
