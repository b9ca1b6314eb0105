"""fftool render: checkpoints into files of any size."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fftool import media
from fftool.checkpoint.reading import describe, load, medium_of
from fftool.cli import inputs, jobs, options
from fftool.cli import progress as bars
from fftool.cli.errors import CommandError, UsageError
from fftool.cli.jobs import Job, Result
from fftool.cli.output import Output
from fftool.config import Device, SignalConfig, TrainingConfig, check_quality, check_rendered_bits
from fftool.files import check_space, check_writable, new_folder
from fftool.interrupts import uninterrupted
from fftool.region import Region

if TYPE_CHECKING:
    from fftool.media.base import Format, Medium
    from fftool.models.network import CoordinateMLP

STDOUT = Path("-")


def render(
    models: options.Models,
    size: options.Size = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The file to write; - is standard output; for several checkpoints, a folder.",
            show_default="MODEL-WIDTHxHEIGHT.png, or render-WIDTHxHEIGHT.png for a pipe",
        ),
    ] = None,
    crop: options.Crop = None,
    bits: Annotated[
        int | None,
        typer.Option(
            "--bits",
            help="Bits per channel: 8, 16, or 32 for the values as they are.",
            show_default="as trained, if the format holds it",
        ),
    ] = None,
    quality: options.Quality = None,
    no_metadata: options.NoMetadata = False,
    device: options.Device = TrainingConfig.device,
    threads: options.Threads = TrainingConfig.threads,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    as_json: options.Json = False,
) -> None:
    """Render a checkpoint at any width and height.

    The suffix of the output names its format: png, jpg, webp, avif, tiff, bmp, hdr or exr; wav for a
    sound. A tiff may be larger than memory.

    A crop without a size is rendered as large as fits into the trained size.

    fftool render model.st --size 500x500

    fftool render models --size 200% -o images
    """
    if bits is not None:
        check_rendered_bits(bits)
    if quality is not None:
        check_quality(quality)
    existing, found = options.existing(overwrite, skip_existing), inputs.several(models, inputs.CHECKPOINTS)
    rendering = Rendering(size, crop, bits, quality, no_metadata, device, threads)
    out, path = Output(as_json), output or Path()
    if path == STDOUT:
        if found.is_batch:
            raise UsageError("several files cannot be written to standard output", "name a folder with -o")
        _check_stdout(as_json)
        rendering.to_stdout(found.files[0])
        return
    if not (found.is_batch or jobs.is_folder(path)):
        jobs.run_job(found.files[0], rendering.job(found.files[0], path), existing, out)
        return
    jobs.check_folder_name(path, media.suffixes())
    names = jobs.output_names(found.files, "render")

    def make_job(model: Path) -> Job:
        return rendering.job_in_folder(model, path, names[model])

    if found.is_batch:
        jobs.run_jobs(found, make_job, existing, out)
    else:
        jobs.run_job(found.files[0], make_job(found.files[0]), existing, out)


@dataclass(frozen=True)
class Target:
    """What to render of one checkpoint."""

    medium: Medium
    signal: SignalConfig
    shape: tuple[int, ...]
    region: Region | None

    @property
    def written(self) -> SignalConfig:
        """Description of what is written."""
        return self.signal.resampled(self.shape, self.region.extent if self.region else ())


@dataclass(frozen=True)
class Rendering:
    """Rendering of checkpoints with the same options."""

    size: str | None
    crop: str | None
    bits: int | None
    quality: int | None
    no_metadata: bool
    device: Device
    threads: int | None

    def job_in_folder(self, model: Path, folder: Path, name: str) -> Job:
        """Job that renders a checkpoint into a folder, under a name followed by its size."""
        target = self._target(model)
        file = f"{name}-{target.medium.format_size(target.shape)}{target.medium.suffix}"
        return self.job(model, folder / file, makes_folder=True)

    def job(self, model: Path, output: Path, makes_folder: bool = False) -> Job:
        """Job that renders a checkpoint into a file."""
        target = self._target(model)
        file_format = target.medium.format_of(output)
        bits, channels = self._bits(target.signal, file_format), target.signal.channels

        def check() -> None:
            file_format.check((*target.shape, channels), bits, self.quality)
            check_writable(output, model, makes_folder=makes_folder)
            if file_format.streams:
                check_space(output, prod(target.shape) * channels * bits // 8)

        return Job(output, partial(self._run, model, output, target, bits, makes_folder), check)

    def _run(self, model: Path, output: Path, target: Target, bits: int, makes_folder: bool) -> Result:
        network = self._network(model)
        from fftool.rendering import render_bands

        medium, shape, channels, start = target.medium, target.shape, target.signal.channels, perf_counter()
        with (
            new_folder(output.parent) if makes_folder else nullcontext(),
            bars.progress("Rendering", prod(shape), medium.short_unit) as update,
        ):
            bands = render_bands(network, shape, region=target.region, bits=bits, callback=update)
            medium.write(output, (*shape, channels), bands, signal=target.written, quality=self.quality)
        document = {
            "output": str(output),
            **medium.size_fields(shape),
            "channels": channels,
            "bits": bits,
            "seconds": perf_counter() - start,
        }
        show = partial(_show, document, f"{medium.describe_size(shape)}, {channels} × {_depth(bits, target.signal)}")
        return Result(document, show, show)

    def to_stdout(self, model: Path) -> None:
        """Render a checkpoint to standard output, in the default format of its medium."""
        target = self._target(model)
        file_format = target.medium.formats[0]
        bits = self._bits(target.signal, file_format)
        file_format.check((*target.shape, target.signal.channels), bits, self.quality)
        network = self._network(model)
        from fftool.rendering import render as render_network

        with bars.progress("Rendering", prod(target.shape), target.medium.short_unit) as update:
            samples = render_network(network, target.shape, region=target.region, bits=bits, callback=update)
        target.medium.encode(sys.stdout.buffer, samples, signal=target.written)

    def _target(self, model: Path) -> Target:
        signal = describe(model).config.signal
        if self.no_metadata:
            signal = replace(signal, metadata={})
        with uninterrupted():
            medium = medium_of(model, signal)
        region = None if self.crop is None else medium.aligned(medium.parse_crop(self.crop), signal)
        natural = medium.natural_shape(signal, region)
        return Target(medium, signal, medium.parse_size("100%" if self.size is None else self.size, natural), region)

    def _bits(self, signal: SignalConfig, file_format: Format) -> int:
        if self.bits:
            return self.bits
        if 32 in file_format.bits and (signal.values or file_format.bits == (32,)):
            return 32
        return min(signal.bits, max(bits for bits in file_format.bits if bits < 32))

    def _network(self, model: Path) -> CoordinateMLP:
        network = load(model)  # first, so that a problem with it is reported before torch is loaded
        with uninterrupted():
            from fftool import rendering  # noqa: F401  # or else it is imported where Ctrl-C may cut that short
            from fftool.backend.device import select_device, use_threads

        use_threads(self.threads or 0)
        return network.to(select_device(self.device))


def _depth(bits: int, signal: SignalConfig) -> str:
    return signal.values.dtype if bits == 32 and signal.values else f"{bits} bits"


def _show(document: dict[str, Any], description: str, output: Output) -> None:
    output.line(document["output"])
    output.note(f"{description}, rendered in {document['seconds']:.1f} s")


def _check_stdout(as_json: bool) -> None:
    if as_json:
        raise UsageError("-o - and --json both write to standard output", "name a file with -o")
    if sys.__stdout__ is None:
        raise CommandError("standard output is closed", "redirect it with > or |, or name a file with -o")
    if sys.stdout.isatty():
        raise CommandError("a terminal cannot show the bytes of a file", "redirect them with > or |, or use -o FILE")
