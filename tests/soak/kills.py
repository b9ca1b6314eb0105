"""Kill trainings at random moments, and see each of them go on to the model that it would have been.

Each case trains a small picture in a process of its own, kills that (SIGKILL) at a moment drawn from its life, looks at
what is on the disk, and resumes it. A case that was killed before anything was saved is trained anew, and not counted.
`python -m tests.soak.kills --count 200` tells how it went; the first that loses anything ends it with exit code 1, and
its folder is kept.
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
MAX_FILES = 4  # the picture, the model, and one draft and one lock of a process that was killed


@dataclass(frozen=True)
class Course:
    """An uninterrupted training: what it makes, and how long it takes."""

    options: tuple[str, ...]
    model: bytes
    seconds: float


class Lost(Exception):
    """What must not happen."""


def fftool_train(folder: Path, *arguments: str) -> None:
    done = subprocess.run(command(*arguments), cwd=folder, env=alone(), capture_output=True, text=True, check=False)
    if done.returncode or "Traceback" in done.stderr:
        raise Lost(f"fftool train {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")


def command(*arguments: str) -> list[str]:
    return [str(FFTOOL), "train", *arguments, "-o", "model.st"]


def alone() -> dict[str, str]:
    """The environment of one of several processes that share the cores."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def photo_in(folder: Path) -> None:
    whole = read_image(PHOTO)
    write_image(folder / "photo.png", Signal(whole.samples[::8, ::8]).samples)


def uninterrupted(options: tuple[str, ...]) -> Course:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo_in(folder)
        start = monotonic()
        fftool_train(folder, "photo.png", *SMALL, *options)
        return Course(options, (folder / "model.st").read_bytes(), monotonic() - start)


def case(course: Course, random: Random) -> str:
    """Train, kill, look, go on. Returns what was killed: "training", or what had nothing saved yet, or all."""
    folder = Path(tempfile.mkdtemp(prefix="fftool-kill-"))
    photo_in(folder)
    every = str(random.choice((0.01, 0.05, 0.2)))
    arguments = ("photo.png", *SMALL, *course.options, "--save-every", every)
    moment = random.uniform(0.3, 1.1) * course.seconds  # before, Python and torch are loaded
    process = subprocess.Popen(
        command(*arguments), cwd=folder, env=alone(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        sleep(moment)
        process.kill()
        process.wait()
        kind = check_disk(folder)
        if kind == "before a save":
            fftool_train(folder, *arguments)
        elif kind == "training":
            fftool_train(folder, "--resume", "model.st")
        if (folder / "model.st").read_bytes() != course.model:
            raise Lost("it became another model")
        if sorted(path.name for path in folder.iterdir()) != ["model.st", "photo.png"]:
            raise Lost(f"files are left: {[path.name for path in folder.iterdir()]}")
    except (Lost, fftool.FFToolError) as error:
        raise Lost(f"{error}\nkilled after {moment:.3f} s in {folder}: {' '.join(command(*arguments))}") from error
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return kind


def check_disk(folder: Path) -> str:
    """What is there after the kill. Raises FFToolError for a model that is not whole."""
    if len(list(folder.iterdir())) > MAX_FILES:
        raise Lost("drafts pile up")
    if not (folder / "model.st").exists():
        return "before a save"
    fftool.load(folder / "model.st")
    return "training" if fftool.describe(folder / "model.st").resume else "when done"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="kills of a training that had saved something")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    random = Random(options.seed)
    courses = [uninterrupted(variant) for variant in VARIANTS]
    kinds: Counter[str] = Counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while kinds["training"] < options.count:
            left = options.count - kinds["training"]
            cases = [(random.choice(courses), Random(random.random())) for _ in range(left)]
            for kind in track(pool.map(case, *zip(*cases, strict=True)), f"{left} more", total=left):
                kinds[kind] += 1
    print(f"killed: {kinds['training']} while training, each of which went on to the same model, byte for byte")
    print(", ".join(f"{count} {kind}" for kind, count in kinds.items() if kind != "training"))


if __name__ == "__main__":
    try:
        main()
    except Lost as lost:
        sys.exit(f"LOST: {lost}")
