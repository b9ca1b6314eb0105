"""Media: kinds of signals, each in a folder of its own, and the registry that finds them.

A new medium is a subclass of `Medium` and one entry in `_MEDIA`, or a call of `register`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fftool.config import DEFAULT_MEDIUM, SignalConfig
from fftool.errors import FFToolError, shorten
from fftool.files import check_readable, is_zarr
from fftool.pipes import content

if TYPE_CHECKING:
    from fftool.holdout import Split
    from fftool.media.base import Medium
    from fftool.signal import Signal

START = 16  # bytes of a file that tell its medium


def _image() -> Medium:
    from fftool.media.image.medium import ImageMedium

    return ImageMedium()


def _audio() -> Medium:
    from fftool.media.audio.medium import AudioMedium

    return AudioMedium()


def _clip() -> Medium:
    from fftool.media.clip.medium import ClipMedium

    return ClipMedium()


def _volume() -> Medium:
    from fftool.media.volume.medium import VolumeMedium

    return VolumeMedium()


def _shape() -> Medium:
    from fftool.media.shape.medium import ShapeMedium

    return ShapeMedium()


# Asked in this order, so that images come last: they take every file, and say what is wrong with it.
_MEDIA: dict[str, Callable[[], Medium]] = {
    "audio": _audio,
    "volume": _volume,
    "clip": _clip,
    "shape": _shape,
    DEFAULT_MEDIUM: _image,
}


def register(name: str, factory: Callable[[], Medium]) -> None:
    """Add a medium, which is asked before all others whether it recognizes a file."""
    others = {other: make for other, make in _MEDIA.items() if other != name}
    _MEDIA.clear()
    _MEDIA.update({name: factory} | others)


def get(name: str = DEFAULT_MEDIUM) -> Medium:
    """The medium of that name. Raises FFToolError if there is none."""
    if name not in _MEDIA:
        raise FFToolError(f"unknown medium {shorten(repr(name))}: expected one of {', '.join(_MEDIA)}")
    return _MEDIA[name]()


def trainable(signal: Signal, split: Split | None) -> Signal:
    """The signal with the samples to train on: see `Medium.trainable`. As it is in an unknown medium, or if stored."""
    if signal.medium not in _MEDIA or signal.is_stored:
        return signal
    samples = get(signal.medium).trainable(signal.array, split)
    return signal if samples is signal.samples else replace(signal, samples=samples)


def names() -> tuple[str, ...]:
    """Names of all media, those of images first."""
    return tuple(reversed(_MEDIA))


def suffixes() -> tuple[str, ...]:
    """Suffixes of all formats that any medium writes."""
    return tuple(suffix for name in _MEDIA for suffix in get(name).suffixes)


def readable_suffixes() -> tuple[str, ...]:
    """Suffixes by which files in a folder are taken for signals of any medium, those of images first."""
    return tuple(suffix for name in names() for suffix in get(name).readable_suffixes)


def of(signal: SignalConfig) -> Medium:
    """The medium of a signal. Raises FFToolError if there is none, or the signal has other axes."""
    medium = get(signal.medium)
    if not medium.accepts(signal):
        raise FFToolError(
            f"the axes are {shorten(', '.join(signal.axes))}: "
            f"expected {', '.join(medium.axes)} for the medium {medium.name!r}"
        )
    return medium


def recognize(path: str | Path) -> Medium:
    """The medium of a file, by its content. Raises ReadError if it cannot be read."""
    path = Path(path)
    check_readable(path)
    if is_zarr(path):
        from fftool.media.zarr_folder import open_zarr

        return get("volume" if len(open_zarr(path).axes) > len(get().axes) else DEFAULT_MEDIUM)
    with content(path).open("rb") as file:
        start = file.read(START)
    return next(medium for name in _MEDIA if (medium := get(name)).recognizes(path, start))


def open(path: str | Path) -> Signal:
    """Signal in a file of any medium. Raises ReadError and MediaError."""
    return recognize(path).read(Path(path))
