"""What tests share: the real command in a process of its own, small pictures, and a trained checkpoint."""

from __future__ import annotations

import errno
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

# Several test processes share few cores: threads that wait for each other would take most of the time.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["COLUMNS"] = "100"

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fftool.cli import app
from fftool.learner import Learner
from fftool.signal import Signal, quantize

EXAMPLES = Path(__file__).parent.parent / "examples"
FFTOOL = Path(sys.executable).with_name("fftool")

SMALL = ("--hidden", 32, "--dimension", 32, "--epochs", 3)  # learns the small photo at once
QUICK = (*SMALL, "--scale", 8)

Run = Callable[..., subprocess.CompletedProcess[str]]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The installed command, run in an empty folder, with nobody at the keyboard."""

    def fftool(*arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        command = [FFTOOL, *map(str, arguments)]
        options = {"cwd": tmp_path, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 300}
        return subprocess.run(command, **(options | settings))

    return fftool


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The same commands in this process, in an empty folder: for cases whose number would make processes slow."""

    def fftool(*arguments: object) -> Result:
        monkeypatch.chdir(tmp_path)
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return fftool


@pytest.fixture(scope="session")
def photo() -> Signal:
    """The bundled photo at 64×48: small enough to learn in a second, and of an uneven shape."""
    picture = Image.open(EXAMPLES / "astronaut.jpg").crop((64, 0, 448, 288)).resize((64, 48), Image.Resampling.LANCZOS)
    return Signal(np.array(picture), source="astronaut.jpg")


@pytest.fixture(scope="session")
def photo_path(photo: Signal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(photo.samples).save(path)
    return path


@pytest.fixture(scope="session")
def model_path(photo: Signal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the small photo."""
    import fftool

    for progress in fftool.fit(photo, fftool.EncodingConfig(scale=8.0), training=fftool.TrainingConfig(epochs=10)):
        pass
    fftool.evaluate(progress, photo)
    path = tmp_path_factory.mktemp("model") / "model.st"
    fftool.save(progress.network, path)
    return path


def field(side: int, bandwidth: float, seed: int = 0) -> Signal:
    """A Gaussian random field whose spectrum has that standard deviation, in cycles a side, along each axis."""
    noise = np.fft.fft2(np.random.default_rng(seed).standard_normal((side, side)))
    frequency = np.fft.fftfreq(side, 1 / side)
    squares = frequency[:, None] ** 2 + frequency**2
    values = np.fft.ifft2(noise * np.exp(-squares / (4 * bandwidth**2))).real  # so that the power has that width
    return Signal(quantize(0.5 + 0.15 * values / values.std(), 16)[..., None])


def recorded_visits(monkeypatch):
    """The numbers of all cells that training visits from now on, in their order: a list that grows."""
    visited = []
    step = Learner.step

    def recorded(self, index, learning_rate):
        visited.extend(index.tolist())
        return step(self, index, learning_rate)

    monkeypatch.setattr(Learner, "step", recorded)
    return visited


def in_terminal(arguments, answer, cwd, columns=80, **environment):
    """What a person sees on a terminal of that width, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ |= {"TERM": "xterm", "COLUMNS": str(columns)} | environment
        termios.tcsetwinsize(0, (24, columns))
        os.execv(FFTOOL, ["fftool", *map(str, arguments)])
    shown = b""
    while answer and b"[y/N]" not in shown:  # an answer before the question could be lost
        shown += os.read(terminal, 4096)
    os.write(terminal, answer)
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError as error:  # how Linux says that the other side has closed
            assert error.errno == errno.EIO
            break
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
