"""File formats that clips are written as."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from fftool.errors import FormatError, FormatPackageError
from fftool.media.base import Format
from fftool.media.clip.video import EXTRA, PACKAGE
from fftool.media.image.formats import ImageFormat
from fftool.media.image.medium import ImageMedium

IMAGE = ImageMedium()


@dataclass(frozen=True, kw_only=True)
class ClipFormat(Format):
    """A format of clips: by PyAV, or an animation by Pillow under its name there."""

    channels: tuple[int, ...] = (1, 3, 4)
    animation: str = ""

    def check(self, shape: tuple[int, ...], bits: int, quality: int | None = None) -> None:
        """Raise FormatError if the format cannot hold a clip with that shape (t, y, x, channels)."""
        super().check(shape, bits, quality)
        channels = shape[-1]
        if channels in (2, 4) and channels not in self.channels:
            raise FormatError("alpha", f"{self.name} has no transparency, and the clip has {channels} channels")
        if channels not in self.channels:
            held = " or ".join(map(str, self.channels))
            raise FormatError("channels", f"{self.name} holds {held} channels, not {channels}")
        if not self.animation and find_spec(PACKAGE) is None:
            raise FormatPackageError(f"{self.name} takes the package {PACKAGE} to write", PACKAGE, EXTRA)


@dataclass(frozen=True, kw_only=True)
class FramesFormat(Format):
    """Numbered frames in a format of images."""

    image: ImageFormat

    def check(self, shape: tuple[int, ...], bits: int, quality: int | None = None) -> None:
        """Raise FormatError if the format cannot hold the frames of a clip with that shape (t, y, x, channels)."""
        self.image.check(shape[1:], bits, quality)


FORMATS = (
    ClipFormat(name="MP4", suffixes=(".mp4", ".m4v"), channels=(1, 3), has_quality=True),
    ClipFormat(name="QuickTime", suffixes=(".mov",), channels=(1, 3), has_quality=True),
    ClipFormat(name="WebM", suffixes=(".webm",), has_quality=True),
    ClipFormat(name="Matroska", suffixes=(".mkv",)),
    ClipFormat(name="GIF", suffixes=(".gif",), animation="GIF"),
    ClipFormat(name="WebP", suffixes=(".webp",), channels=(3, 4), has_quality=True, animation="WEBP"),
    ClipFormat(name="APNG", suffixes=(".apng", ".png"), channels=(1, 2, 3, 4), animation="PNG"),
    ClipFormat(name="AVIF", suffixes=(".avif",), channels=(3, 4), has_quality=True, animation="AVIF"),
)


def is_pattern(path: Path) -> bool:
    """Whether a path names numbered frames: frames/%04d.png."""
    return "%" in path.name


def frames_format(path: Path) -> FramesFormat:
    """Format of numbered frames. Raises FormatError for a pattern that does not tell them apart."""
    try:
        is_usable = path.name % 1 != path.name % 2
    except (TypeError, ValueError):
        is_usable = False
    if not is_usable:
        raise FormatError("suffix", f"{path}: expected a pattern with one number, such as frames/%04d.png")
    image = cast(ImageFormat, IMAGE.format_of(path))
    return FramesFormat(
        name=f"{image.name} frames",
        suffixes=image.suffixes,
        bits=image.bits,
        has_quality=image.has_quality,
        image=image,
    )
