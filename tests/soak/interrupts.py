"""Interrupt commands at any moment of their start-up and work: they must end at once, quietly, with whole files.

Each case starts a command in a folder of its own, sends it Ctrl-C or SIGTERM after a while, and perhaps again, and
checks its exit code, every line that it wrote, and its files. `python -m tests.soak.interrupts --count 200` tries all
commands at all moments; the first case that fails ends the trial with exit code 1, and its folder is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from time import sleep

from rich.progress import track

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.interrupts import exit_code
from tests.pictures import FFTOOL

PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
SMALL = ("--hidden", "32", "--dimension", "32")
BRIEF = ("--scale", "1", "--scale", "auto", "--epochs", "3")
COMMANDS = {
    "train": ("train", "photo.png", *SMALL, "--epochs", "1000000", "-o", "out.st"),
    "resume": ("train", "--resume", "model.st", "photo.png", "--epochs", "1000000", "-o", "out.st"),
    "render": ("render", "model.st", "--size", "4000x4000", "-o", "out.png"),
    "compare": ("compare", "photo.png", *SMALL, *BRIEF, "--csv", "out.csv", "--curves", "out.pdf", "-o", "out.png"),
    "encode-viz": ("encode-viz", "--dimension", "50", "-o", "out"),
    "info": ("info", "model.st"),
    "help": ("--help",),
}
FIRST, LAST = 0.05, 3.0  # seconds until the signal
SECOND = 0.6  # longest until a second one
GOLDEN = 0.618034  # its multiples leave no gap within [0, 1]
# Lines that a command may write to standard error before and after the signal.
EXPECTED = re.compile(
    r"(Training|Evaluating|Rendering|Encoding|gaussian σ=\d+|all (variants|renderings)): .*"
    r"|Stopped (at \d+%, and saved\. To resume: fftool train --resume out\.st"
    r"|after \d of 2 variants\.|before the figures\.)"
    r"|Not evaluated\. To resume: fftool train --resume out\.st"
    r"|Next: fftool render .*|\d+x\d+ pixels, .*|\* the best"
)


@dataclass(frozen=True)
class Case:
    """A command, the seconds until it gets a signal, its number, and the seconds until a second one, if it gets one."""

    name: str
    delay: float
    number: int = signal.SIGINT
    again: float | None = None

    def __str__(self) -> str:
        command = " ".join(("fftool", *COMMANDS[self.name]))
        second = "" if self.again is None else f", and again {self.again:.3f} s later"
        return f"{command}, {signal.Signals(self.number).name} after {self.delay:.3f} s{second}"


class Failed(Exception):
    """A command that an interruption has ended in another way than it should."""


def cases() -> Iterator[Case]:
    """All commands in turn, with delays that are spread evenly over their range whatever the number of cases."""
    for i in count():
        round_, turn = divmod(i, len(COMMANDS))
        delay = FIRST + (LAST - FIRST) * (GOLDEN * (round_ + turn / len(COMMANDS)) % 1)
        number = signal.SIGTERM if round_ % 5 == 4 else signal.SIGINT
        again = SECOND * (GOLDEN * GOLDEN * round_ % 1) if round_ % 2 else None
        yield Case(list(COMMANDS)[turn], delay, number, again)


def prepare(folder: Path) -> None:
    """A photo and its checkpoint in a folder, for `run` to copy."""
    signal = Signal(fftool.read_image(PHOTO).samples[::8, ::8])
    fftool.write_image(folder / "photo.png", signal.samples)
    signal = fftool.read_image(folder / "photo.png")
    network, training = NetworkConfig(hidden=32), TrainingConfig(epochs=1, threads=1)
    for progress in fftool.fit(signal, EncodingConfig(scale=8, dimension=32), network, training):
        pass
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, folder / "model.st")


def run(case: Case, prepared: Path) -> str:
    """Run a case; returns whether it was "interrupted", or had "finished" before. Raises Failed."""
    folder = Path(tempfile.mkdtemp(prefix="fftool-interrupt-"))
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    before = {path.name for path in folder.iterdir()}
    process = subprocess.Popen(
        [str(FFTOOL), *COMMANDS[case.name]],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        sleep(case.delay)
        process.send_signal(case.number)
        if case.again is not None:
            sleep(case.again)
            process.send_signal(case.number)
        _, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"did not end within a minute: {case}, in {folder}") from error
    finally:
        process.kill()
    try:
        how = check_end(case, process.returncode, stderr)
        check_files(folder, before)
    except (Failed, fftool.FFToolError) as error:
        raise Failed(f"{error}\n{case}, in {folder}\nexit code {process.returncode}\n{stderr}") from error
    shutil.rmtree(folder)
    return how


def check_end(case: Case, code: int, stderr: str) -> str:
    """How a command ended. Raises Failed unless it was quietly, or while Python itself was starting."""
    if code == -case.number and "Traceback" in stderr and ", in main" not in stderr:
        return "stopped while Python was starting"
    for line in stderr.splitlines():
        if not EXPECTED.fullmatch(line):
            raise Failed(f"an unexpected line: {line}")
    if code == -case.number:
        return "killed by the signal, while Python was starting or ending"
    if code not in (0, exit_code(case.number)):
        raise Failed("an unexpected exit code")
    return "interrupted" if code else "finished before"


def check_files(folder: Path, before: set[str]) -> None:
    """Raise Failed for drafts and locks that were left, and FFToolError for a file that is not whole."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name not in before and not re.fullmatch(r"out(\.st|\.png|\.csv|\.pdf|/.*|)", name):
            raise Failed(f"a file was left: {name}")
        if path.name.startswith("."):
            raise Failed(f"a draft or a lock was left: {name}")
        if path.suffix == ".st":
            fftool.load(path)
        elif path.suffix == ".png":
            fftool.read_image(path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.interrupts", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="commands to interrupt")
    parser.add_argument("--only", choices=COMMANDS, help="a single command")
    parser.add_argument("--skip", type=int, default=0, help="cases to leave out, from the first")
    options = parser.parse_args(arguments)
    chosen = (case for case in cases() if options.only in (None, case.name))
    todo = list(islice(chosen, options.skip, options.skip + options.count))
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        prepare(Path(name))
        for how in track(pool.map(run, todo, [Path(name)] * len(todo)), f"{len(todo)} commands", total=len(todo)):
            ends[how] += 1
    print(f"{len(todo)} commands: " + ", ".join(f"{number} {how}" for how, number in ends.most_common()))


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(f"FAILED: {failed}")
