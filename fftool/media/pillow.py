"""All formats but PNG and TIFF, by Pillow."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fftool.errors import FFToolError
from fftool.media.decoded import Decoded, check_pages, check_size, exif_orientation

# None that starts another program, as Ghostscript for EPS.
FORMATS = ("JPEG", "WEBP", "GIF", "BMP", "PPM", "TGA", "JPEG2000", "AVIF", "ICO", "QOI", "PCX", "SGI")

# What Pillow decodes each of its modes to, unless the picture is transparent as well.
DECODED_MODES = {"1": "L", "La": "LA", "RGBX": "RGB", "RGBa": "RGBA", "P": "RGB", "PA": "RGBA"} | dict.fromkeys(
    ("YCbCr", "LAB", "HSV"), "RGB"
)
MAX_JP2_HEADER = 2**22  # bytes before the codestream: a profile may be among them
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


def decode(file: BinaryIO) -> Decoded:
    """Decode a picture of any format that is known by its content.

    Raises FFToolError if it is animated, and whatever Pillow raises if it is of another format, damaged, or too large
    to be meant.
    """
    with Image.open(file, formats=FORMATS) as image:
        check_size(*image.size)  # Pillow does so too, unless a program has told it not to
        if image.format != "MPO":  # a camera's still picture, with a preview behind it
            check_pages(getattr(image, "n_frames", 1))
        orientation, profile = exif_orientation(image.info.get("exif")), image.info.get("icc_profile")
        if image.format == "JPEG2000":
            _check_depth(file, (8, 16) if image.mode == "I;16" else (8,))
        if image.mode.startswith("I"):
            return Decoded(_narrowed(np.asarray(image)), orientation=orientation)
        if image.mode == "CMYK":
            return Decoded(np.asarray(image), profile, orientation, inks=True)
        mode = DECODED_MODES.get(image.mode, image.mode)
        mode = WITH_ALPHA.get(mode, mode) if image.has_transparency_data else mode
        return Decoded(np.asarray(image.convert(mode)), profile, orientation)


def _check_depth(file: BinaryIO, known: tuple[int, ...]) -> None:
    """Raise FFToolError for a JPEG 2000 with samples of so many bits that Pillow gives other values than the file's."""
    file.seek(0)
    _, _, size_segment = file.read(MAX_JP2_HEADER).partition(b"\xff\x4f\xff\x51")
    bits = (size_segment[38] & 127) + 1  # Ssiz (ITU-T T.800, table A.9)
    if bits not in known:
        raise FFToolError(f"is a JPEG 2000 with {bits} bits a channel, which is not read", "save it as a PNG first")


def _narrowed(samples: NDArray[Any]) -> NDArray[Any]:
    """Pillow gives some 16-bit grey pictures as 32-bit integers."""
    return samples.astype(np.uint16) if 0 <= samples.min() <= samples.max() < 2**16 else samples
