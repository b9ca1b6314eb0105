"""fftool encode-viz: what an encoding looks like, and what its scale does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fftool.checkpoint import describe, load
from fftool.cli import bars, options, terminal
from fftool.config import EncodeVizConfig, EncodingConfig, TrainingConfig, encodings
from fftool.errors import FFToolError, SettingError
from fftool.files import check_folder

if TYPE_CHECKING:
    from fftool.figures.encoding import Frequencies

FIGURE = "scales.png"
AXES = 2  # of a picture
OURS = r"(scales|basic|(gaussian|positional)-[^/]+)\.png|(basic|(gaussian|positional)-[^/]+)/\d+-(cos|sin)\.png"


def encode_viz(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the pictures go: a folder of their own.")
    ] = Path("encoding"),
    scale: Annotated[
        list[float] | None,
        options.network_option(
            "--scale",
            metavar="NUMBER",
            help=f"{options.SCALE_HELP} Repeat it for more.",
            show_default=", ".join(f"{scale:g}" for scale in EncodeVizConfig.scales),
        ),
    ] = None,
    encoding: Annotated[
        Literal["gaussian", "positional", "basic"],
        options.network_option("--encoding", help=options.ENCODING_HELP),
    ] = "gaussian",
    dimension: options.Dimension = EncodeVizConfig.dimension,
    seed: options.Seed = TrainingConfig.seed,
    model: Annotated[
        Path | None,
        options.network_option(
            "--model", help="Show the B that this checkpoint holds.", show_default="none", readable=False
        ),
    ] = None,
    size: Annotated[
        options.Pixels | None,
        typer.Option(
            "--size",
            parser=options.parse_size,
            metavar="WIDTHxHEIGHT",
            help="Of each picture.",
            show_default="{}x{}, or the model's".format(*EncodeVizConfig.size),
        ),
    ] = None,
    show: options.Show = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Draw the features of each scale, and what the scale does to them.

    Each frequency gives two pictures, its cosine and its sine. A contact sheet shows them all.

    scales.png shows the frequencies, which are too high for the size, and how far a sample is felt.

    fftool encode-viz --scale 1 --scale 10 --scale 100 --size 100x100
    """
    options.check_show(show, as_json)
    natural = EncodeVizConfig.size
    if model:
        configs, natural = _held(model, context)
    else:
        configs = encodings([encoding], scale or EncodeVizConfig.scales, EncodingConfig(dimension=dimension))
        seed = TrainingConfig(seed=seed).seed  # which checks its range
    width, height = (size or options.Pixels()).of(*natural)
    _check_extent(configs, width, height)
    plans = [Plan(folder, config) for config in configs]
    files = [folder / FIGURE, *(path for plan in plans for path in plan.files)]
    terminal.confirm_overwrite(check_folder(folder, files, OURS), overwrite)

    from fftool.encoding import FREQUENCIES
    from fftool.figures.encoding import Frequencies, contact_sheet, scales
    from fftool.network import generator

    shown = []
    for config in configs:
        draw = FREQUENCIES[config.kind]
        B = load(model).get_buffer("encoding.B") if model else draw(config, AXES, generator(seed, "frequencies"))
        shown.append(Frequencies(config, B, (height, width)))
    _write_features(plans, shown)
    scales(shown).save(folder / FIGURE)
    for plan, each in zip(plans, shown, strict=True):
        page = contact_sheet(each)
        page.save(plan.contact_sheet)
        if show:
            terminal.show_picture(page.image())
    _report(folder, plans, shown, as_json)


@dataclass(frozen=True)
class Plan:
    """Where the pictures of an encoding go."""

    folder: Path
    encoding: EncodingConfig

    @property
    def contact_sheet(self) -> Path:
        return self.folder / f"{self.encoding.file_name}.png"

    @property
    def pairs(self) -> list[tuple[Path, Path]]:
        """The cosine and the sine of each frequency, by its number, in an order that file names keep."""
        frequencies = self.encoding.frequencies(AXES)
        stem = self.folder / self.encoding.file_name
        digits = len(str(frequencies - 1))
        cos, sin = ([stem / f"{j:0{digits}}-{name}.png" for j in range(frequencies)] for name in ("cos", "sin"))
        return list(zip(cos, sin, strict=True))

    @property
    def files(self) -> list[Path]:
        return [self.contact_sheet, *(path for pair in self.pairs for path in pair)]


def _held(model: Path, context: typer.Context) -> tuple[list[EncodingConfig], tuple[int, int]]:
    """The encoding of a checkpoint, and the width and height that it was trained at."""
    if others := options.given(context, ("scale", "encoding", "dimension", "seed")):
        raise SettingError(
            f"{model} has its own B, and {others[0]} is for another", f"leave out {others[0]} or --model"
        )
    config = describe(model).config
    if config.encoding.kind == "none":
        raise FFToolError(f"{model} was trained with --encoding none, and has no B", "name another checkpoint")
    if config.signal.axes != ("y", "x"):
        raise FFToolError(
            f"{model} has the axes {', '.join(config.signal.axes)}", "only pictures, with axes y, x, are drawn"
        )
    height, width = config.signal.shape
    return [config.encoding], (width, height)


def _check_extent(configs: list[EncodingConfig], width: int, height: int) -> None:
    limits = EncodeVizConfig()
    if width * height > limits.max_pixels:
        raise SettingError(
            f"each picture would have {width * height:,} pixels",
            f"{limits.max_pixels:,} are the most: use a smaller --size",
        )
    most = max(config.frequencies(AXES) for config in configs)
    if most > limits.max_frequencies:
        raise SettingError(f"there would be {most:,} frequencies", f"{limits.max_frequencies:,} are the most")


def _write_features(plans: list[Plan], shown: list[Frequencies]) -> None:
    from fftool.media.image import write_image

    for plan, each in zip(plans, shown, strict=True):
        height, width = each.shape
        (plan.folder / each.encoding.file_name).mkdir(parents=True, exist_ok=True)
        with bars.progress(each.encoding.name, 2 * len(plan.pairs) * height * width) as report:
            for j, (paths, pictures) in enumerate(zip(plan.pairs, each.features(), strict=True), start=1):
                for path, samples in zip(paths, pictures, strict=True):
                    write_image(path, samples)
                report(2 * j * height * width)


def _report(folder: Path, plans: list[Plan], shown: list[Frequencies], as_json: bool) -> None:
    if as_json:
        height, width = shown[0].shape
        terminal.show_json(
            {
                "output": str(folder),
                "figure": str(folder / FIGURE),
                "width": width,
                "height": height,
                "encodings": [_document(plan, each) for plan, each in zip(plans, shown, strict=True)],
            }
        )
        return
    half = [each.half_width * max(each.shape) for each in shown]
    terminal.show_table(
        {
            "encoding": [each.encoding.name for each in shown],
            "frequencies": [str(len(each.aliased)) for each in shown],
            "above Nyquist": [str(int(each.aliased.sum())) for each in shown],
            "kernel's half width": ["none" if math.isinf(pixels) else f"{pixels:.3g} pixels" for pixels in half],
        }
    )
    for path in (folder / FIGURE, *(plan.contact_sheet for plan in plans)):
        terminal.say(path)


def _document(plan: Plan, shown: Frequencies) -> dict[str, Any]:
    config, half = shown.encoding, shown.half_width
    rows = zip(shown.B.T.tolist(), shown.aliased.tolist(), plan.pairs, strict=True)
    return {
        "encoding": config.kind,
        "scale": config.scale if config.uses_scale else None,
        "contact_sheet": str(plan.contact_sheet),
        "half_width": None if math.isinf(half) else half,
        "above_nyquist": int(shown.aliased.sum()),
        "frequencies": [
            {"x": x, "y": y, "above_nyquist": above, "cos": str(cos), "sin": str(sin)}
            for (x, y), above, (cos, sin) in rows
        ],
    }
