"""Video by PyAV, as a player shows it: upright, with the colours that its matrix and its range stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fftool.errors import DamagedFileError, MissingPackageError, UnsupportedFileError
from fftool.interrupts import uninterrupted
from fftool.media.clip.decoded import Frames, check_size, note, stacked, timed
from fftool.media.clip.timing import as_fraction, constant
from fftool.pipes import content
from fftool.signal import Samples

PACKAGE, EXTRA = "av", "video"
# ISO files whose main brand is that of images, which are read as such.
IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"crx ")
ISO_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip")
SIGNATURES = (
    b"\x1a\x45\xdf\xa3",  # Matroska and WebM
    b"\0\0\1\xba", b"\0\0\1\xb3",  # MPEG
    b"FLV\1", b"OggS", b"YUV4MPEG2", b"\x30\x26\xb2\x75",
)  # fmt: skip
STREAM_SUFFIXES = (".ts", ".mts", ".m2ts")  # of MPEG transport streams, whose signature is one byte
HD_HEIGHT = 720  # rows from which players take colours without a matrix for those of HDTV
HDR_TRANSFERS = (16, 18)
UNSPECIFIED = 2  # matrix of colours
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own ones drop alpha


@dataclass(frozen=True)
class Encoding:
    """A codec in a container, its pixel formats by the number of channels, and its options."""

    container: str
    codec: str
    pixels: dict[int, str]
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    sharpest: int = 0  # CRF for a quality of 100; without loss if the codec has none
    slope: float = 0.0


H264 = partial(
    Encoding,
    codec="libx264",
    pixels={1: "yuv420p", 3: "yuv420p"},
    options={"x264-params": "chromaloc=1"},  # colours are those of 2×2 pixels, and not of their left half
    sharpest=8,
    slope=0.5,
)
ENCODINGS = {
    ".mp4": H264("mp4"),
    ".mov": H264("mov"),
    ".webm": Encoding("webm", "libvpx-vp9", {1: "yuv420p", 3: "yuv420p", 4: "yuva420p"}, sharpest=8, slope=0.6),
    ".mkv": Encoding("matroska", "ffv1", {1: "gray", 3: "bgr0", 4: "bgra"}),
}
STREAMED = H264("mp4", container_options={"movflags": "frag_keyframe+empty_moov"})  # to a pipe


def recognizes(path: Path, start: bytes) -> bool:
    """Whether a file is a video, by its first 16 bytes."""
    if start[4:8] == b"ftyp":
        return start[8:12] not in IMAGE_BRANDS
    if start.startswith(b"RIFF"):
        return start[8:12] == b"AVI "
    if start.startswith(b"\x47"):
        return path.suffix.lower() in STREAM_SUFFIXES
    return start[4:8] in ISO_BOXES or start.startswith(SIGNATURES)


def decode(path: Path) -> Frames:
    """Frames of the first video stream, in 16 bits where it has more than 8. Warns of sound, which is left out."""
    av = _package(path)
    with av.open(str(content(path))) as container:
        stream = _video_stream(path, av, container)
        context = stream.codec_context
        length = float((stream.duration or 0) * stream.time_base) or (container.duration or 0) / av.time_base
        count = stream.frames or length * float(stream.average_rate or 0)
        check_size(path, count, context.width, context.height, 3)
        times: list[tuple[float, float]] = []
        frames = stacked(path, _frames(path, container, stream, times))
        likely = float(stream.average_rate) if stream.average_rate else None
        if container.streams.audio:
            note(path, "its sound is left out")
    starts = [start for start, _ in times]
    step = 1 / likely if likely else 0.0
    return timed(path, frames, constant(starts, starts[-1] + (times[-1][1] or step), likely))


def _video_stream(path: Path, av: ModuleType, container: Any) -> Any:
    """The first stream that is no picture attached to a song. Raises UnsupportedFileError for none, and for HDR."""
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise UnsupportedFileError(path, "has no video, expected a stream of frames")
    stream = streams[0]
    if stream.codec_context.color_trc in HDR_TRANSFERS:
        raise UnsupportedFileError(path, "is HDR video (PQ or HLG), expected one of standard range")
    if stream.sample_aspect_ratio not in (None, 0, 1):
        note(path, f"its pixels are not square ({stream.sample_aspect_ratio}), and are shown so here")
    return stream


def _package(path: Path) -> ModuleType:
    try:
        with uninterrupted():
            av = import_module(PACKAGE)
    except ImportError as error:
        raise MissingPackageError(
            path, f"is a video, which takes the package {PACKAGE} to read", PACKAGE, EXTRA
        ) from error
    av.logging.set_level(av.logging.PANIC)  # errors are raised, and warnings would stand between ours
    return av


def _frames(path: Path, container: Any, stream: Any, times: list[tuple[float, float]]) -> Iterator[NDArray[Any]]:
    """Frames as they are shown; start and duration of each, in seconds, are added to `times`."""
    av = import_module(PACKAGE)
    reformat = _reformatter(av)
    for frame in _decoded(path, av, container, stream):
        base = float(frame.time_base or 0)
        start = frame.pts * base if frame.pts is not None else (times[-1][0] + times[-1][1] if times else 0.0)
        times.append((start, (frame.duration or 0) * base))
        yield np.rot90(_shown(frame, reformat), frame.rotation // 90)  # both turn to the left


def _reformatter(av: ModuleType) -> Any:
    """Function that converts frames and interpolates their colours, as players do; it would repeat them by default."""
    flags = av.video.reformatter.Interpolation
    exact = flags.FULL_CHR_H_INT | flags.FULL_CHR_H_INP | flags.ACCURATE_RND | flags.BITEXACT
    return partial(av.video.reformatter.VideoReformatter().reformat, interpolation=int(flags.BICUBIC | exact))


def _decoded(path: Path, av: ModuleType, container: Any, stream: Any) -> Iterator[Any]:
    """Frames as they are stored. Raises DamagedFileError where a file ends before its index does."""
    # Threads for whole frames wait for each other for ever, now and then, where a file ends early.
    stream.thread_type = "SLICE"
    has_alpha = stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1"
    decoder = stream.codec_context
    if has_alpha and decoder.name in ALPHA_DECODERS:
        decoder = av.CodecContext.create(ALPHA_DECODERS[decoder.name], "r")
        decoder.extradata = stream.codec_context.extradata
    for packet in container.demux(stream):
        if packet.is_corrupt and stream.frames:  # a stream without an index may begin and end anywhere
            raise DamagedFileError(path, "damaged: the video is cut short")
        yield from decoder.decode(packet)


def _shown(frame: Any, reformat: Any) -> NDArray[Any]:
    """Samples of a frame with shape (y, x, channels), in full range."""
    components = frame.format.components
    is_deep = max(component.bits for component in components) > 8
    has_alpha = any(component.is_alpha for component in components)
    is_grey = len(components) == 1 and not frame.format.has_palette
    if is_grey:
        target = "gray16le" if is_deep else "gray"
    else:
        target = {(0, 0): "rgb24", (0, 1): "rgba", (1, 0): "rgb48le", (1, 1): "rgba64le"}[is_deep, has_alpha]
    spaces = {}
    if not frame.format.is_rgb and frame.colorspace == UNSPECIFIED:
        spaces["src_colorspace"] = "ITU709" if frame.height >= HD_HEIGHT else "ITU601"
    samples: NDArray[Any] = reformat(frame, format=target, dst_color_range="JPEG", **spaces).to_ndarray()
    return samples if samples.ndim == 3 else samples[..., np.newaxis]


def encode(
    file: BinaryIO, encoding: Encoding, frames: Iterator[Samples], shape: tuple[int, ...], rate: float, quality: int
) -> None:
    """Write frames with shape (y, x, channels), uint8, of a clip with shape (t, y, x, channels)."""
    av = import_module(PACKAGE)
    _, height, width, channels = shape
    pixels = encoding.pixels[channels]
    if pixels == "yuv420p" and encoding.codec == "libx264" and (height % 2 or width % 2):
        pixels = "yuv444p"  # which has sides that are odd
    options = dict(encoding.options)
    if encoding.slope:
        options["crf"] = str(round(encoding.sharpest + encoding.slope * (100 - quality)))
    container_options = {"fflags": "+bitexact"} | encoding.container_options  # or a Matroska file has a random number
    with av.open(file, "w", format=encoding.container, options=container_options) as container:
        stream = container.add_stream(encoding.codec, rate=as_fraction(rate), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.bit_rate = 0  # or that of VP9 is limited, whatever its quality
        if pixels.startswith("yuv"):
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
            context.color_range = 1  # limited
        reformat = _reformatter(av)
        for i, samples in enumerate(frames):
            frame = _frame(av, samples, pixels, reformat)
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _frame(av: ModuleType, samples: Samples, pixels: str, reformat: Any) -> Any:
    kinds = {1: "gray", 3: "rgb24", 4: "rgba"}
    frame = av.VideoFrame.from_ndarray(
        samples[..., 0] if samples.shape[-1] == 1 else samples, format=kinds[samples.shape[-1]]
    )
    if not pixels.startswith("yuv"):
        return reformat(frame, format=pixels)
    found = reformat(frame, format=pixels, dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG")
    found.colorspace, found.color_range = 1, 1
    return found
