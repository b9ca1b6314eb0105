"""WAV, read and written by scipy. Amplitudes are arrays with shape (samples, channels), in the type that a file has."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal

from numpy.typing import NDArray

from fftool.decoding import decoding
from fftool.errors import DamagedFileError, LargeFileError, UnsupportedFileError
from fftool.interrupts import uninterrupted
from fftool.pipes import content

Amplitudes = NDArray[Any]

SIGNATURES = (b"RIFF", b"RIFX", b"RF64")
MAX_SAMPLES = 2**26  # over all channels: 25 minutes of one at 44.1 kHz
MAX_BYTES = 8 * MAX_SAMPLES + 2**20
UNKNOWN_SIZE = 2**31 - 2**16  # bytes: what writes to a pipe claims so many or more, as it cannot know
UNSUPPORTED = re.compile(r"(?:Unknown wave file format: |Unsupported bit depth: the WAV file has )([^.]*)")  # of scipy


def is_wav(start: bytes) -> bool:
    """Whether a file begins as a WAV does."""
    return start.startswith(SIGNATURES) and start[8:12] == b"WAVE"


def decode(path: Path) -> tuple[int, Amplitudes]:
    """Sample rate in Hz, and amplitudes, with 24-bit integers as 32-bit ones. Raises MediaError."""
    file = content(path)
    if (size := file.stat().st_size) > MAX_BYTES:
        raise LargeFileError(path, f"too long: {size:,} bytes, expected at most {MAX_BYTES:,}")
    data = file.read_bytes()
    if any(name == b"data" and end > len(data) for name, end in _chunks(data)):
        raise DamagedFileError(path, "damaged: the sound is cut short")  # scipy would fill it up, or not tell
    rate, amplitudes = _read(path, data)
    if amplitudes.size == 0 or rate == 0:
        raise DamagedFileError(path, f"damaged: {'the sample rate is 0' if rate == 0 else 'the sound has no samples'}")
    if amplitudes.size > MAX_SAMPLES:
        raise LargeFileError(path, f"too long: {amplitudes.size:,} samples, expected at most {MAX_SAMPLES:,}")
    return rate, amplitudes.reshape(len(amplitudes), -1)


def _read(path: Path, data: bytes) -> tuple[int, Amplitudes]:
    with uninterrupted():
        from scipy.io import wavfile

    with decoding(path, "the sound"), warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of chunks that it does not know
        try:
            rate, amplitudes = wavfile.read(BytesIO(data))
        except ValueError as error:
            if found := UNSUPPORTED.match(str(error)):
                raise UnsupportedFileError(path, f"its samples are {found[1]}, expected PCM or float") from error
            raise
    return rate, amplitudes


def encode(file: BinaryIO, rate: int, amplitudes: Amplitudes) -> None:
    """Write a sound to an open file, which need not be seekable."""
    with uninterrupted():
        from scipy.io import wavfile

    whole = BytesIO()  # as scipy returns to the header
    wavfile.write(whole, rate, amplitudes)
    file.write(whole.getbuffer())


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Name of each chunk of a WAV, and the position of its end; the end of the file for one of unknown size."""
    order: Literal["little", "big"] = "big" if data.startswith(b"RIFX") else "little"
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], order)
        if data.startswith(b"RF64") and name == b"data":
            size = int.from_bytes(data[28:36], order)  # behind the size of the whole file
        elif size >= UNKNOWN_SIZE:
            size = len(data) - position - 8
        end = position + 8 + size
        yield name, end
        position = end + size % 2
