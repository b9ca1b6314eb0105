"""A part of the unit square, cube, …: what a crop is."""

from __future__ import annotations

from dataclasses import dataclass

from fftool.errors import SettingError

ROUNDING = 1e-9  # 0.9 + 0.1 of an axis may exceed 1 by less than this


@dataclass(frozen=True)
class Region:
    """Its lowest corner and its extent, in coordinate order (x, y, …).

    Raises SettingError unless it has an extent and lies within [0, 1] on every axis.
    """

    origin: tuple[float, ...]
    extent: tuple[float, ...]

    def __post_init__(self) -> None:
        for origin, extent in zip(self.origin, self.extent, strict=True):
            inside = (
                origin >= 0 and extent > ROUNDING and origin + extent <= 1 + ROUNDING
            )  # a NaN fails each comparison
            if not inside:
                raise SettingError(
                    "region",
                    f"from {origin:g} with extent {extent:g}",
                    "fractions that start at 0 or later and end at 1 or before",
                )
