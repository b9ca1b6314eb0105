"""The result of a decoder: samples as they are stored, how to display them, and the checks that decoders share."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from fftool.errors import LargeFileError, MediaError, MissingPackageError, UnsupportedFileError
from fftool.interrupts import uninterrupted
from fftool.media.image.colour import cmyk_to_srgb, is_profile, to_srgb
from fftool.media.image.metadata import kept

MAX_PIXELS = 178_956_970  # the limit of Pillow too

# EXIF orientations, by what they do to rows and columns.
TRANSPOSED, MIRRORED, FLIPPED = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


class DecodeError(Exception):
    """A file that a decoder refuses: the type of the error to raise where its path is known, and the problem."""

    def __init__(self, kind: Callable[[Path, str], MediaError], problem: str) -> None:
        super().__init__(problem)
        self.kind, self.problem = kind, problem


@dataclass(frozen=True)
class Decoded:
    """Samples with shape (height, width) or (height, width, channels), what it takes to display them, and metadata."""

    samples: NDArray[Any]
    profile: bytes | None = None  # ICC
    orientation: object = 1  # EXIF, any value that a file may hold
    is_cmyk: bool = False
    is_light: bool = False  # scene-linear, and not as a display shows it
    exif: object = None  # a block of bytes, if there is one
    xmp: object = None

    @property
    def _is_shown(self) -> bool:
        """Whether the samples are colours of a display; other numbers have no colour space."""
        return self.samples.dtype in (np.uint8, np.uint16)

    @property
    def metadata(self) -> dict[str, bytes]:
        """What a checkpoint keeps of the metadata."""
        has_colours = self._is_shown and self.samples.ndim == 3 and self.samples.shape[2] > 2
        has_profile = has_colours and is_profile(self.profile, "cmyk" if self.is_cmyk else "rgb")
        return kept(self.exif, self.xmp, has_profile)

    def upright_srgb(self) -> NDArray[Any]:
        """Samples with shape (height, width, channels), in sRGB, turned as a viewer shows them."""
        samples = self.samples if self.samples.ndim == 3 else self.samples[:, :, np.newaxis]
        if self._is_shown:
            samples = (cmyk_to_srgb if self.is_cmyk else to_srgb)(samples, self.profile)
        if self.orientation in TRANSPOSED:
            samples = samples.swapaxes(0, 1)
        if self.orientation in MIRRORED:
            samples = samples[:, ::-1]
        if self.orientation in FLIPPED:
            samples = samples[::-1]
        return np.ascontiguousarray(samples)


def check_size(width: int, height: int) -> None:
    """Raise DecodeError for an image too large to be decoded."""
    if width * height > MAX_PIXELS:
        problem = f"too large: {width}x{height} pixels, expected at most {MAX_PIXELS / 1e6:.0f} million"
        raise DecodeError(LargeFileError, problem)


def check_count(n_images: int) -> None:
    """Raise DecodeError for an animation, or a file with several pages."""
    if n_images > 1:
        raise DecodeError(UnsupportedFileError, f"holds {n_images} images, expected one")


def optional_module(name: str, package: str, what: str) -> ModuleType:
    """A module of a package that not every installation has. Raises DecodeError if this one lacks it."""
    try:
        with uninterrupted():
            return import_module(name)
    except ImportError as error:
        kind = partial(MissingPackageError, package=package)
        raise DecodeError(kind, f"{what}, which takes the package {package} to read") from error


@contextmanager
def no_messages() -> Iterator[None]:
    """Section in which libraries print nothing of what is damaged: LibRaw and OpenEXR do, past Python too."""
    with redirect_stdout(io.StringIO()), ExitStack() as stack:
        with suppress(OSError):  # standard error is closed
            messages = os.dup(2)
            stack.callback(os.close, messages)
            stack.callback(os.dup2, messages, 2)  # before it is closed
            with Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), 2)
        yield


def to_full_range(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Samples of 1 to 16 bits as 8 or 16 bits, over their full range."""
    if bits in (8, 16):
        return samples
    dtype = np.uint8 if bits < 8 else np.uint16
    factor = np.float32(np.iinfo(dtype).max / (2**bits - 1))
    return np.rint(samples * factor).astype(dtype)


def exif_orientation(data: bytes | None) -> object:
    """Orientation in a block of EXIF data; 1, upright, if there is none, or the block is broken."""
    exif = Image.Exif()
    with suppress(Exception):  # Pillow raises errors of all kinds for broken metadata, and the image may be fine
        exif.load(data or b"")
    with suppress(Exception):
        return exif.get(ExifTags.Base.Orientation, 1)
    return 1
