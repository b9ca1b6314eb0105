"""The fftool command: one module for each subcommand, registered here."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from fftool import __version__
from fftool.cli import terminal
from fftool.cli.info import info
from fftool.cli.render import render
from fftool.cli.train import train
from fftool.errors import FFToolError, SettingError

app = typer.Typer(
    name="fftool",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(render)
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

    fftool train photo.jpg --scale 25

    fftool render model.st --size 500x500
    """


def main() -> None:
    """Run the command line. What a person can cause ends here, in a line or two and an exit code."""
    try:
        code = app(prog_name="fftool", standalone_mode=False) or 0
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except (FFToolError, typer.TyperException, typer.Abort, OSError) as error:
        if os.environ.get("FFTOOL_DEBUG") == "1":
            raise
        code = _report(error)
    sys.exit(code)


def _report(error: Exception) -> int:
    """Say what went wrong; the exit code: 2 where the command line itself is wrong, else 1."""
    match error:
        case FFToolError():
            terminal.show_error(error.message, error.hint)
            return 2 if isinstance(error, SettingError) else 1
        case typer.TyperException():
            if message := error.format_message():  # without arguments, the help has said it all
                terminal.show_error(message, f"{shlex.join(['fftool', *sys.argv[1:2]])} --help")
            return error.exit_code
        case typer.Abort():
            terminal.show_error("stopped without an answer")
        case OSError():
            terminal.show_error(str(error))
    return 1
