"""The decoder of an image file, by its content, whatever its suffix."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.image import hdr, heif, jxl, npy, pillow, png, raw, tiff
from fftool.media.image.decoded import Decoded, DecodeError
from fftool.media.image.formats import TIFF_SIGNATURES

Decoder = Callable[[BinaryIO], Decoded]

DECODERS: dict[tuple[bytes, ...], Decoder] = {
    (png.SIGNATURE,): png.decode,
    (npy.SIGNATURE,): npy.decode,
    TIFF_SIGNATURES: tiff.decode,
    jxl.SIGNATURES: jxl.decode,
    raw.SIGNATURES: raw.decode,
    hdr.RADIANCE_SIGNATURES: hdr.decode_radiance,
    (hdr.EXR_SIGNATURE,): hdr.decode_exr,
}
START = 512  # bytes of a file that tell its format
CR3 = b"crx "  # brand of Canon's raw files
AVIF_BRANDS = {b"avif", b"avis"}


def decode(file: BinaryIO) -> Decoded:
    """Decode an image. Raises DecodeError, and errors of other types if it is damaged."""
    start = file.read(START)
    file.seek(0)
    if not start:
        raise DecodeError(DamagedFileError, "the file is empty")
    return _decoder(start)(file)


def _decoder(start: bytes) -> Decoder:
    for signatures, decoder in DECODERS.items():
        if start.startswith(signatures):
            return decoder
    major, brands = _brands(start)
    if major == CR3:
        return raw.decode
    if not brands & AVIF_BRANDS:
        if major in heif.SEQUENCE_BRANDS:
            raise DecodeError(UnsupportedFileError, "holds a sequence of images, expected one")
        if brands & heif.BRANDS:
            return heif.decode
    return pillow.decode


def _brands(start: bytes) -> tuple[bytes, set[bytes]]:
    """The main brand of a file of boxes (ISO/IEC 14496-12), and all of its brands; none for other files."""
    if start[4:8] != b"ftyp":
        return b"", set()
    end = min(int.from_bytes(start[:4], "big"), len(start))
    brands = [start[at : at + 4] for at in (8, *range(16, end, 4))]
    return brands[0], set(brands)
