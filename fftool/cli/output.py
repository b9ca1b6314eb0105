"""Results of a command on standard output: text for people, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fftool.cli import terminal


class Output:
    """Standard output of one command. Text is printed unless `--json` was given, and documents only then.

    Commands report both, and need not ask which of them is shown.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: object) -> None:
        """One line, never wrapped."""
        if not self.as_json:
            terminal.print_line(text)

    def rows(self, rows: Mapping[str, object]) -> None:
        """Table of two columns: names and values."""
        if not self.as_json:
            terminal.print_rows(rows)

    def table(self, columns: Mapping[str, Sequence[str]], best: Mapping[str, Collection[int]] = {}) -> None:
        """Table with a first column of names; `best` has the rows to mark in a column."""
        if not self.as_json:
            terminal.print_table(columns, best)

    def note(self, text: str) -> None:
        """A line on standard error that belongs to the text, such as what to type next."""
        if not self.as_json:
            terminal.note(text, style="dim")

    def document(self, document: Mapping[str, Any]) -> None:
        """The whole result as one JSON document."""
        if self.as_json:
            terminal.stdout().print(json.dumps(document, indent=2, allow_nan=False), soft_wrap=True)
