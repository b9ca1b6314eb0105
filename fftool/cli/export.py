"""fftool export: a network in the format of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
        options.output_option(help="The file to write: onnx, glsl or npz.", show_default=False),
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
    with uninterrupted():
        from fftool.export.formats import format_of

    export_format = format_of(output)

    def check() -> None:
        check_writable(output, model)
        export_format.check(describe(model).config)

    def run() -> Result:
        export_format.write(output, load(model))
        return _result(output)

    jobs.run_job(model, Job(output, run, check), options.existing(overwrite, False), Output(as_json))


def _result(output: Path) -> Result:
    size = output.stat().st_size

    def show(out: Output) -> None:
        out.line(output)
        out.note(format_bytes(size))

    return Result({"output": str(output), "bytes": size}, show, show)
