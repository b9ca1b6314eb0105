"""fftool encode-viz: the features of an encoding, and the effect of its scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fftool import media
from fftool.checkpoint.reading import describe, load, medium_of
from fftool.cli import inputs, options, parsers, terminal
from fftool.cli import progress as bars
from fftool.cli.errors import UsageError
from fftool.cli.output import Output
from fftool.cli.reports import scale_json
from fftool.config import EncodeVizConfig, Encoding, EncodingConfig, TrainingConfig, check_scale_count, variants
from fftool.errors import SettingError, UnsuitableCheckpointError
from fftool.files import check_folder
from fftool.interrupts import uninterrupted

if TYPE_CHECKING:
    from fftool.media.base import Medium
    from fftool.models.frequencies import Frequencies
    from fftool.signal import Samples

FIGURE = "scales.png"
NAMES = r"(basic|(gaussian|positional)-[^/]+)"
OURS = rf"(scales|{NAMES})\.png|{NAMES}/\d+-(cos|sin)\.\w+"


def encode_viz(
    context: typer.Context,
    folder: Annotated[Path, options.output_option(metavar="FOLDER", help="A folder of its own for the images.")] = Path(
        "encoding"
    ),
    scale: Annotated[
        list[Any] | None,
        options.network_option(
            "--scale",
            parser=parsers.parse_fixed_scale,
            metavar="NUMBER",
            help=f"{options.SCALE_HELP} Repeatable.",
            show_default=", ".join(f"{scale:g}" for scale in EncodeVizConfig.scales),
        ),
    ] = None,
    encoding: Annotated[
        Literal["gaussian", "positional", "basic"],
        options.network_option("--encoding", help=options.ENCODING_HELP),
    ] = "gaussian",
    dimension: options.FrequencyCount = EncodeVizConfig.dimension,
    seed: options.Seed = TrainingConfig.seed,
    model: Annotated[
        Path | None,
        options.network_option(
            "--model", metavar="MODEL", help="Show the B of this checkpoint.", show_default="none", readable=False
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="WIDTHxHEIGHT",
            help="Size of each image.",
            show_default=f"{EncodeVizConfig.side}x{EncodeVizConfig.side}, or the model's",
        ),
    ] = None,
    show: options.Show = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Draw the features of each scale, and the effect of the scale.

    Each frequency gives two images, its cosine and its sine. A contact sheet shows them all.

    scales.png shows the frequencies, those above Nyquist at this size, and how far the effect of a sample reaches.

    fftool encode-viz --scale 1 --scale 10 --scale 100 --size 100x100
    """
    options.check_show(show, as_json)
    if model:
        source = _from_model(inputs.named(model), context)
    else:
        requests = variants([encoding], scale or EncodeVizConfig.scales, EncodingConfig(dimension=dimension))
        source = _from_requests(requests, TrainingConfig(seed=seed).seed)
    shape = source.medium.parse_size("100%" if size is None else size, source.shape)
    outputs = [EncodingOutputs(folder, each, source.medium) for each in source.encodings]
    _check_limits(source, shape)
    paths = [folder / FIGURE, *(path for each in outputs for path in each.paths)]
    terminal.confirm_overwrite(check_folder(folder, paths, OURS), overwrite)
    shown = source.frequencies(shape)
    _write_features(outputs, shown, source.medium)
    _write_figures(folder, outputs, shown, source.medium, show)
    _show_result(folder, outputs, shown, Output(as_json))


@dataclass(frozen=True)
class Source:
    """Encodings to show, from requests or from a checkpoint, and the shape of the grid unless told otherwise."""

    medium: Medium
    encodings: Sequence[Encoding]
    shape: tuple[int, ...]
    seed: int = 0
    model: Path | None = None

    def frequencies(self, shape: tuple[int, ...]) -> list[Frequencies]:
        """B of each encoding on a grid: the checkpoint's, or drawn from the seed."""
        with uninterrupted():
            from fftool.models.encoding import frequency_matrix
            from fftool.models.frequencies import Frequencies
            from fftool.rng import generator

        found = []
        for encoding in self.encodings:
            if self.model:
                B = load(self.model).B
            else:
                B = frequency_matrix(encoding, len(shape), generator(self.seed, "frequencies"))
            if B is not None:
                found.append(Frequencies(encoding, B, shape))
        return found


def _from_requests(requests: Sequence[EncodingConfig], seed: int) -> Source:
    with uninterrupted():
        medium = media.get()
    encodings = [request.resolve() for request in requests]
    for encoding in encodings:
        check_scale_count(encoding.scale, len(medium.axes))
    return Source(medium, encodings, (EncodeVizConfig.side,) * len(medium.axes), seed)


def _from_model(model: Path, context: typer.Context) -> Source:
    if others := options.given(context, ("scale", "encoding", "dimension", "seed")):
        raise UsageError(
            f"{others[0]} makes a new B, and --model shows that of {model}", f"leave out {others[0]} or --model"
        )
    config = describe(model).config
    if config.encoding.kind == "none":
        raise UnsuitableCheckpointError(model, "was trained with --encoding none, and has no B")
    with uninterrupted():
        medium = medium_of(model, config.signal)
    return Source(medium, [config.encoding], config.signal.shape, model=model)


def _check_limits(source: Source, shape: tuple[int, ...]) -> None:
    limits, n_axes = EncodeVizConfig(), len(shape)
    if prod(shape) > limits.max_samples:
        expected = f"at most {limits.max_samples:,} {source.medium.unit} in each {source.medium.noun}"
        raise SettingError("size", f"of {source.medium.count(shape)}", expected)
    n_frequencies = max(encoding.n_frequencies(n_axes) for encoding in source.encodings)
    if n_frequencies > limits.max_frequencies:
        raise SettingError("dimension", f"of {n_frequencies:,} frequencies", f"at most {limits.max_frequencies:,}")


@dataclass(frozen=True)
class EncodingOutputs:
    """Files of one encoding: a contact sheet, and the cosine and sine of each frequency by its number."""

    folder: Path
    encoding: Encoding
    medium: Medium

    @property
    def name(self) -> str:
        return self.encoding.request.file_name

    @property
    def contact_sheet(self) -> Path:
        return self.folder / f"{self.name}.png"

    @property
    def pairs(self) -> list[tuple[Path, Path]]:
        """Cosine and sine of each frequency, numbered so that file names sort."""
        n_frequencies = self.encoding.n_frequencies(len(self.medium.axes))
        stem, digits, suffix = self.folder / self.name, len(str(n_frequencies - 1)), self.medium.suffix
        return [
            (stem / f"{j:0{digits}}-cos{suffix}", stem / f"{j:0{digits}}-sin{suffix}") for j in range(n_frequencies)
        ]

    @property
    def paths(self) -> list[Path]:
        return [self.contact_sheet, *(path for pair in self.pairs for path in pair)]


def _write_features(outputs: Sequence[EncodingOutputs], shown: Sequence[Frequencies], medium: Medium) -> None:
    for files, each in zip(outputs, shown, strict=True):
        (files.folder / files.name).mkdir(parents=True, exist_ok=True)
        n_samples = 2 * prod(each.shape)
        with bars.progress(each.encoding.name, len(files.pairs) * n_samples, medium.short_unit) as update:
            for j, (paths, features) in enumerate(zip(files.pairs, each.features(), strict=True), start=1):
                for path, samples in zip(paths, features, strict=True):
                    medium.write(path, samples.shape, iter([samples.reshape(-1, *samples.shape[-2:])]))
                update(j * n_samples)


def _write_figures(
    folder: Path, outputs: Sequence[EncodingOutputs], shown: Sequence[Frequencies], medium: Medium, show: bool
) -> None:
    with uninterrupted():
        from fftool.figures.encoding import contact_sheet
        from fftool.figures.kernels import scales

    size = medium.describe_size(shown[0].shape)
    scales(shown, size, medium.unit).save(folder / FIGURE)
    for files, each in zip(outputs, shown, strict=True):
        page = contact_sheet(each, _previews(each, medium), size)
        page.save(files.contact_sheet)
        if show:
            terminal.print_image(page.image())


def _previews(frequencies: Frequencies, medium: Medium) -> Iterator[tuple[Samples, Samples]]:
    """First preview of each frequency's cosine and sine."""
    for cos, sin in frequencies.features():
        yield medium.previews(cos)[0].samples, medium.previews(sin)[0].samples


def _show_result(
    folder: Path, outputs: Sequence[EncodingOutputs], shown: Sequence[Frequencies], output: Output
) -> None:
    medium, shape = outputs[0].medium, shown[0].shape
    half_widths = [each.half_width / each.spacing for each in shown]
    output.table(
        {
            "encoding": [each.encoding.name for each in shown],
            "frequencies": [str(each.B.shape[1]) for each in shown],
            "above Nyquist": [str(int(each.above_nyquist.sum())) for each in shown],
            "kernel's half width": ["none" if math.isinf(w) else f"{w:.3g} {medium.unit}" for w in half_widths],
        }
    )
    for path in (folder / FIGURE, *(files.contact_sheet for files in outputs)):
        output.line(path)
    output.document(
        {
            "output": str(folder),
            "figure": str(folder / FIGURE),
            **medium.size_fields(shape),
            "encodings": [_json(files, each) for files, each in zip(outputs, shown, strict=True)],
        }
    )


def _json(files: EncodingOutputs, shown: Frequencies) -> dict[str, Any]:
    encoding, half_width = shown.encoding, shown.half_width
    axes = files.medium.axes[::-1]
    rows = zip(shown.B.T.tolist(), shown.above_nyquist.tolist(), files.pairs, strict=True)
    return {
        "encoding": encoding.kind,
        "scale": scale_json(encoding.scale),
        "contact_sheet": str(files.contact_sheet),
        "half_width": None if math.isinf(half_width) else half_width,
        "above_nyquist": int(shown.above_nyquist.sum()),
        "frequencies": [
            {**dict(zip(axes, b, strict=True)), "above_nyquist": above, "cos": str(cos), "sin": str(sin)}
            for b, above, (cos, sin) in rows
        ],
    }
