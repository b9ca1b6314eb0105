"""Images to train on: the user's, or photographs that come with scikit-image."""

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
Image.MAX_IMAGE_PIXELS = None  # benchmarks make large images of their own


def load(paths: Sequence[Path]) -> dict[str, Image.Image]:
    """Photographs by name: those in the files, or the packaged ones if there are none."""
    if paths:
        return {path.name: Image.open(path).convert("RGB") for path in paths}
    return {name: Image.fromarray(getattr(skimage.data, name)()) for name in PACKAGED}


def packaged(name: str) -> Signal:
    """An image of scikit-image at its own size."""
    image: NDArray[Any] = getattr(skimage.data, name)()
    if image.dtype == bool:  # the horse
        image = image.astype(np.uint8) * 255
    return Signal(image if image.ndim == 3 else image[..., None], source=name)


def resized(name: str, image: Image.Image, size: tuple[int, int]) -> Signal:
    """An image at that width and height, or with both exchanged if it is upright, by Lanczos' filter."""
    size = size if image.width >= image.height else size[::-1]
    return Signal(np.array(image.resize(size, Image.Resampling.LANCZOS)), source=name)
