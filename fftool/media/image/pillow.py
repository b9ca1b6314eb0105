"""All formats without a decoder of their own, decoded by Pillow."""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fftool.errors import DamagedFileError, LargeFileError, UnknownFormatError, UnsupportedFileError
from fftool.media.image.decoded import MAX_PIXELS, Decoded, DecodeError, check_count, check_size, exif_orientation

# Pillow's names. None of these decoders starts another program, as EPS does with Ghostscript.
READ_FORMATS = ("JPEG", "WEBP", "GIF", "BMP", "PPM", "TGA", "JPEG2000", "AVIF", "ICO", "QOI", "PCX", "SGI")

# Mode to convert each of Pillow's modes to, before alpha is added for a transparent colour.
CONVERTED_MODES = {"1": "L", "La": "LA", "RGBX": "RGB", "RGBa": "RGBA", "P": "RGB", "PA": "RGBA"} | dict.fromkeys(
    ("YCbCr", "LAB", "HSV"), "RGB"
)
ALPHA_MODES = {"L": "LA", "RGB": "RGBA"}
MAX_JP2_HEADER = 2**22  # bytes before the codestream: a profile may be among them


def decode(file: BinaryIO) -> Decoded:
    """Decode an image of any of READ_FORMATS, recognized by its content.

    Raises DecodeError if the format is unknown, or the file is animated, too large or damaged. Pillow may raise other
    errors for damaged files.
    """
    try:
        return _decode(file)
    except Image.DecompressionBombError as error:
        problem = f"too large: expected at most {MAX_PIXELS / 1e6:.0f} million pixels"
        raise DecodeError(LargeFileError, problem) from error
    except UnidentifiedImageError as error:
        raise DecodeError(UnknownFormatError, "not an image of a known format") from error
    except OSError as error:
        if error.errno is not None:  # of the system; Pillow's own describe the damage
            raise
        raise DecodeError(DamagedFileError, f"damaged: {error}") from error


def _decode(file: BinaryIO) -> Decoded:
    with Image.open(file, formats=READ_FORMATS) as image:
        check_size(*image.size)  # Pillow checks it too, unless the program has turned that off
        if image.format != "MPO":  # a camera's still image, followed by a preview
            check_count(getattr(image, "n_frames", 1))
        exif, profile = image.info.get("exif"), image.info.get("icc_profile")
        described = partial(Decoded, orientation=exif_orientation(exif), exif=exif, xmp=image.info.get("xmp"))
        if image.format == "JPEG2000":
            _check_jpeg_2000_depth(file, (8, 16) if image.mode == "I;16" else (8,))
        if image.mode.startswith("I"):
            return described(_to_uint16(np.asarray(image)))
        if image.mode == "CMYK":
            return described(np.asarray(image), profile, is_cmyk=True)
        mode = CONVERTED_MODES.get(image.mode, image.mode)
        mode = ALPHA_MODES.get(mode, mode) if image.has_transparency_data else mode
        return described(np.asarray(image.convert(mode)), profile)


def _check_jpeg_2000_depth(file: BinaryIO, exact: tuple[int, ...]) -> None:
    """Raise DecodeError for a JPEG 2000 with a bit depth whose values Pillow changes."""
    file.seek(0)
    _, _, size_segment = file.read(MAX_JP2_HEADER).partition(b"\xff\x4f\xff\x51")
    bits = (size_segment[38] & 127) + 1  # Ssiz (ITU-T T.800, table A.9)
    if bits not in exact:
        expected = " or ".join(map(str, exact))
        raise DecodeError(UnsupportedFileError, f"JPEG 2000 with {bits} bits per channel, expected {expected}")


def _to_uint16(samples: NDArray[Any]) -> NDArray[Any]:
    """Samples as uint16 if they fit: Pillow decodes some 16-bit grey images to int32."""
    return samples.astype(np.uint16) if 0 <= samples.min() <= samples.max() < 2**16 else samples
