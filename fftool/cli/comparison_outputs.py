"""Files that a comparison writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fftool.config import Variant


@dataclass(frozen=True)
class ComparisonOutputs:
    """Figures, table, page and checkpoints of a comparison; `models` has those of the variants that are kept."""

    sheet: Path
    curves: Path | None
    explanation: Path | None
    csv: Path | None
    page: Path | None
    models: dict[Variant, Path]

    @property
    def figures(self) -> list[Path]:
        return [path for path in (self.sheet, self.curves, self.explanation) if path]

    @property
    def reports(self) -> list[Path]:
        return [*self.figures, *filter(None, [self.csv, self.page])]

    @property
    def all(self) -> list[Path]:
        return [*self.reports, *self.models.values()]
