"""HEIC and other HEIF, decoded by libheif with the package pillow-heif, which is optional."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fftool.errors import UnsupportedFileError
from fftool.media.image.colour import described_profile
from fftool.media.image.decoded import Decoded, DecodeError, check_size, optional_module, to_full_range

BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"}
SEQUENCE_BRANDS = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"}
# Codes of colours (ITU-T H.273): primaries wider than those of sRGB, and curves of HDR.
WIDE_PRIMARIES = (9, 11, 12)  # BT.2020 and P3
HDR_CURVES = {16: "PQ", 18: "HLG"}


def decode(file: BinaryIO) -> Decoded:
    """Decode the primary image, which libheif turns upright; 10 and 12 bits become 16.

    Raises DecodeError if pillow-heif is missing, or the image is too large or of an unsupported kind. libheif raises
    errors of several types if it is damaged.
    """
    pillow_heif = optional_module("pillow_heif", "pillow-heif", "a HEIC image")
    images = pillow_heif.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = images[images.primary_index]
    check_size(*image.size)
    if image.premultiplied_alpha:
        raise DecodeError(UnsupportedFileError, "HEIC with colours multiplied by alpha, expected straight alpha")
    profile = image.info.get("icc_profile") or _described_profile(image.info.get("nclx_profile"))
    bits = image.info["bit_depth"]
    samples: NDArray[Any] = np.asarray(image)
    return Decoded(to_full_range(samples, bits), profile, exif=image.info.get("exif"), xmp=image.info.get("xmp"))


def _described_profile(colours: dict[str, Any] | None) -> bytes | None:
    """ICC profile of wide colours, from their codes; None for those of sRGB, and where there are no codes."""
    if not colours:
        return None
    if curve := HDR_CURVES.get(colours["transfer_characteristics"]):
        raise DecodeError(UnsupportedFileError, f"HEIC in HDR ({curve}), expected standard range")
    if colours["color_primaries"] not in WIDE_PRIMARIES:
        return None
    white, *primaries = (
        (colours[f"color_primary_{name}_x"], colours[f"color_primary_{name}_y"])
        for name in ("white", "red", "green", "blue")
    )
    return described_profile(white, primaries)
