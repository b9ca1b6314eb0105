"""fftool worker: a process that works for others."""

from __future__ import annotations

from typing import Annotated

import typer

from fftool.cli import options, terminal
from fftool.config import WorkerConfig
from fftool.interrupts import uninterrupted


def worker(
    address: Annotated[
        str,
        typer.Argument(metavar="ADDRESS", help="The Dask scheduler: tcp://head:8786.", show_default=False),
    ],
    threads: options.Threads = WorkerConfig.threads,
    memory_limit: Annotated[
        str,
        typer.Option("--memory-limit", metavar="SIZE", help="Memory above which the worker is started again: 4GB."),
    ] = WorkerConfig.memory_limit,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Where it listens, for the scheduler and other workers.",
            show_default="the loopback for a scheduler on this machine, else the address that reaches it",
        ),
    ] = WorkerConfig.host,
) -> None:
    """Work for a Dask scheduler, one task at a time, until it ends or Ctrl-C.

    Start the scheduler with dask scheduler --host 127.0.0.1, or with the host that other machines reach. Whoever
    reaches a scheduler or a worker can run any program there: use TLS, or a network that you trust.

    fftool worker tcp://127.0.0.1:8786 --threads 4 --memory-limit 8GB
    """
    config = WorkerConfig(threads=threads, memory_limit=memory_limit, host=host)
    with uninterrupted():
        from fftool.cluster.worker import serve

    serve(address, config, _note_ready)
    terminal.note("The scheduler has ended.")


def _note_ready(address: str) -> None:
    terminal.note(f"Worker {address}. Ctrl-C ends it.")
