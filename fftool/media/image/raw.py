"""Raw files of cameras, developed by LibRaw with the package rawpy, which is optional."""

from __future__ import annotations

from typing import BinaryIO

from fftool.errors import DamagedFileError, UnsupportedFileError
from fftool.media.image import exif
from fftool.media.image.decoded import Decoded, DecodeError, check_size, no_messages, optional_module

# Of Olympus, Panasonic, Fujifilm, Canon, Minolta and Sigma. `tiff` and `reading` recognize other raw files.
SIGNATURES = (
    *(b"IIRO", b"IIRS", b"MMOR"),
    b"IIU\0",
    b"FUJIFILMCCD-RAW",
    b"II\x1a\0\0\0HEAPCCDR",
    b"\0MRM",
    b"FOVb",
)
SRGB_CURVE = (2.4, 12.92)  # exponent, and slope near black


def decode(file: BinaryIO) -> Decoded:
    """Develop a raw file as viewers do: in sRGB and upright, with the camera's white balance.

    LibRaw sets the brightness so that a hundredth of the pixels is white. Without that, pictures are much darker than a
    viewer or the camera shows them.

    Raises DecodeError if rawpy is missing, or the file is too large, damaged or of an unknown camera.
    """
    rawpy = optional_module("rawpy", "rawpy", "a camera's raw file")
    file.seek(0)
    try:
        with no_messages(), rawpy.RawPy() as image:
            image.open_buffer(file)
            check_size(image.sizes.raw_width, image.sizes.raw_height)
            samples = image.postprocess(output_bps=16, use_camera_wb=True, gamma=SRGB_CURVE)
    except (rawpy.LibRawFileUnsupportedError, rawpy.LibRawNotImplementedError) as error:
        raise DecodeError(UnsupportedFileError, "a camera's raw file of a kind that LibRaw does not read") from error
    except rawpy.LibRawError as error:
        raise DecodeError(DamagedFileError, "damaged: LibRaw cannot develop this raw file") from error
    tags = exif.read(file)  # most raw files are built as a TIFF
    return Decoded(samples, exif=tags and tags.of_srgb().block())
