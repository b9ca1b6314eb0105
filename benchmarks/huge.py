"""Signals larger than memory: time and memory of training and rendering, as the commands take them.

    python -m benchmarks.huge 1 10 100 1000 [--folder FOLDER] [--render]

Each number is a size in megapixels. A tiled TIFF of that size is made in the folder, of 8-bit RGB, deflated, and
trained for one epoch. Cost per pixel is that of the training alone, as the command reports it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from math import isqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import skimage.data
import tifffile
from numpy.typing import NDArray

TILE = 512  # pixels on each side of the file's tiles
FFTOOL = Path(sys.executable).with_name("fftool")


def make(path: Path, megapixels: float) -> int:
    """Write a square photo, repeated with other brightness in each tile; returns its side."""
    side = max(TILE, round(isqrt(int(megapixels * 1e6)) / TILE) * TILE)
    photo = skimage.data.astronaut()

    def tiles() -> Iterator[NDArray[np.uint8]]:
        random = np.random.default_rng(0)
        for _ in range((side // TILE) ** 2):
            yield np.rint(photo * random.uniform(0.4, 1)).astype(np.uint8)

    tifffile.imwrite(
        path,
        tiles(),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE, TILE),
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 1},
        bigtiff=True,
    )
    return side


def measured(*arguments: object) -> dict[str, Any]:
    """Seconds and most memory of a command, and its result. The memory has the pages of mapped files in it."""
    start = perf_counter()
    with subprocess.Popen([FFTOOL, *map(str, arguments), "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    found: dict[str, Any] = json.loads(output)
    return found | {"wall_seconds": perf_counter() - start, "gigabytes": usage.ru_maxrss * 1024 / 1e9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("megapixels", nargs="+", type=float)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--render", action="store_true", help="render each at its own size")
    parser.add_argument("--options", default="", help="of fftool train, such as '--tile 256'")
    arguments = parser.parse_args()
    with TemporaryDirectory(dir=arguments.folder) as temporary:
        for megapixels in arguments.megapixels:
            picture, model = Path(temporary, "picture.tif"), Path(temporary, "model.st")
            side = make(picture, megapixels)
            options = [*arguments.options.split(), "--epochs", 1, "-o", model, "--overwrite"]
            trained = measured("train", picture, *options)
            network = trained["config"]["network"]
            print(
                f"{side}x{side} pixels, tiles of {network.get('tile')}: {trained['seconds'] / side**2 * 1e9:.0f} ns "
                f"for each pixel, {trained['seconds']:.1f} s of training, {trained['wall_seconds']:.1f} s with its "
                f"evaluation, {trained['gigabytes']:.2f} GB, {trained['psnr']:.2f} dB, "
                f"{model.stat().st_size / 1e6:.0f} MB",
                flush=True,
            )
            if arguments.render:
                rendered = measured("render", model, "-o", Path(temporary, "rendered.tif"), "--overwrite")
                print(f"  rendered in {rendered['wall_seconds']:.1f} s, {rendered['gigabytes']:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
