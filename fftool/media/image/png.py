"""PNG, decoded by libpng: all depths, palettes and transparent colours. Other chunks hold metadata, or do no harm."""

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
from fftool.media.image.metadata import Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
ANCILLARY = 32  # bit of the first letter in the name of a chunk that decoders may skip
MAX_PROFILE = 2**24  # bytes, decompressed
HEADER_END = 33  # of the signature and the first chunk
# Texts that hold metadata: XMP, and EXIF and XMP as ImageMagick and exiv2 have written them.
XMP, RAW_EXIF, RAW_XMP = b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"Raw profile type xmp\0"
TEXTS = {b"iTXt": (XMP,), b"zTXt": (RAW_EXIF, RAW_XMP)}


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
            if kind := _kind(name, body):
                others.setdefault(kind, body)
        else:
            needed += chunk
    if len(others.get(b"acTL", b"")) == 8:
        check_count(int.from_bytes(others[b"acTL"][:4], "big"))
    samples = png_decode(needed + END)
    return Decoded(
        samples,
        _inflate(others.get(b"iCCP", b"")),
        exif_orientation(others.get(b"eXIf")),
        exif=others.get(b"eXIf") or _raw_profile(others.get(RAW_EXIF, b"")),
        xmp=_text(others.get(XMP, b"")) or _raw_profile(others.get(RAW_XMP, b"")),
    )


def metadata_chunks(metadata: Metadata) -> bytes:
    """Chunks of metadata, to be put behind the header."""
    chunks = []
    if metadata.profile:
        chunks.append((b"iCCP", b"sRGB\0\0" + zlib.compress(metadata.profile)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.block()))
    if metadata.xmp:
        chunks.append((b"iTXt", XMP + bytes(4) + metadata.xmp))  # not compressed, no language, no other keyword
    return b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


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


def _kind(name: bytes, body: bytes) -> bytes:
    """The chunk's name, or what a text is of; nothing for other texts, as there may be many of them."""
    if name not in TEXTS:
        return name
    return next((keyword for keyword in TEXTS[name] if body.startswith(keyword)), b"")


def _inflate(body: bytes) -> bytes | None:
    """Content of an iCCP or zTXt chunk: a name, a byte for the method, and a zlib stream."""
    _, _, compressed = body.partition(b"\0")
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(compressed[1:], MAX_PROFILE)
    return None


def _text(body: bytes) -> bytes | None:
    """Text of an iTXt chunk: a name, whether it is compressed, the method, a language, another name, and the text."""
    _, _, rest = body.partition(b"\0")
    text = rest[2:].split(b"\0", 2)[-1]
    return _inflate(b"\0\0" + text) if rest[:1] == b"\1" else text


def _raw_profile(body: bytes) -> bytes | None:
    """Data in a zTXt chunk as text: its kind, its length, and hexadecimal digits."""
    with suppress(ValueError):
        return bytes.fromhex(b"".join((_inflate(body) or b"").split()[2:]).decode("ascii"))
    return None
