"""JPEG XL, decoded by libjxl with imagecodecs, which tells nothing but samples: the header is read here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from fftool.config import MAX_METADATA
from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.image import pillow
from fftool.media.image.colour import described_profile
from fftool.media.image.decoded import Decoded, DecodeError, check_size, to_full_range

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
SIGNATURES = (CODESTREAM, CONTAINER)
MAX_HEADER = 4096  # bytes of a codestream; its header is far shorter

# Choices of a number's size (ISO/IEC 18181-1): what to add to it, and its bits.
Choices = tuple[tuple[int, int], ...]
SIDE: Choices = ((1, 9), (1, 13), (1, 18), (1, 30))
PREVIEW_SIDE: Choices = ((1, 6), (65, 8), (321, 10), (1345, 12))
PREVIEW_SIDE_BY_8: Choices = ((16, 0), (32, 0), (1, 5), (33, 9))
BIT_DEPTH: Choices = ((8, 0), (10, 0), (12, 0), (1, 6))
COUNT: Choices = ((0, 0), (1, 0), (2, 4), (1, 12))
CODE: Choices = ((0, 0), (1, 0), (2, 4), (18, 6))
DIMENSION_SHIFT: Choices = ((0, 0), (3, 0), (4, 0), (1, 3))
NAME_LENGTH: Choices = ((0, 0), (0, 4), (16, 5), (48, 10))
CUSTOM_COORDINATE: Choices = ((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}

ALPHA = 0  # type of an extra channel
GREY, XYB = 1, 2  # colour spaces
CUSTOM = 2  # code of colours that are given by their coordinates
D65 = (0.3127, 0.3290)
WHITES = {1: D65, 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
PRIMARIES = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
BT709, LINEAR, SRGB, DCI = 1, 8, 13, 17
CURVES = {
    BT709: lambda v: np.where(v < 0.081, v / 4.5, ((v + 0.099) / 1.099) ** (1 / 0.45)),
    LINEAR: lambda v: v,
    DCI: lambda v: v**2.6,
}
HDR_CURVES = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True)
class Header:
    """What the header of a JPEG XL says of its samples."""

    width: int
    height: int
    bits: int = 8
    profile: bytes | None = None  # of colours that are not sRGB
    has_icc: bool = False  # a profile that imagecodecs does not return


def decode(file: BinaryIO) -> Decoded:
    """Decode a JPEG XL, which libjxl turns upright.

    Raises DecodeError if it is animated, too large or of an unsupported kind, and errors of imagecodecs if it is
    damaged.
    """
    data = file.read()
    header = read_header(codestream(data))
    check_size(header.width, header.height)
    if header.has_icc:
        return _decode_jpeg(data)
    samples: NDArray[Any] = imagecodecs.jpegxl_decode(data, index=0)
    if samples.dtype.kind != "u":
        raise DecodeError(UnsupportedFileError, f"JPEG XL with samples of {samples.dtype}, expected 1 to 16 bits")
    return Decoded(to_full_range(samples, header.bits), header.profile, exif=_exif(data), xmp=_box(data, b"xml "))


def _decode_jpeg(data: bytes) -> Decoded:
    """Image of a JPEG that was packed as a JPEG XL, with its ICC profile."""
    try:
        jpeg = imagecodecs.jpegxl_decode_jpeg(data, numthreads=1)
    except (ValueError, imagecodecs.JpegxlError) as error:
        raise DecodeError(UnsupportedFileError, "JPEG XL with an ICC profile, expected sRGB or the like") from error
    return pillow.decode(io.BytesIO(jpeg))


def codestream(data: bytes) -> bytes:
    """The beginning of the codestream in a file."""
    if data.startswith(CODESTREAM):
        return data[:MAX_HEADER]
    found = b""
    for name, body in _boxes(data):
        if name == b"jxlc":
            return body[:MAX_HEADER]
        if name == b"jxlp":  # a part, after its number
            found += body[4:]
        if len(found) >= MAX_HEADER:
            break
    return found[:MAX_HEADER]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each box (ISO/IEC 18181-2)."""
    at = 0
    while at + 8 <= len(data):
        size, name, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + max(size, head) if size else len(data)
        yield name, data[at + head : end]
        at = end


def _box(data: bytes, wanted: bytes) -> bytes | None:
    """Body of the first box of that name in a container, decompressed."""
    for name, body in _boxes(data) if data.startswith(CONTAINER) else ():
        if name == wanted:
            return body
        if name == b"brob" and body.startswith(wanted):
            with suppress(imagecodecs.BrotliError):
                return bytes(imagecodecs.brotli_decode(body[4:], out=MAX_METADATA))
    return None


def _exif(data: bytes) -> bytes | None:
    """Block of EXIF, which follows its place in the box."""
    body = _box(data, b"Exif")
    return body[4 + int.from_bytes(body[:4], "big") :] if body else None


class Bits:
    """Numbers in a codestream, the lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self.rest, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, n: int) -> int:
        """The next number, which has n bits."""
        if n > self.left:
            raise DecodeError(DamagedFileError, "damaged: the header of the JPEG XL is cut short")
        value, self.rest, self.left = self.rest & ((1 << n) - 1), self.rest >> n, self.left - n
        return value

    def choose(self, choices: Choices) -> int:
        """The next number, whose size is one of these."""
        base, n = choices[self.take(2)]
        return base + self.take(n)

    def coordinate(self) -> float:
        """The next coordinate of a colour: millionths, with the sign in the lowest bit."""
        value = self.choose(CUSTOM_COORDINATE)
        return (value >> 1 if value % 2 == 0 else -(value + 1 >> 1)) / 1e6

    def point(self) -> tuple[float, float]:
        """The next two coordinates of a colour."""
        return self.coordinate(), self.coordinate()


def read_header(data: bytes) -> Header:
    """The header at the beginning of a codestream. Raises DecodeError if it is damaged, or of an unsupported kind."""
    if not data.startswith(CODESTREAM):
        raise DecodeError(DamagedFileError, "damaged: no codestream of a JPEG XL")
    bits = Bits(data[2:])
    width, height = _size(bits)
    if bits.take(1):  # all else is the default
        return Header(width, height)
    has_extras = bits.take(1)
    if has_extras:
        bits.take(3)  # orientation
        if bits.take(1):
            _size(bits)  # at which to show it
        if bits.take(1):
            _size(bits, PREVIEW_SIDE, PREVIEW_SIDE_BY_8)
        if bits.take(1):
            raise DecodeError(UnsupportedFileError, "holds an animation, expected one image")
    depth = _bit_depth(bits)
    bits.take(1)  # whether 16 bits suffice for computation
    _check_extra_channels(bits)
    bits.take(1)  # whether libjxl converts colours
    has_icc, profile = _colours(bits)
    return Header(width, height, depth, profile, has_icc)


def _size(bits: Bits, side: Choices = SIDE, side_by_8: Choices | None = None) -> tuple[int, int]:
    """Width and height."""
    by_8 = bits.take(1)

    def length() -> int:
        if by_8:
            return 8 * (bits.choose(side_by_8) if side_by_8 else 1 + bits.take(5))
        return bits.choose(side)

    height, ratio = length(), bits.take(3)
    if ratio == 0:
        return length(), height
    numerator, denominator = RATIOS[ratio]
    return height * numerator // denominator, height


def _bit_depth(bits: Bits) -> int:
    if bits.take(1):
        raise DecodeError(UnsupportedFileError, "JPEG XL with samples that are floats, expected 1 to 16 bits")
    return bits.choose(BIT_DEPTH)


def _check_extra_channels(bits: Bits) -> None:
    """Raise DecodeError unless alpha is the only channel beside the colours, if there is one at all."""
    count = bits.choose(COUNT)
    if count > 1:
        raise DecodeError(UnsupportedFileError, f"JPEG XL with {count} extra channels, expected alpha alone")
    if count == 0 or bits.take(1):  # none, or alpha with 8 bits
        return
    kind = bits.choose(CODE)
    if kind != ALPHA:
        raise DecodeError(UnsupportedFileError, "JPEG XL with an extra channel, expected alpha alone")
    _bit_depth(bits)
    bits.choose(DIMENSION_SHIFT)
    bits.take(8 * bits.choose(NAME_LENGTH))
    if bits.take(1):
        problem = "JPEG XL with colours multiplied by alpha, expected straight alpha"
        raise DecodeError(UnsupportedFileError, problem)


def _colours(bits: Bits) -> tuple[bool, bytes | None]:
    """Whether there is an ICC profile, and one that describes the colours if there is none and they are not sRGB."""
    if bits.take(1):
        return False, None
    has_icc, space = bits.take(1), bits.choose(CODE)
    if has_icc:
        return True, None
    if space > GREY:
        raise DecodeError(UnsupportedFileError, "JPEG XL with unusual colours, expected grey or RGB")
    code = bits.choose(CODE)
    white = bits.point() if code == CUSTOM else WHITES.get(code, D65)
    primaries: tuple[tuple[float, float], ...] = ()
    if space != GREY:
        code = bits.choose(CODE)
        primaries = tuple(bits.point() for _ in range(3)) if code == CUSTOM else PRIMARIES.get(code, PRIMARIES[1])
    if bits.take(1):
        gamma = 1e7 / max(1, bits.take(24))
        return False, described_profile(white, primaries, lambda values: values**gamma)
    code = bits.choose(CODE)
    if code in HDR_CURVES:
        raise DecodeError(UnsupportedFileError, f"JPEG XL in HDR ({HDR_CURVES[code]}), expected standard range")
    if code in CURVES:
        return False, described_profile(white, primaries, CURVES[code])
    return False, described_profile(white, primaries)  # to_srgb leaves samples as they are if that is sRGB
