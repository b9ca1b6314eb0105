"""Text of options into values. Ranges are checked in `fftool.config`."""

from __future__ import annotations

import re
from typing import get_args

import typer

from fftool import config, media

ENCODINGS = get_args(config.EncodingKind)
KERNELS = get_args(config.ResizeKernel)
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def _invalid(text: str, expected: str) -> typer.BadParameter:
    return typer.BadParameter(f"{text!r}, expected {expected}")


def parse_scale(text: str) -> config.Scale:
    """σ: a number, one for each axis in coordinate order (25,25,4), or auto."""
    if text == "auto":
        return "auto"
    try:
        return parse_fixed_scale(text)
    except typer.BadParameter:
        raise _invalid(text, "a number, one for each axis such as 25,25,4, or 'auto'") from None


def parse_fixed_scale(text: str) -> config.Scale:
    """σ without auto."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise _invalid(text, "a number, or one for each axis such as 25,25,4") from None
    return numbers if len(numbers) > 1 else numbers[0]


def parse_seconds(text: str) -> float:
    """A duration, in seconds: 10s, 1.5m, 2h."""
    if match := re.fullmatch(r"(\d{1,9}(?:\.\d*)?|\.\d+)([smh]?)", text):
        return float(match[1]) * UNITS[match[2]]
    raise _invalid(text, "a duration such as 10s, 1.5m or 2h")


def parse_tile(text: str) -> config.Tile:
    """A tile: its side, its sides in coordinate order (64x48), auto or none. In array order, as settings have it."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else "none"
    if re.fullmatch(r"\d{1,9}([xX×]\d{1,9})*", text):
        sides = tuple(int(side) for side in reversed(re.split("[xX×]", text)))
        return sides if len(sides) > 1 else sides[0]
    raise _invalid(text, "a side such as 64, sides such as 64x48, 'auto' or 'none'")


def parse_encoding(text: str) -> str:
    """An encoding where the option can be repeated: Typer has no lists of choices."""
    if text not in ENCODINGS:
        raise _invalid(text, f"one of {', '.join(ENCODINGS)}")
    return text


def parse_medium(text: str) -> str:
    """A kind of signal."""
    if text not in media.names():
        raise _invalid(text, f"one of {', '.join(media.names())}")
    return text


def parse_kernel(text: str) -> str:
    """A kernel of a resize."""
    if text not in KERNELS:
        raise _invalid(text, f"one of {', '.join(KERNELS)}")
    return text


def parse_holdout(text: str) -> config.Holdout:
    """Samples to hold out: a fraction, or lattice."""
    if text == "none":
        return "none"
    if text == "lattice":
        return "lattice"
    try:
        return float(text)
    except ValueError:
        raise _invalid(text, "a fraction such as 0.1, or 'lattice'") from None
