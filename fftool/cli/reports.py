"""Outcome of a training: as rows for people, and as JSON."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fftool import media
from fftool.checkpoint.format import search_document, to_builtins
from fftool.checks import format_number
from fftool.cli import terminal
from fftool.cli.jobs import Result
from fftool.cli.output import Output
from fftool.config import (
    BY_CHANGE,
    BY_SAMPLES,
    DEEP,
    Config,
    Encoding,
    ScaleSearch,
    SignalConfig,
    TrainingResult,
    finite,
    format_psnr,
)
from fftool.interrupts import exit_code
from fftool.models.capacity import SAMPLES_PER_PARAMETER, TILE_SIDES

if TYPE_CHECKING:
    from fftool.metrics import Quality
    from fftool.signal import Signal
    from fftool.training.trainer import Progress

FLAT = 1.0  # dB: a PSNR no higher above that of a constant is no fit


@dataclass(frozen=True)
class TrainingReport:
    """A trained network in its file, and its training, if that was just now."""

    config: Config
    outcome: TrainingResult
    output: Path
    progress: Progress | None = None

    @property
    def result(self) -> Result:
        """Result of the job; a run that Ctrl-C stopped before its end has an exit code."""
        stopped = self.progress is not None and self.progress.done < 1
        return Result(self._document, self._show, self._show_briefly, exit_code(signal.SIGINT) if stopped else 0)

    @property
    def _document(self) -> dict[str, Any]:
        config, progress, outcome = self.config, self.progress, self.outcome
        return {
            "model": str(self.output),
            "psnr": finite(outcome.psnr),
            "ssim": outcome.ssim,
            "holdout_psnr": finite(outcome.holdout_psnr),
            **shape_json(outcome),
            "exact": list(outcome.exact),
            "loss": outcome.loss,
            "seconds": progress.seconds if progress else None,
            "epochs": outcome.epochs,
            "pixels_per_second": progress.rate if progress else None,
            "parameters": config.n_parameters,
            "device": config.training.device,
            "precision": config.training.precision,
            "scale_search": search_json(config.encoding.search, progress.scale_seconds if progress else None),
            "config": to_builtins(config, outcome),
        }

    def _show(self, output: Output) -> None:
        config, progress, training = self.config, self.progress, self.config.training
        rows = signal_row(config.signal) | scale_row(config.encoding, progress.scale_seconds if progress else None)
        rows |= quality_rows(self.outcome, config)
        if progress:
            rate = f"{progress.rate:,.0f} {_unit(config)}/s"
            rows["time"] = f"{progress.seconds:.1f} s ({rate} on {training.device}, in {training.precision})"
        rows |= tile_row(config)
        rows["parameters"] = f"{config.n_parameters:,}"
        rows["checkpoint"] = f"{self.output} ({terminal.format_bytes(self.output.stat().st_size)})"
        output.rows(rows)
        size = media.get(config.signal.medium).example_size
        output.note(f"Next: fftool render {terminal.quote(self.output)} --size {size}")
        note_capacity(config)
        self._note_missed_target()

    def _show_briefly(self, output: Output) -> None:
        output.line(self.output)
        rows = signal_row(self.config.signal) | quality_rows(self.outcome, self.config)
        output.note(", ".join(f"{name} {value}" for name, value in rows.items()))

    def _note_missed_target(self) -> None:
        target, encoding, psnr = self.config.training.target_psnr, self.config.encoding, self.outcome.psnr
        if target < float("inf") and psnr is not None and psnr < target:
            detailed = encoding.search and encoding.scale_for == "resize"
            other = "--scale-for detail" if detailed else "another --scale"
            terminal.note(f"The target of {target:g} dB was not reached. More epochs may reach it, or {other}.")


def _unit(config: Config) -> str:
    return media.get(config.signal.medium).unit


def signal_row(signal: SignalConfig) -> dict[str, str]:
    """Row on the signal: its size, channels and bit depth."""
    medium = media.get(signal.medium)
    return {medium.noun: medium.describe(signal)}


def tile_row(config: Config) -> dict[str, str]:
    """Row on the tiles of a network; none where it has none."""
    if (tiles := config.tiles) is None:
        return {}
    count, size = ("x".join(map(str, reversed(each))) for each in (tiles.counts, tiles.tile))
    units = f", each with {config.network.hidden} units" if config.network.layers else ""
    return {"tiles": f"{count} of {size} {_unit(config)}, margin {tiles.margin}{units}"}


def scale_row(encoding: Encoding, seconds: float | None = None) -> dict[str, str]:
    """Row on how σ was chosen; none where it was given."""
    if (search := encoding.search) is None:
        return {}
    took = "" if seconds is None else f", in {seconds:.2f} s"
    scale = ",".join(map(format_number, encoding.scale))
    return {"scale": f"{scale}, {describe_search(encoding, search)}{took}"}


def describe_search(encoding: Encoding, search: ScaleSearch) -> str:
    """How σ was chosen, in a few words."""
    if search.method == BY_SAMPLES:
        return f"chosen for {encoding.scale_for} by the number of samples, as tiles have room for each"
    if search.method == BY_CHANGE:
        return f"chosen for {encoding.scale_for} by the tiles, and how fast the signal changes along each axis"
    return (
        f"chosen for {encoding.scale_for}: mean frequency {search.frequency:.3g} cycles per side, "
        f"at {search.rate:.3g} samples per side"
    )


def search_json(search: ScaleSearch | None, seconds: float | None) -> dict[str, Any] | None:
    """How σ was chosen, as JSON; None where it was given."""
    return msgspec.to_builtins(search_document(search)) | {"seconds": seconds} if search else None


def scale_json(scale: Iterable[float]) -> float | list[float] | None:
    """σ as JSON: a number, a list with one for each axis, or None where it is not used."""
    scales = list(scale)
    return scales if len(scales) > 1 else scales[0] if scales else None


def quality_rows(result: TrainingResult, config: Config) -> dict[str, str]:
    """PSNR and SSIM as users read them; signals with a single axis have no SSIM."""
    if result.iou is not None:
        return {"IoU": f"{result.iou:.4f}, and {result.near_iou:.4f} near the surface"}
    holdout = config.training.holdout
    reason = "no 7×7 window fits" if holdout in ("none", "lattice") else "the trained samples form no grid"
    rows = {"PSNR": _psnr_text(result.psnr)}
    if len(config.signal.axes) > 1:
        rows["SSIM"] = f"none: {reason}" if result.ssim is None else f"{result.ssim:.4f}"
    if holdout != "none":
        rows["held-out PSNR"] = _psnr_text(result.holdout_psnr)
    return rows


def shape_json(figures: TrainingResult | Quality) -> dict[str, float | None]:
    """The figures that only shapes have."""
    return {} if figures.iou is None else {"iou": figures.iou, "near_iou": figures.near_iou}


def note_capacity(config: Config) -> None:
    """Say so where a network is small for its signal, and what to type."""
    signal, tile = config.signal, config.network.tile
    n_samples = prod(signal.shape)
    sides = TILE_SIDES.get(len(signal.shape))
    if sides is None or n_samples <= SAMPLES_PER_PARAMETER * config.n_parameters:
        return
    smallest = sides[0][1]
    side = max(min(tile) // 2, smallest) if tile else smallest
    terminal.note(
        f"{config.n_parameters:,} parameters are few for {n_samples:,} {_unit(config)}. For finer detail: --tile {side}"
    )


def note_flat(name: str, config: Config, psnr: float | None, signal: Signal) -> None:
    """Say so where a deep network fits its signal hardly better than a constant."""
    if config.network.layers <= DEEP or psnr is None or signal.is_stored:
        return
    from fftool.metrics import flat_psnr

    flat = flat_psnr(signal.array)
    if psnr < flat + FLAT < math.inf:
        terminal.note(
            f"{name} is hardly better than a constant, of {flat:.1f} dB. More epochs may help, or fewer --layers."
        )


def _psnr_text(psnr: float | None) -> str:
    return "not measured" if psnr is None else format_psnr(psnr)
