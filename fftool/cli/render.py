"""fftool render: checkpoints into pictures of any size."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fftool.checkpoint import describe, load
from fftool.cli import bars, batch, options, terminal
from fftool.cli.batch import Job, Result
from fftool.config import Device, SignalConfig, TrainingConfig, check_bits
from fftool.errors import FFToolError, SettingError
from fftool.files import check_space, check_writable
from fftool.region import Region

if TYPE_CHECKING:
    from fftool.media.image import Format
    from fftool.network import CoordinateMLP

STDOUT = Path("-")


def render(
    models: options.Models,
    size: options.Size = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The picture to write; - is standard output; for several models, the folder.",
            show_default="MODEL-WIDTHxHEIGHT.png",
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

    fftool render *.st --size 200% -o pictures
    """
    if bits is not None:
        check_bits(bits)
    drawn = Drawn(size or options.Pixels(), crop, bits, device, threads)
    output = output or Path()
    if len(models) == 1 and output == STDOUT:
        _check_stdout(as_json)
        drawn.to_stdout(models[0])
    elif len(models) == 1 and not batch.is_folder(output):
        batch.do(drawn.to_file(models[0], output), overwrite, as_json)
    else:
        from fftool.media.image import FORMATS

        suffixes = [suffix for form in FORMATS for suffix in form.suffixes]
        folder, names = batch.make_folder(output, suffixes), batch.names_apart(models)
        if len(models) == 1:
            batch.do(drawn.plan(models[0], folder, names[models[0]]), overwrite, as_json)
        else:
            batch.do_all(models, lambda model: drawn.plan(model, folder, names[model]), overwrite, as_json)


@dataclass(frozen=True)
class Drawn:
    """How to draw checkpoints."""

    size: options.Pixels
    crop: Region | None
    bits: int | None
    device: Device
    threads: int | None

    def plan(self, model: Path, folder: Path, name: str) -> Job:
        """Draw one into a folder, under that name and its size."""
        height, width = self._shape(_signal(model))
        return self.to_file(model, folder / f"{name}-{width}x{height}.png")

    def to_file(self, model: Path, output: Path) -> Job:
        """Draw one into a file, once it is known that this is possible."""
        from fftool.media.image import image_format

        signal, form = _signal(model), image_format(output)
        (height, width), bits = self._shape(signal), self._depth(signal, form)
        form.check((height, width, signal.channels), bits)
        check_writable(output, model)
        if form.streams:
            check_space(output, width * height * signal.channels * bits // 8)
        return Job(output, partial(self._write, model, output, (height, width), bits))

    def _write(self, model: Path, output: Path, shape: tuple[int, int], bits: int) -> Result:
        from fftool.media.image import write_bands
        from fftool.rendering import render_bands

        network = self._network(model)
        channels, start = network.config.signal.channels, perf_counter()
        with bars.progress("Rendering", prod(shape)) as report:
            bands = render_bands(network, shape, region=self.crop, bits=bits, report=report)
            write_bands(output, (*shape, channels), bands)
        height, width = shape
        document = {
            "output": str(output),
            "width": width,
            "height": height,
            "channels": channels,
            "bits": bits,
            "seconds": perf_counter() - start,
        }
        show = partial(_show, document)
        return Result(document, show, show)

    def to_stdout(self, model: Path) -> None:
        """Draw one as a PNG."""
        from fftool.media.image import PNG, encode_image
        from fftool.rendering import render as draw

        signal = _signal(model)
        shape, bits = self._shape(signal), self._depth(signal, PNG)
        PNG.check((*shape, signal.channels), bits)
        with bars.progress("Rendering", prod(shape)) as report:
            samples = draw(self._network(model), shape, region=self.crop, bits=bits, report=report)
        encode_image(sys.stdout.buffer, samples, PNG)

    def _shape(self, signal: SignalConfig) -> tuple[int, int]:
        width, height = self.size.of(*_natural_size(signal, self.crop))
        return height, width

    def _depth(self, signal: SignalConfig, form: Format) -> int:
        return self.bits or min(signal.bits, max(form.bits))

    def _network(self, model: Path) -> CoordinateMLP:
        network = load(model)  # first, so that what is wrong with it is said before torch is loaded
        from fftool.device import select_device, use_threads

        use_threads(self.threads)
        return network.to(select_device(self.device))


def _signal(model: Path) -> SignalConfig:
    signal = describe(model).config.signal
    if signal.axes != ("y", "x"):
        axes = ", ".join(signal.axes)
        raise FFToolError(f"{model} has the axes {axes}", "only pictures, with axes y, x, are drawn")
    return signal


def _show(document: dict[str, Any]) -> None:
    terminal.say(document["output"])
    size = "{width}x{height} pixels, {channels} × {bits} bits, drawn in {seconds:.1f} s".format(**document)
    terminal.note(size, style="dim")


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
    if sys.__stdout__ is None:
        raise FFToolError("standard output is closed", "send it somewhere, with > or |, or name a file with -o")
    if sys.stdout.isatty():
        raise FFToolError(
            "a terminal cannot show the bytes of a picture", "send them on, with > or |, or name a file with -o"
        )
