"""All that a person sees and is asked. The only module that knows rich."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, Protocol

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from fftool.errors import FFToolError

REDRAW_SECONDS = 0.1  # in a terminal
LINE_SECONDS = 10.0  # elsewhere: between the lines that tell how far the work is

Flag = Callable[[], bool]
Draw = Callable[[int, str], None]


def stdout() -> Console:
    """Where results go."""
    return Console(markup=False, emoji=False, highlight=False)


def stderr() -> Console:
    """Where all else goes."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False)


def printable(text: object) -> str:
    """The text with control characters escaped, so that a file's name cannot command the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def say(text: object) -> None:
    """One line of the result, never wrapped."""
    stdout().print(printable(text), soft_wrap=True)


def note(text: str, style: str = "") -> None:
    """One line beside the result: progress, a warning, a hint."""
    stderr().print(Text(printable(text), style), soft_wrap=True)


def show_error(message: str, hint: str = "") -> None:
    """What went wrong, and what to do about it: a line each."""
    for label, text, style in (("error", message, "bold red"), ("hint", hint, "bold cyan")):
        if text:
            stderr().print(Text.assemble((f"{label}: ", style), printable(text)), soft_wrap=True)


def show_rows(rows: Mapping[str, object]) -> None:
    """A table of two columns: what it is, and its value."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, printable(value))
    stdout().print(table)


def file_size(count: int) -> str:
    """A number of bytes as people read it."""
    return decimal(count)


def show_json(document: Mapping[str, Any]) -> None:
    """The whole result as one JSON document."""
    stdout().print(json.dumps(document, indent=2, allow_nan=False), soft_wrap=True)


def confirm_overwrite(path: Path, overwrite: bool) -> None:
    """Ask before a file is replaced; where nobody can be asked, or the answer is no, raise FFToolError."""
    if overwrite or not path.is_file():
        return
    console = stderr()
    if console.is_terminal and sys.stdin is not None and sys.stdin.isatty():
        console.print(f"{printable(path)} exists already. Overwrite it? [y/N]", end=" ", soft_wrap=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise FFToolError(f"{path} exists already", "--overwrite replaces it; -o names another file")


class Report(Protocol):
    """To be called as often as one likes, with the pixels done so far and what to say of the work beside its rate."""

    def __call__(self, done: int, status: Callable[[], str] = str) -> None: ...


@contextmanager
def progress(label: str, total: int) -> Iterator[Report]:
    """Show work on that many pixels, its rate and the time left: a bar in a terminal, a line now and then elsewhere."""
    display, seconds = (_bar, REDRAW_SECONDS) if stderr().is_terminal else (_lines, LINE_SECONDS)
    start = last = monotonic()
    with display(label, total) as draw:

        def report(done: int, status: Callable[[], str] = str) -> None:
            nonlocal last
            now = monotonic()
            if now - last < seconds:
                return
            last = now
            rate = done / (now - start)
            left = str(timedelta(seconds=round((total - done) / rate))).removeprefix("0:")
            draw(done, f"{status()}  {rate:,.0f} px/s  {left} left".strip())

        yield report


@contextmanager
def _bar(label: str, total: int) -> Iterator[Draw]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn(label), BarColumn(None), TaskProgressColumn(), TextColumn("{task.fields[status]}"))
    with Progress(*columns, console=stderr(), transient=True, expand=True) as bar:
        task = bar.add_task(label, total=total, status="")
        yield lambda done, status: bar.update(task, completed=done, status=status)


@contextmanager
def _lines(label: str, total: int) -> Iterator[Draw]:
    yield lambda done, status: note(f"{label}: {done / total:.0%}  {status}")


@contextmanager
def interruptible() -> Iterator[Flag]:
    """Within it, a first Ctrl-C is only noted, so that the work can be left in good order; a second one stops at once.

    Yields a function that tells whether there was one.
    """
    noted = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, previous)
