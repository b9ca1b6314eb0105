"""fftool train: a picture into a checkpoint."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fftool.cli import options, terminal
from fftool.config import EncodingConfig, Holdout, TrainingResult
from fftool.files import check_writable

if TYPE_CHECKING:
    from fftool.signal import Signal
    from fftool.training import Progress


@options.with_settings
def train(
    picture: options.Picture,
    settings: options.Settings,
    output: Annotated[Path, typer.Option("--output", "-o", help="The checkpoint to write.")] = Path("model.st"),
    scale: options.Scale = EncodingConfig.scale,
    encoding: options.Encoding = EncodingConfig.kind,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Fit a network to a picture and save it as a checkpoint.

    Ctrl-C stops early and keeps what was learnt so far.
    """
    settings = replace(settings, encoding=replace(settings.encoding, kind=encoding, scale=scale))
    check_writable(output, picture)
    from fftool.media.image import read_image

    signal = read_image(picture)
    terminal.confirm_overwrite([output], overwrite)
    from fftool.checkpoint import save

    progress = _fit(signal, settings)
    save(progress.network, output)  # at once: measuring takes time on a large picture
    if interrupted := progress.step < progress.steps:
        terminal.note(f"Stopped after {progress.step} of {progress.steps} steps. What was learnt is in {output}.")
    try:
        result = _evaluate(progress, signal)
    except KeyboardInterrupt:
        terminal.note(f"Not measured. The network is in {output}.")
        raise
    save(progress.network, output)
    _show(progress, result, output, as_json)
    if interrupted:
        raise typer.Exit(130)


def _fit(signal: Signal, settings: options.Settings) -> Progress:
    from fftool.holdout import trained_cells
    from fftool.training import fit

    training = settings.training
    total = training.epochs * trained_cells(signal.shape, training.holdout)
    with terminal.interruptible() as interrupted, terminal.progress("Training", total) as report:
        for progress in fit(signal, settings.encoding, settings.network, training):
            report(progress.cells, partial(status, progress))
            if interrupted():
                break
    return progress


def status(progress: Progress) -> str:
    """Where training stands, in a few words."""
    epochs = progress.network.config.training.epochs
    epoch = min(progress.epochs + 1, epochs)
    return f"epoch {epoch}/{epochs}  loss {progress.loss:.3f}  {progress.psnr:.1f} dB"


def _evaluate(progress: Progress, signal: Signal) -> TrainingResult:
    from fftool.training import evaluate

    with terminal.progress("Measuring", signal.cells) as report:
        return evaluate(progress, signal, report)


def _show(progress: Progress, result: TrainingResult, output: Path, as_json: bool) -> None:
    config, rate = progress.network.config, progress.cells / progress.seconds
    if as_json:
        terminal.show_json(
            {
                "model": str(output),
                "psnr": result.psnr,
                "ssim": result.ssim,
                "holdout_psnr": result.holdout_psnr,
                "loss": result.loss,
                "seconds": progress.seconds,
                "epochs": result.epochs,
                "pixels_per_second": rate,
                "parameters": config.parameters,
                "device": config.training.device,
                "config": asdict(config),
            }
        )
        return
    terminal.show_rows(
        {
            **quality_rows(result, config.training.holdout),
            "time": f"{progress.seconds:.1f} s ({rate:,.0f} pixels/s on {config.training.device})",
            "parameters": f"{config.parameters:,}",
            "checkpoint": f"{output} ({terminal.file_size(output.stat().st_size)})",
        }
    )
    name = f"./{output}" if str(output).startswith("-") else str(output)
    terminal.note(f"Draw it at any size: fftool render {shlex.quote(name)} --size 500x500", style="dim")


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
