"""Outcomes of several networks: as a table in the terminal, as CSV, and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fftool.cli import terminal
from fftool.cli.output import Output
from fftool.cli.reports import describe_search, scale_json, search_json
from fftool.config import finite, format_psnr
from fftool.files import readable_name, replacing
from fftool.sweep.outcome import Outcome, are_comparable


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """All figures of one network, and the history of its training."""
    return _row(outcome) | {
        "exact": list(outcome.quality.exact),
        "scale_search": search_json(outcome.network.config.encoding.search, outcome.scale_seconds),
        "history": [asdict(epoch) for epoch in outcome.history],
    }


def write_csv(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the figures of all networks, a line each below the names of the columns. Raises WriteError."""
    rows = [_row(outcome) for outcome in outcomes]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _row(outcome: Outcome) -> dict[str, Any]:
    config, quality = outcome.network.config, outcome.quality
    return {
        "name": outcome.name,
        "encoding": config.encoding.kind,
        "scale": scale_json(config.encoding.scale),
        "psnr": finite(quality.psnr),
        "ssim": quality.ssim,
        "holdout_psnr": finite(quality.holdout_psnr),
        "seconds": outcome.seconds,
        "parameters": config.n_parameters,
        "bytes": outcome.bytes,
        "model": readable_name(outcome.checkpoint) if outcome.checkpoint else None,
    }


def show_outcomes(outcomes: Sequence[Outcome], output: Output) -> None:
    """Table of the figures that users read, with the best of each measure marked, and how each σ was chosen."""
    comparable = are_comparable(outcomes)
    measures: dict[str, list[float | None]] = {
        "PSNR\n(dB)": [outcome.quality.psnr for outcome in outcomes],
        "SSIM": [outcome.quality.ssim for outcome in outcomes],
        "held-out\nPSNR (dB)": [outcome.quality.holdout_psnr for outcome in outcomes],
    }
    measures = {name: values for name, values in measures.items() if any(value is not None for value in values)}
    columns = {"variant": [outcome.name for outcome in outcomes]}
    best = {}
    for name, values in measures.items():
        text = "{:.4f}".format if name == "SSIM" else format_psnr
        columns[name] = ["-" if value is None else text(value).removesuffix(" dB") for value in values]
        top = max(value for value in values if value is not None)
        differ = any(value != top for value in values)
        best[name] = [i for i, value in enumerate(values) if comparable and differ and value == top]
    columns["time\n(s)"] = ["-" if outcome.seconds is None else f"{outcome.seconds:.1f}" for outcome in outcomes]
    columns["parameters"] = [f"{outcome.network.config.n_parameters:,}" for outcome in outcomes]
    columns["size"] = [terminal.format_bytes(outcome.bytes) for outcome in outcomes]
    output.table(columns, best)
    if len(outcomes) > 1 and not comparable:
        output.note("None is marked as the best: different samples were held out.")
    for outcome in outcomes:
        if outcome.scale_search:
            how = describe_search(outcome.network.config.encoding, outcome.scale_search)
            output.line(f"{outcome.name}: {how}, in {outcome.scale_seconds:.2f} s")
