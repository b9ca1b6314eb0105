"""What a user at a terminal sees and is asked, and streams that fail."""

import errno
import io
import os
import re
from pathlib import Path

import pytest
from conftest import QUICK, in_terminal

from fftool.cli import progress, terminal


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0), (b"\x03", 130), (b"\x04", 1)])
def test_asks_before_overwriting(model_path, tmp_path, answer, code):
    (tmp_path / "a.png").write_text("precious")
    shown, exit_code = in_terminal(("render", model_path, "-o", "a.png"), answer, tmp_path)
    assert "a.png already exists. Overwrite it? [y/N]" in shown
    assert exit_code == code
    assert ((tmp_path / "a.png").read_bytes() == b"precious") == (code != 0)


def test_asks_once_about_several_files(model_path, tmp_path):
    for name in ("a.st", "b.st"):
        (tmp_path / name).write_bytes(model_path.read_bytes())
        (tmp_path / f"{name[0]}-64x48.png").write_text("precious")
    shown, exit_code = in_terminal(("render", "a.st", "b.st"), b"n\n", tmp_path)
    assert exit_code == 1
    assert "a-64x48.png and 1 more already exist. Overwrite them? [y/N]" in shown
    assert shown.count("[y/N]") == 1
    assert "hint: use --overwrite to replace them" in plain(shown)
    assert {path.read_text() for path in tmp_path.glob("*.png")} == {"precious"}


def test_training_shows_a_bar(photo_path, tmp_path):
    shown, exit_code = in_terminal(("train", photo_path, "--epochs", 20), b"", tmp_path)
    assert exit_code == 0
    for text in ("Training", "epoch ", "/20", "loss", "dB", "px/s", "left"):
        assert text in shown


def test_rendering_shows_a_bar(model_path, tmp_path):
    shown, exit_code = in_terminal(("render", model_path, "--size", "1000x700"), b"", tmp_path)
    assert exit_code == 0
    for text in ("Rendering", "%", "px/s", "left"):
        assert text in shown


def test_sends_no_image_to_a_terminal(model_path, tmp_path):
    shown, exit_code = in_terminal(("render", model_path, "-o", "-"), b"", tmp_path)
    assert exit_code == 1
    assert plain(shown).startswith("error: a terminal cannot show the bytes of a file\r\nhint: ")
    assert "PNG" not in shown


def plain(shown):
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


class Stream:
    """A stream with the least that print needs; after `n_writes`, writing fails."""

    def __init__(self, n_writes=1000):
        self.n_writes, self.written = n_writes, []

    def write(self, text):
        if len(self.written) == self.n_writes:
            raise OSError(errno.EIO, "Input/output error")
        self.written.append(text)

    def flush(self):
        pass


class WithDescriptor(Stream):
    """The same, with a descriptor, as a file has."""

    def __init__(self, descriptor, n_writes):
        super().__init__(n_writes)
        self.descriptor = descriptor

    def fileno(self):
        return self.descriptor


def closed(stream):
    stream.close()
    return stream


@pytest.fixture
def descriptors():
    """Number of open file descriptors of this process."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("only Linux lists the open files of a process")
    return lambda: len(list(folder.iterdir()))


STREAMS = {
    "without fileno and isatty": lambda path: Stream(),
    "that fails at once": lambda path: Stream(0),
    "that fails later": lambda path: Stream(2),
    "closed, in memory": lambda path: closed(io.StringIO()),
    "closed, of a file": lambda path: closed(path.open("w")),
    "of a full device": lambda path: io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True),
}


@pytest.mark.parametrize("make_stream", STREAMS.values(), ids=STREAMS.keys())
def test_failing_stream_stops_no_work_and_leaks_no_descriptor(monkeypatch, tmp_path, descriptors, make_stream):
    stream = make_stream(tmp_path / "a.txt")
    monkeypatch.setattr("sys.stderr", stream)
    before = descriptors()
    for _ in range(3):
        terminal.note("a note")
        terminal.print_error("a problem", "a hint")
        terminal.print_failures({"a.png": "damaged"}, 1)
        with progress.progress("Training", 100, "px") as update:
            for done in range(101):
                update(done)
        assert terminal.can_redraw(terminal.stderr()) is False
    assert descriptors() == before
    if isinstance(stream, Stream):
        shown = "".join(stream.written)
        assert shown.count("error: a problem\nhint: a hint\n") == (3 if stream.n_writes > 2 else 0)
        assert len(stream.written) <= stream.n_writes
    elif not stream.closed:
        stream.close()


def test_stream_that_fails_once_gets_no_more(monkeypatch):
    stream = Stream(1)
    expendable = terminal._Expendable(stream)
    for text in ("first", "second", "third"):
        expendable.write(text)
        stream.n_writes = 1 if text == "first" else 1000  # it would work again
    expendable.flush()
    assert stream.written == ["first"]


def test_rest_of_a_failing_stream_goes_nowhere(tmp_path, descriptors):
    """Python flushes it at exit: its descriptor leads to the null device from then on."""
    path = tmp_path / "a.txt"
    with path.open("w") as file:
        before = descriptors()
        expendable = terminal._Expendable(WithDescriptor(file.fileno(), 0))
        expendable.write("lost")
        assert descriptors() == before
        assert os.fstat(file.fileno()).st_rdev == Path(os.devnull).stat().st_rdev
        file.write("lost too")
    assert path.read_text() == ""


@pytest.mark.parametrize("command", ["train", "compare"])
def test_command_works_with_a_failing_stream(run, photo_path, tmp_path, monkeypatch, command):
    """Standard error that is closed while the command runs."""
    monkeypatch.setattr(terminal, "stderr", lambda: terminal.Console(file=terminal._Expendable(closed(io.StringIO()))))
    done = run(command, photo_path, *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert "PSNR" in done.stdout
