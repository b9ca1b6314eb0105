"""Animations by Pillow: GIF, WebP, APNG and AVIF."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fftool.media.clip.decoded import Frames, check_size, stacked, timed
from fftool.media.clip.timing import constant, milliseconds
from fftool.pipes import content
from fftool.signal import Samples

FORMATS = ("GIF", "WEBP", "PNG", "AVIF")
SHORTEST_DURATION, DEFAULT_DURATION = 10, 100  # ms: browsers show frames that are shorter as long as those without any


def recognizes(path: Path, start: bytes) -> bool:
    """Whether a file is an animation: one of those formats, with several frames."""
    is_png, is_webp = start.startswith(b"\x89PNG"), start.startswith(b"RIFF") and start[8:12] == b"WEBP"
    if not (is_png or is_webp or start.startswith(b"GIF8") or start[4:12] in (b"ftypavis", b"ftypavif")):
        return False
    # A file that cannot be opened is no clip: images say what is wrong with it.
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(content(path), formats=FORMATS) as image:
            return bool(getattr(image, "is_animated", False))
    return False


def decode(path: Path) -> Frames:
    """Frames of an animation, with an alpha channel where some of it is transparent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata
        with Image.open(content(path), formats=FORMATS) as image:
            check_size(path, getattr(image, "n_frames", 1), *image.size, 4)
            durations: list[float] = []
            frames = stacked(path, _frames(image, durations))
    starts = [0.0, *accumulate(durations)]
    return timed(path, frames, constant(starts[:-1], starts[-1]))


def _frames(image: Image.Image, durations: list[float]) -> Iterator[NDArray[Any]]:
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        image.load()
        duration = image.info.get("duration") or 0
        durations.append((duration if duration > SHORTEST_DURATION else DEFAULT_DURATION) / 1000)
        yield np.asarray(image.convert("RGBA"))


def encode(
    file: BinaryIO, kind: str, frames: Iterator[Samples], n_frames: int, rate: float, quality: int | None
) -> None:
    """Write frames with shape (y, x, channels), uint8, as an animation that repeats for ever."""
    durations: Any = milliseconds(n_frames, rate, step=10 if kind == "GIF" else 1)  # GIF counts hundredths of a second
    options: dict[str, Any] = {"disposal": 2} if kind == "GIF" else {}  # or a transparent frame shows the last one
    if quality is not None:
        options |= {"quality": quality, **({"lossless": True} if kind == "WEBP" and quality == 100 else {})}
    first, *others = map(_image, frames)
    first.save(file, kind, save_all=True, append_images=others, duration=durations, loop=0, **options)


def _image(frame: Samples) -> Image.Image:
    return Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
