"""The pictures to learn: one's own, or photographs that come with scikit-image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from fftool import Signal

PACKAGED = ("astronaut", "coffee", "chelsea")
Image.MAX_IMAGE_PIXELS = None  # a benchmark makes its own large pictures


def load(paths: Sequence[Path], most: int) -> dict[str, Image.Image]:
    """Up to so many, by name."""
    if paths:
        return {path.name: Image.open(path).convert("RGB") for path in paths[:most]}
    return {name: Image.fromarray(getattr(skimage.data, name)()) for name in PACKAGED[:most]}


def resized(name: str, picture: Image.Image, size: tuple[int, int]) -> Signal:
    """At that width and height, or the other way round for an upright one, by Lanczos' filter."""
    wanted = size if picture.width >= picture.height else size[::-1]
    return Signal(np.array(picture.resize(wanted, Image.Resampling.LANCZOS)), source=name)
