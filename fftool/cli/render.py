"""fftool render: a checkpoint into a picture of any size."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from fftool.checkpoint import describe, load
from fftool.cli import options, terminal
from fftool.config import SignalConfig, TrainingConfig, check_bits
from fftool.errors import FFToolError, SettingError
from fftool.files import check_space, check_writable
from fftool.region import Region

STDOUT = Path("-")


def render(
    model: options.Model,
    size: options.Size = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The picture to write; - is standard output.", show_default="MODEL-WIDTHxHEIGHT.png"
        ),
    ] = None,
    crop: options.Crop = None,
    bits: Annotated[
        int | None,
        typer.Option("--bits", help="Bits a channel, 8 or 16.", show_default="as trained, if the format holds it"),
    ] = None,
    device: options.Device = TrainingConfig.device,
    threads: options.Threads = TrainingConfig.threads,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Draw a checkpoint at any width and height.

    The suffix of the output names its format: png, jpg, webp, tiff or bmp. A tiff may be larger than memory.

    A crop without a size is drawn as large as fits into the trained size.
    """
    if bits is not None:
        check_bits(bits)
    signal = describe(model).config.signal
    if signal.axes != ("y", "x"):
        raise FFToolError(f"{model} has the axes {', '.join(signal.axes)}", "only pictures, with axes y, x, are drawn")
    width, height = (size or options.Pixels()).of(*_natural_size(signal, crop))
    output = output or Path(f"{model.stem}-{width}x{height}.png")
    from fftool.media.image import PNG, encode_image, image_format, write_bands

    form = PNG if output == STDOUT else image_format(output)
    bits = bits or min(signal.bits, max(form.bits))
    form.check((height, width, signal.channels), bits)
    if output == STDOUT:
        _check_stdout(as_json)
    else:
        check_writable(output, model)
        if form.streams:
            check_space(output, width * height * signal.channels * bits // 8)
        terminal.confirm_overwrite([output], overwrite)

    from fftool.device import select_device, use_threads
    from fftool.rendering import render as draw
    from fftool.rendering import render_bands

    use_threads(threads)
    network = load(model).to(select_device(device))
    shape = (height, width)
    start = perf_counter()
    with terminal.progress("Rendering", width * height) as report:
        if output == STDOUT:
            samples = draw(network, shape, region=crop, bits=bits, report=report)
        else:
            bands = render_bands(network, shape, region=crop, bits=bits, report=report)
            write_bands(output, (*shape, signal.channels), bands)
    seconds = perf_counter() - start
    if output == STDOUT:
        encode_image(sys.stdout.buffer, samples, form)
        return
    if as_json:
        terminal.show_json(
            {
                "output": str(output),
                "width": width,
                "height": height,
                "channels": signal.channels,
                "bits": bits,
                "seconds": seconds,
            }
        )
    else:
        terminal.say(output)
        terminal.note(
            f"{width}x{height} pixels, {signal.channels} × {bits} bits, drawn in {seconds:.1f} s", style="dim"
        )


def _natural_size(signal: SignalConfig, crop: Region | None) -> tuple[float, float]:
    """The trained width and height; for a crop, the largest of its aspect that fits into them."""
    height, width = signal.shape
    if crop is None:
        return width, height
    zoom = 1 / max(crop.extent)
    return width * crop.extent[0] * zoom, height * crop.extent[1] * zoom


def _check_stdout(as_json: bool) -> None:
    if as_json:
        raise SettingError("the picture and the JSON document cannot both be on standard output", "name a file with -o")
    if sys.stdout.isatty():
        raise FFToolError(
            "a terminal cannot show the bytes of a picture", "send them on, with > or |, or name a file with -o"
        )
