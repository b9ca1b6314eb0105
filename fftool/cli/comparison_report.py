"""Outcomes of several variants: as a table in the terminal, as CSV, and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fftool.cli import terminal
from fftool.cli.output import Output
from fftool.cli.reports import describe_search, scale_json, search_json, shape_json
from fftool.comparison.outcome import Measure, Outcome, are_comparable, best
from fftool.config import finite, format_psnr
from fftool.files import readable_name, replacing


def outcome_json(outcome: Outcome, profile: Sequence[float], unit: str) -> dict[str, Any]:
    """All figures of one variant, the history of its training, and the PSNR of each part, if these have a unit."""
    search = outcome.config.encoding.search if outcome.config else None
    parts = {f"psnr_of_{unit}s": [finite(psnr) for psnr in profile]} if unit else {}
    return (
        _row(outcome)
        | parts
        | {
            "exact": list(outcome.quality.exact),
            "scale_search": search_json(search, outcome.scale_seconds),
            "history": [asdict(epoch) for epoch in outcome.history],
        }
    )


def write_csv(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the figures of all variants, a line each below the names of the columns. Raises WriteError."""
    rows = [_row(outcome) for outcome in outcomes]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _row(outcome: Outcome) -> dict[str, Any]:
    config, quality = outcome.config, outcome.quality
    return {
        "name": outcome.name,
        "encoding": config.encoding.kind if config else None,
        "scale": scale_json(config.encoding.scale) if config else None,
        "psnr": finite(quality.psnr),
        "ssim": quality.ssim,
        "holdout_psnr": finite(quality.holdout_psnr),
        **shape_json(quality),
        "seconds": outcome.seconds,
        "parameters": config.n_parameters if config else None,
        "bytes": outcome.bytes,
        "model": readable_name(outcome.checkpoint) if outcome.checkpoint else None,
        "baseline": outcome.baseline,
    }


def show_outcomes(outcomes: Sequence[Outcome], output: Output) -> None:
    """Table of the figures that users read, with the best of each measure marked, and how each σ was chosen."""
    measures: dict[str, Measure] = {"PSNR\n(dB)": "psnr", "SSIM": "ssim", "held-out\nPSNR (dB)": "holdout_psnr"}
    if any(outcome.quality.iou is not None for outcome in outcomes):
        measures = {"IoU": "iou", "IoU near\nthe surface": "near_iou"}
    columns = {"variant": [outcome.name for outcome in outcomes]}
    marked = {}
    for name, measure in measures.items():
        values = [getattr(outcome.quality, measure) for outcome in outcomes]
        if all(value is None for value in values):
            continue
        text = "{:.4f}".format if measure in ("ssim", "iou", "near_iou") else format_psnr
        columns[name] = ["-" if value is None else text(value).removesuffix(" dB") for value in values]
        top = best(outcomes, measure)
        marked[name] = [i for i, outcome in enumerate(outcomes) if outcome in top]
    columns["time\n(s)"] = ["-" if outcome.seconds is None else f"{outcome.seconds:.1f}" for outcome in outcomes]
    columns["parameters"] = [f"{outcome.config.n_parameters:,}" if outcome.config else "-" for outcome in outcomes]
    columns["size"] = ["-" if outcome.bytes is None else terminal.format_bytes(outcome.bytes) for outcome in outcomes]
    output.table(columns, marked)
    if len(outcomes) > 1 and not are_comparable(outcomes):
        output.note("None is marked as the best: different samples were held out.")
    for outcome in outcomes:
        if outcome.config and outcome.scale_search:
            how = describe_search(outcome.config.encoding, outcome.scale_search)
            output.line(f"{outcome.name}: {how}, in {outcome.scale_seconds:.2f} s")
