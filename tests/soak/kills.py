"""Kill trainings at random moments: each must resume to the model that it would have become.

Each case trains on a small photo in a process of its own, kills it (SIGKILL) at a random moment of its life, checks the
files on the disk, and resumes it. A case that was killed before the first save is trained from scratch, and not
counted. `python -m tests.soak.kills --count 200` reports the results; the first case that loses anything ends the trial
with exit code 1, and its folder is kept.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic, sleep

from rich.progress import track

import fftool
from fftool import Signal, read_image, write_image
from tests.pictures import FFTOOL

PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
SMALL = ("--hidden", "64", "--dimension", "64", "--scale", "8", "--epochs", "150", "--batch-size", "512")
VARIANTS = ((), ("--optimizer", "adam"), ("--holdout", "0.2"), ("--schedule", "cosine"), ("--precision", "bfloat16"))
MAX_FILES = 4  # the photo, the model, and one draft and one lock of a killed process


@dataclass(frozen=True)
class Course:
    """An uninterrupted training: the checkpoint that it makes, and the seconds that it takes."""

    options: tuple[str, ...]
    model: bytes
    seconds: float


class Lost(Exception):
    """Something was lost by a kill."""


def train(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode or "Traceback" in done.stderr:
        raise Lost(f"fftool train {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")


def command(*arguments: str) -> list[str]:
    return [str(FFTOOL), "train", *arguments, "-o", "model.st"]


def environment() -> dict[str, str]:
    """Environment of one of several processes that share the cores."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def write_photo(folder: Path) -> None:
    whole = read_image(PHOTO)
    write_image(folder / "photo.png", Signal(whole.samples[::8, ::8]).samples)


def uninterrupted(options: tuple[str, ...]) -> Course:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photo(folder)
        start = monotonic()
        train(folder, "photo.png", *SMALL, *options)
        return Course(options, (folder / "model.st").read_bytes(), monotonic() - start)


def run(course: Course, random: Random) -> str:
    """Train, kill, check and resume. Returns when it was killed: "before a save", "while training" or "when done"."""
    folder = Path(tempfile.mkdtemp(prefix="fftool-kill-"))
    write_photo(folder)
    every = str(random.choice((0.01, 0.05, 0.2)))
    arguments = ("photo.png", *SMALL, *course.options, "--save-every", every)
    moment = random.uniform(0.3, 1.1) * course.seconds  # Python and torch are loaded before
    process = subprocess.Popen(
        command(*arguments), cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        sleep(moment)
        process.kill()
        process.wait()
        moment_of_kill = check_files(folder)
        if moment_of_kill == "before a save":
            train(folder, *arguments)
        elif moment_of_kill == "while training":
            train(folder, "--resume", "model.st")
        if (folder / "model.st").read_bytes() != course.model:
            raise Lost("it became another model")
        if sorted(path.name for path in folder.iterdir()) != ["model.st", "photo.png"]:
            raise Lost(f"files were left: {[path.name for path in folder.iterdir()]}")
    except (Lost, fftool.FFToolError) as error:
        raise Lost(f"{error}\nkilled after {moment:.3f} s in {folder}: {' '.join(command(*arguments))}") from error
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return moment_of_kill


def check_files(folder: Path) -> str:
    """When a training was killed, by its files. Raises Lost for too many, and FFToolError for a damaged checkpoint."""
    if len(list(folder.iterdir())) > MAX_FILES:
        raise Lost("drafts pile up")
    if not (folder / "model.st").exists():
        return "before a save"
    fftool.load(folder / "model.st")
    return "while training" if fftool.describe(folder / "model.st").resume else "when done"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="kills of a training that has saved something")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    random = Random(options.seed)
    courses = [uninterrupted(variant) for variant in VARIANTS]
    moments: Counter[str] = Counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while moments["while training"] < options.count:
            left = options.count - moments["while training"]
            cases = [(random.choice(courses), Random(random.random())) for _ in range(left)]
            for moment in track(pool.map(run, *zip(*cases, strict=True)), f"{left} more", total=left):
                moments[moment] += 1
    print(f"killed: {moments['while training']} while training, each of which resumed to the same model, bit for bit")
    print(", ".join(f"{count} {moment}" for moment, count in moments.items() if moment != "while training"))


if __name__ == "__main__":
    try:
        main()
    except Lost as lost:
        sys.exit(f"LOST: {lost}")
