"""What a benchmark comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number and its unit. `parts` is what it is made of, each with its unit in its name."""

    name: str
    value: float
    unit: str = ""
    parts: dict[str, Any] = field(default_factory=dict)
