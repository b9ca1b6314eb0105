"""Conversion from an image's ICC profile to sRGB, which viewers assume for samples without a profile."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOUR_SPACES = {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}  # as a profile names them
COLOUR_SPACE_FIELD = slice(16, 20)  # in the header of a profile (ICC.1:2022, table 17)
CURVE_POINTS = 4096
DATE_FIELD, DATE = slice(24, 36), struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


def srgb_to_linear(values: NDArray[Any]) -> NDArray[Any]:
    """Linear light of sRGB values, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_srgb(samples: NDArray[Any], profile: bytes | None) -> NDArray[Any]:
    """Grey or RGB samples, with alpha or without, converted to sRGB with the same channels.

    They are returned as they are if the profile is missing, broken or for another colour space, and if it differs from
    sRGB by no more than rounding.
    """
    n_colours = samples.shape[2] - (samples.shape[2] in (2, 4))
    space = "gray" if n_colours == 1 else "rgb"
    if _is_srgb(profile, space):
        return samples
    converted = _convert(samples[..., :n_colours], profile, space)
    if converted is None:
        return samples
    return np.concatenate([converted[..., :n_colours], samples[..., n_colours:]], axis=-1)


def cmyk_to_srgb(samples: NDArray[Any], profile: bytes | None) -> NDArray[Any]:
    """8-bit CMYK samples, 255 for full ink, converted to RGB: by their profile if they have a valid one."""
    converted = _convert(samples, profile, "cmyk")
    if converted is not None:
        return converted
    height, width, _ = samples.shape
    return np.asarray(Image.frombytes("CMYK", (width, height), samples.tobytes()).convert("RGB"))


def is_profile(profile: bytes | None, space: str) -> bool:
    """Whether this is a valid ICC profile for that colour space."""
    channels = {"gray": 1, "rgb": 3, "cmyk": 4}[space]
    return _convert(np.zeros((1, 1, channels), np.uint8), profile, space) is not None


def srgb_profile() -> bytes:
    """ICC profile of sRGB: the same bytes on every day."""
    profile = bytearray(imagecodecs.cms_profile("srgb"))
    profile[DATE_FIELD] = DATE
    return bytes(profile)


def described_profile(
    white: tuple[float, float],
    primaries: Sequence[tuple[float, float]] = (),
    curve: Callable[[NDArray[Any]], NDArray[Any]] = srgb_to_linear,
) -> bytes:
    """ICC profile of colours that are described by chromaticities and by a curve to linear light.

    Without primaries, it is one of grey.
    """
    table = np.rint(65535 * curve(np.linspace(0, 1, CURVE_POINTS))).astype(np.uint16)
    return imagecodecs.cms_profile(
        "rgb" if primaries else "gray",
        whitepoint=[*white, 1.0],
        primaries=[value for x, y in primaries for value in (x, y, 1.0)] or None,
        transferfunction=table,
    )


def _is_srgb(profile: bytes | None, space: str) -> bool:
    """Whether a profile leaves each colour of a lattice within 1/255 of its place."""
    steps = np.linspace(0, 255, 16, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(*[steps] * (1 if space == "gray" else 3)), axis=-1)
    lattice = lattice.reshape(16, -1, lattice.shape[-1])
    converted = _convert(lattice, profile, space)
    return converted is None or int(np.abs(converted.astype(int) - lattice).max()) <= 1


def _convert(samples: NDArray[Any], profile: bytes | None, space: str) -> NDArray[Any] | None:
    """RGB samples in sRGB; None if there is no valid profile for that colour space."""
    if not profile or profile[COLOUR_SPACE_FIELD] != COLOUR_SPACES[space]:
        return None
    exact = imagecodecs.CMS.FLAGS.NOOPTIMIZE  # the optimized transform is precise to some 11 bits
    try:
        return imagecodecs.cms_transform(
            np.ascontiguousarray(samples[..., 0] if space == "gray" else samples),
            profile,
            imagecodecs.cms_profile("srgb"),
            colorspace=space,
            outcolorspace="rgb",
            flags=exact if samples.dtype == np.uint16 else None,
        )
    except (ValueError, imagecodecs.CmsError):
        return None
