"""The image formats that are written, and what each of them can hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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
    options: dict[str, Any] = field(default_factory=dict)  # of the encoder

    def check(self, shape: tuple[int, ...], bits: int) -> None:
        """Raise FormatError if the format cannot hold an image with that shape (height, width, channels)."""
        super().check(shape, bits)
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


# As an error lists them. Not all of these formats are read: it is better to say so than to pass over a file.
READABLE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".heic", ".heif", ".jxl",
    ".dng", ".jpe", ".jfif", ".mpo", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".dib", ".pbm", ".pgm", ".ppm", ".pnm",
    ".tga", ".ico", ".qoi", ".pcx", ".sgi", ".rgb", ".rgba", ".bw",
)  # fmt: skip
PNG = ImageFormat(name="PNG", suffixes=(".png",), bits=(8, 16), alpha=True, longest_side=1_000_000)  # libpng's limit
FORMATS = (
    PNG,
    ImageFormat(name="JPEG", suffixes=(".jpg", ".jpeg"), longest_side=65535, options={"quality": 95}),
    ImageFormat(name="WebP", suffixes=(".webp",), alpha=True, longest_side=16383, options={"quality": 95}),
    ImageFormat(name="TIFF", suffixes=(".tiff", ".tif"), bits=(8, 16), alpha=True, streams=True),
    ImageFormat(name="BMP", suffixes=(".bmp",)),
)
