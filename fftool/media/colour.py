"""Colours: from the ICC profile that a picture comes with to sRGB, as screens and viewers take samples without one."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SPACES = {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}  # as a profile names them
SPACE_FIELD = slice(16, 20)  # of its header (ICC.1:2022, table 17)


def to_srgb(samples: NDArray[Any], profile: bytes | None) -> NDArray[Any]:
    """Grey or RGB samples, perhaps with alpha, in sRGB, with as many channels.

    They stay as they are where there is no profile, or it is none for them, or differs from sRGB by roundings alone.
    """
    colours = samples.shape[2] - (samples.shape[2] in (2, 4))
    space = "gray" if colours == 1 else "rgb"
    if _is_srgb(profile, space):
        return samples
    converted = _converted(samples[..., :colours], profile, space)
    if converted is None:
        return samples
    return np.concatenate([converted[..., :colours], samples[..., colours:]], axis=-1)


def cmyk_to_srgb(samples: NDArray[Any], profile: bytes | None) -> NDArray[Any]:
    """8-bit CMYK samples, 255 for full ink, as RGB: by their profile if there is one for them."""
    converted = _converted(samples, profile, "cmyk")
    if converted is not None:
        return converted
    height, width, _ = samples.shape
    return np.asarray(Image.frombytes("CMYK", (width, height), samples.tobytes()).convert("RGB"))


def _is_srgb(profile: bytes | None, space: str) -> bool:
    """Whether a profile moves no colour of a lattice by more than a step of 255."""
    steps = np.linspace(0, 255, 16, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(*[steps] * (1 if space == "gray" else 3)), axis=-1)
    lattice = lattice.reshape(16, -1, lattice.shape[-1])
    converted = _converted(lattice, profile, space)
    return converted is None or int(np.abs(converted.astype(int) - lattice).max()) <= 1


def _converted(samples: NDArray[Any], profile: bytes | None, space: str) -> NDArray[Any] | None:
    """RGB samples in sRGB; None where there is no profile for that space, or it is broken."""
    if not profile or profile[SPACE_FIELD] != SPACES[space]:
        return None
    exact = imagecodecs.CMS.FLAGS.NOOPTIMIZE  # what is made for speed has some 11 bits
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
