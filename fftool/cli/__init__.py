"""The fftool command: one module for each subcommand, registered here."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fftool import __version__
from fftool.cli import terminal
from fftool.cli.compare import compare
from fftool.cli.encode_viz import encode_viz
from fftool.cli.info import info
from fftool.cli.render import render
from fftool.cli.train import train
from fftool.errors import FFToolError, SettingError, as_problem

app = typer.Typer(
    name="fftool",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(render)
app.command()(compare)
app.command()(encode_viz)
app.command()(info)


def _version(asked: bool) -> None:
    if asked:
        terminal.say(f"fftool {__version__}")
        raise typer.Exit()


@app.callback()
def fftool(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Fit a small network to a picture, and draw it at any size.

    fftool train photo.jpg

    fftool render model.st --size 500x500
    """


def main(debugging: bool = False) -> None:
    """Run the command line. What a person can cause ends here, in a line or two and an exit code."""
    with Path(os.devnull).open("w") as nowhere:  # for a stream that was closed before we came
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # whatever the locale has no letter for
                stream.reconfigure(errors="backslashreplace")
        sys.exit(_run(debugging))


def _run(debugging: bool) -> int:
    try:
        code = int(app(prog_name="fftool", standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads it has seen enough
        terminal.to_nowhere(sys.stdout)  # what is flushed at exit
        return 1
    except (FFToolError, typer.TyperException, OSError, MemoryError) as error:
        if debugging:
            raise
        return _report(error)
    except Exception as error:  # so that even a mistake in fftool is told in a line
        if debugging:
            raise
        terminal.show_error(
            f"{type(error).__name__}: {error}", "this is a mistake in fftool; FFTOOL_DEBUG=1 shows where, to report it"
        )
        return 1


def _report(error: Exception) -> int:
    """Say what went wrong; the exit code: 2 where the command line itself is wrong, else 1."""
    if isinstance(error, typer.TyperException):
        if message := error.format_message():  # without arguments, the help has said it all
            terminal.show_error(message, _hint())
        return error.exit_code
    problem = as_problem(error)
    terminal.show_error(problem.message, problem.hint)
    return 2 if isinstance(problem, SettingError) else 1


def _hint() -> str:
    """The help of the command that was meant; where an option is the name of a file, how to type that."""
    if files := [name for name in sys.argv[1:] if name.startswith("-") and os.path.lexists(name)]:
        return f"for the file of that name, type {terminal.typed(Path(files[0]))}"
    names = [command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback]
    return " ".join(["fftool", *(name for name in sys.argv[1:2] if name in names), "--help"])
