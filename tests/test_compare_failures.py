"""`fftool compare` where something goes wrong: what is finished is kept, and what is asked for wrongly is refused."""

import json
import resource
import shutil
import signal
import subprocess
import time

import pytest
from conftest import EXAMPLES, FFTOOL, SMALL
from PIL import Image
from test_bad_input import fails
from test_compare import names


def start(folder, *arguments):
    """The command, left running."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([FFTOOL, "compare", *map(str, arguments)], cwd=folder, **pipes)


def interrupted_once_there_is(path, process):
    """Its output and its messages, after a Ctrl-C at that moment."""
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 130, stderr
    return stdout, stderr


def test_one_that_fails_leaves_the_others(run_here, photo_path, tmp_path):
    asked = ("--encoding", "positional", "--encoding", "none", *SMALL, "--dimension", 1)
    done = run_here("compare", photo_path, *asked, "--csv", "a.csv", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert names(report) == ["none"]
    assert [failed["name"] for failed in report["failed"]] == ["positional σ=auto"]
    assert "2 axes" in report["failed"][0]["error"]
    assert "error: positional σ=auto: " in done.stderr
    assert (tmp_path / "compare.png").exists()


def test_one_that_needs_too_much_memory(run):
    """A first layer of 800 MB, its gradient and what is remembered of it, within 4 GB of addresses in all."""
    hungry = ("--dimension", 1_000_000, "--hidden", 100, "--layers", 1, "--epochs", 1, "--precision", "float32")
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9))}
    picture = EXAMPLES / "mushroom.png"
    done = run("compare", picture, "--encoding=none", "--encoding=gaussian", *hungry, **limit)
    assert done.returncode == 1
    assert " none " in done.stdout
    assert "error: gaussian σ=auto: there is not enough memory" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_whose_last_step_leaves_no_numbers(run_here, photo_path):
    """The loss before that step was finite."""
    diverging = ("--epochs", 1, "--batch-size", 64 * 48, "--learning-rate", 1e38)
    done = run_here("compare", photo_path, "--scale", 1, *diverging, "--json")
    assert done.exit_code == 1
    assert "no longer a finite number" in json.loads(done.stdout)["failed"][0]["error"]


def test_all_fail(run, photo_path, tmp_path):
    done = run("compare", photo_path, "--scale", 1, "--scale", 2, *SMALL, "--learning-rate", 1e30)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("no longer a finite number") == 2
    assert not list(tmp_path.iterdir())


def test_interrupted_it_keeps_what_is_finished(photo_path, tmp_path):
    arguments = ["--scale", "1", "--scale", "2", "--scale", "3", "--epochs", "25", "--save-models", "kept"]
    process = start(tmp_path, photo_path, *arguments)
    stdout, stderr = interrupted_once_there_is(tmp_path / "kept" / "gaussian-1.st", process)
    assert "gaussian σ=1 " in stdout
    assert "gaussian σ=3 " not in stdout
    assert "Stopped after 1 of 3 variants." in stderr
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["compare.png", "gaussian-1.st"]


def test_interrupted_while_drawing_it_keeps_the_figures(photo_path, model_path, tmp_path):
    arguments = [photo_path, model_path, "--size", "8000x8000", "--csv", "a.csv"]
    process = start(tmp_path, *arguments)
    stdout, stderr = interrupted_once_there_is(tmp_path / "a.csv", process)
    assert "PSNR" in stdout
    assert "Stopped before the figures." in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_interrupted_before_anything_is_finished(photo_path, tmp_path):
    process = start(tmp_path, photo_path, "--scale", "1", "--epochs", "1000000")
    process.stderr.readline()  # training is under way
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "seen"),
    [
        ((), 2, "nothing to compare"),
        (("--scale", "2", "--scale", "2.0"), 2, "gaussian σ=2 is asked for 2 times"),
        (("--encoding", "none", "--encoding", "none"), 2, "none is asked for 2 times"),
        (("--encoding", "magic"), 2, "magic"),
        (("--scale", "0"), 2, "scale is 0"),
        (("--scale", "1", "--epochs", "0"), 2, "epochs is 0"),
        (("--scale", "1", "-o", "a.gif"), 1, ".png"),
        (("--scale", "1", "--curves", "a.xyz"), 1, ".svg"),
        (("--scale", "1", "-o", "a.png", "--curves", "./a.png"), 2, "a.png is named 2 times"),
        (("--scale", "1", "-o", "missing/a.png"), 1, "no folder"),
        (("--scale", "1", "--save-models", "a", "--csv", "mine/../a.csv", "-o", "a.csv"), 1, "figure format"),
        (("--scale", "1", "--csv", "b.png", "-o", "mine/../b.png"), 2, "b.png is named 2 times"),
        (("--scale", "1", "--size", "999999999x999999999"), 2, "pixels"),
        (("--scale", "1", "--save-models", "link"), 1, "link"),
        (("--scale", "1", "-o", "mine/file.png"), 1, "exists already"),
        (("--scale", "1", "--csv", "mine/file.png"), 1, "exists already"),
        (("--scale", "1", "--save-models", "mine"), 1, "holds file.png"),
        (("--scale", "1", "--holdout", "1.5"), 2, "1.5"),
        (("--scale", "1", "--holdout", "some"), 2, "'some'"),
        (("--scale", "1", "--show", "--json"), 2, "standard output"),
        (("missing.st",), 1, "no file missing.st"),
        (("mine/file.png",), 1, "safetensors"),
    ],
)
def test_a_wrong_request(run, photo_path, tmp_path, arguments, code, seen):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file.png").write_text("precious")
    (tmp_path / "link").symlink_to("nowhere")
    fails(run("compare", photo_path, *arguments), code, seen)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file.png", "link", "mine"]
    assert (tmp_path / "mine" / "file.png").read_text() == "precious"


def test_wrong_checkpoints(run, photo_path, model_path, tmp_path):
    fails(run("compare", photo_path, model_path, model_path), 2, "model.st is named 2 times")
    fails(run("compare", photo_path, model_path, "--curves", "a.png"), 2, "--curves is for networks to be trained")
    fails(run("compare", photo_path, model_path, "--csv", model_path, "--overwrite"), 1, "is the file that is read")
    fails(run("compare", photo_path, model_path, "--holdout", "lattice"), 2, "--holdout is for networks to be trained")
    fails(run("compare", photo_path, model_path, "--save-models", "a"), 2, "--save-models is for networks")
    (tmp_path / "loop").symlink_to("loop")
    fails(run("compare", photo_path, "loop"), 1, "there is no file loop")
    (tmp_path / "kept").mkdir()
    shutil.copy(model_path, tmp_path / "kept" / "gaussian-8.st")
    replacing = ("--scale", 8, "--save-models", "kept", "--overwrite")
    fails(run("compare", photo_path, "kept/gaussian-8.st", *replacing), 1, "is the file that is read")
    Image.new("L", (9, 9)).save(tmp_path / "grey.png")
    fails(run("compare", "grey.png", model_path), 1, "3 channels", "1 channel")


@pytest.mark.parametrize(("shape", "holdout"), [((1, 9), "lattice"), ((1, 1), "0.5")])
def test_a_picture_too_small_to_hold_pixels_out_of(run, tmp_path, shape, holdout):
    Image.new("L", shape).save(tmp_path / "a.png")
    for command in (("compare", "a.png", "--scale", 1), ("train", "a.png")):
        fails(run(*command, "--holdout", holdout), 1, "too small")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
