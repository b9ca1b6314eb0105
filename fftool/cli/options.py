"""Options and arguments, each declared once. Defaults and ranges are in `fftool.config`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fftool import config, media
from fftool.cli import parsers
from fftool.cli.errors import UsageError
from fftool.cli.jobs import Existing
from fftool.config import EncodingConfig, NetworkConfig

network_option = partial(typer.Option, rich_help_panel="Encoding and network")
training_option = partial(typer.Option, rich_help_panel="Training")
output_option = partial(typer.Option, "--output", "-o", metavar="PATH")
file_argument = partial(typer.Argument, show_default=False, readable=False)  # fftool checks files itself

File = Annotated[Path, file_argument(metavar="FILE", help="The file to fit; - is standard input.")]
Files = Annotated[
    list[Path] | None,
    file_argument(metavar="FILE", help="The file to fit, several, or a folder; - is standard input."),
]
Model = Annotated[Path, file_argument(metavar="MODEL", help="The checkpoint to show; - is standard input.")]
Models = Annotated[
    list[Path],
    file_argument(metavar="MODEL", help="The checkpoint to render, several, or a folder; - is standard input."),
]

ENCODING_HELP = "How coordinates become features."
SCALE_HELP = "σ, in cycles per side: larger fits finer detail; 25,50 is one for each axis, x first."
SCALE_OR_AUTO_HELP = f"{SCALE_HELP} auto chooses it from the image."

Encoding = Annotated[config.EncodingKind, network_option("--encoding", help=ENCODING_HELP)]
Scale = Annotated[
    Any,  # a config.Scale; Typer has no unions
    network_option("--scale", parser=parsers.parse_scale, metavar="NUMBER|auto", help=SCALE_OR_AUTO_HELP),
]
Scales = Annotated[
    list[Any] | None,
    network_option(
        "--scale",
        parser=parsers.parse_scale,
        metavar="NUMBER|auto",
        help=f"{SCALE_OR_AUTO_HELP} Repeatable.",
        show_default=str(EncodingConfig.scale),
    ),
]
Encodings = Annotated[
    list[Any] | None,
    network_option(
        "--encoding",
        parser=parsers.parse_encoding,
        metavar="|".join(parsers.ENCODINGS),
        help=f"{ENCODING_HELP} Repeatable.",
        show_default=EncodingConfig.kind,
    ),
]
ScaleFor = Annotated[
    config.ScaleGoal,
    network_option("--scale-for", help="Purpose of auto: resize for rendering at other sizes, detail for the pixels."),
]
FrequencyCount = Annotated[int, network_option("--dimension", help="Number of frequencies, m.")]
Dimension = Annotated[
    int | None,
    network_option(
        "--dimension", help="Number of frequencies, m.", show_default=f"{config.DIMENSION}, or 64 for small tiles"
    ),
]
Hidden = Annotated[
    int | None,
    network_option(
        "--hidden", help="Units in each hidden layer.", show_default=f"{config.HIDDEN}, or 64 for small tiles"
    ),
]
TILE_HELP = (
    "Side of the tiles, in pixels, each with a small network of its own; none is one network for the whole image. "
    "auto takes tiles where one network has no room."
)
tile_option = partial(network_option, "--tile", parser=parsers.parse_tile, metavar="PIXELS|WIDTHxHEIGHT|auto|none")
Tile = Annotated[Any, tile_option(help=TILE_HELP)]  # a config.Tile; Typer has no unions
Tiles = Annotated[list[Any] | None, tile_option(help=f"{TILE_HELP} Repeatable.", show_default=str(NetworkConfig.tile))]
Margin = Annotated[
    int | None,
    network_option(
        "--margin",
        help="Samples by which a tile overlaps its neighbours.",
        show_default=f"{config.MARGINS[2]}, or {config.MARGINS[3]} with three axes",
    ),
]
Baselines = Annotated[
    list[Any] | None,
    typer.Option(
        "--baseline",
        parser=parsers.parse_kernel,
        metavar="|".join(parsers.KERNELS),
        help="An ordinary resize to compare with; cubic is bicubic, Keys' with a = -0.5. Repeatable.",
        show_default="none",
    ),
]
Layers = Annotated[int, network_option("--layers", help="Number of hidden layers.")]


def given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Those of the parameters that were given on the command line, as they are typed."""
    sources = {name: context.get_parameter_source(name) for name in names}
    typed = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    return [parameter.opts[0] for parameter in context.command.params if parameter.name in typed]


def one_duration(context: typer.Context, value: Any) -> Any:
    """Refuse two lengths of a training."""
    if len(given(context, ("epochs", "seconds"))) > 1:
        raise UsageError("--epochs and --time both set the length of the training", "leave one of them out")
    return value


TrainingQuality = Annotated[
    config.TrainingQuality | None,
    training_option(
        "--quality",
        help="Epochs, tiles and units that belong together: draft is fast, best is slow. Other options go before it.",
        show_default="none",
    ),
]
Epochs = Annotated[int, training_option("--epochs", callback=one_duration, help="Passes over the image.")]
Seconds = Annotated[
    float | None,
    training_option(
        "--time",
        callback=one_duration,
        parser=parsers.parse_seconds,
        metavar="DURATION",
        help="Length of the training, in place of epochs: 10s, 1.5m, 2h.",
        show_default="none",
    ),
]
TargetPSNR = Annotated[
    float | None,
    training_option("--target-psnr", metavar="DECIBELS", help="Stop at this PSNR.", show_default="none"),
]
BatchSize = Annotated[
    int | None, training_option("--batch-size", help="Pixels in each step.", show_default="by the size of the image")
]
LearningRate = Annotated[
    float | None,
    training_option(
        "--learning-rate", help="Highest step size of the optimizer.", show_default="by optimizer and batch size"
    ),
]
Optimizer = Annotated[
    config.OptimizerName,
    training_option("--optimizer", help="Muon, with Adam for biases and the last layer, or Adam alone."),
]
Schedule = Annotated[
    config.Schedule | None,
    training_option("--schedule", help="Decay of the learning rate.", show_default="by the size of the image"),
]
Precision = Annotated[
    config.Precision,
    training_option("--precision", help="Of matrix products; auto is bfloat16 where the processor is faster with it."),
]
Loss = Annotated[config.Loss, training_option("--loss", help="Binary cross-entropy or mean squared error.")]
Holdout = Annotated[
    Any,  # a config.Holdout; Typer has no unions
    training_option(
        "--holdout",
        parser=parsers.parse_holdout,
        metavar="FRACTION|lattice",
        help="Pixels to test on instead of training: a fraction, or a lattice between the others, as in the paper.",
        show_default="none",
    ),
]
StopAtBest = Annotated[
    bool, training_option("--stop-at-best", help="Keep the epoch with the best held-out PSNR, not the last one.")
]
Seed = Annotated[int, training_option("--seed", help="The same seed gives the same file.")]
Seeds = Annotated[
    list[int] | None,
    training_option(
        "--seed", help="The same seed gives the same file. Repeatable.", show_default=str(config.TrainingConfig.seed)
    ),
]
Device = Annotated[config.Device, typer.Option("--device", help="Where to compute; auto is a GPU if there is one.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", help="CPU threads; fewer leave cores to other programs.", show_default="all available cores"
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="MODEL",
        help="Continue an unfinished run; or, with more --epochs, a finished one.",
        show_default="none",
        readable=False,
    ),
]
SaveEvery = Annotated[float, typer.Option("--save-every", metavar="SECONDS", help="Time between saves while training.")]
NoMetadata = Annotated[
    bool,
    typer.Option(
        "--no-metadata",
        help="Leave out EXIF, XMP and the colour profile. EXIF may hold GPS positions and serial numbers.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Leave existing outputs as they are.")]
Show = Annotated[bool, typer.Option("--show", help="Show the figure in the terminal as well.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Size = Annotated[
    str | None,  # a medium parses it
    typer.Option(
        "--size",
        metavar="WIDTHxHEIGHT",
        help="Size in pixels, 800 for the longest side alone, or 200%; 640x360x120 for a clip or a volume.",
        show_default="the trained size",
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        metavar="1-100",
        help="Quality of a jpg, webp or avif. webp halves the resolution of colours below 100, which is lossless.",
        show_default=str(config.DEFAULT_QUALITY),
    ),
]
Crop = Annotated[
    str | None,  # a medium parses it
    typer.Option(
        "--crop",
        metavar="X,Y,WIDTH,HEIGHT",
        help="Render a part: its corner and its sides as fractions of the image.",
        show_default="all of it",
    ),
]
clip_option = partial(typer.Option, rich_help_panel="Clips")
FPS = Annotated[
    float | None, clip_option("--fps", metavar="NUMBER", help="Frames per second.", show_default="as trained")
]
TimeRange = Annotated[
    str | None,
    clip_option(
        "--time-range",
        metavar="START..END",
        help="A part in seconds, frames or percent: 1s..3s, 10..20, 50%..",
        show_default="all of it",
    ),
]
Frame = Annotated[
    float | None,
    clip_option(
        "--frame",
        metavar="NUMBER",
        help="An image of one frame, from 0; 17.5 is between two of them.",
        show_default="none",
    ),
]
volume_option = partial(typer.Option, rich_help_panel="Volumes and shapes")
Slice = Annotated[
    str | None,
    volume_option(
        "--slice", metavar="AXIS=PLACE", help="An image of one slice: z=0.5 is in the middle.", show_default="none"
    ),
]
Planes = Annotated[bool, volume_option("--planes", help="An image of the three slices through the middle.")]
Mip = Annotated[
    str | None,
    volume_option("--mip", metavar="x|y|z", help="An image of the highest values along an axis.", show_default="none"),
]
Isosurface = Annotated[
    float | None,
    volume_option(
        "--isosurface",
        metavar="LEVEL",
        help="A mesh around what is above a level: 0.5 is halfway from the lowest value to the highest.",
        show_default="none",
    ),
]
Simplify = Annotated[
    float | None,
    volume_option(
        "--simplify", metavar="FRACTION", help="Keep that fraction of the triangles of a mesh.", show_default="all"
    ),
]
Largest = Annotated[bool, volume_option("--largest", help="Keep only the largest piece of a mesh.")]
Medium = Annotated[
    str | None,
    typer.Option(
        "--as",
        parser=parsers.parse_medium,
        metavar="|".join(media.names()),
        help="Kind of signal, where a file could be several.",
        show_default="by the content of the file",
    ),
]


cluster_option = partial(typer.Option, rich_help_panel="Cluster")
Workers = Annotated[
    int | None,
    cluster_option(
        "--workers", min=1, help="Processes on this machine that share the work.", show_default="this process alone"
    ),
]
Cluster = Annotated[
    str | None,
    cluster_option(
        "--cluster",
        metavar="ADDRESS",
        help="Dask scheduler whose workers do the work, such as tcp://head:8786; see fftool worker.",
        show_default="none",
    ),
]


def check_scale_for(context: typer.Context, encodings: Iterable[EncodingConfig]) -> None:
    """Refuse a purpose of auto where nothing is chosen."""
    if given(context, ("scale_for",)) and not any(encoding.needs_search for encoding in encodings):
        raise UsageError("--scale-for is for --scale auto", "leave out --scale-for, or the number of --scale")


def existing(overwrite: bool, skip: bool) -> Existing:
    """What to do with outputs that exist. Raises UsageError for two answers."""
    if overwrite and skip:
        raise UsageError("--overwrite replaces what exists, and --skip-existing leaves it", "leave one of them out")
    return "replace" if overwrite else "skip" if skip else "ask"


def check_show(show: bool, as_json: bool) -> None:
    """Refuse to show figures where the JSON document goes."""
    if show and as_json:
        raise UsageError("--show and --json both write to standard output", "leave one of them out")
