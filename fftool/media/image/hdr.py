"""High dynamic range: Radiance HDR, by imagecodecs, and OpenEXR, by its own library. Their values are linear light."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from imagecodecs import rgbe_decode, rgbe_encode
from numpy.typing import NDArray

from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.image.decoded import Decoded, DecodeError, check_count, check_size, no_messages, optional_module

RADIANCE_SIGNATURES = (b"#?RADIANCE", b"#?RGBE")
EXR_SIGNATURE = b"\x76\x2f\x31\x01"
MAX_RADIANCE_HEADER = 2**16  # bytes
RADIANCE_SIZE = re.compile(rb"\n([+-][XY]) (\d{1,9}) ([+-][XY]) (\d{1,9})\n")


def decode_radiance(file: BinaryIO) -> Decoded:
    """Decode a Radiance HDR. Raises DecodeError, and imagecodecs.RgbeError if it is damaged."""
    found = RADIANCE_SIZE.search(file.read(MAX_RADIANCE_HEADER))
    if not found:
        raise DecodeError(DamagedFileError, "damaged: no size in the header")
    if (found[1], found[3]) != (b"-Y", b"+X"):
        raise DecodeError(UnsupportedFileError, "a Radiance HDR that is not upright, expected -Y +X")
    check_size(int(found[4]), int(found[2]))
    file.seek(0)
    return Decoded(rgbe_decode(file.read()), is_light=True)


def decode_exr(file: BinaryIO) -> Decoded:
    """Decode an OpenEXR, which has to be a file on disk.

    Raises DecodeError if it has several parts, channels besides grey or RGB, or a transparent part, and if the package
    is not installed; RuntimeError and ValueError if it is damaged.
    """
    library: Any = optional_module("OpenEXR", "OpenEXR", "an OpenEXR image")
    with no_messages(), library.File(file.name, header_only=True) as opened:
        check_count(len(opened.parts))
        low, high = opened.header()["dataWindow"]
        width, height = (int(size) for size in high - low + 1)
        check_size(width, height)
    with no_messages(), library.File(file.name) as opened:
        channels = {name: channel.pixels for name, channel in opened.channels().items()}
    for name, n_colours in (("RGB", 3), ("RGBA", 3), ("Y", 1)):
        if [*channels] == [name]:
            return Decoded(_colours(channels[name], n_colours), is_light=True)
    raise DecodeError(UnsupportedFileError, f"an OpenEXR with the channels {', '.join(channels)}, expected RGB or Y")


def _colours(pixels: NDArray[Any], n_colours: int) -> NDArray[Any]:
    """Pixels as float32 with shape (height, width, colours), without an alpha that is 1 throughout."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if (pixels[..., n_colours:] != 1).any():
        raise DecodeError(UnsupportedFileError, "an OpenEXR with a transparent part, expected an opaque one")
    return pixels[..., :n_colours].astype(np.float32)


def encode_radiance(light: NDArray[np.floating[Any]]) -> bytes:
    """An image with shape (height, width, 3) as a Radiance HDR, which holds no negative light."""
    return bytes(rgbe_encode(np.maximum(light, 0).astype(np.float32)))


def encode_exr(light: NDArray[np.floating[Any]]) -> bytes:
    """An image with shape (height, width, 1 or 3) as an OpenEXR with 32 bits per channel."""
    library: Any = optional_module("OpenEXR", "OpenEXR", "an OpenEXR image")
    pixels = np.ascontiguousarray(light, np.float32)
    channels = {"Y": pixels[..., 0].copy()} if pixels.shape[-1] == 1 else {"RGB": pixels}
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    with tempfile.TemporaryDirectory(prefix="fftool-") as folder:  # the library writes to paths alone
        path = Path(folder, "image.exr")
        with library.File(header, channels) as opened:
            opened.write(str(path))
        return path.read_bytes()
