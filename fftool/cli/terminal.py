"""All that a person sees and is asked. Only it, and `bars` for progress, know rich."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from fftool.errors import FFToolError

if TYPE_CHECKING:
    from PIL import Image

NAME_WIDTH = 14  # characters that the names in a table have at least
UNLIMITED = 10_000  # characters: the width of what is no terminal


def stdout() -> Console:
    """Where results go."""
    return Console(markup=False, emoji=False, highlight=False)


def stderr() -> Console:
    """Where all else goes: above the bars, while there are any."""
    return _behind_bars or Console(file=cast(TextIO, _Lasting(sys.stderr)), markup=False, emoji=False, highlight=False)


_behind_bars: Console | None = None


class _Lasting:
    """A stream that goes on where nobody can read it any more: what is said beside the work must not stop it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError:
            to_nowhere(self._stream)


def to_nowhere(stream: TextIO) -> None:
    """Have all that is still written to a stream go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def shared(console: Console) -> Iterator[Console]:
    """Within it, all that goes to standard error goes through this console, which keeps its bars below."""
    global _behind_bars
    _behind_bars = console
    try:
        yield console
    finally:
        _behind_bars = None


def printable(text: object) -> str:
    """The text with all escaped that would command a terminal, is in no known encoding, or not in the locale's."""
    whole = "".join(c if c.isprintable() else _escaped(c) for c in str(text))
    encoding = stdout().encoding
    return whole.encode(encoding, "backslashreplace").decode(encoding)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python has a byte of a file's name that is no text
        return f"\\x{os.fsencode(character)[0]:02x}"
    return character.encode("unicode_escape").decode()


def typed(path: Path) -> str:
    """A path as it has to be typed in a shell."""
    name = f"./{path}" if str(path).startswith("-") else str(path)
    if printable(name) == name:
        return shlex.quote(name)
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in os.fsencode(name))
    return f"$'{''.join(plain)}'"


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


def _is_terminal(console: Console) -> bool:
    """Whether a person looks at it: colours that are forced, as FORCE_COLOR does, make no terminal of a file."""
    return console.file.isatty()


def moves(console: Console) -> bool:
    """Whether it is a terminal on which what is drawn can be drawn over."""
    return _is_terminal(console) and not console.is_dumb_terminal


def _show_table(console: Console, table: Table) -> None:
    """Fit a table into a terminal; elsewhere, it is as wide as it has to be, and has no blanks at the ends of lines."""
    if _is_terminal(console):
        console.print(table)
        return
    console.width = UNLIMITED
    with console.capture() as shown:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in shown.get().splitlines()))


def show_rows(rows: Mapping[str, object]) -> None:
    """A table of two columns: what it is, and its value."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(printable(name), printable(value))
    _show_table(stdout(), table)


def show_table(columns: Mapping[str, Sequence[str]], best: Mapping[str, Collection[int]] = {}) -> None:
    """A table: a first column of names, then numbers. `best` has the rows to mark in a column.

    The last columns are left out where a terminal is too narrow for them.
    """
    console, names = stdout(), list(columns)
    table = _table(columns, names, best)
    while _is_terminal(console) and len(names) > 2 and _least_width(table) > console.width:
        table = _table(columns, names := names[:-1], best)
    _show_table(console, table)
    if any(best.values()):
        note("* the best", style="dim")


def show_failures(problems: Mapping[str, str], files: int) -> None:
    """A table of the files of which nothing came, and why."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("failed", "why"):
        table.add_column(name, overflow="fold")
    for row in problems.items():
        table.add_row(*(Text(printable(text)) for text in row))
    _show_table(stderr(), table)
    note(f"{len(problems)} of {files} failed.", style="bold red")


def _least_width(table: Table) -> int:
    """The characters that a table takes where only its first column is folded, with a blank on each side of a rule."""
    return sum(column.min_width or 0 for column in table.columns) + 3 * len(table.columns) - 1


def _table(columns: Mapping[str, Sequence[str]], names: Sequence[str], best: Mapping[str, Collection[int]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    cells: list[list[Text]] = []
    for name in names:
        first, marked = not cells, best.get(name, ())
        blank = "  " if marked else ""
        longest = max(cell_len(line) for text in (name, *columns[name]) for line in f"{text}{blank}".split("\n"))
        table.add_column(
            name,
            justify="left" if first else "right",
            no_wrap=not first,
            overflow="fold",
            min_width=min(NAME_WIDTH, longest) if first else longest,
        )
        cells.append(
            [
                Text(f"{printable(text)} *", "bold green") if i in marked else Text(printable(text) + blank)
                for i, text in enumerate(columns[name])
            ]
        )
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    return table


def show_picture(picture: Image.Image) -> None:
    """Draw a picture as well as the terminal can: its own graphics, sixels, or half blocks."""
    asked = sys.stdin is not None and sys.stdin.isatty() and moves(stdout())  # it has to answer what it can show
    if not (asked and os.get_terminal_size(sys.stdout.fileno()).columns):
        note("Nothing is drawn: this is not a terminal, or one that does not tell its size.")
        return
    from textual_image.renderable import Image as Renderable

    stdout().print(Renderable(picture, width="auto", height="auto"))


def file_size(count: int) -> str:
    """A number of bytes as people read it."""
    return decimal(count)


def show_json(document: Mapping[str, Any]) -> None:
    """The whole result as one JSON document."""
    stdout().print(json.dumps(document, indent=2, allow_nan=False), soft_wrap=True)


def confirm_overwrite(paths: Iterable[Path], overwrite: bool) -> None:
    """Ask before files are replaced; where nobody can be asked, or the answer is no, raise FFToolError."""
    existing = [path for path in paths if path.is_file()]
    if overwrite or not existing:
        return
    more, what = (f" and {len(existing) - 1} more exist", "them") if len(existing) > 1 else (" exists", "it")
    console = stderr()
    if _is_terminal(console) and sys.stdin is not None and sys.stdin.isatty():
        console.print(f"{printable(existing[0])}{more} already. Overwrite {what}? [y/N]", end=" ", soft_wrap=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise FFToolError(f"{existing[0]}{more} already", "--overwrite replaces what is there; -o names another place")
