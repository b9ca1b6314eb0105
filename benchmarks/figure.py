"""Result of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number and its unit. `parts` has the measurements behind it, each with its unit in its name."""

    name: str
    value: float
    unit: str = ""
    parts: dict[str, Any] = field(default_factory=dict)
