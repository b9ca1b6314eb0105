"""fftool info: the contents of a checkpoint."""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from fftool.checkpoint.format import ResumeDocument, position_document, to_builtins
from fftool.checkpoint.reading import Description, Unfinished, describe
from fftool.checks import format_number
from fftool.cli import inputs, options, terminal
from fftool.cli.output import Output
from fftool.cli.reports import quality_rows, scale_row, tile_row
from fftool.config import SignalConfig

METADATA = {"exif": "EXIF", "icc": "sRGB profile", "xmp": "XMP"}  # names as users know them


def info(model: options.Model, as_json: options.Json = False) -> None:
    """Show the contents of a checkpoint.

    fftool info model.st
    """
    description, output = describe(inputs.single(model)), Output(as_json)
    output.rows(_rows(description))
    output.document(
        {
            "config": to_builtins(description.config, description.result),
            "tensors": {name: asdict(tensor) for name, tensor in description.tensors.items()},
            "parameters": description.n_parameters,
            "bytes": description.bytes,
            "resume": description.resume and _resume_json(description.resume),
        }
    )


def _resume_json(resume: Unfinished) -> object:
    return msgspec.to_builtins(
        ResumeDocument(
            position=position_document(resume.position),
            good=position_document(resume.rollback),
            picture=resume.source,
        )
    )


def _rows(description: Description) -> dict[str, str]:
    config, result = description.config, description.result
    signal, encoding, training = config.signal, config.encoding, config.training
    size = "x".join(str(length) for length in reversed(signal.shape))
    scale = f", scale {', '.join(map(format_number, encoding.scale))}" if encoding.scale else ""
    rows = {
        "source": signal.source or "unknown",
        "size": f"{size} ({', '.join(reversed(signal.axes))})",
        "channels": f"{signal.channels} × {signal.bits} bits",
        **_origin_rows(signal),
        "encoding": f"{encoding.kind}, {encoding.n_frequencies(len(signal.axes))} frequencies{scale}",
        **scale_row(encoding),
        "network": " -> ".join(str(width) for width in config.widths),
        **tile_row(config),
        "training": f"{training.epochs} epochs, batches of {training.batch_size}, learning rate "
        f"{training.learning_rate:g}, {training.loss} loss, seed {training.seed}, on {training.device}",
    }
    if training.holdout != "none":
        lattice = training.holdout == "lattice"
        rows["held out"] = "lattice" if lattice else f"{training.holdout:g} of the samples"
    if description.resume is not None:
        at = description.resume.position
        rows["unfinished"] = f"in epoch {at.epoch + 1}, after {at.step:,} steps; train --resume continues it"
    if result is not None:
        rows |= quality_rows(result, config)
        rows["loss"] = f"{result.loss:.4f} after {result.epochs} epochs ({result.steps:,} steps)"
        if result.rollbacks:
            rows["rollbacks"] = f"{result.rollbacks}, with a tenth of the learning rate since"
    rows["parameters"] = f"{description.n_parameters:,}"
    rows["file"] = f"{terminal.format_bytes(description.bytes)}, written by fftool {config.version}"
    for name, tensor in description.tensors.items():
        rows[name] = f"{tensor.dtype} {' x '.join(str(length) for length in tensor.shape)}"
    return rows


def _origin_rows(signal: SignalConfig) -> dict[str, str]:
    """Rows on what the signal's file had besides its samples."""
    rows = {}
    if signal.values:
        rows["values"] = str(signal.values)
    if signal.spacing:
        rows["spacing"] = ", ".join(map(format_number, reversed(signal.spacing)))
    if signal.metadata:
        names = ", ".join(METADATA.get(name, name) for name in signal.metadata)
        rows["metadata"] = f"{names} ({terminal.format_bytes(sum(map(len, signal.metadata.values())))})"
    return rows
