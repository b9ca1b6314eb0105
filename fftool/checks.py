"""Checks of settings: each value is converted or refused when its settings are made, never when they are saved."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_args

from fftool.errors import SettingError

Check = Callable[[str, Any], Any]  # of a setting's name and value: returns the value converted, or raises SettingError


def format_number(value: float) -> str:
    """Shortest text that is the same number: 25, 0.5, 1e+08."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def format_value(value: object) -> str:
    """A value as an error shows it: text in quotes, numbers bare."""
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(format_value, value))})"
    try:
        return repr(value)
    except ValueError:  # an integer with more digits than Python writes
        return "with thousands of digits"


def require(holds: bool, setting: str, value: object, expected: str) -> None:
    """Raise SettingError unless a condition holds."""
    if not holds:
        raise SettingError(setting, format_value(value), expected)


def as_float(value: Any) -> float:
    """A real number as a float; NaN for anything else, which fails every comparison."""
    try:
        return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an integer beyond all floats
        return math.nan


def integer(low: int, high: int) -> Check:
    """Check for whole numbers in a range; numpy's and whole floats are converted, booleans refused."""

    def check(name: str, value: Any) -> int:
        integral = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        whole = integral or as_float(value).is_integer()
        require(whole and value >= low, name, value, f"a whole number of at least {low:,}")
        require(value <= high, name, value, f"at most {high:,}")
        return int(value)

    return check


def number(expected: str, high: float = math.inf, *, inclusive: bool = False) -> Check:
    """Check for positive numbers up to a limit, which `inclusive` allows too; numpy's and integers become floats."""

    def check(name: str, value: Any) -> float:
        converted = as_float(value)
        require(0 < converted < high or (inclusive and converted == high), name, value, expected)
        return converted

    return check


def choice(kind: Any) -> Check:
    """Check for the members of a Literal."""
    members = get_args(kind)

    def check(name: str, value: Any) -> Any:
        require(isinstance(value, str) and value in members, name, value, f"one of {', '.join(members)}")
        return members[members.index(value)]  # a subclass of str may be written otherwise

    return check


def text(name: str, value: Any) -> str:
    """Check for text that a JSON document can hold; subclasses of str are converted."""
    require(isinstance(value, str), name, value, "text")
    require(value.encode(errors="replace").decode() == value, name, value, "text that has a UTF-8 form")
    return str.__str__(value)


def figure(name: str, value: Any) -> float:
    """Check for measured figures: real numbers that may be infinite, and are never NaN."""
    converted = as_float(value)
    require(not math.isnan(converted), name, value, "a number")
    return converted


def flag(name: str, value: Any) -> bool:
    """Check for booleans; numpy's are converted."""
    is_boolean = isinstance(value, bool) or type(value).__name__ == "bool"
    require(is_boolean, name, value, "True or False")
    return bool(value)


def finite_number(name: str, value: Any) -> float:
    """Check for finite real numbers of either sign."""
    converted = as_float(value)
    require(math.isfinite(converted), name, value, "a finite number")
    return converted


def instance(kind: type) -> Check:
    """Check for the instances of a class."""

    def check(name: str, value: Any) -> Any:
        require(isinstance(value, kind), name, value, f"an instance of {kind.__name__}")
        return value

    return check


def tuple_of(check: Check, expected: str) -> Check:
    """Check for tuples and lists, each part of which passes a check of its own."""

    def check_all(name: str, value: Any) -> tuple[Any, ...]:
        require(isinstance(value, tuple | list), name, value, expected)
        return tuple(check(name, part) for part in value)

    return check_all


def optional(check: Check) -> Check:
    """Check that lets None through: a choice left to fftool."""
    return lambda name, value: None if value is None else check(name, value)


def setting(default: Any, check: Check, name: str = "") -> Any:
    """Field of a settings dataclass: its default, its check, and its name in errors where that is not the field's.

    A default that is a type makes a new value for each.
    """
    metadata = {"check": check, "name": name}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def required(check: Check, name: str = "") -> Any:
    """Field of a settings dataclass that has no default."""
    return setting(MISSING, check, name)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings: each value is checked and converted when they are made. Raises SettingError."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if check := each.metadata.get("check"):
                name = each.metadata["name"] or each.name.replace("_", " ")
                object.__setattr__(self, each.name, check(name, getattr(self, each.name)))
