"""fftool export: a network in the format of other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fftool.checkpoint.reading import describe, load
from fftool.cli import inputs, jobs, options
from fftool.cli.jobs import Job, Result
from fftool.cli.output import Output
from fftool.cli.terminal import format_bytes
from fftool.files import check_writable
from fftool.interrupts import uninterrupted


def export(
    model: Annotated[
        Path, options.file_argument(metavar="MODEL", help="The checkpoint to export; - is standard input.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The file to write: onnx, glsl or npz.", show_default=False
        ),
    ],
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Export a checkpoint for other programs.

    The suffix of the output names its format. onnx is for ONNX runtimes: coordinates with shape (n, d) in, values with
    shape (n, channels) out. glsl is a function for shaders, of networks with up to 64 units. npz has the tensors, for
    NumPy.

    fftool export model.st -o model.onnx
    """
    model = inputs.single(model)

    def check() -> None:
        with uninterrupted():
            from fftool.export.formats import format_of

        check_writable(output, model)
        format_of(output).check(describe(model).config)

    jobs.run_job(
        model, Job(output, partial(_run, model, output), check), options.existing(overwrite, False), Output(as_json)
    )


def _run(model: Path, output: Path) -> Result:
    network = load(model)
    from fftool.export.formats import format_of

    format_of(output).write(output, network)
    size = output.stat().st_size

    def show(out: Output) -> None:
        out.line(output)
        out.note(format_bytes(size))

    return Result({"output": str(output), "bytes": size}, show, show)
