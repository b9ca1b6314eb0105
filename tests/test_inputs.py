"""Names of inputs on the command line: patterns on Windows, URLs, standard input and pipes."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from conftest import FFTOOL, QUICK, fails, in_terminal, pixels

import fftool
from fftool import pipes
from fftool.cli import inputs
from fftool.errors import UrlError


@pytest.fixture
def windows(monkeypatch):
    """A shell that leaves patterns to each program, whatever system this is, and a Typer that would expand them."""
    monkeypatch.setattr(inputs, "PLATFORM", "win32")
    monkeypatch.setattr("typer.core.os", SimpleNamespace(**(vars(os) | {"name": "nt"})))


@pytest.fixture
def folder(photo_path, quick_model_path, tmp_path):
    """A folder with images and checkpoints, one of them with the name of a pattern."""
    for name in ("photo1.png", "photo2.png", "photo[1].png"):
        shutil.copy(photo_path, tmp_path / name)
    for name in ("a.st", "b.st"):
        shutil.copy(quick_model_path, tmp_path / name)
    return tmp_path


def test_name_that_exists_is_no_pattern(run, folder, windows):
    done = run("train", "photo[1].png", *QUICK)
    assert done.returncode == 0, done.stderr
    assert run("info", "model.st").stdout.split()[1] == "photo[1].png"
    assert "photo[1].png: " not in done.stderr


def test_patterns_stand_for_their_matches_on_windows(run, folder, windows):
    done = run("render", "?.st", "-o", "out")
    assert (done.returncode, done.stdout.split()) == (0, ["out/a-64x48.png", "out/b-64x48.png"])
    assert "?.st: 2 files\n" in done.stderr
    done = run("render", "[a].st", "-o", "c.png")
    assert (done.returncode, done.stdout) == (0, "c.png\n")
    assert "[a].st: a.st\n" in done.stderr
    assert run("info", "a*").returncode == 0
    done = run("compare", "photo1.*", "*.st", "-o", "sheet.png")
    assert (done.returncode, "a.st" in done.stdout, "b.st" in done.stdout) == (0, True, True)


def test_pattern_for_one_input_has_one_match_on_windows(run, folder, windows):
    fails(run("info", "*.st"), 2, "*.st stands for 2 files, expected one")
    fails(run("compare", "*.png"), 2, "*.png stands for 3 files, expected one")


def test_pattern_without_a_match_is_a_name_on_windows(run, folder, windows):
    fails(run("render", "*.gone"), 1, "error: *.gone: no such file")
    fails(run("train", "~nobody/photo.png"), 1, "error: ~nobody/photo.png: no such file")


def test_home_folder_is_expanded_on_windows(run, folder, windows, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    done = run("render", "~/a.st", "-o", "a.png")
    assert done.returncode == 0, done.stderr
    assert f"~/a.st: {folder / 'a.st'}\n" in done.stderr
    assert "2 files" in run("render", "~/?.st", "-o", "out").stderr
    shutil.copy(folder / "a.st", folder / "~a.st")
    assert run("render", "~a.st", "-o", "b.png").stderr.count("\n") == 1  # it exists, as the names of Word's drafts do


@pytest.mark.parametrize("name", ["*.st", "?.st", "[ab].st", "~/a.st", "$HOME/a.st"])
def test_nothing_is_expanded_elsewhere(run, folder, monkeypatch, name):
    """The shell has done so, or was told not to."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(inputs, "PLATFORM", "linux")
    fails(run("render", name), 1, f"error: {name}: no such file")


def test_only_inputs_are_patterns_on_windows(run, folder, windows, monkeypatch):
    """Neither options and their values, nor variables."""
    monkeypatch.setenv("HOME", str(folder))
    assert run("render", "a.st", "-o", "[a].png").stdout == "[a].png\n"
    fails(run("render", "$HOME/a.st"), 1, "error: $HOME/a.st: no such file")
    fails(run("encode-viz", "--model", "*.st"), 1, "error: *.st: no such file")
    fails(run("train", "photo1.png", "--resume", "?.st"), 1, "error: ?.st: no such file")


# URLs

ADDRESS = "https://a.org/2020/https://b.org/photo.jpg?a=1&b=2"


@pytest.mark.parametrize(
    "command",
    [("train",), ("render",), ("compare", "--scale", 8), ("info",), ("encode-viz", "--model"), ("train", "--resume")],
    ids=lambda command: " ".join(map(str, command)),
)
def test_rejects_a_url(run, tmp_path, command):
    """With an address that can be copied: a path would have lost the second of two slashes."""
    done = run(*command, ADDRESS)
    fails(done, 1, "error: https://a.org/2020/", "is a URL, expected a file")
    assert done.stderr.splitlines()[1] == f"hint: download it first: curl -LO '{ADDRESS}'"


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://a.org/a.jpg", "download it first: curl -LO http://a.org/a.jpg"),
        ("HTTPS://a.org/a.jpg", "download it first: curl -LO HTTPS://a.org/a.jpg"),
        ("ftp://a.org/a.jpg", "download it first: curl -LO ftp://a.org/a.jpg"),
        ("s3://bucket/a.jpg", "save it as a file first"),
        ("gs://bucket/a.jpg", "save it as a file first"),
        ("file:///home/a/two%20words.jpg", "name the path: '/home/a/two words.jpg'"),
        ("file://localhost/home/a.jpg", "name the path: /home/a.jpg"),
        ("data:image/png;base64,iVBORw0KGgo=", "save it as a file first"),
    ],
)
def test_hint_for_each_kind_of_url(run, photo_path, tmp_path, url, hint):
    shutil.copy(photo_path, tmp_path / "model.st")  # an output that exists says less than an input that does not
    done = run("train", url)
    assert done.stderr == f"error: {url}: is a URL, expected a file\nhint: {hint}\n"
    shutil.copy(photo_path, tmp_path / "b.png")
    done = run("train", url, "b.png", *QUICK, "-o", "models")
    assert (done.returncode, done.stdout) == (1, "models/b.st\n")  # it does not stop the others
    assert f"hint: {hint}\n" in done.stderr


def test_long_url_is_cut_in_the_error(run):
    done = run("info", "data:image/png;base64," + 9999 * "A")
    fails(done, 1, "is a URL, expected a file")
    assert len(done.stderr) < 400


def test_file_with_the_name_of_a_url_is_read(run, photo_path, tmp_path):
    (tmp_path / "https:" / "a.org").mkdir(parents=True)
    shutil.copy(photo_path, tmp_path / "https:" / "a.org" / "a.png")
    assert run("train", "https://a.org/a.png", *QUICK).returncode == 0


def test_rejects_a_url_as_an_output(run, photo_path, quick_model_path, tmp_path):
    """It would be a folder here."""
    for command in (
        ("train", photo_path, "-o", "s3://bucket/a.st"),
        ("train", photo_path, "-o", "s3://bucket/models"),
        ("render", quick_model_path, "-o", "https://a.org/a.png"),
        ("compare", photo_path, "--scale", 8, "--save-models", "gs://bucket/models"),
        ("encode-viz", "-o", "s3://bucket/encoding"),
    ):
        fails(run(*command), 1, "is a URL, expected a path")
    assert not list(tmp_path.iterdir())


def test_library_rejects_a_url():
    for call in (fftool.read_image, fftool.load, fftool.describe):
        with pytest.raises(UrlError, match=r"^https://a\.org/a\.png: is a URL, expected a file$"):
            call("https://a.org/a.png")


# Standard input and pipes


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, which has to be empty after a command."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def test_trains_on_standard_input(run, photo_path, tmp_path, temporary):
    """As on the file, but for its name."""
    photo = photo_path.read_bytes()
    done = run("train", "-", *QUICK, stdin=photo)
    assert done.returncode == 0, done.stderr
    assert run("train", photo_path, *QUICK, "-o", "file.st").returncode == 0
    piped, file = (fftool.describe(tmp_path / name).config for name in ("model.st", "file.st"))
    assert piped.signal.source == "standard input"
    assert replace(piped.signal, source="photo.png") == file.signal
    weights = [fftool.load(tmp_path / name).state_dict() for name in ("model.st", "file.st")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    assert not list(temporary.iterdir())


def test_other_commands_read_standard_input(run, photo_path, quick_model_path, tmp_path, temporary):
    model, photo = quick_model_path.read_bytes(), photo_path.read_bytes()
    assert run("info", "-", stdin=model).stdout == run("info", quick_model_path).stdout
    done = run("render", "-", "--size", "20x10", stdin=model)
    assert (done.returncode, done.stdout) == (0, "render-20x10.png\n")
    assert pixels(tmp_path / "render-20x10.png").shape == (10, 20, 3)
    assert run("render", "-", "-o", "-", stdin=model, text=False).stdout.startswith(b"\x89PNG")
    assert run("encode-viz", "--model", "-", "--size", "9x9", stdin=model).returncode == 0
    done = run("compare", "-", quick_model_path, "-o", "a.png", "--json", stdin=photo)
    assert (done.returncode, json.loads(done.stdout)["image"]) == (0, "-")
    done = run("compare", photo_path, "-", "-o", "b.png", stdin=model)
    assert (done.returncode, "standard input" in done.stdout) == (0, True)
    assert not list(temporary.iterdir())


def test_resumes_with_a_file_and_a_checkpoint_from_standard_input(run, photo_path, tmp_path, temporary):
    photo = photo_path.read_bytes()
    assert run("train", "-", *QUICK, stdin=photo).returncode == 0
    done = run("train", "--resume", "model.st", "--epochs", 4)
    fails(done, 1, "the file that model.st was trained on came through standard input, and is gone", "name it:")
    assert run("train", "-", "--resume", "model.st", "--epochs", 4, "-o", "a.st", stdin=photo).returncode == 0
    model = (tmp_path / "model.st").read_bytes()
    fails(run("train", photo_path, "--resume", "-", stdin=model), 2, "from a pipe cannot be replaced")
    done = run("train", photo_path, "--resume", "-", "--epochs", 4, "-o", "b.st", stdin=model)
    assert done.returncode == 0, done.stderr
    assert fftool.describe(tmp_path / "a.st").result == fftool.describe(tmp_path / "b.st").result
    assert not list(temporary.iterdir())


def test_names_of_outputs_of_pipes_in_a_folder(run, photo_path, quick_model_path, tmp_path):
    assert run("train", "-", photo_path, *QUICK, "-o", "out", stdin=photo_path.read_bytes()).returncode == 0
    done = run("render", "-", quick_model_path, "-o", "out", stdin=quick_model_path.read_bytes())
    assert done.stdout.split() == ["out/render-64x48.png", "out/quick-64x48.png"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.st")) == ["model.st", "photo.st"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "is empty, expected a file"),
        (b"", "is empty, expected a file"),
        (b"not an image", "not an image of a known format"),
    ],
)
def test_rejects_what_comes_through_standard_input(run, tmp_path, temporary, data, problem):
    fails(run("train", "-", stdin=data), 1, f"error: standard input: {problem}")
    fails(run("info", "-", stdin=data), 1, "error: standard input: ")
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
    assert not list(temporary.iterdir())


def test_rejects_a_terminal_as_an_input(tmp_path):
    shown, code = in_terminal(("train", "-"), b"", tmp_path)
    assert code == 1
    assert "error: standard input: is a terminal, expected a file or a pipe\r\n" in re.sub(r"\x1b\[\d*m", "", shown)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX devices and shells")
def test_standard_input_of_a_process(tmp_path, quick_model_path):
    shell = """
        $FFTOOL info - <&-; $FFTOOL info - </dev/zero; $FFTOOL info - </dev/null; $FFTOOL info /dev/zero
        cat $MODEL | $FFTOOL info /dev/stdin | head -n 1; $FFTOOL info <(cat $MODEL) | head -n 1
        $FFTOOL info <(true)
    """
    environment = os.environ | {"TMPDIR": str(tmp_path), "FFTOOL": str(FFTOOL), "MODEL": str(quick_model_path)}
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment, check=False)
    assert [line for line in done.stderr.splitlines() if line.startswith("error")] == [
        "error: standard input: is closed, expected a file or a pipe",
        "error: standard input: is a device, expected a file or a pipe",
        "error: standard input: is empty, expected a file",
        "error: /dev/zero: is not a regular file, and no pipe",
        "error: /dev/fd/63: is empty, expected a file",
    ]
    assert [line.split() for line in done.stdout.splitlines()] == [["source", "photo.png"]] * 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "render", "compare"])
def test_rejects_standard_input_that_is_named_twice(run, tmp_path, command):
    fails(run(command, "-", "/dev/stdin", stdin=b"data"), 2, "standard input is named more than once")
    fails(run("train", "-", "--resume", "-", stdin=b"data"), 2, "standard input is named more than once")


def test_rejects_what_has_no_end(run, photo_path, tmp_path, temporary, monkeypatch):
    monkeypatch.setattr(pipes, "MAX_BYTES", photo_path.stat().st_size)
    monkeypatch.setattr(pipes, "CHUNK", 100)
    photo = photo_path.read_bytes()
    assert run("train", "-", *QUICK, stdin=photo).returncode == 0
    done = run("train", "-", "-o", "a.st", stdin=photo + b"0")
    fails(done, 1, f"error: standard input: sends more than {len(photo):,} bytes")
    assert not list(temporary.iterdir())


def test_full_temporary_folder_is_an_error(run, photo_path, temporary, monkeypatch):
    monkeypatch.setattr("os.fdopen", lambda *_: io.FileIO("/dev/full", "w"))
    fails(run("train", "-", stdin=photo_path.read_bytes()), 1, f"cannot be copied to {temporary}: No space left")
    assert not list(temporary.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_trains_on_a_named_pipe(run, photo_path, tmp_path, temporary):
    """In a batch, each is read once, and keeps its name."""
    names = ("a.png", "b.png")
    for name in names:
        os.mkfifo(tmp_path / name)
    writers = [
        threading.Thread(target=(tmp_path / name).write_bytes, args=(photo_path.read_bytes(),)) for name in names
    ]
    for writer in writers:
        writer.start()
    done = run("train", *names, *QUICK, "-o", "models")
    for writer in writers:
        writer.join()
    assert (done.returncode, done.stdout.split()) == (0, ["models/a.st", "models/b.st"])
    assert fftool.describe(tmp_path / "models" / "a.st").config.signal.source == "a.png"
    assert not list(temporary.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_it_waits_for_a_pipe(tmp_path, temporary, photo_path, number, code):
    process = subprocess.Popen([FFTOOL, "train", "-"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(photo_path.read_bytes()[:1000])
    process.stdin.flush()
    while not list(temporary.iterdir()):
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (code, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
    assert not list(temporary.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX signals")
def test_stopped_training_from_a_pipe_says_that_the_file_has_to_be_named(tmp_path, temporary, photo_path):
    command = [FFTOOL, "train", "-", *map(str, QUICK), "--epochs", "1000000", "--save-every", "0.01"]
    with photo_path.open("rb") as photo:
        process = subprocess.Popen(command, cwd=tmp_path, stdin=photo, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "model.st").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "a pipe is gone: fftool train --resume model.st FILE\n" in stderr
    assert fftool.describe(tmp_path / "model.st").resume.source == ""
    assert not list(temporary.iterdir())
