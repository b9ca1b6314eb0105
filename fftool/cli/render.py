"""fftool render: checkpoints into files of any size."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
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
from fftool.cli.settings import with_view_options
from fftool.cli.workers import Place
from fftool.config import Device, SignalConfig, TrainingConfig, ViewOptions, check_quality, check_rendered_bits
from fftool.files import check_space, check_writable, new_folder
from fftool.interrupts import uninterrupted

if TYPE_CHECKING:
    from fftool.media.base import Bands, Format, Grid, View
    from fftool.models.network import CoordinateMLP

STDOUT = Path("-")
Renderer = Callable[["Grid", int, Callable[[int], object]], "Bands"]  # of a grid, with a bit depth and a callback


@with_view_options
def render(
    models: options.Models,
    view: ViewOptions,
    output: Annotated[
        Path | None,
        options.output_option(
            help="The file to write; - is standard output; for several checkpoints, a folder.",
            show_default="MODEL-WIDTHxHEIGHT.png, or render-WIDTHxHEIGHT.png for a pipe",
        ),
    ] = None,
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
    workers: options.Workers = None,
    cluster: options.Cluster = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    as_json: options.Json = False,
) -> None:
    """Render a checkpoint at any size.

    The suffix of the output names its format: png, jpg, webp, avif, tiff, zarr, bmp, hdr or exr for an image, and wav
    for a sound; mp4, mov, webm, mkv, gif, webp, png, avif or frames/%04d.png for a clip; tif, npy, nii.gz, nii, nrrd or
    mrc for a volume; glb, stl, ply or obj for a surface. A tiff or zarr of an image may be larger than memory.

    A crop without a size is rendered as large as fits into the trained size.

    fftool render model.st --size 500x500

    fftool render models --size 200% -o images

    fftool render clip.st --fps 60 --time-range 1s..3s -o clip.mp4

    fftool render scan.st --slice z=0.5 -o slice.png
    """
    if bits is not None:
        check_rendered_bits(bits)
    if quality is not None:
        check_quality(quality)
    existing, found = options.existing(overwrite, skip_existing), inputs.several(models, inputs.CHECKPOINTS)
    rendering = Rendering(view, bits, quality, no_metadata, device, threads, Place(workers, cluster))
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
class Rendering:
    """Rendering of checkpoints with the same options."""

    options: ViewOptions
    bits: int | None
    quality: int | None
    no_metadata: bool
    device: Device
    threads: int | None
    place: Place

    def job_in_folder(self, model: Path, folder: Path, name: str) -> Job:
        """Job that renders a checkpoint into a folder, under a name followed by its size."""
        view = self._view(model)
        return self.job(model, folder / f"{name}-{view.file_name}{view.medium.suffix}", makes_folder=True)

    def job(self, model: Path, output: Path, makes_folder: bool = False) -> Job:
        """Job that renders a checkpoint into a file, or several where their name is a pattern."""
        view = self._view(model)
        file_format, files = view.medium.format_of(output), view.medium.outputs(output, view.shape)
        bits, channels = self._bits(view.signal, file_format), view.signal.channels
        makes_folder |= len(files) > 1

        def check() -> None:
            file_format.check((*view.shape, channels), bits, self.quality)
            check_writable(output, model, makes_folder=makes_folder)
            if file_format.streams:
                check_space(output, prod(view.shape) * channels * bits // 8)

        run = partial(self._run, model, output, view, bits, makes_folder)
        return Job(output, run, check, parts=files if len(files) > 1 else ())

    def _run(self, model: Path, output: Path, view: View, bits: int, makes_folder: bool) -> Result:
        medium, shape, channels, start = view.medium, view.shape, view.signal.channels, perf_counter()
        with (
            self._renderer(model) as renderer,
            new_folder(output.parent) if makes_folder else nullcontext(),
            bars.progress("Rendering", view.n_samples, medium.short_unit) as update,
        ):
            bands = _bands(renderer, view, bits, update)
            medium.write(output, (*shape, channels), bands, signal=view.signal, quality=self.quality)
        document = {
            "output": str(output),
            **medium.size_fields(shape),
            "channels": channels,
            "bits": bits,
            "seconds": perf_counter() - start,
        }
        show = partial(_show, document, f"{medium.describe_size(shape)}, {channels} × {_depth(bits, view.signal)}")
        return Result(document, show, show)

    def to_stdout(self, model: Path) -> None:
        """Render a checkpoint to standard output, in the default format of its medium."""
        view = self._view(model)
        file_format, shape = view.medium.formats[0], (*view.shape, view.signal.channels)
        bits = self._bits(view.signal, file_format)
        file_format.check(shape, bits, self.quality)
        with (
            self._renderer(model) as renderer,
            bars.progress("Rendering", view.n_samples, view.medium.short_unit) as update,
        ):
            from fftool.signal import assemble

            samples = assemble(_bands(renderer, view, bits, update), shape, bits)
        view.medium.encode(sys.stdout.buffer, samples, signal=view.signal)

    def _view(self, model: Path) -> View:
        signal = describe(model).config.signal
        if self.no_metadata:
            signal = replace(signal, metadata={})
        with uninterrupted():
            medium = medium_of(model, signal)
        return medium.view(signal, self.options)

    def _bits(self, signal: SignalConfig, file_format: Format) -> int:
        if self.bits:
            return self.bits
        if 32 in file_format.bits and (signal.values or file_format.bits == (32,)):
            return 32
        return min(signal.bits, max(bits for bits in file_format.bits if bits < 32))

    @contextmanager
    def _renderer(self, model: Path) -> Iterator[Renderer]:
        """Section with a function that renders a checkpoint on a grid, here or on workers."""
        if self.place.is_here:
            network = self._network(model)
            yield partial(_render_here, network)
            return
        with self.place.cluster() as cluster:
            with uninterrupted():
                from fftool.cluster.rendering import render_on

            yield partial(render_on, cluster, model, self.device, self.threads or 0)

    def _network(self, model: Path) -> CoordinateMLP:
        network = load(model)  # first, so that a problem with it is reported before torch is loaded
        with uninterrupted():
            import_module("fftool.rendering")  # or else it is imported where Ctrl-C may cut that short
            from fftool.backend.device import select_device, use_threads

        use_threads(self.threads or 0)
        return network.to(select_device(self.device))


def _render_here(network: CoordinateMLP, grid: Grid, bits: int, callback: Callable[[int], object]) -> Bands:
    from fftool.rendering import render_bands

    return render_bands(network, grid.shape, region=grid.region, bits=bits, callback=callback)


def _bands(renderer: Renderer, view: View, bits: int, update: Callable[[int], object]) -> Bands:
    """Samples of a view, from a network that is evaluated at each of its grids."""

    def bands() -> Iterator[Bands]:
        done = 0
        for grid in view.grids:
            callback = partial(_add, update, done)
            yield renderer(grid, bits, callback)
            done += prod(grid.shape)

    return view.combine(bands())


def _add(update: Callable[[int], object], done: int, more: int) -> None:
    update(done + more)


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
