"""Fixtures: the command, in this process or in one of its own, small images, and trained checkpoints."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# Several test processes share few cores: threads that wait for each other would take most of the time.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["COLUMNS"] = "100"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # `--device auto` is the CPU; `make test-gpu` says otherwise

import hypothesis
import numpy as np
import pytest
from PIL import Image
from viewer import Viewer

import fftool
from fftool.cli import main
from fftool.signal import Signal, quantize
from fftool.training.step import TrainingStep

hypothesis.settings.register_profile("fftool", deadline=None)  # other tests load the machine
hypothesis.settings.load_profile("fftool")

EXAMPLES = Path(__file__).parent.parent / "examples"
DATA = Path(__file__).parent / "data"
FFTOOL = Path(sys.executable).with_name("fftool")

SMALL = ("--hidden", 32, "--dimension", 32, "--epochs", 3)  # trains on the small photo at once
QUICK = (*SMALL, "--scale", 8)

Run = Callable[..., subprocess.CompletedProcess]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, in an empty folder, without a terminal.

    `stdin` is what is piped into it, none unless given. Returns what a process would: its exit code and output.
    `text=False` gives bytes.
    """

    def fftool(
        *arguments: object, text: bool = True, cwd: Path = tmp_path, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
        with monkeypatch.context() as patch, Path(os.devnull).open() as nothing:
            patch.chdir(cwd)
            patch.setattr("sys.argv", ["fftool", *map(str, arguments)])
            patch.setattr("sys.stdin", nothing if stdin is None else io.TextIOWrapper(io.BytesIO(stdin)))
            patch.setattr("sys.stdout", streams[0])
            patch.setattr("sys.stderr", streams[1])
            with pytest.raises(SystemExit) as exit:
                main()
        out, err = (stream.buffer.getvalue() for stream in streams)
        return subprocess.CompletedProcess(
            ["fftool", *arguments], exit.value.code or 0, out.decode() if text else out, err.decode()
        )

    return fftool


@pytest.fixture
def run_process(tmp_path: Path) -> Run:
    """The installed command in a process of its own: where signals, limits, memory or the environment matter."""

    def fftool(*arguments: object, **settings: object) -> subprocess.CompletedProcess:
        command = [FFTOOL, *map(str, arguments)]
        options = {"cwd": tmp_path, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 300}
        return subprocess.run(command, **(options | settings))

    return fftool


@pytest.fixture(scope="session")
def photo() -> Signal:
    """The bundled photo at 64×48: small enough to train on in a second, and of an uneven shape."""
    image = Image.open(EXAMPLES / "astronaut.jpg").crop((64, 0, 448, 288)).resize((64, 48), Image.Resampling.LANCZOS)
    return Signal(np.array(image), source="astronaut.jpg")


@pytest.fixture(scope="session")
def photo_path(photo: Signal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(photo.samples).save(path)
    return path


@pytest.fixture(scope="session")
def trained(photo: Signal) -> fftool.Progress:
    """A network trained on the small photo, evaluated."""
    for progress in fftool.fit(photo, fftool.EncodingConfig(scale=8.0), training=fftool.TrainingConfig(epochs=10)):
        pass
    fftool.evaluate(progress, photo)
    return progress


@pytest.fixture(scope="session")
def model_path(trained: fftool.Progress, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the small photo."""
    path = tmp_path_factory.mktemp("model") / "model.st"
    fftool.save(trained.network, path)
    return path


@pytest.fixture(scope="session")
def quick_model_path(photo_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the small photo by the settings of QUICK: for tests to which its quality does not matter."""
    path = tmp_path_factory.mktemp("quick") / "quick.st"
    encoding, network = fftool.EncodingConfig(scale=8.0, dimension=32), fftool.NetworkConfig(hidden=32)
    signal = fftool.read_image(photo_path)
    for progress in fftool.fit(signal, encoding, network, fftool.TrainingConfig(epochs=3)):
        pass
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, path)
    return path


@pytest.fixture(scope="session")
def tiled_model_path(photo: Signal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the small photo in tiles, without the outcome of its training."""
    path = tmp_path_factory.mktemp("tiles") / "tiles.st"
    for progress in fftool.fit(photo, network=fftool.NetworkConfig(tile=20), training=fftool.TrainingConfig(epochs=5)):
        pass
    fftool.save(progress.network, path)
    return path


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    """Chromium. Skips where there is none; `.ci/run` installs it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def view(browser):
    """Opens pages; each has to end without a message, and without a request to any host."""
    opened = []

    def open_page(*arguments, **options):
        opened.append(Viewer(browser, *arguments, **options))
        return opened[-1]

    yield open_page
    for viewer in opened:
        assert viewer.problems == []
        assert all(url.startswith(("file:", "blob:", "data:")) for url in viewer.requests)
        viewer.context.close()


@pytest.fixture
def page_of(run, tmp_path):
    """Path of a new page."""

    def write(*arguments):
        done = run("view", *arguments, "-o", tmp_path / "page.html", "--overwrite")
        assert done.returncode == 0, done.stderr
        return tmp_path / "page.html"

    return write


def checkpoints(folder: Path) -> dict[str, bytes]:
    """Content of all checkpoints in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.glob("*.st")}


def swept(folder: Path, *arguments: object) -> dict[str, bytes]:
    """Checkpoints of a sweep into a folder, in a process of its own."""
    command = [str(each) for each in (FFTOOL, "sweep", *arguments, "-o", folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return checkpoints(folder)


def short_fit(signal, path, **options):
    """Path of a new checkpoint, trained with those settings and evaluated."""
    for progress in fftool.fit(signal, **options):
        pass
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, path)
    return path


@pytest.fixture(scope="session")
def clip_path(photo, tmp_path_factory):
    """A checkpoint of a clip of 6 frames, in tiles."""
    frames = np.stack([np.roll(photo.samples, 4 * t, axis=1) for t in range(6)])
    signal = Signal(frames, axes=("t", "y", "x"), medium="clip", spacing=(0.1, 1.0, 1.0))
    network = fftool.NetworkConfig(tile=16, margin=2, hidden=16)
    return short_fit(
        signal, tmp_path_factory.mktemp("clip") / "clip.st", network=network, training=fftool.TrainingConfig(epochs=2)
    )


@pytest.fixture(scope="session")
def volume_path(tmp_path_factory):
    """A volume whose voxels are twice as high, with its rows pointing up in the world."""
    z, y, x = np.mgrid[:10, :24, :16]
    samples = np.rint(255 * (np.sin(x / 3) * np.cos(y / 5) * np.sin(z / 2) + 1) / 2).astype(np.uint8)
    affine = np.diag([1.0, 1.0, 2.0, 1.0]).astype("<f8").tobytes()
    signal = Signal(
        samples[..., None],
        axes=("z", "y", "x"),
        medium="volume",
        spacing=(2.0, 1.0, 1.0),
        metadata={"affine": affine},
    )
    network = fftool.NetworkConfig(tile="none", hidden=32)
    encoding = fftool.EncodingConfig(scale=2.0, dimension=32)
    return short_fit(signal, tmp_path_factory.mktemp("volume") / "volume.st", encoding=encoding, network=network)


def field(side: int, bandwidth: float, seed: int = 0) -> Signal:
    """A Gaussian random field whose spectrum has that standard deviation, in cycles per side, along each axis."""
    noise = np.fft.fft2(np.random.default_rng(seed).standard_normal((side, side)))
    frequency = np.fft.fftfreq(side, 1 / side)
    squares = frequency[:, None] ** 2 + frequency**2
    values = np.fft.ifft2(noise * np.exp(-squares / (4 * bandwidth**2))).real  # so that the power has that width
    return Signal(quantize(0.5 + 0.15 * values / values.std(), 16)[..., None])


def recorded_visits(monkeypatch):
    """Indices of all samples that training visits from now on, in their order: a list that grows."""
    visited = []
    step = TrainingStep.__call__

    def recorded(self, index, learning_rate):
        visited.extend(index.tolist())
        return step(self, index, learning_rate)

    monkeypatch.setattr(TrainingStep, "__call__", recorded)
    return visited


def fails(done, code, *expected):
    """Assert that a command failed as it should: one error line and one hint, no traceback, no output."""
    lines = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], done.stderr
    assert done.stdout == ""
    for text in expected:
        assert text in done.stderr


def in_terminal(arguments, answer, cwd, columns=80, program=FFTOOL, **environment):
    """What a user sees on a terminal of that width, and the exit code. Skips where there are no such terminals."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ |= {"TERM": "xterm", "COLUMNS": str(columns)} | environment
        termios.tcsetwinsize(0, (24, columns))
        os.execv(program, [program, *map(str, arguments)])
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


SEVERAL = """
import sys

from fftool.__main__ import main

for command in sys.argv[1:]:
    sys.argv, code = ["fftool", *command.split("\\x1f")], 0
    try:
        main()
    except SystemExit as exit:
        code = exit.code or 0
    for stream in (sys.stdout, sys.stderr):
        print(f"\\0{code}\\0", end="", file=stream, flush=True)
"""


def run_several(commands, cwd, **settings):
    """Results of several commands, one after the other in one new process, whose start takes longer than most of them.

    `settings` are those of `subprocess.run`: an environment, privileges to give up.
    """
    program = [sys.executable, "-c", SEVERAL, *("\x1f".join(map(str, command)) for command in commands)]
    options = {"cwd": cwd, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run(program, **(options | settings))
    out, err = (text.split("\0") for text in (done.stdout, done.stderr))
    assert len(out) == len(err) == 2 * len(commands) + 1, done.stderr
    return [
        subprocess.CompletedProcess(command, int(code), stdout, stderr)
        for command, code, stdout, stderr in zip(commands, out[1::2], out[::2], err[::2], strict=False)
    ]


@pytest.fixture
def pages(monkeypatch):
    """Pages of figures that commands in this process save from now on, by the names of their files."""
    from fftool.figures.page import Page

    saved, save = {}, Page.save

    def recorded(page, path):
        save(page, path)
        saved[path.name] = page

    monkeypatch.setattr(Page, "save", recorded)
    return saved
