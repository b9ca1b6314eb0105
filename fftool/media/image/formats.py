"""The image formats that are written, and what each of them can hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fftool.config import DEFAULT_QUALITY, MAX_METADATA
from fftool.errors import FormatError
from fftool.media.base import Format

MAX_CHANNELS = 4
MAX_WHOLE_PIXELS = 100_000_000  # 300 MB of RGB, and an encoder may need as much again


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether an image with that shape (height, width, channels) is too large to be encoded in memory."""
    return shape[0] * shape[1] > MAX_WHOLE_PIXELS


@dataclass(frozen=True, kw_only=True)
class ImageFormat(Format):
    """An image format that fftool writes."""

    alpha: bool = False
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
        if channels > MAX_CHANNELS:
            raise FormatError("channels", f"{self.name} holds up to {MAX_CHANNELS} channels, not {channels}")
        if channels in (2, 4) and not self.alpha:
            raise FormatError("alpha", f"{self.name} holds no alpha channel, and the image has one")
        if not self.streams and is_large(shape):
            problem = f"{self.name} is encoded in memory, up to {MAX_WHOLE_PIXELS:,} pixels, not {width}x{height}"
            raise FormatError("memory", problem)
        if max(width, height) > self.longest_side:
            problem = f"{self.name} holds sides of up to {self.longest_side:,} pixels, not {width}x{height}"
            raise FormatError("size", problem)


PNG = ImageFormat(name="PNG", suffixes=(".png",), bits=(8, 16), alpha=True, longest_side=1_000_000)  # libpng's limit
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
    ImageFormat(name="TIFF", suffixes=(".tiff", ".tif"), bits=(8, 16), alpha=True, streams=True),
    ImageFormat(name="BMP", suffixes=(".bmp",)),
)
