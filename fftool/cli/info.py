"""fftool info: what a checkpoint holds."""

from __future__ import annotations

from dataclasses import asdict

from fftool.checkpoint import Description, describe
from fftool.cli import options, terminal
from fftool.cli.reports import quality_rows, scale_row


def info(model: options.Model, as_json: options.Json = False) -> None:
    """Show what a checkpoint holds."""
    description = describe(model)
    if as_json:
        terminal.show_json(asdict(description))
    else:
        terminal.show_rows(_rows(description))


def _rows(description: Description) -> dict[str, str]:
    config = description.config
    signal, encoding, training, result = config.signal, config.encoding, config.training, config.training.result
    size = "x".join(str(length) for length in reversed(signal.shape))
    scale = f", scale {encoding.sigma:g}" if encoding.uses_scale else ""
    rows = {
        "source": signal.source or "unknown",
        "size": f"{size} ({', '.join(reversed(signal.axes))})",
        "channels": f"{signal.channels} × {signal.bits} bits",
        "encoding": f"{encoding.kind}, {encoding.frequencies(len(signal.axes))} frequencies{scale}",
        **scale_row(encoding),
        "network": " -> ".join(str(width) for width in config.widths),
        "training": f"{training.epochs} epochs, batches of {training.batch_size or 'any size'}, learning rate "
        f"{_number(training.learning_rate)}, {training.loss} loss, seed {training.seed}, on {training.device}",
    }
    if training.holdout is not None:
        rows["held out"] = "lattice" if training.holdout == "lattice" else f"{training.holdout:g} of the pixels"
    if description.resume is not None:
        at = description.resume.position
        rows["unfinished"] = f"in epoch {at.epoch + 1}, after {at.step:,} steps: train --resume goes on from there"
    if result is not None:
        rows |= quality_rows(result, training.holdout)
        rows["loss"] = f"{result.loss:.4f} after {result.epochs} epochs ({result.steps:,} steps)"
        if result.retreats:
            rows["learning rate"] = "a tenth, after a loss that was not finite"
    rows["parameters"] = f"{description.parameters:,}"
    rows["file"] = f"{terminal.file_size(description.bytes)}, written by fftool {config.version}"
    for name, tensor in description.tensors.items():
        rows[name] = f"{tensor.dtype} {' x '.join(str(length) for length in tensor.shape)}"
    return rows


def _number(value: float | None) -> str:
    return "open" if value is None else f"{value:g}"
