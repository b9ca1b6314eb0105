"""Signals as the viewer shows them."""

from __future__ import annotations

from typing import Any

from fftool import media
from fftool.config import Config, SignalConfig
from fftool.errors import ExportError, SignalError
from fftool.media.base import Scene

MAX_CHANNELS = 4
MAX_BYTES = 375_000_000  # of weights: Chromium has no texts of 2^29 characters or more


def check_size(config: Config) -> None:
    """Raise ExportError for a network that is too large for a page."""
    size = 4 * config.n_parameters
    if size > MAX_BYTES:
        problem = f"a page holds networks of up to {MAX_BYTES / 1e6:.0f} MB, and this one has {size / 1e6:,.0f} MB"
        raise ExportError(problem)


def check_viewable(signal: SignalConfig) -> Scene:
    """The scene of a signal. Raises SignalError for one that a browser cannot show."""
    medium = media.of(signal)
    scene = medium.scene(signal)
    if scene is None:
        raise SignalError(f"the signal is a {medium.noun}, which has no plane to show: expected an image or a clip")
    if signal.channels > MAX_CHANNELS:
        raise SignalError(f"the signal has {signal.channels} channels: expected at most {MAX_CHANNELS} to show")
    return scene


def scene_document(signal: SignalConfig) -> dict[str, Any]:
    """Signal as the viewer's scene.js takes it: axes in coordinate order."""
    scene, last = check_viewable(signal), len(signal.axes) - 1
    values = signal.values if signal.values and not signal.values.mu else None
    return {
        "axes": [
            {"name": name, "length": length, "worldLength": shown}
            for name, length, shown in zip(
                reversed(signal.axes), reversed(signal.shape), reversed(scene.lengths), strict=True
            )
        ],
        "planes": [
            {
                "name": plane.name,
                "rows": last - plane.rows,
                "columns": last - plane.columns,
                "isFlipped": plane.is_flipped,
            }
            for plane in scene.planes
        ],
        "rate": scene.rate,
        "channels": signal.channels,
        "low": values.low if values else 0,
        "high": values.high if values else 2**signal.bits - 1,
        "isInteger": values is None,
    }
