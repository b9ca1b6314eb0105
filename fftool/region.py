"""A part of the unit square, cube, …: what a crop is."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

from fftool.errors import SettingError

ROUNDING = 1e-9  # 0.9 + 0.1 of an axis may exceed 1 by less than this


@dataclass(frozen=True)
class Region:
    """Its lowest corner and its extent, in coordinate order (x, y, …).

    Raises SettingError unless both are numbers, one for each axis, and it lies within [0, 1] with an extent on each.
    """

    origin: tuple[float, ...]
    extent: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("origin", "extent"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        if len(self.origin) != len(self.extent):
            raise SettingError("extent", self.extent, f"as many numbers as the origin {self.origin} has")
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


def _numbers(name: str, values: tuple[float, ...]) -> tuple[float, ...]:
    parts = tuple(values) if hasattr(values, "__iter__") else ()
    if not parts or not all(isinstance(part, Real) for part in parts):
        raise SettingError(name, repr(values), "a tuple with a number for each axis")
    return tuple(map(float, parts))
