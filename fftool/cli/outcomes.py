"""What came of several networks: as a table in the terminal, as CSV, and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fftool.cli import terminal
from fftool.cli.reports import search_document
from fftool.files import readable_name, replacing

if TYPE_CHECKING:
    from fftool.comparison import Outcome


def document(outcome: Outcome) -> dict[str, Any]:
    """All figures of one network, and the history of its training."""
    return _row(outcome) | {
        "scale_search": search_document(outcome.network.config.encoding, outcome.scale_seconds),
        "history": [asdict(epoch) for epoch in outcome.history],
    }


def write_csv(path: Path, outcomes: Sequence[Outcome]) -> None:
    """The figures of all networks, a line each below the names of the columns. Raises FFToolError as `replacing`."""
    rows = [_row(outcome) for outcome in outcomes]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _row(outcome: Outcome) -> dict[str, Any]:
    from fftool.metrics import finite

    config, quality = outcome.network.config, outcome.quality
    return {
        "name": outcome.name,
        "encoding": config.encoding.kind,
        "scale": config.encoding.sigma if config.encoding.uses_scale else None,
        "psnr": finite(quality.psnr),
        "ssim": quality.ssim,
        "holdout_psnr": finite(quality.holdout_psnr),
        "seconds": outcome.seconds,
        "parameters": config.parameters,
        "bytes": outcome.bytes,
        "model": readable_name(outcome.checkpoint) if outcome.checkpoint else None,
    }


def show_table(outcomes: Sequence[Outcome]) -> None:
    """The figures that people read, with the best of each measure marked."""
    from fftool.comparison import comparable
    from fftool.metrics import decibels

    measures: dict[str, list[float | None]] = {
        "PSNR\n(dB)": [outcome.quality.psnr for outcome in outcomes],
        "SSIM": [outcome.quality.ssim for outcome in outcomes],
        "held-out\nPSNR (dB)": [outcome.quality.holdout_psnr for outcome in outcomes],
    }
    if all(outcome.quality.holdout_psnr is None for outcome in outcomes):
        measures.popitem()
    columns = {"variant": [outcome.name for outcome in outcomes]}
    best = {}
    for name, values in measures.items():
        text = "{:.4f}".format if name == "SSIM" else decibels
        columns[name] = ["-" if value is None else text(value).removesuffix(" dB") for value in values]
        top = max((value for value in values if value is not None), default=None)
        best[name] = [i for i, value in enumerate(values) if value == top is not None and comparable(outcomes)]
    columns["time\n(s)"] = ["-" if outcome.seconds is None else f"{outcome.seconds:.1f}" for outcome in outcomes]
    columns["parameters"] = [f"{outcome.network.config.parameters:,}" for outcome in outcomes]
    columns["size"] = [terminal.file_size(outcome.bytes) for outcome in outcomes]
    terminal.show_table(columns, best)
    if len(outcomes) > 1 and not comparable(outcomes):
        terminal.note("None is marked as the best: not the same pixels were held out from all.")
