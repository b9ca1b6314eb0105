"""Progress of long work: bars in a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Protocol

from rich.cells import cell_len
from rich.text import Text

from fftool.cli.terminal import can_redraw, note, printable, shared, stderr

REDRAW_SECONDS = 0.1  # in a terminal
LINE_SECONDS = 10.0  # elsewhere, between two lines
BAR_WIDTH = 13  # characters of a short bar, the percentage, and the space between them
YEAR_SECONDS = 365 * 24 * 3600

Draw = Callable[[float, str], None]


class Update(Protocol):
    """Report of progress, to be called as often as convenient: work done, and a status in place of the rate."""

    def __call__(self, done: float, status: Callable[[], str] | None = None) -> None: ...


def format_rate(rate: float, unit: str) -> str:
    """A rate as users read it: 1,000 px/s."""
    return f"{rate:,.0f} {unit}/s"


@contextmanager
def progress(label: str, total: float, unit: str) -> Iterator[Update]:
    """Section that shows the progress of that much work, its rate in `unit`/s and the time left."""
    with _updates(unit) as add:
        yield add(label, total)


@contextmanager
def progress_in_parts(label: str, total: int, unit: str) -> Iterator[Callable[[str, int], Update]]:
    """The same for work in parts: yields a function that adds one, given its label and work, below the whole."""
    with _updates(unit) as add:
        update_whole, begun = add(label, total), 0

        def add_part(label: str, total: int) -> Update:
            nonlocal begun
            before, begun = begun, begun + total
            update_part = add(label, total)

            def update(done: float, status: Callable[[], str] | None = None) -> None:
                update_part(done, status)
                update_whole(before + done)

            return update

        yield add_part


@contextmanager
def _updates(unit: str) -> Iterator[Callable[[str, float], Update]]:
    display, seconds = (_bars, REDRAW_SECONDS) if can_redraw(stderr()) else (_lines, LINE_SECONDS)
    with display() as draw:
        yield lambda label, total: _throttled(draw(label, total), total, unit, seconds)


def _throttled(draw: Draw, total: float, unit: str, seconds: float) -> Update:
    """Update that draws at most once in so many seconds."""
    start = last = monotonic()

    def update(done: float, status: Callable[[], str] | None = None) -> None:
        nonlocal last
        now = monotonic()
        if now - last < seconds and done < total:
            return
        last = now
        rate = done / max(now - start, 1e-9)
        draw(done, f"{status() if status else format_rate(rate, unit)}  {_time_left(total - done, rate)}".strip())

    return update


def _time_left(work: float, rate: float) -> str:
    """Hours, minutes and seconds; nothing where it would be years."""
    if work > rate * YEAR_SECONDS:
        return ""
    return str(timedelta(seconds=round(work / max(rate, 1e-9)))).removeprefix("0:") + " left"


@contextmanager
def _bars() -> Iterator[Callable[[str, float], Draw]]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    label, status = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[status]}"))
    columns = (label, BarColumn(None), TaskProgressColumn(), status)
    with shared(stderr()) as console, Progress(*columns, console=console, transient=True, expand=True) as bars:

        def add(label: str, total: float) -> Draw:
            for other in bars.tasks:
                bars.update(other.id, visible=not other.finished)
            short = Text(printable(label))
            short.truncate(console.width // 3, overflow="ellipsis")
            task = bars.add_task(short.plain, total=total, status="")
            room = console.width - max(cell_len(other.description) for other in bars.tasks) - BAR_WIDTH
            return lambda done, status: bars.update(task, completed=done, status=_fit(status, room))

        yield add


def _fit(status: str, room: int) -> str:
    """Last parts of a status, which two spaces separate: as many as there is room for, at least one."""
    parts = status.split("  ")
    while len(parts) > 1 and len("  ".join(parts)) > room:
        parts.pop(0)
    return "  ".join(parts)


@contextmanager
def _lines() -> Iterator[Callable[[str, float], Draw]]:
    def add(label: str, total: float) -> Draw:
        def draw(done: float, status: str) -> None:
            if done < total:  # the result tells that it is complete
                note(f"{label}: {done / total:.0%}  {status}")

        return draw

    yield add
