"""The options, each declared once, and what their text means. Defaults and ranges are in `fftool.config`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from fftool import config
from fftool.config import EncodingConfig, NetworkConfig, TrainingConfig
from fftool.errors import SettingError
from fftool.region import Region

network_option = partial(typer.Option, rich_help_panel="Encoding and network")
training_option = partial(typer.Option, rich_help_panel="Training")
file_argument = partial(typer.Argument, show_default=False, readable=False)  # what is wrong with a file, fftool says

Picture = Annotated[Path, file_argument(metavar="PICTURE", help="The picture to learn.")]
Pictures = Annotated[
    list[Path] | None,
    file_argument(metavar="PICTURE", help="The picture to learn, or several."),
]
Model = Annotated[Path, file_argument(metavar="MODEL", help="A checkpoint made by fftool train.")]
Models = Annotated[
    list[Path],
    file_argument(metavar="MODEL", help="A checkpoint made by fftool train, or several."),
]

ENCODING_HELP = "The features of a position."
SCALE_HELP = "σ: how fine the detail is, in cycles per picture side."

SCALE_OR_AUTO_HELP = f"{SCALE_HELP} auto chooses it from the picture."


def parse_scale(text: str) -> config.Scale:
    """The σ that somebody typed."""
    try:
        return "auto" if text == "auto" else float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no scale: 25 or auto would be") from None


Encoding = Annotated[config.EncodingKind, network_option("--encoding", help=ENCODING_HELP)]
Scale = Annotated[
    Any,  # a config.Scale; Typer knows no unions
    network_option("--scale", parser=parse_scale, metavar="NUMBER|auto", help=SCALE_OR_AUTO_HELP),
]
ScaleFor = Annotated[
    config.ScaleGoal,
    network_option(
        "--scale-for", help="What auto is for: resize, drawing at other sizes; detail, the pixels themselves."
    ),
]
Dimension = Annotated[int, network_option("--dimension", help="m: the number of frequencies.")]
Hidden = Annotated[int, network_option("--hidden", help="Units in each hidden layer.")]
Layers = Annotated[int, network_option("--layers", help="Hidden layers.")]


def given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Those of the parameters that somebody typed, as they are typed."""
    sources = {name: context.get_parameter_source(name) for name in names}
    typed = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    return [parameter.opts[0] for parameter in context.command.params if parameter.name in typed]


def one_duration(context: typer.Context, value: Any) -> Any:
    """Refuse to be told twice how long to train."""
    if len(given(context, ("epochs", "seconds"))) > 1:
        raise typer.BadParameter("--epochs and --time both say how long to train: leave one of them out")
    return value


UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_seconds(text: str) -> float:
    """The duration that somebody typed, in seconds."""
    if match := re.fullmatch(r"(\d{1,9}(?:\.\d*)?|\.\d+)([smh]?)", text):
        return float(match[1]) * UNITS[match[2]]
    raise typer.BadParameter(f"{text!r} is no duration: 10s, 1.5m or 2h would be")


Epochs = Annotated[
    int,
    training_option("--epochs", callback=one_duration, help="Times that each pixel is visited."),
]
Seconds = Annotated[
    float | None,
    training_option(
        "--time",
        callback=one_duration,
        parser=parse_seconds,
        metavar="DURATION",
        help="Train for so long, in place of epochs: 10s, 1.5m, 2h.",
        show_default="none",
    ),
]
TargetPSNR = Annotated[
    float | None,
    training_option(
        "--target-psnr", metavar="DECIBELS", help="Stop once the picture is that good.", show_default="none"
    ),
]
BatchSize = Annotated[
    int | None,
    training_option("--batch-size", help="Pixels in each step.", show_default="by the picture's size"),
]
LearningRate = Annotated[
    float | None,
    training_option(
        "--learning-rate", help="The optimizer's step size at its highest.", show_default="by optimizer and batch size"
    ),
]
Optimizer = Annotated[
    config.OptimizerName,
    training_option("--optimizer", help="Muon, with Adam for biases and the last layer, or Adam alone."),
]
Schedule = Annotated[
    config.Schedule | None,
    training_option(
        "--schedule", help="How the learning rate falls to 0, if it does.", show_default="by the picture's size"
    ),
]
Precision = Annotated[
    config.Precision,
    training_option(
        "--precision", help="Of matrix products; auto takes bfloat16 where it is faster. All else is float32."
    ),
]
Loss = Annotated[
    config.Loss,
    training_option("--loss", help="Binary cross-entropy or mean squared error."),
]
Seed = Annotated[int, training_option("--seed", help="The same seed gives the same numbers.")]
Device = Annotated[config.Device, typer.Option("--device", help="Where to compute; auto takes a GPU if there is one.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", help="CPU threads, for when several programs compute.", show_default="all cores"),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="MODEL",
        help="Go on with an unfinished run; or, with more --epochs, with a finished one.",
        show_default="none",
        readable=False,
    ),
]
SaveEvery = Annotated[
    float, typer.Option("--save-every", metavar="SECONDS", help="How often to save while training goes on.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists of the output.")]
Show = Annotated[bool, typer.Option("--show", help="Draw it in the terminal as well.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


@dataclass(frozen=True)
class Pixels:
    """A size as people type it: WIDTHxHEIGHT, the longest side alone, or a percentage."""

    width: int = 0
    height: int = 0
    longest: int = 0
    percent: float = 100

    def of(self, width: float, height: float) -> tuple[int, int]:
        """The width and height that this means for a picture of the given size."""
        if self.width:
            return self.width, self.height
        factor = self.longest / max(width, height) if self.longest else self.percent / 100
        return max(1, round(width * factor)), max(1, round(height * factor))


def parse_size(text: str) -> Pixels:
    """The size that somebody typed."""
    if match := re.fullmatch(r"([1-9]\d{0,9})[xX×]([1-9]\d{0,9})", text):
        return Pixels(width=int(match[1]), height=int(match[2]))
    if match := re.fullmatch(r"([1-9]\d{0,9})", text):
        return Pixels(longest=int(match[1]))
    if (match := re.fullmatch(r"(\d{1,9}(?:\.\d*)?|\.\d+)%", text)) and float(match[1]) > 0:
        return Pixels(percent=float(match[1]))
    raise typer.BadParameter(f"{text!r} is no size: 500x500, 800 (the longest side) or 200% would be")


def parse_crop(text: str) -> Region:
    """The part of the picture that somebody typed."""
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no crop: four fractions of the picture would be, such as 0.25,0.25,0.5,0.5 for its middle"
        ) from None
    return Region(origin=(x, y), extent=(width, height))


Size = Annotated[
    Pixels | None,
    typer.Option(
        "--size",
        parser=parse_size,
        metavar="WIDTHxHEIGHT",
        help="Also 800 (the longest side; the aspect is kept) or 200%.",
        show_default="the trained size",
    ),
]
Crop = Annotated[
    Region | None,
    typer.Option(
        "--crop",
        parser=parse_crop,
        metavar="X,Y,WIDTH,HEIGHT",
        help="Draw a part alone: its corner and its sides as fractions of the picture.",
        show_default="all of it",
    ),
]


KINDS = get_args(config.EncodingKind)


def parse_encoding(text: str) -> str:
    """The encoding that somebody typed, where it can be repeated: Typer knows no lists of choices."""
    if text not in KINDS:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(KINDS)}")
    return text


Scales = Annotated[
    list[Any] | None,
    network_option(
        "--scale",
        parser=parse_scale,
        metavar="NUMBER|auto",
        help=f"{SCALE_OR_AUTO_HELP} Repeat it for more.",
        show_default=str(EncodingConfig.scale),
    ),
]
Encodings = Annotated[
    list[Any] | None,
    network_option(
        "--encoding",
        parser=parse_encoding,
        metavar="|".join(KINDS),
        help=f"{ENCODING_HELP} Repeat it for more.",
        show_default=EncodingConfig.kind,
    ),
]


def parse_holdout(text: str) -> config.Holdout:
    """What somebody typed for the pixels to hold out."""
    try:
        return "lattice" if text == "lattice" else float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no share of the pixels: 0.1 or lattice would be") from None


Holdout = Annotated[
    Any,  # a config.Holdout; Typer knows no unions
    training_option(
        "--holdout",
        parser=parse_holdout,
        metavar="FRACTION|lattice",
        help="Pixels to test on, not train on: this share of them; or, as in the paper, those between every other one.",
        show_default="none",
    ),
]


def check_scale_for(context: typer.Context, encodings: Iterable[EncodingConfig]) -> None:
    """Refuse a goal for a choice that is not made."""
    if given(context, ("scale_for",)) and not any(encoding.is_open for encoding in encodings):
        raise SettingError("--scale-for is for --scale auto", "leave one of --scale-for and the number out")


def check_show(show: bool, as_json: bool) -> None:
    """Refuse to draw where the JSON document goes."""
    if show and as_json:
        raise SettingError("pictures and the JSON document cannot both be on standard output", "leave one of them out")


@dataclass(frozen=True)
class Settings:
    """How to train, as the options below say."""

    encoding: EncodingConfig
    network: NetworkConfig
    training: TrainingConfig


# The part of the settings that an option is in, by the option's name there.
SETTINGS: dict[type, dict[str, Any]] = {
    EncodingConfig: {"scale_for": ScaleFor, "dimension": Dimension},
    NetworkConfig: {"hidden": Hidden, "layers": Layers},
    TrainingConfig: {
        "epochs": Epochs,
        "seconds": Seconds,
        "target_psnr": TargetPSNR,
        "batch_size": BatchSize,
        "optimizer": Optimizer,
        "learning_rate": LearningRate,
        "schedule": Schedule,
        "precision": Precision,
        "loss": Loss,
        "holdout": Holdout,
        "seed": Seed,
        "device": Device,
        "threads": Threads,
    },
}


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of training, which it gets as one argument, `settings`."""

    @wraps(command)
    def run(**arguments: Any) -> None:
        parts = [part(**{name: arguments.pop(name) for name in options}) for part, options in SETTINGS.items()]
        command(**arguments, settings=Settings(*parts))

    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "settings"]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(part, name), annotation=option)
        for part, options in SETTINGS.items()
        for name, option in options.items()
    ]
    vars(run)["__signature__"] = signature.replace(parameters=own + shared)
    return run
