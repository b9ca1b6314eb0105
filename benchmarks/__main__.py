"""Measure fftool on this machine. Both sides of each ratio are measured in the same run."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks import images, processes, quality, roofline, scale, tiles
from benchmarks.figure import Figure
from fftool import __version__, read_image

MUSHROOM = Path(__file__).parents[1] / "examples" / "mushroom.png"
MUSHROOM_SCALES = (0.5, 1, 2, 10)  # the homework's, for its image of 15×15
EPOCHS = 50  # the homework's, for a photo


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Amount of work: how many images, how large, how long."""

    photos: int
    size: tuple[int, int]
    holdout_scales: tuple[float, ...]
    seeds: tuple[int, ...]
    rendering: tuple[int, int]
    render_side: int
    megapixels: float
    scales: tuple[float, ...]
    scale_epochs: int
    packaged: tuple[str, ...]  # images of other kinds, for the choice of σ
    tile_size: tuple[int, int] | None  # of one photo with tiles; all photos at their own size if None
    tile_epochs: int
    tile_seconds: float


QUICK = Extent(
    photos=1,
    size=(192, 128),
    holdout_scales=(10,),
    seeds=(0,),
    rendering=(3000, 300),
    render_side=3000,
    megapixels=2,
    scales=(4, 8, 16, 32),
    scale_epochs=5,
    packaged=("text",),
    tile_size=(192, 128),
    tile_epochs=5,
    tile_seconds=1,
)
FULL = Extent(
    photos=3,
    size=(384, 256),
    holdout_scales=(5, 10, 25),
    seeds=(0, 1, 2),
    rendering=(3000, 2000),
    render_side=16384,
    megapixels=100,
    scales=(2, 4, 6, 8, 12, 16, 20, 25, 32, 40, 50, 64),
    scale_epochs=20,
    packaged=(
        "text",
        "page",
        "coins",
        "moon",
        "brick",
        "camera",
        "cell",
        "chelsea",
        "coffee",
        "grass",
        "horse",
        "logo",
    ),
    tile_size=None,
    tile_epochs=EPOCHS,
    tile_seconds=10,
)


def speed(photos: dict[str, Image.Image], extent: Extent) -> Iterator[Figure]:
    """Figures of everything but the choice of σ, each as soon as it is measured."""
    photos = dict(islice(photos.items(), extent.photos))
    signals = [images.resized(name, photo, extent.size) for name, photo in photos.items()]
    first = next(iter(photos.values()))
    yield from quality.against_plain_loop(signals, EPOCHS)
    yield roofline.training(signals[0])
    network = quality.train(signals[0], epochs=5).network
    yield roofline.rendering(network, *extent.rendering)
    yield processes.large_render(network, extent.render_side)
    yield processes.large_training(first, extent.megapixels)
    yield from quality.held_out(signals, extent.holdout_scales, EPOCHS)
    yield quality.small(read_image(MUSHROOM), MUSHROOM_SCALES, 150, extent.seeds)
    yield processes.start_up(first, 768, 512)


def choice_of_scale(photos: dict[str, Image.Image], extent: Extent) -> Iterator[Figure]:
    """Figures of the choice of σ, on reduced photos and images of other kinds; with --full, on whole photos too."""
    signals = [images.resized(name, photo, extent.size) for name, photo in photos.items()]
    signals += [images.packaged(name) for name in extent.packaged]
    if extent is FULL:
        signals += [images.resized(name, photo, photo.size) for name, photo in photos.items()]
    yield from scale.against_sweep(signals, extent.scales, extent.scale_epochs)


def tiled_networks(photos: dict[str, Image.Image], extent: Extent) -> Iterator[Figure]:
    """Figures of tiled networks; with --full, on all photos at their own size."""
    if extent.tile_size:
        photos = dict(islice(photos.items(), 1))
    signals = [images.resized(name, photo, extent.tile_size or photo.size) for name, photo in photos.items()]
    first, *_ = signals
    yield from tiles.by_default(signals, "detail", extent.tile_epochs)
    yield from tiles.by_default(signals, "resize", extent.tile_epochs)
    yield tiles.against_one_network(signals, extent.tile_seconds)
    yield roofline.training(first, tiles.tiled(first))
    yield tiles.rendering(first, *extent.rendering)
    yield tiles.held_out(signals, extent.tile_epochs)
    yield from tiles.enlargement(signals, extent.tile_epochs)
    yield processes.large_render(quality.begin(first, network=tiles.tiled(first)), extent.render_side)
    yield processes.large_training(next(iter(photos.values())), extent.megapixels, tile="auto")
    yield tiles.against_plain_loop(signals[: extent.photos], extent.tile_epochs)


TABLES = {"speed": speed, "scale": choice_of_scale, "tiles": tiled_networks}


def machine() -> dict[str, Any]:
    """Description of this machine and of the software."""
    return {
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "fftool": __version__,
    }


def processor() -> str:
    """Name of the processor: on Linux from the kernel, elsewhere from Python."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def show(found: Sequence[Figure], about: dict[str, Any]) -> None:
    table = Table(caption=", ".join(f"{name} {value}" for name, value in about.items()))
    table.add_column("measurement")
    table.add_column("figure", justify="right")
    for figure in found:
        table.add_row(figure.name, f"{figure.value:.2f} {figure.unit}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("images", nargs="*", type=Path, help="to train on; by default, photographs of scikit-image")
    parser.add_argument("--full", action="store_true", help="take two hours and 1 GB of disk, not three minutes")
    parser.add_argument("--only", choices=TABLES, help="measure one table of figures, not all")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, with the measurements behind each figure"
    )
    arguments = parser.parse_args()
    extent = FULL if arguments.full else QUICK
    photos = images.load(arguments.images)
    start, found = perf_counter(), []
    for table in [arguments.only] if arguments.only else TABLES:
        for figure in TABLES[table](photos, extent):
            found.append(figure)
            print(f"{perf_counter() - start:.0f} s: {figure.name}: {figure.value:.2f} {figure.unit}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"machine": machine(), "figures": [asdict(figure) for figure in found]}, indent=2))
    else:
        show(found, machine())


if __name__ == "__main__":
    main()
