"""A cache of one value: for work whose next part often needs what the last one had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LastUsed(Generic[Value]):
    """The last value that was made, by its key. Its memory is given back before another one is made."""

    def __init__(self) -> None:
        self.kept: tuple[object, Value] | None = None

    def __call__(self, key: object, make: Callable[[], Value]) -> Value:
        """The value of a key, made unless it is the last one."""
        if self.kept is None or self.kept[0] != key:
            self.kept = None
            self.kept = key, make()
        return self.kept[1]
