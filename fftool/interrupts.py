"""Ctrl-C, SIGTERM and a terminal that closes: answered at once, or once the work can be left in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType, FrameType
from typing import TypeVar

RETRY_SECONDS = 0.01
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last one
Stop = Callable[[], int | None]
Function = TypeVar("Function", bound=Callable[..., object])

_whole: set[CodeType] = set()  # of the functions that are not to be left halfway


def not_halfway(function: Function) -> Function:
    """Have signals wait while this function runs; for a generator, while it is on its way to a yield or to its end."""
    _whole.add(function.__code__)
    return function


def _heeded() -> list[int]:
    """The signals that ask to stop, without those that are to be ignored, as SIGHUP under nohup."""
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def answer_at_once() -> None:
    """Have each of these signals end the process by `interrupt`."""
    for number in _heeded():
        signal.signal(number, interrupt)


def interrupt(number: int, frame: FrameType | None, asked: int | None = None) -> None:
    """Answer a Ctrl-C with KeyboardInterrupt, and another request to stop with SystemExit and its exit code.

    One that comes within a function that is `not_halfway` is answered as soon as that is through; so is one within an
    import: out of it, it would become whatever the importing library makes of it. numpy's and torch's C++ end the
    process with a message of their own.
    """
    asked = asked or number
    while frame is not None and hasattr(signal, "setitimer"):  # which Windows lacks
        if frame.f_code in _whole or frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            signal.signal(signal.SIGALRM, partial(interrupt, asked=asked))
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
            return
        frame = frame.f_back
    if asked == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(exit_code(asked))


def exit_code(number: int) -> int:
    """What a process that a signal has stopped exits with: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number


@contextmanager
def noted() -> Iterator[Stop]:
    """Within it, the first of these signals is only noted; a second one is answered as it would be outside.

    Yields a function that gives the number of the signal, or None if there was none yet.
    """
    first: int | None = None
    previous = {number: signal.getsignal(number) for number in _heeded()}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        first = number
        restore()

    for number in previous:
        signal.signal(number, note)
    try:
        yield lambda: first
    finally:
        restore()
