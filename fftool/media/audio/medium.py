"""The audio medium: files to signals with the axis ("t",), and samples to files."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fftool.config import SignalConfig, ValueRange, ValueType
from fftool.errors import FormatError
from fftool.files import check_readable, replacing, source_name
from fftool.interrupts import uninterrupted
from fftool.media.audio import wav
from fftool.media.base import Bands, Format, Medium, Preview, read_values
from fftool.region import Region
from fftool.signal import RENDERED_DTYPES, Samples, Signal, as_samples, assemble
from fftool.values import from_samples

DEFAULT_RATE = 44_100  # Hz, of signals without one
# Types of a WAV's amplitudes: silence, and the distance of the loudest from it.
TYPES: dict[str, tuple[int, int]] = {
    "uint8": (128, 2**7), "int16": (0, 2**15), "int32": (0, 2**31), "float32": (0, 1), "float64": (0, 1),
}  # fmt: skip
MAX_FRAME, MAX_BYTES_PER_SECOND = 2**16, 2**32  # that the header of a WAV has room for


@dataclass(frozen=True, kw_only=True)
class WavFormat(Format):
    """WAV, whose header has room for the bytes of one sample over all channels."""

    def check(self, shape: tuple[int, ...], bits: int, quality: int | None = None) -> None:
        """Raise FormatError if a WAV cannot hold a sound with that shape (samples, channels)."""
        super().check(shape, bits, quality)
        most = (MAX_FRAME - 1) // 8
        if shape[-1] > most:
            raise FormatError("channels", f"{self.name} holds up to {most:,} channels, not {shape[-1]:,}")


class AudioMedium(Medium):
    """Sounds with any number of channels."""

    name = "audio"
    axes = ("t",)
    formats = (WavFormat(name="WAV", suffixes=(".wav", ".wave"), bits=(8, 16, 32)),)
    noun = "sound"
    simple_format = "WAV with 16 bits"

    def recognizes(self, path: Path, start: bytes) -> bool:
        return wav.is_wav(start)

    def read(self, path: Path) -> Signal:
        """Sound in a WAV, from its lowest to its highest amplitude. Raises ReadError and MediaError."""
        check_readable(path)
        rate, amplitudes = wav.decode(path)
        samples, values = read_values(path, amplitudes)
        return Signal(
            samples,
            axes=self.axes,
            source=source_name(path),
            medium=self.name,
            values=values,
            spacing=(1 / rate,),
        )

    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Bands,
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        """Write a sound with that shape (samples, channels), at the rate of the signal that is described.

        With 8 or 16 bits as integers, with 32 in the type of the original. Raises FormatError, SignalError and
        WriteError.
        """
        first = next(bands)
        bits = 8 * first.dtype.itemsize
        self.format_of(path).check(shape, bits, quality)
        samples = assemble(chain([first], bands), shape, bits)
        with replacing(path) as file:
            self.encode(file, samples, signal=signal)

    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        """Write samples with shape (samples, channels) as a WAV to an open file, which need not be seekable."""
        samples = as_samples(samples, "samples", "channels", dtypes=RENDERED_DTYPES.values())
        amplitudes, rate = _amplitudes(samples, signal), _rate(signal)
        if rate * amplitudes[0].nbytes >= MAX_BYTES_PER_SECOND:
            raise FormatError("size", f"WAV holds up to 4 GiB a second, and the sound has {rate:,} samples")
        wav.encode(file, rate, amplitudes)

    def previews(self, samples: Samples) -> list[Preview]:
        """Waveform and spectrogram."""
        with uninterrupted():
            from fftool.media.audio.pictures import spectrogram, waveform

        return [Preview(waveform(samples), "waveform"), Preview(spectrogram(samples), "spectrogram")]

    def describe(self, signal: SignalConfig) -> str:
        rate = _rate(signal)
        return f"{signal.shape[0] / rate:.4g} s at {rate:,} Hz, {super().describe(signal)}"

    def natural_shape(self, signal: SignalConfig, region: Region | None) -> tuple[float, ...]:
        """Shape at the signal's own rate, of a region too."""
        return (signal.shape[0] * region.extent[0],) if region else signal.shape

    def aligned(self, region: Region, signal: SignalConfig) -> Region:
        """The region from the beginning of a sample to the end of one, so that it has the signal's rate."""
        length = signal.shape[0]
        first = min(round(region.origin[0] * length), length - 1)
        end = max(round((region.origin[0] + region.extent[0]) * length), first + 1)
        return Region(origin=(first / length,), extent=((end - first) / length,))

    @property
    def example_size(self) -> str:
        return "200%"


def _rate(signal: SignalConfig | None) -> int:
    """Sample rate in Hz."""
    return max(1, round(1 / signal.spacing[0])) if signal and signal.spacing else DEFAULT_RATE


def _amplitudes(samples: Samples, signal: SignalConfig | None) -> wav.Amplitudes:
    """Amplitudes that samples stand for: integers for those of 8 or 16 bits, and for float32 in the original's type."""
    values = (signal and signal.values) or _full_range(samples)
    if samples.dtype == np.float32:
        dtype = values.dtype if values.dtype in TYPES else "float32"
    else:
        dtype = "uint8" if samples.dtype == np.uint8 else "int16"
    return from_samples(samples, _in_type(values, dtype))


def _full_range(samples: Samples) -> ValueRange:
    """Range of samples without one; integers are those of a WAV then, whose lowest is at -1."""
    step = 0 if samples.dtype == np.float32 else 2 / 2 ** (8 * samples.itemsize)
    return ValueRange(low=-1, high=1 - step, dtype="float32")


def _in_type(values: ValueRange, dtype: ValueType) -> ValueRange:
    """The same range of amplitudes in another type."""
    silence, peak = TYPES.get(values.dtype, TYPES["float32"])
    new_silence, new_peak = TYPES[dtype]
    low, high = (new_silence + (end - silence) / peak * new_peak for end in (values.low, values.high))
    return ValueRange(low=low, high=high, dtype=dtype)
