"""PNG, by libpng: all depths, palettes and transparent colours, whatever else the file holds."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import imagecodecs

from fftool.errors import FFToolError
from fftool.media.decoded import Decoded, check_pages, check_size, exif_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
ANCILLARY = 32  # a bit of the first letter of a chunk's name
MAX_PROFILE = 2**24  # bytes, unpacked


def decode(file: BinaryIO) -> Decoded:
    """Decode a PNG by the chunks that make its pixels: what is broken beside them does no harm.

    Raises FFToolError if it is animated, or too large to be meant, and imagecodecs.PngError if it is damaged.
    """
    kept, others = bytearray(SIGNATURE), dict[bytes, bytes]()
    for name, chunk, body in _chunks(file):
        if len(kept) == len(SIGNATURE):
            if name != b"IHDR" or len(body) != 13:
                raise FFToolError("is damaged: it does not begin with its size", "save or copy the picture again")
            check_size(*struct.unpack(">II", body[:8]))
        if name[0] & ANCILLARY and name != b"tRNS":
            others.setdefault(name, body)
        else:
            kept += chunk
    if len(others.get(b"acTL", b"")) == 8:
        check_pages(int.from_bytes(others[b"acTL"][:4], "big"))
    samples = imagecodecs.png_decode(kept + END)
    return Decoded(samples, _profile(others.get(b"iCCP", b"")), exif_orientation(others.get(b"eXIf")))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each chunk's name, its bytes, and its body, up to the end of the picture or of the file."""
    most = os.fstat(file.fileno()).st_size  # whatever a chunk claims
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            return
        rest = file.read(min(size, most) + 4)
        yield name, head + rest, rest[:size]


def _profile(body: bytes) -> bytes | None:
    """The ICC profile in an iCCP chunk: a name, a method, and what zlib has packed."""
    _, _, packed = body.partition(b"\0")
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(packed[1:], MAX_PROFILE)
    return None
