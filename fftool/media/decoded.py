"""What a decoder makes of a file: samples as they are stored, and how they are meant."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from fftool.errors import FFToolError
from fftool.media.colour import cmyk_to_srgb, to_srgb

MAX_PIXELS = 178_956_970  # where Pillow refuses too
SMALLER = "make a smaller copy of it first"

# First row and column by EXIF orientation: 5 to 8 swap the two.
SWAPPED, MIRRORED, FLIPPED = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


@dataclass(frozen=True)
class Decoded:
    """Samples with shape (height, width) or (height, width, channels), and what a viewer has to know of them."""

    samples: NDArray[Any]
    profile: bytes | None = None  # ICC
    orientation: object = 1  # EXIF's: whatever the file has there
    inks: bool = False  # CMYK

    def shown(self) -> NDArray[Any]:
        """An array with shape (height, width, channels): upright, in sRGB."""
        samples = self.samples if self.samples.ndim == 3 else self.samples[:, :, np.newaxis]
        samples = (cmyk_to_srgb if self.inks else to_srgb)(samples, self.profile)
        if self.orientation in SWAPPED:
            samples = samples.swapaxes(0, 1)
        if self.orientation in MIRRORED:
            samples = samples[:, ::-1]
        if self.orientation in FLIPPED:
            samples = samples[::-1]
        return np.ascontiguousarray(samples)


def check_size(width: int, height: int) -> None:
    """Raise FFToolError for a picture that is too large to be meant, before it is decoded."""
    if width * height > MAX_PIXELS:
        seen = f"is too large: it would have {width}×{height} pixels"
        raise FFToolError(f"{seen}, and {MAX_PIXELS / 1e6:.0f} million are read", SMALLER)


def check_pages(pages: int) -> None:
    """Raise FFToolError for an animation, or a file of several pictures."""
    if pages > 1:
        raise FFToolError(f"holds {pages} pictures, and one is needed", "save the one you want as a PNG first")


def exif_orientation(data: bytes | None) -> object:
    """The orientation that a block of EXIF data has; 1, upright, if there is none, or it makes no sense."""
    exif = Image.Exif()
    with suppress(Exception):  # Pillow raises whatever the damage leads to, and the picture may be whole
        exif.load(data or b"")
    with suppress(Exception):
        return exif.get(ExifTags.Base.Orientation, 1)
    return 1
