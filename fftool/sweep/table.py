"""Figures of runs: one row for each, kept in results.csv, and their mean and deviation over seeds in summary.csv."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev
from types import UnionType
from typing import Any, get_args, get_type_hints

from fftool.checkpoint.reading import describe
from fftool.errors import ForeignFileError, ReadError
from fftool.files import replacing
from fftool.sweep.plan import Run

RESULTS, SUMMARY = "results.csv", "summary.csv"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Figures of one run, one column each. A PSNR of an exact network is infinite: `inf` in the file."""

    file: str
    encoding: str
    requested_scale: str  # as it is typed: 25, 25,50 or auto; empty where the encoding has none
    scale: float | None  # σ; the highest, where each axis has one
    tile: str
    seed: int
    psnr: float | None
    ssim: float | None
    holdout_psnr: float | None
    iou: float | None
    near_iou: float | None
    seconds: float | None  # of training; unknown where the table was lost
    loss: float | None
    epochs: int | None
    steps: int | None
    parameters: int
    bytes: int
    device: str
    precision: str
    holdout: str
    sha256: str  # of the signal's samples
    version: str
    model: str  # name of its checkpoint, in the folder of the table

    @property
    def group(self) -> tuple[str, ...]:
        """What runs have in common that differ only in their seed."""
        return self.file, self.encoding, self.requested_scale, self.tile

    @property
    def network(self) -> str:
        """Its encoding and its tiles, without σ: gaussian, tile 64."""
        return ", ".join(filter(None, [self.encoding, self.tile]))


GROUP = ("file", "encoding", "requested_scale", "tile")
FIGURES = ("scale", "psnr", "ssim", "holdout_psnr", "iou", "near_iou", "seconds")  # summarized
COLUMNS = tuple(field.name for field in fields(Row))


def row(run: Run, seconds: float | None) -> Row:
    """Figures of a complete run, from its checkpoint. Raises errors as `describe` does."""
    description = describe(run.model)
    config, result, encoding = description.config, description.result, description.config.encoding
    return Row(
        file=str(run.source.path),
        encoding=encoding.kind,
        requested_scale=run.variant.encoding.scale_text,
        scale=max(encoding.scale, default=None),
        tile=run.variant.tile_name,
        seed=run.training.seed,
        psnr=result.psnr if result else None,
        ssim=result.ssim if result else None,
        holdout_psnr=result.holdout_psnr if result else None,
        iou=result.iou if result else None,
        near_iou=result.near_iou if result else None,
        seconds=seconds,
        loss=result.loss if result else None,
        epochs=result.epochs if result else None,
        steps=result.steps if result else None,
        parameters=description.n_parameters,
        bytes=description.bytes,
        device=config.training.device,
        precision=config.training.precision,
        holdout=str(config.training.holdout),
        sha256=config.signal.sha256,
        version=config.version,
        model=run.model.name,
    )


def read_rows(path: Path) -> dict[str, Row]:
    """Rows of a table by their checkpoint; none where there is no such file.

    Raises ForeignFileError for a table with other columns, and ReadError.
    """
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = [_parsed(each) for each in reader]
            columns = tuple(reader.fieldnames or ())
    except OSError as error:
        raise ReadError(path, f"cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise ForeignFileError(path, "is not a table of this version of fftool") from error
    if columns != COLUMNS:
        raise ForeignFileError(path, "is not a table of this version of fftool")
    return {each.model: each for each in rows}


def _parsed(texts: Mapping[str, str]) -> Row:
    hints = get_type_hints(Row)
    return Row(**{name: _value(texts[name], hints[name]) for name in COLUMNS})


def _value(text: str, kind: Any) -> Any:
    if isinstance(kind, UnionType):
        if not text:
            return None
        kind = get_args(kind)[0]
    return kind(text)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a table. Raises WriteError."""
    _write(path, COLUMNS, [asdict(each) for each in rows])


def summarize(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds of each figure, one row for each file and network.

    The deviation is that of a sample (n - 1); None of a single run, and of PSNRs that are infinite.
    """
    groups = defaultdict[tuple[str, ...], list[Row]](list)
    for each in rows:
        groups[each.group].append(each)
    return [
        dict(zip(GROUP, group, strict=True)) | {"runs": len(members)} | _figures(members)
        for group, members in groups.items()
    ]


def _figures(rows: Sequence[Row]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in FIGURES:
        values = [value for each in rows if (value := getattr(each, name)) is not None]
        found[f"{name}_mean"] = fmean(values) if values else None
        is_spread = len(values) > 1 and all(map(math.isfinite, values))
        found[f"{name}_std"] = stdev(values) if is_spread else None
    return found


def write_summary(path: Path, rows: Iterable[Row]) -> None:
    """Write the table of `summarize`. Raises WriteError."""
    summary = summarize(rows)
    _write(path, tuple(summary[0]) if summary else GROUP, summary)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode(errors="backslashreplace"))
