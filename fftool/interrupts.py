"""Ctrl-C, SIGTERM and a closing terminal: answered at once, or at the end of a section that must not be cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last one
StopRequested = Callable[[], int | None]

_depth = 0  # of nested uninterrupted sections in the main thread
_pending: int | None = None  # the signal that came within one


def install() -> None:
    """Answer each stop signal with an exception, unless the process ignores it, as it does SIGHUP under nohup."""
    for number in _handled():
        signal.signal(number, _handle)


def _handled() -> list[int]:
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def _handle(number: int, frame: FrameType | None) -> None:
    global _pending
    if _depth:
        _pending = number
    else:
        _pending = None  # answered with this one
        stop(number)


def stop(number: int) -> NoReturn:
    """Raise KeyboardInterrupt for Ctrl-C, and SystemExit with its exit code for any other signal."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(exit_code(number))


def exit_code(number: int) -> int:
    """Exit code of a process that a signal has stopped: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number


class uninterrupted:
    """Section in which stop signals wait until its end: file moves, and imports of libraries that abort when cut short.

    Signals reach the main thread alone, so that other threads have nothing to wait for. Sections are classes, as a
    signal may come before a generator is resumed, and each sets the depth as it was before, whatever happened within.
    """

    def __enter__(self) -> None:
        self.before = _depth
        if _is_main_thread():
            _set_depth(self.before + 1)

    def __exit__(self, *error: object) -> None:
        if _is_main_thread():
            _set_depth(self.before)


class interruptible:
    """Part of an uninterrupted section in which signals are answered at once again."""

    def __enter__(self) -> None:
        self.before = _depth
        if _is_main_thread():
            try:
                _set_depth(max(0, self.before - 1))
            except BaseException:
                _set_depth(self.before)
                raise

    def __exit__(self, *error: object) -> None:
        if _is_main_thread():
            _set_depth(self.before)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _set_depth(depth: int) -> None:
    """Set the depth, and answer a signal that has waited for it to become 0."""
    global _depth, _pending
    _depth = depth
    if depth == 0 and _pending is not None:
        number, _pending = _pending, None
        stop(number)


@contextmanager
def stop_requests() -> Iterator[StopRequested]:
    """Section in which the first stop signal is only recorded; a second one is answered as outside.

    Yields a function that returns the number of that signal, or None.
    """
    first: int | None = None
    previous = {number: signal.getsignal(number) for number in _handled()}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def record(number: int, frame: FrameType | None) -> None:
        nonlocal first
        first = number
        restore()

    try:
        for number in previous:
            signal.signal(number, record)
        yield lambda: first
    finally:
        restore()
