"""The pictures to learn: one's own, or photographs that come with scikit-image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from fftool import Signal

PACKAGED = ("astronaut", "coffee", "chelsea")
Image.MAX_IMAGE_PIXELS = None  # a benchmark makes its own large pictures


def load(paths: Sequence[Path]) -> dict[str, Image.Image]:
    """Photographs, by name."""
    if paths:
        return {path.name: Image.open(path).convert("RGB") for path in paths}
    return {name: Image.fromarray(getattr(skimage.data, name)()) for name in PACKAGED}


def packaged(name: str) -> Signal:
    """A picture of scikit-image's, of any kind, as it is."""
    picture: NDArray[Any] = getattr(skimage.data, name)()
    if picture.dtype == bool:  # the horse
        picture = picture.astype(np.uint8) * 255
    return Signal(picture if picture.ndim == 3 else picture[..., None], source=name)


def resized(name: str, picture: Image.Image, size: tuple[int, int]) -> Signal:
    """At that width and height, or the other way round for an upright one, by Lanczos' filter."""
    wanted = size if picture.width >= picture.height else size[::-1]
    return Signal(np.array(picture.resize(wanted, Image.Resampling.LANCZOS)), source=name)
