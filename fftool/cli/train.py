"""fftool train: a picture into a checkpoint."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fftool.cli import options, terminal
from fftool.config import EncodingConfig, NetworkConfig, TrainingConfig, TrainingResult
from fftool.files import check_writable

if TYPE_CHECKING:
    from fftool.signal import Signal
    from fftool.training import Progress

Settings = tuple[EncodingConfig, NetworkConfig, TrainingConfig]


def train(
    picture: options.Picture,
    output: Annotated[Path, typer.Option("--output", "-o", help="The checkpoint to write.")] = Path("model.st"),
    scale: options.Scale = EncodingConfig.scale,
    dimension: options.Dimension = EncodingConfig.dimension,
    encoding: options.Encoding = EncodingConfig.kind,
    hidden: options.Hidden = NetworkConfig.hidden,
    layers: options.Layers = NetworkConfig.layers,
    epochs: options.Epochs = TrainingConfig.epochs,
    batch_size: options.BatchSize = TrainingConfig.batch_size,
    learning_rate: options.LearningRate = TrainingConfig.learning_rate,
    loss: options.Loss = TrainingConfig.loss,
    seed: options.Seed = TrainingConfig.seed,
    device: options.Device = TrainingConfig.device,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Fit a network to a picture and save it as a checkpoint.

    Ctrl-C stops early and keeps what was learnt so far.
    """
    settings = (
        EncodingConfig(kind=encoding, dimension=dimension, scale=scale),
        NetworkConfig(hidden=hidden, layers=layers),
        TrainingConfig(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, loss=loss, seed=seed, device=device
        ),
    )
    check_writable(output, picture)
    from fftool.media.image import read_image

    signal = read_image(picture)
    terminal.confirm_overwrite(output, overwrite)
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


def _fit(signal: Signal, settings: Settings) -> Progress:
    from fftool.training import fit

    epochs = settings[-1].epochs
    with terminal.interruptible() as interrupted, terminal.progress("Training", epochs * signal.cells) as report:
        for progress in fit(signal, *settings):
            report(progress.cells, partial(_status, progress, epochs))
            if interrupted():
                break
    return progress


def _status(progress: Progress, epochs: int) -> str:
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
            "PSNR": "exact" if result.psnr is None else f"{result.psnr:.2f} dB",
            "SSIM": "none: the picture is too small" if result.ssim is None else f"{result.ssim:.4f}",
            "time": f"{progress.seconds:.1f} s ({rate:,.0f} pixels/s on {config.training.device})",
            "parameters": f"{config.parameters:,}",
            "checkpoint": f"{output} ({terminal.file_size(output.stat().st_size)})",
        }
    )
    name = f"./{output}" if str(output).startswith("-") else str(output)
    terminal.note(f"Draw it at any size: fftool render {shlex.quote(name)} --size 500x500", style="dim")
