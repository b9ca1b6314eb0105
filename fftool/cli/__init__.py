"""The fftool command: one module for each subcommand, registered here."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fftool import __version__
from fftool.cli import errors, terminal
from fftool.cli.compare import compare
from fftool.cli.encode_viz import encode_viz
from fftool.cli.export import export
from fftool.cli.info import info
from fftool.cli.render import render
from fftool.cli.sweep import sweep
from fftool.cli.train import train
from fftool.cli.view import view
from fftool.cli.worker import worker
from fftool.errors import FFToolError
from fftool.pipes import kept_pipes

app = typer.Typer(
    name="fftool",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(render)
app.command()(view)
app.command()(compare)
app.command()(sweep)
app.command()(worker)
app.command()(export)
app.command()(encode_viz)
app.command()(info)


def _version(requested: bool) -> None:
    if requested:
        terminal.print_line(f"fftool {__version__}")
        raise typer.Exit()


@app.callback()
def fftool(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Fit a small network to an image, sound, clip, volume or shape, and render it at any size.

    fftool train photo.jpg

    fftool render model.st --size 500x500
    """


def main(debugging: bool = False) -> None:
    """Run the command line. Every problem that a user can cause ends here, in a line or two and an exit code."""
    with Path(os.devnull).open("w") as nowhere:  # in place of a stream that was closed before the start
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # escape what the locale has no letter for
                stream.reconfigure(errors="backslashreplace")
        with terminal.own_warnings(), kept_pipes(sys.stdin):
            sys.exit(_run(debugging))


def _run(debugging: bool) -> int:
    try:
        code = int(app(prog_name="fftool", standalone_mode=False, windows_expand_args=False) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # its reader has closed standard output
        terminal.discard(sys.stdout)  # the rest is flushed at exit
        return 1
    except typer.TyperException as error:
        if message := error.format_message():  # without arguments, the help is shown instead
            terminal.print_error(message.replace(": Value error, ", ": "), _usage_hint())  # pydantic's prefix
        return error.exit_code
    except (FFToolError, OSError, MemoryError) as error:
        if debugging:
            raise
        problem = errors.as_fftool_error(error)
        terminal.print_error(str(problem), errors.hint(problem))
        return errors.exit_code(problem)
    except Exception as error:  # even a bug in fftool is reported in two lines
        if debugging:
            raise
        terminal.print_error(
            f"{type(error).__name__}: {error}", "this is a bug in fftool; FFTOOL_DEBUG=1 shows where, to report it"
        )
        return 1


def _usage_hint() -> str:
    """Help of the command that was typed; where an option is the name of a file, how to type that."""
    if files := [name for name in sys.argv[1:] if name.startswith("-") and os.path.lexists(name)]:
        return f"for the file of that name, type {terminal.quote(Path(files[0]))}"
    return errors.help_hint()
