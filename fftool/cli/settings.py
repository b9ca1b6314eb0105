"""The settings of a training, and those of a view, as options of a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from fftool.cli import options
from fftool.config import EncodingConfig, NetworkConfig, TrainingConfig, ViewOptions


@dataclass(frozen=True)
class TrainingOptions:
    """Requests that the options below add up to."""

    encoding: EncodingConfig
    network: NetworkConfig
    training: TrainingConfig


# Options by the request that they belong to, and by their name in it.
OPTIONS: dict[type, dict[str, Any]] = {
    EncodingConfig: {"scale_for": options.ScaleFor, "dimension": options.Dimension},
    NetworkConfig: {"margin": options.Margin, "hidden": options.Hidden, "layers": options.Layers},
    TrainingConfig: {
        "epochs": options.Epochs,
        "seconds": options.Seconds,
        "target_psnr": options.TargetPSNR,
        "batch_size": options.BatchSize,
        "optimizer": options.Optimizer,
        "learning_rate": options.LearningRate,
        "schedule": options.Schedule,
        "precision": options.Precision,
        "loss": options.Loss,
        "holdout": options.Holdout,
        "stop_at_best": options.StopAtBest,
        "seed": options.Seed,
        "device": options.Device,
        "threads": options.Threads,
    },
}
NAMES = [name for part in OPTIONS.values() for name in part]
VIEW_OPTIONS: dict[str, Any] = {
    "size": options.Size,
    "crop": options.Crop,
    "fps": options.FPS,
    "time_range": options.TimeRange,
    "frame": options.Frame,
    "slice": options.Slice,
    "planes": options.Planes,
    "mip": options.Mip,
    "isosurface": options.Isosurface,
    "simplify": options.Simplify,
    "largest": options.Largest,
}


def with_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of a training, which it receives as one argument, `settings`.

    An option that the command has itself, such as one that can be repeated, takes its place.
    """
    return _with_options(command, "settings", OPTIONS, lambda *requests: TrainingOptions(*requests))


def with_view_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of a view, which it receives as one argument, `view`."""
    return _with_options(command, "view", {ViewOptions: VIEW_OPTIONS}, lambda view: view)


def _with_options(
    command: Callable[..., None], argument: str, parts: dict[type, dict[str, Any]], make: Callable[..., Any]
) -> Callable[..., None]:
    """Command with options in place of an argument, which is made of the requests that they belong to."""
    signature = inspect.signature(command, eval_str=True)
    parts = {
        part: {name: option for name, option in options.items() if name not in signature.parameters}
        for part, options in parts.items()
    }

    @wraps(command)
    def run(**arguments: Any) -> None:
        requests = [part(**{name: arguments.pop(name) for name in options}) for part, options in parts.items()]
        command(**arguments, **{argument: make(*requests)})

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(part, name), annotation=option)
        for part, options in parts.items()
        for name, option in options.items()
    ]
    parameters = []
    for name, parameter in signature.parameters.items():
        parameters += added if name == argument else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    return run
