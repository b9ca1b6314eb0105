"""The clip medium: files to signals with axes ("t", "y", "x"), and samples to files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from io import BytesIO
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from fftool.config import DEFAULT_QUALITY, SignalConfig, ViewOptions
from fftool.decoding import decoding
from fftool.errors import SettingError, UnsupportedFileError
from fftool.files import check_readable, replacing, source_name
from fftool.interrupts import uninterrupted
from fftool.media.base import DECIMAL, WHOLE_NUMBER, Bands, Format, Grid, Medium, Plane, Preview, Scene, View, in_order
from fftool.media.clip.decoded import Frames, check_size, whole_frames
from fftool.media.clip.formats import FORMATS, IMAGE, ClipFormat, FramesFormat, frames_format, is_pattern
from fftool.media.clip.timing import DEFAULT_RATE, rate_of
from fftool.media.clip.video import ENCODINGS, PACKAGE, STREAMED
from fftool.media.image.formats import READABLE_SUFFIXES
from fftool.media.image.medium import read_image
from fftool.region import Region
from fftool.signal import Samples, Signal, as_samples

READABLE = (
    ".mp4",
    ".m4v",
    ".mov",
    ".webm",
    ".mkv",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".flv",
    ".ogv",
    ".wmv",
    ".apng",
)
INSTANT = 1e-6  # extent in time of a single frame, in which its one sample lies
N_PREVIEWS = 3


class ClipMedium(Medium):
    """Clips of grey or coloured frames, with alpha or without."""

    name = "clip"
    axes = ("t", "y", "x")
    formats = FORMATS
    noun = "clip"
    unit = "samples"
    short_unit = "samples"
    simple_format = "MP4 or GIF"
    reduction = "make a part of it first, or smaller frames: ffmpeg -i {path} -t 10 -vf scale=640:-2 part.mp4"
    profile_unit = "frame"
    view_options = ("size", "crop", "fps", "time_range", "frame")

    @property
    def readable_suffixes(self) -> tuple[str, ...]:
        return READABLE

    @property
    def suffix(self) -> str:
        """Suffix of the default format: a video where it can be written, or else an animation."""
        return ".mp4" if find_spec(PACKAGE) else ".webp"

    def recognizes(self, path: Path, start: bytes) -> bool:
        with uninterrupted():
            from fftool.media.clip import animation, video

        return video.recognizes(path, start) or animation.recognizes(path, start)

    def read(self, path: Path) -> Signal:
        """Clip in a video or an animation, by its content. Raises ReadError and MediaError.

        Warns (FFToolWarning) where its frame rate varied, and of sound.
        """
        check_readable(path)
        frames = _decode(path)
        return self._signal(source_name(path), frames)

    def is_series(self, paths: Sequence[Path]) -> bool:
        """Whether several files are the frames of one clip: images."""
        return len(paths) > 1 and all(path.suffix.lower() in READABLE_SUFFIXES for path in paths)

    def read_series(self, paths: Sequence[Path]) -> Signal:
        """Clip of images, at 25 frames per second. Raises MediaError and ReadError."""
        paths = in_order(paths)
        first = read_image(paths[0])
        height, width = first.shape
        check_size(paths[0], len(paths), width, height, first.channels * first.bits // 8)
        samples = np.empty((len(paths), *first.samples.shape), first.samples.dtype)
        for t, path in enumerate(paths):
            image = read_image(path) if t else first
            if (image.samples.shape, image.samples.dtype) != (first.samples.shape, first.samples.dtype):
                found, expected = map(IMAGE.describe, (image.config, first.config))
                raise UnsupportedFileError(path, f"has {found}, expected {expected}, as {paths[0].name} has")
            samples[t] = image.samples
        return self._signal(source_name(paths[0].parent), Frames(samples, DEFAULT_RATE))

    def _signal(self, source: str, frames: Frames) -> Signal:
        spacing = (1 / frames.rate, 1.0, 1.0)
        return Signal(frames.samples, axes=self.axes, source=source, medium=self.name, spacing=spacing)

    def format_of(self, path: Path) -> Format:
        """Format that a path names by its suffix, or by a pattern for numbered frames. Raises FormatError."""
        return frames_format(path) if is_pattern(path) else super().format_of(path)

    def outputs(self, path: Path, shape: tuple[int, ...]) -> list[Path]:
        """The files of numbered frames, or the one of a clip."""
        return [path.with_name(path.name % t) for t in range(shape[0])] if is_pattern(path) else [path]

    def write(
        self,
        path: Path,
        shape: tuple[int, ...],
        bands: Bands,
        *,
        signal: SignalConfig | None = None,
        quality: int | None = None,
    ) -> None:
        """Write a clip with that shape (t, y, x, channels) frame by frame, at the rate of the signal.

        MP4 and QuickTime are H.264, WebM is VP9, and Matroska is FFV1, which has no loss. Raises FormatError,
        SettingError and WriteError.
        """
        first = next(bands)
        clip_format = self.format_of(path)
        clip_format.check(shape, 8 * first.dtype.itemsize, quality)
        frames = whole_frames(chain([first], bands), shape)
        if isinstance(clip_format, FramesFormat):
            for file, frame in zip(self.outputs(path, shape), frames, strict=True):
                IMAGE.write(file, frame.shape, iter([frame]), quality=quality)
            return
        with replacing(path) as output:
            _encode(output, path.suffix.lower(), cast(ClipFormat, clip_format), frames, shape, rate_of(signal), quality)

    def encode(self, file: BinaryIO, samples: Samples, *, signal: SignalConfig | None = None) -> None:
        """Write samples with shape (t, y, x, channels) to an open file, which need not be seekable."""
        samples = as_samples(samples, *self.axes, "channels")
        self.format_of(Path(f"a{self.suffix}")).check(samples.shape, 8 * samples.itemsize)
        with uninterrupted():
            from fftool.media.clip import animation, video

        whole, rate = BytesIO(), rate_of(signal)
        if find_spec(PACKAGE):
            video.encode(whole, STREAMED, iter(samples), samples.shape, rate, DEFAULT_QUALITY)
        else:
            animation.encode(whole, "WEBP", iter(samples), len(samples), rate, None)
        file.write(whole.getbuffer())

    def scene(self, signal: SignalConfig) -> Scene:
        """The frames, at their rate."""
        return Scene((Plane(rows=1, columns=2),), signal.shape, rate_of(signal))

    def view(self, signal: SignalConfig, options: ViewOptions) -> View:
        """What those options draw: a clip, or one frame of it as an image. Raises SettingError."""
        self.check_view_options(options)
        space = IMAGE.parse_crop(options.crop) if options.crop is not None else None
        if options.frame is not None:
            return self._frame_view(signal, options, space)
        start, end = (0, signal.shape[0])
        if options.time_range is not None:
            start, end = parse_time_range(options.time_range, signal.shape[0], rate_of(signal))
        region = None
        if space or options.time_range is not None:
            part = space or Region((0.0, 0.0), (1.0, 1.0))
            n = signal.shape[0]
            region = Region((*part.origin, start / n), (*part.extent, (end - start) / n))
        n_frames = end - start
        if options.fps is not None:
            n_frames = max(1, round(n_frames * options.fps / rate_of(signal)))
        shape = self.parse_size(options.size or "100%", (n_frames, *_natural_frame(signal, space)))
        written = signal.resampled(shape, region.extent if region else ())
        if options.fps is not None and written.spacing:
            written = replace(written, spacing=(1 / options.fps, *written.spacing[1:]))
        return View(self, written, (Grid(shape, region),))

    def _frame_view(self, signal: SignalConfig, options: ViewOptions, space: Region | None) -> View:
        if options.fps is not None or options.time_range is not None:
            raise SettingError(
                "frame", options.frame, "none beside a frame rate or a time range, as it is a still image"
            )
        n, frame = signal.shape[0], cast(float, options.frame)
        if not 0 <= frame <= n - 1:
            raise SettingError("frame", frame, f"a number from 0 to {n - 1}, or one between two frames")
        shape = IMAGE.parse_size(options.size or "100%", _natural_frame(signal, space))
        part = space or Region((0.0, 0.0), (1.0, 1.0))
        origin = min(max((frame + 0.5) / n - INSTANT / 2, 0.0), 1 - INSTANT)
        region = Region((*part.origin, origin), (*part.extent, INSTANT))
        return View(
            IMAGE, replace(_frame_config(signal), shape=shape), (Grid((1, *shape), region),), name=f"frame{frame:g}"
        )

    def parse_size(self, text: str, natural: Sequence[float]) -> tuple[int, ...]:
        """Shape that a size means: 640x480x120, or one of a frame, 640x480, 800 or 200%, with all frames."""
        if re.fullmatch(f"{WHOLE_NUMBER}([xX×]{WHOLE_NUMBER}){{2}}", text):
            return super().parse_size(text, natural)
        try:
            return max(1, round(natural[0])), *IMAGE.parse_size(text, natural[1:])
        except SettingError:
            raise SettingError("size", repr(text), self.expected_size) from None

    @property
    def expected_size(self) -> str:
        return "WIDTHxHEIGHT, WIDTHxHEIGHTxFRAMES, a longest side such as 800, or a percentage such as 200%"

    @property
    def example_size(self) -> str:
        return "200%"

    def previews(self, samples: Samples) -> list[Preview]:
        """The first frame, the one in the middle, and the last one."""
        n = len(samples)
        chosen = sorted({round(i * (n - 1) / (N_PREVIEWS - 1)) for i in range(N_PREVIEWS)})
        return [Preview(samples[t], f"frame {t}") for t in chosen]

    def trainable(self, samples: Samples, split: object = None) -> Samples:
        """Each frame as an image has it: with its visible colours bled into the invisible part."""
        if split is not None or samples.shape[-1] not in (2, 4):
            return samples
        bled: NDArray[Any] = np.stack([IMAGE.trainable(frame) for frame in samples])
        return bled

    def visible(self, samples: Samples) -> Samples:
        """The frames with their colours multiplied by alpha."""
        if samples.shape[-1] not in (2, 4):
            return samples
        shown: NDArray[Any] = np.stack([IMAGE.visible(frame) for frame in samples])
        return shown

    def describe(self, signal: SignalConfig) -> str:
        """Signal in words: 176x144 pixels, 120 frames at 29.97 per second, 3 × 8 bits."""
        n, *frame = signal.shape
        size = f"{IMAGE.describe_size(frame)}, {n:,} frames at {rate_of(signal):.4g} per second"
        return f"{size}, {signal.channels} × {signal.bits} bits"


def parse_time_range(text: str, n_frames: int, rate: float) -> tuple[int, int]:
    """First frame and the one behind the last of a part: 1s..3s, 10..20 or 50%.. . Raises SettingError."""
    expected = f"a part of the clip in seconds, frames or percent, such as 1s..3s; it has {n_frames / rate:.4g} s"
    found = re.fullmatch(rf"(?:({DECIMAL})(s|%|))?\.\.(?:({DECIMAL})(s|%|))?", text)
    if not found:
        raise SettingError("time range", repr(text), expected)
    units = {"s": rate, "%": n_frames / 100, "": 1.0}
    start = float(found[1]) * units[found[2]] if found[1] else 0.0
    end = float(found[3]) * units[found[4]] if found[3] else inf
    first, last = round(start), round(min(end, n_frames))
    if not 0 <= first < last:
        raise SettingError("time range", repr(text), expected)
    return first, last


def _frame_config(signal: SignalConfig) -> SignalConfig:
    """Description of a frame as an image."""
    return replace(
        signal, axes=IMAGE.axes, shape=signal.shape[1:], medium=IMAGE.name, spacing=(), metadata={}, sha256=""
    )


def _natural_frame(signal: SignalConfig, space: Region | None) -> tuple[float, ...]:
    return IMAGE.natural_shape(_frame_config(signal), space)


def _decode(path: Path) -> Frames:
    with uninterrupted():
        from fftool.media.clip import animation, video
        from fftool.pipes import content

    with decoding(path, "the clip"):
        with content(path).open("rb") as file:
            is_video = video.recognizes(path, file.read(16))
        return video.decode(path) if is_video else animation.decode(path)


def _encode(
    file: BinaryIO,
    suffix: str,
    clip_format: ClipFormat,
    frames: Iterator[Samples],
    shape: tuple[int, ...],
    rate: float,
    quality: int | None,
) -> None:
    with uninterrupted():
        from fftool.media.clip import animation, video

    if clip_format.animation:
        animation.encode(file, clip_format.animation, frames, shape[0], rate, quality)
    else:
        encoding = ENCODINGS[clip_format.suffixes[0]]
        video.encode(file, encoding, frames, shape, rate, DEFAULT_QUALITY if quality is None else quality)
