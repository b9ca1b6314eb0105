"""Metadata of an image: what a checkpoint keeps of a file's EXIF, XMP and ICC profile, and what a rendering gets of it.

Both sides take any bytes: what is malformed is left out, and never written to a file.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from fftool.config import MAX_METADATA, SignalConfig
from fftool.media.image import exif, xmp
from fftool.media.image.colour import srgb_profile
from fftool.media.image.exif import Exif

XMP_MARK = 29  # bytes that name XMP in a JPEG
SRGB = b"sRGB"  # stands for the profile, as samples are sRGB


@dataclass(frozen=True)
class Metadata:
    """What a rendering gets."""

    exif: Exif | None = None
    xmp: bytes | None = None
    profile: bytes | None = None  # ICC

    def options(self, longest: int) -> dict[str, bytes]:
        """Options for Pillow's encoders; EXIF or XMP that is longer, with its mark, is left out."""
        block = exif.PREFIX + self.exif.block() if self.exif else b""
        parts = {"exif": (block, len(block)), "xmp": (self.xmp, len(self.xmp or b"") + XMP_MARK)}
        found = {name: part for name, (part, length) in parts.items() if part and length <= longest}
        return found | ({"icc_profile": self.profile} if self.profile else {})


def kept(exif_block: object, xmp_document: object, has_profile: bool) -> dict[str, bytes]:
    """What a checkpoint keeps of a file's metadata. Where it has no room for all, the longest part is left out."""
    found = {}
    with suppress(Exception):  # an image does not fail for what is beside it
        if isinstance(exif_block, bytes) and (tags := exif.parse(exif_block)):
            found["exif"] = (tags.of_srgb() if has_profile else tags).block()
    if isinstance(xmp_document, bytes) and (document := xmp.clean(xmp_document)):
        found["xmp"] = document
    if has_profile:
        found["icc"] = SRGB
    while sum(map(len, found.values())) > MAX_METADATA:
        del found[max(found, key=lambda name: len(found[name]))]
    return found


def to_write(signal: SignalConfig | None, channels: int) -> Metadata:
    """What a rendering with so many channels gets of its signal's metadata."""
    found = signal.metadata if signal else {}
    return Metadata(
        exif.parse(found.get("exif", b"")),
        xmp.clean(found["xmp"]) if "xmp" in found else None,
        srgb_profile() if found.get("icc") == SRGB and channels > 2 else None,
    )
