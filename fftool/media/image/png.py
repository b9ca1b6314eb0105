"""PNG, decoded by libpng: all depths, palettes and transparent colours, whatever other chunks a file has."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from imagecodecs import png_decode

from fftool.errors import DamagedFileError
from fftool.media.image.decoded import Decoded, DecodeError, check_count, check_size, exif_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
ANCILLARY = 32  # bit of the first letter in the name of a chunk that decoders may skip
MAX_PROFILE = 2**24  # bytes, decompressed


def decode(file: BinaryIO) -> Decoded:
    """Decode a PNG from the chunks that its pixels need, so that broken ones beside them do no harm.

    Raises DecodeError if it is animated, too large or without a header, and imagecodecs.PngError if it is damaged.
    """
    needed, others = bytearray(SIGNATURE), dict[bytes, bytes]()
    for name, chunk, body in _chunks(file):
        if len(needed) == len(SIGNATURE):
            if name != b"IHDR" or len(body) != 13:
                raise DecodeError(DamagedFileError, "damaged: no valid PNG header")
            check_size(*struct.unpack(">II", body[:8]))
        if name[0] & ANCILLARY and name != b"tRNS":
            others.setdefault(name, body)
        else:
            needed += chunk
    if len(others.get(b"acTL", b"")) == 8:
        check_count(int.from_bytes(others[b"acTL"][:4], "big"))
    samples = png_decode(needed + END)
    return Decoded(samples, _profile(others.get(b"iCCP", b"")), exif_orientation(others.get(b"eXIf")))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Name, all bytes, and body of each chunk before the end of the image or of the file."""
    file_size = os.fstat(file.fileno()).st_size  # a chunk may claim more
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            return
        rest = file.read(min(size, file_size) + 4)
        yield name, head + rest, rest[:size]


def _profile(body: bytes) -> bytes | None:
    """ICC profile in the body of an iCCP chunk: a name, a byte for the method, and a zlib stream."""
    _, _, compressed = body.partition(b"\0")
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(compressed[1:], MAX_PROFILE)
    return None
