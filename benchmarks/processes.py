"""Memory and time of whole commands, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.figure import Figure
from fftool import CoordinateMLP, save

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes; see getrusage(2)


# A process counts the memory of the one that it was forked from: a small process stands between the two.
MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_memory(folder: Path, *arguments: object) -> float:
    """Highest resident memory of an fftool command, in bytes. Raises CalledProcessError if the command fails."""
    command = [sys.executable, "-m", "fftool", *map(str, arguments)]
    measured = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measured, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout) * RSS_UNIT


def large_render(network: CoordinateMLP, side: int) -> Figure:
    """Memory to render a TIFF, which is written while it is rendered."""
    with tempfile.TemporaryDirectory() as folder:
        save(network, Path(folder, "model.st"))
        peak = peak_memory(Path(folder), "render", "model.st", "--size", f"{side}x{side}", "-o", "large.tif")
        size = Path(folder, "large.tif").stat().st_size
    return Figure(
        name=f"peak memory, {side}×{side} render{' of tiles' if network.tiles else ''} to TIFF",
        value=peak / 1e9,
        unit="GB",
        parts={"file_gb": size / 1e9},
    )


def large_training(image: Image.Image, megapixels: float, tile: str = "none") -> Figure:
    """Memory of one epoch on a large JPEG, and of its PSNR and SSIM. `tile` is the text of that option."""
    factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    size = round(image.width * factor), round(image.height * factor)
    with tempfile.TemporaryDirectory() as folder:
        image.resize(size, Image.Resampling.BICUBIC).save(Path(folder, "large.jpg"), quality=95)
        peak = peak_memory(Path(folder), "train", "large.jpg", "--epochs", 1, "--tile", tile)
    return Figure(
        name=f"peak memory, one epoch on {megapixels:g} megapixels, --tile {tile}",
        value=peak / 1e9,
        unit="GB",
        parts={"width": size[0], "height": size[1]},
    )


START_UP = """
import sys, time, torch
start = time.perf_counter()
import fftool
photo = fftool.read_image(sys.argv[1])
read = time.perf_counter()
next(fftool.fit(photo))
print(read - start, time.perf_counter() - start)
"""


def start_up(image: Image.Image, width: int, height: int, times: int = 5) -> Figure:
    """Time from an imported torch to the first step on an image file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.png")
        image.resize((width, height)).save(path)
        command = [sys.executable, "-c", START_UP, str(path)]
        runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(times)]
    seconds = sorted(tuple(map(float, run.split())) for run in runs)
    return Figure(
        name=f"start-up: torch imported to first step, {width}×{height}, median of {times}",
        value=median(total for _, total in seconds),
        unit="s",
        parts={"import_and_read_seconds": median(read for read, _ in seconds)},
    )
