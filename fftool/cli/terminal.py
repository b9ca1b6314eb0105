"""The terminal: streams, text that it can show, tables, questions. Only this module and `progress` know rich."""

from __future__ import annotations

import io
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from fftool.cli.errors import CommandError, output_options
from fftool.errors import FFToolWarning
from fftool.files import is_zarr

if TYPE_CHECKING:
    from PIL import Image

MIN_NAME_WIDTH = 14  # characters of the first column of a table
UNLIMITED = 10_000  # characters: the width where there is no terminal


def stdout() -> Console:
    """Console for results."""
    return Console(markup=False, emoji=False, highlight=False)


def stderr() -> Console:
    """Console for everything else: above the progress bars, while there are any."""
    return _with_bars or Console(file=cast(TextIO, _Expendable(sys.stderr)), markup=False, emoji=False, highlight=False)


_with_bars: Console | None = None


class _Expendable:
    """A stream whose failure stops nothing: notes beside the work must not end it, whoever has closed the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._original = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def isatty(self) -> bool:
        try:
            return self._original.isatty()
        except (AttributeError, OSError, ValueError):  # a closed file raises the last
            return False

    def write(self, text: str) -> None:
        self._try(lambda stream: stream.write(text))

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def _try(self, action: Callable[[TextIO], object]) -> None:
        if self._stream is None:
            return
        try:
            action(self._stream)
        except (OSError, ValueError):  # a closed file raises the latter
            discard(self._stream)
            self._stream = None


def discard(stream: TextIO) -> None:
    """Send everything that is still written to a stream nowhere, where it has a descriptor."""
    with suppress(OSError, ValueError, io.UnsupportedOperation, AttributeError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, descriptor)
        finally:
            os.close(nowhere)


@contextmanager
def shared(console: Console) -> Iterator[Console]:
    """Section in which all that goes to standard error goes through a console, which keeps its bars below."""
    global _with_bars
    _with_bars = console
    try:
        yield console
    finally:
        _with_bars = None


def printable(text: object) -> str:
    """Text with everything escaped that would control a terminal, has no known encoding, or is not in the locale's."""
    whole = "".join(c if c.isprintable() else _escape(c) for c in str(text))
    encoding = stdout().encoding
    return whole.encode(encoding, "backslashreplace").decode(encoding)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # Python's stand-in for an undecodable byte of a file's name
        return f"\\x{os.fsencode(character)[0]:02x}"
    return character.encode("unicode_escape").decode()


def quote(path: Path) -> str:
    """A path as it is typed in a shell."""
    name = f"./{path}" if str(path).startswith("-") else str(path)
    if printable(name) == name:
        return shlex.quote(name)
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in os.fsencode(name))
    return f"$'{''.join(plain)}'"


def print_line(text: object) -> None:
    """One line on standard output, never wrapped."""
    stdout().print(printable(text), soft_wrap=True)


def note(text: str, style: str = "") -> None:
    """One line on standard error: progress, a warning, a hint."""
    stderr().print(Text(printable(text), style), soft_wrap=True)


def print_error(message: str, hint: str = "") -> None:
    """An error and a hint on standard error, a line each."""
    for label, text, style in (("error", message, "bold red"), ("hint", hint, "bold cyan")):
        if text:
            _print_labelled(label, text, style)


def _print_labelled(label: str, text: str, style: str) -> None:
    stderr().print(Text.assemble((f"{label}: ", style), printable(text)), soft_wrap=True)


@contextmanager
def own_warnings() -> Iterator[None]:
    """Section in which fftool's own warnings are lines on standard error, each once; others are treated as before."""
    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", FFToolWarning)
        show = warnings.showwarning

        def show_once(message: Warning | str, category: type[Warning], *details: Any, **more: Any) -> None:
            if not issubclass(category, FFToolWarning):
                show(message, category, *details, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                _print_labelled("warning", str(message), "bold yellow")

        warnings.showwarning = show_once
        yield


def _is_terminal(console: Console) -> bool:
    """Whether a user looks at it: forced colours, as by FORCE_COLOR, make no terminal of a file."""
    return console.file.isatty()


def can_redraw(console: Console) -> bool:
    """Whether it is a terminal on which text can be overwritten."""
    return _is_terminal(console) and not console.is_dumb_terminal


def _print_table(console: Console, table: Table) -> None:
    """Fit a table into a terminal; elsewhere, print it as wide as it is, without blanks at the ends of lines."""
    if _is_terminal(console):
        console.print(table)
        return
    console.width = UNLIMITED
    with console.capture() as shown:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in shown.get().splitlines()))


def print_rows(rows: Mapping[str, object]) -> None:
    """Table of two columns: names and values."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(printable(name), printable(value))
    _print_table(stdout(), table)


def print_table(columns: Mapping[str, Sequence[str]], best: Mapping[str, Collection[int]] = {}) -> None:
    """Table with a first column of names, then numbers. `best` has the rows to mark in a column.

    The last columns are left out where a terminal is too narrow for them.
    """
    console, names = stdout(), list(columns)
    table = _table(columns, names, best)
    while _is_terminal(console) and len(names) > 2 and _min_width(table) > console.width:
        table = _table(columns, names := names[:-1], best)
    _print_table(console, table)
    if any(best.values()):
        note("* the best", style="dim")


def print_failures(problems: Mapping[str, str], n_files: int) -> None:
    """Table of the files that failed, and why, on standard error."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("failed", "why"):
        table.add_column(name, overflow="fold")
    for row in problems.items():
        table.add_row(*(Text(printable(text)) for text in row))
    _print_table(stderr(), table)
    note(f"{len(problems)} of {n_files} failed.", style="bold red")


def _min_width(table: Table) -> int:
    """Characters that a table takes if only its first column is folded, with a blank on each side of a rule."""
    return sum(column.min_width or 0 for column in table.columns) + 3 * len(table.columns) - 1


def _table(columns: Mapping[str, Sequence[str]], names: Sequence[str], best: Mapping[str, Collection[int]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    texts: list[list[Text]] = []
    for name in names:
        first, marked = not texts, best.get(name, ())
        blank = "  " if marked else ""
        longest = max(cell_len(line) for text in (name, *columns[name]) for line in f"{text}{blank}".split("\n"))
        table.add_column(
            name,
            justify="left" if first else "right",
            no_wrap=not first,
            overflow="fold",
            min_width=min(MIN_NAME_WIDTH, longest) if first else longest,
        )
        texts.append(
            [
                Text(f"{printable(text)} *", "bold green") if i in marked else Text(printable(text) + blank)
                for i, text in enumerate(columns[name])
            ]
        )
    for row in zip(*texts, strict=True):
        table.add_row(*row)
    return table


def print_image(image: Image.Image) -> None:
    """An image as well as the terminal can show it: its own graphics, sixels, or half blocks."""
    interactive = sys.stdin is not None and sys.stdin.isatty() and can_redraw(stdout())  # it is asked what it can show
    if not (interactive and os.get_terminal_size(sys.stdout.fileno()).columns):
        note("No image is shown: standard output is not a terminal, or one of unknown size.")
        return
    from textual_image.renderable import Image as Renderable

    stdout().print(Renderable(image, width="auto", height="auto"))


def format_bytes(count: int) -> str:
    """A number of bytes as users read it."""
    return decimal(count)


def confirm_overwrite(paths: Iterable[Path], overwrite: bool) -> None:
    """Ask before files are replaced. Raises CommandError if the answer is no, or there is no terminal to ask in."""
    existing = [path for path in paths if path.is_file() or is_zarr(path)]
    if overwrite or not existing:
        return
    if len(existing) > 1:
        problem, what = f"{existing[0]} and {len(existing) - 1} more already exist", "them"
    else:
        problem, what = f"{existing[0]} already exists", "it"
    console = stderr()
    if _is_terminal(console) and sys.stdin is not None and sys.stdin.isatty():
        console.print(f"{printable(problem)}. Overwrite {what}? [y/N]", end=" ", soft_wrap=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise CommandError(problem, f"use --overwrite to replace {what}, or name another path with {output_options()}")
