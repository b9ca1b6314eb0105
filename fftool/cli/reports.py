"""What came of a training: as rows for people, and as JSON."""

from __future__ import annotations

import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fftool.cli import terminal
from fftool.cli.batch import Result
from fftool.config import Config, EncodingConfig, Holdout, ScaleSearch, TrainingResult
from fftool.interrupts import exit_code

if TYPE_CHECKING:
    from fftool.training import Progress


@dataclass(frozen=True)
class Report:
    """A trained network in its file, and how it was trained, if that was just now."""

    config: Config
    result: TrainingResult
    output: Path
    progress: Progress | None = None

    @property
    def as_result(self) -> Result:
        """That of the job; a run that a Ctrl-C has left before its end gives its exit code."""
        stopped = self.progress is not None and self.progress.done < 1
        return Result(self._document, self._show, self._show_briefly, exit_code(signal.SIGINT) if stopped else 0)

    @property
    def _document(self) -> dict[str, Any]:
        config, progress, result = self.config, self.progress, self.result
        return {
            "model": str(self.output),
            "psnr": result.psnr,
            "ssim": result.ssim,
            "holdout_psnr": result.holdout_psnr,
            "loss": result.loss,
            "seconds": progress.seconds if progress else None,
            "epochs": result.epochs,
            "pixels_per_second": progress.rate if progress else None,
            "parameters": config.parameters,
            "device": config.training.device,
            "precision": config.training.precision,
            "scale_search": search_document(config.encoding, progress.scale_seconds if progress else None),
            "config": asdict(config),
        }

    def _show(self) -> None:
        config, progress, training = self.config, self.progress, self.config.training
        rows = scale_row(config.encoding, progress.scale_seconds if progress else None)
        rows |= quality_rows(self.result, training.holdout)
        if progress:
            how = f"{progress.rate:,.0f} pixels/s on {training.device}, in {training.precision}"
            rows["time"] = f"{progress.seconds:.1f} s ({how})"
        rows["parameters"] = f"{config.parameters:,}"
        rows["checkpoint"] = f"{self.output} ({terminal.file_size(self.output.stat().st_size)})"
        terminal.show_rows(rows)
        terminal.note(f"Draw it at any size: fftool render {terminal.typed(self.output)} --size 500x500", style="dim")
        _tell_if_missed(config, self.result)

    def _show_briefly(self) -> None:
        rows = quality_rows(self.result, self.config.training.holdout)
        terminal.say(self.output)
        terminal.note(", ".join(f"{name} {value}" for name, value in rows.items()), style="dim")


def scale_row(encoding: EncodingConfig, seconds: float | None = None) -> dict[str, str]:
    """How σ was chosen, as a row; none where somebody named it."""
    if (search := encoding.scale_search) is None:
        return {}
    took = "" if seconds is None else f", in {seconds:.2f} s"
    return {"scale": f"{search.chosen:g}, {how_chosen(encoding, search)}{took}"}


def how_chosen(encoding: EncodingConfig, search: ScaleSearch) -> str:
    """How σ was chosen, in a few words."""
    return (
        f"chosen for {encoding.scale_for}: {search.frequency:.3g} cycles a side on average, "
        f"seen with {search.rate:.3g} pixels a side"
    )


def search_document(encoding: EncodingConfig, seconds: float | None) -> dict[str, Any] | None:
    """How σ was chosen, as JSON; None where somebody named it."""
    return asdict(encoding.scale_search) | {"seconds": seconds} if encoding.scale_search else None


def _tell_if_missed(config: Config, result: TrainingResult) -> None:
    target, encoding = config.training.target_psnr, config.encoding
    if target is not None and result.psnr is not None and result.psnr < target:
        detailed = "--scale-for detail" if encoding.scale_search and encoding.scale_for == "resize" else "another scale"
        terminal.note(f"{target:g} dB were not reached. More epochs may do it, or {detailed}.")


def quality_rows(result: TrainingResult, holdout: Holdout) -> dict[str, str]:
    """PSNR and SSIM as people read them."""
    from fftool.metrics import decibels

    why = "no 7×7 window fits" if holdout in (None, "lattice") else "the trained pixels form no grid"
    rows = {
        "PSNR": decibels(result.psnr),
        "SSIM": f"none: {why}" if result.ssim is None else f"{result.ssim:.4f}",
    }
    if holdout is not None:
        rows["held-out PSNR"] = decibels(result.holdout_psnr)
    return rows
