"""EXIF: directories of tags, as in a TIFF (CIPA DC-008), read from any file that has them, and written without damage.

Kept is what tells about the picture: camera, exposure, place, date, author. Left out is what tells about the stored
pixels, which change: orientation, sizes, layout, thumbnail. So are a camera's own notes (MakerNote): they point to
places in the original file, and often hold previews. Values are copied byte for byte.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import BinaryIO, TypeAlias

import numpy as np

from fftool.config import MAX_METADATA

PREFIX = b"Exif\0\0"  # before the block in a JPEG
ORDERS = {b"II": "<", b"MM": ">"}
BIG = 43  # version of a BigTIFF
VERSIONS = (42, BIG, 0x4F52, 0x5352, 0x55)  # of a TIFF, and of raw files by Olympus and Panasonic

# Directories: MAIN, and others by the tag that points to each.
MAIN, EXIF, GPS, INTEROP = 0, 0x8769, 0x8825, 0xA005
PARTS = {MAIN: (EXIF, GPS), EXIF: (INTEROP,)}
# In MAIN, where the tags of a TIFF are too: ProcessingSoftware, DocumentName, ImageDescription, Make, Model,
# XResolution, YResolution, PageName, ResolutionUnit, Software, DateTime, Artist, HostComputer, Rating, RatingPercent,
# ImageID, Copyright, those of Windows (XPTitle and others), UniqueCameraModel, CameraSerialNumber, LensInfo.
DESCRIPTION, RESOLUTION, SOFTWARE = 270, (282, 283, 296), 305
OF_PROGRAMS = (b"{", b"<", b"ImageJ=", b"SCIFIO=", b"shape=")  # descriptions of an array's layout, not of a picture
DESCRIPTIVE = {
    *(11, 269, DESCRIPTION, 271, 272, *RESOLUTION, 285, SOFTWARE, 306, 315, 316),
    *(18246, 18249, 32781, 33432, 40091, 40092, 40093, 40094, 40095, 50708, 50735, 50736),
}
# In the others: CompressedBitsPerPixel, SubjectArea, MakerNote, PixelXDimension, PixelYDimension,
# FocalPlaneXResolution, FocalPlaneYResolution, FocalPlaneResolutionUnit, SubjectLocation, RelatedImageWidth,
# RelatedImageLength, and space that Windows fills up; and tags that point to directories which belong elsewhere.
OF_PIXELS = {0x9102, 0x9214, 0x927C, 0xA002, 0xA003, 0xA20E, 0xA20F, 0xA210, 0xA214, 0x1001, 0x1002, 0xEA1C, 0xEA1D}
POINTERS = {330, EXIF, GPS, INTEROP}
COLOUR_SPACE = 0xA001

BYTE, ASCII, SHORT, LONG, RATIONAL, SIGNED_RATIONAL, POINTER = 1, 2, 3, 4, 5, 10, 13
# Bytes of a number, by type.
UNITS = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 4, SIGNED_RATIONAL: 4, POINTER: 4}
UNITS |= {6: 1, 7: 1, 8: 2, 9: 4, 11: 4, 12: 8}  # signed, undefined, and floating-point numbers
SIZES = UNITS | {RATIONAL: 8, SIGNED_RATIONAL: 8}  # with two numbers each
EXPECTED = {282: (RATIONAL, 8), 283: (RATIONAL, 8), 296: (SHORT, 2)}  # or else Pillow may fail to open a JPEG


@dataclass(frozen=True)
class Value:
    """Value of a tag: its type, and its bytes in the order of its block."""

    kind: int
    data: bytes


Directory: TypeAlias = "dict[int, Value | Directory]"


@dataclass(frozen=True)
class Layout:
    """How directories are stored: with the low byte first or last, and with the longer numbers of a BigTIFF."""

    order: str
    big: bool = False

    @cached_property
    def count(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @cached_property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @cached_property
    def entry(self) -> struct.Struct:
        """Tag, type, number of values, and their bytes if they fit, or else their place."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    def pack(self, directory: Directory, at: int) -> bytes:
        """Bytes of a directory at that place of a file, with all that it holds."""
        end = at + self.count.size + len(directory) * self.entry.size + self.offset.size
        entries, rest = [self.count.pack(len(directory))], bytearray()
        for tag, value in sorted(directory.items(), key=itemgetter(0)):
            place = end + len(rest)
            if isinstance(value, dict):
                rest += self.pack(value, place)
                value = Value(LONG, struct.pack(self.order + "I", place))
            data = value.data
            if len(data) > self.offset.size:
                rest += data + bytes(len(data) % 2)
                data = self.offset.pack(place)
            entries.append(self.entry.pack(tag, value.kind, len(value.data) // SIZES[value.kind], data))
        return b"".join([*entries, self.offset.pack(0), rest])


@dataclass(frozen=True)
class Exif:
    """Tags that are kept, and their byte order."""

    order: str
    main: Directory

    def block(self) -> bytes:
        """All tags as a block that a file of any format holds."""
        layout = Layout(self.order)
        head = b"II*\0" if self.order == "<" else b"MM\0*"
        return head + layout.offset.pack(8) + layout.pack(self.main, 8)

    def ordered(self, order: str) -> Exif:
        """The same tags in that byte order."""
        return self if order == self.order else Exif(order, _swapped(self.main))

    def of_srgb(self) -> Exif:
        """The same tags for samples that were converted to sRGB from other colours, which the tags may name."""
        part = self.main.get(EXIF)
        if not isinstance(part, dict):
            return self
        space = Value(SHORT, struct.pack(self.order + "H", 1))
        changed: Directory = {tag: value for tag, value in part.items() if tag != INTEROP} | {COLOUR_SPACE: space}
        return replace(self, main=self.main | {EXIF: changed})


def _swapped(directory: Directory) -> Directory:
    return {
        tag: _swapped(value)
        if isinstance(value, dict)
        else Value(value.kind, np.frombuffer(value.data, f"u{UNITS[value.kind]}").byteswap().tobytes())
        for tag, value in directory.items()
    }


def parse(block: bytes) -> Exif | None:
    """EXIF in a block, with or without its prefix; None if it holds nothing to keep. Broken tags are left out."""
    return read(io.BytesIO(block.removeprefix(PREFIX).removeprefix(PREFIX)))  # some writers repeat it


def read(file: BinaryIO) -> Exif | None:
    """EXIF in a TIFF, or in a file of the same structure; None if it holds nothing to keep."""
    file.seek(0)
    head = file.read(16).ljust(16, b"\0")
    order = ORDERS.get(head[:2])
    if order is None:
        return None
    (version,) = struct.unpack(order + "H", head[2:4])
    if version not in VERSIONS:
        return None
    layout = Layout(order, version == BIG)
    (at,) = layout.offset.unpack(head[8:16] if layout.big else head[4:8])
    main = _Reader(file, layout).directory(at, MAIN)
    description, unit = main.get(DESCRIPTION), main.get(RESOLUTION[-1])
    if isinstance(description, Value) and description.data.startswith(OF_PROGRAMS):
        del main[DESCRIPTION]
    if isinstance(unit, Value) and unit.data.strip(b"\0") == b"\1":  # none, as in every TIFF that was given none
        main = {tag: value for tag, value in main.items() if tag not in RESOLUTION}
    return Exif(order, main) if main else None


class _Reader:
    """Directories in a file, which may claim anything: no more is read than a checkpoint holds."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self.file, self.layout = file, layout
        self.end = file.seek(0, io.SEEK_END)
        self.left = MAX_METADATA

    def take(self, at: int, size: int) -> bytes:
        """So many bytes at that place, or fewer where the file ends."""
        self.file.seek(min(at, self.end))
        return self.file.read(min(size, MAX_METADATA))

    def directory(self, at: int, part: int) -> Directory:
        """Directory at that place, with the first of several values of a tag."""
        found: Directory = {}
        for tag, kind, count, data in self.entries(at):
            size, is_part = count * SIZES.get(kind, 0), tag in PARTS.get(part, ())
            if tag in found or not 0 < size <= self.left or not (is_part or _is_kept(tag, kind, size, part)):
                continue
            if size > len(data):
                data = self.take(self.layout.offset.unpack(data)[0], size)
            if size > len(data):
                continue
            data = data[:size]
            self.left -= size
            found[tag] = self.directory(self.number(data), tag) if is_part else Value(kind, data)
        return {tag: value for tag, value in found.items() if value}

    def entries(self, at: int) -> list[tuple[int, int, int, bytes]]:
        """Tag, type, number of values, and bytes of each entry that is complete."""
        layout = self.layout
        head = self.take(at, layout.count.size)
        if len(head) < layout.count.size:
            return []
        data = self.take(at + len(head), self.number(head) * layout.entry.size)
        return list(layout.entry.iter_unpack(data[: len(data) - len(data) % layout.entry.size]))

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.layout.order == "<" else "big")


def _is_kept(tag: int, kind: int, size: int, part: int) -> bool:
    if kind == POINTER:
        return False
    if part == MAIN:
        return tag in DESCRIPTIVE and EXPECTED.get(tag, (kind, size)) == (kind, size)
    return tag not in OF_PIXELS and tag not in POINTERS
