"""fftool train: a picture into a checkpoint."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fftool.cli import options, terminal
from fftool.config import Config, EncodingConfig, Holdout, ScaleSearch, TrainingResult
from fftool.files import check_writable

if TYPE_CHECKING:
    from fftool.signal import Signal
    from fftool.training import Progress


@options.with_settings
def train(
    context: typer.Context,
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
    options.check_scale_for(context, [settings.encoding])
    check_writable(output, picture)
    from fftool.media.image import read_image

    signal = read_image(picture)
    terminal.confirm_overwrite([output], overwrite)
    from fftool.checkpoint import save

    progress = _fit(signal, settings)
    save(progress.network, output)  # at once: measuring takes time on a large picture
    if interrupted := progress.done < 1:
        terminal.note(f"Stopped at {progress.done:.0%}. What was learnt is in {output}.")
    try:
        result = _evaluate(progress, signal)
    except KeyboardInterrupt:
        terminal.note(f"Not measured. The network is in {output}.")
        raise
    save(progress.network, output)
    _show(progress, result, output, as_json)
    _tell_if_missed(progress.network.config, result)
    if interrupted:
        raise typer.Exit(130)


def _fit(signal: Signal, settings: options.Settings) -> Progress:
    from fftool.training import fit

    with terminal.interruptible() as interrupted, terminal.progress("Training", 1) as report:
        for progress in fit(signal, settings.encoding, settings.network, settings.training):
            report(progress.done, partial(status, progress))
            if interrupted():
                break
    return progress


def status(progress: Progress) -> str:
    """Where training stands, in a few words."""
    training = progress.network.config.training
    epoch = progress.epochs + (progress.done < 1)
    of = "" if training.seconds else f"/{training.epochs}"
    rate = terminal.pixel_rate(progress.cells / progress.seconds)
    return f"epoch {epoch}{of}  loss {progress.loss:.3f}  {progress.psnr:.1f} dB  {rate}"


def _evaluate(progress: Progress, signal: Signal) -> TrainingResult:
    from fftool.training import evaluate

    with terminal.progress("Measuring", signal.cells) as report:
        return evaluate(progress, signal, report)


def _show(progress: Progress, result: TrainingResult, output: Path, as_json: bool) -> None:
    config, rate = progress.network.config, progress.cells / progress.seconds
    precision = config.training.precision
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
                "precision": precision,
                "scale_search": search_document(config.encoding, progress.scale_seconds),
                "config": asdict(config),
            }
        )
        return
    terminal.show_rows(
        {
            **scale_row(config.encoding, progress.scale_seconds),
            **quality_rows(result, config.training.holdout),
            "time": f"{progress.seconds:.1f} s ({rate:,.0f} pixels/s on {config.training.device}, in {precision})",
            "parameters": f"{config.parameters:,}",
            "checkpoint": f"{output} ({terminal.file_size(output.stat().st_size)})",
        }
    )
    name = f"./{output}" if str(output).startswith("-") else str(output)
    terminal.note(f"Draw it at any size: fftool render {shlex.quote(name)} --size 500x500", style="dim")


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
