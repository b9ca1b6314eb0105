"""How far work is: bars in a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Protocol

from rich.cells import cell_len
from rich.text import Text

from fftool.cli.terminal import moves, note, printable, shared, stderr

REDRAW_SECONDS = 0.1  # in a terminal
LINE_SECONDS = 10.0  # elsewhere: between the lines that tell how far the work is
BAR_WIDTH = 13  # characters: of a short bar and the per cent, and what is between them
YEAR_SECONDS = 365 * 24 * 3600

Draw = Callable[[float, str], None]


class Report(Protocol):
    """To be called as often as one likes, with how much is done, and what to say of it where that is not pixels."""

    def __call__(self, done: float, status: Callable[[], str] | None = None) -> None: ...


def pixel_rate(rate: float) -> str:
    """So many pixels a second."""
    return f"{rate:,.0f} px/s"


@contextmanager
def progress(label: str, total: float) -> Iterator[Report]:
    """Show work on that many pixels and the time left: a bar in a terminal, a line now and then elsewhere."""
    with _reports() as add:
        yield add(label, total)


@contextmanager
def progress_in_parts(label: str, total: int) -> Iterator[Callable[[str, int], Report]]:
    """Show work that has parts: what is yielded adds one, with its label and total, below the progress of the whole."""
    with _reports() as add:
        whole, begun = add(label, total), 0

        def part(label: str, total: int) -> Report:
            nonlocal begun
            before, begun = begun, begun + total
            own = add(label, total)

            def report(done: float, status: Callable[[], str] | None = None) -> None:
                own(done, status)
                whole(before + done)

            return report

        yield part


@contextmanager
def _reports() -> Iterator[Callable[[str, float], Report]]:
    display, seconds = (_bars, REDRAW_SECONDS) if moves(stderr()) else (_lines, LINE_SECONDS)
    with display() as draw:
        yield lambda label, total: _report(draw(label, total), total, seconds)


def _report(draw: Draw, total: float, seconds: float) -> Report:
    """A report that draws no more often than that."""
    start = last = monotonic()

    def report(done: float, status: Callable[[], str] | None = None) -> None:
        nonlocal last
        now = monotonic()
        if now - last < seconds and done < total:
            return
        last = now
        rate = done / max(now - start, 1e-9)
        draw(done, f"{status() if status else pixel_rate(rate)}  {_time_left(total - done, rate)}".strip())

    return report


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
            return lambda done, status: bars.update(task, completed=done, status=_fitting(status, room))

        yield add


def _fitting(status: str, room: int) -> str:
    """The last parts of a status, which are two spaces apart: as many as there is room for, but one."""
    parts = status.split("  ")
    while len(parts) > 1 and len("  ".join(parts)) > room:
        parts.pop(0)
    return "  ".join(parts)


@contextmanager
def _lines() -> Iterator[Callable[[str, float], Draw]]:
    def add(label: str, total: float) -> Draw:
        def draw(done: float, status: str) -> None:
            if done < total:  # the result says that it is complete
                note(f"{label}: {done / total:.0%}  {status}")

        return draw

    yield add
