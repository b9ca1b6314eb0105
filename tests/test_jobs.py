"""Several files in one command: failures are listed at the end, and do not stop the rest."""

import json
import re
import shutil

import pytest
from conftest import EXAMPLES, QUICK

import fftool


@pytest.fixture
def folder(photo_path, tmp_path):
    shutil.copy(photo_path, tmp_path / "a.png")
    shutil.copy(photo_path, tmp_path / "b.png")
    shutil.copy(EXAMPLES / "mushroom.png", tmp_path / "b.bmp")  # its content decides
    (tmp_path / "bad [red].jpg").write_text("not an image")
    return tmp_path


def test_trains_all_images_and_lists_failures(run, folder):
    done = run("train", "a.png", "bad [red].jpg", "gone.png", "b.png", "b.bmp", *QUICK, "-o", "models")
    assert done.returncode == 1
    assert done.stdout.split() == ["models/a.st", "models/b.png.st", "models/b.bmp.st"]
    assert re.search(r"^ bad \[red\]\.jpg +not an image of a known format$", done.stderr, re.MULTILINE)
    assert re.search(r"^ gone\.png +no such file$", done.stderr, re.MULTILINE)
    hints = "hint: save it as a PNG, JPEG, WebP, TIFF or BMP first\nhint: check the path and its permissions\n"
    assert done.stderr.endswith(f"\n2 of 5 failed.\n{hints}")
    assert "Traceback" not in done.stderr
    assert fftool.describe(folder / "models" / "b.bmp.st").config.signal.source == "b.bmp"


def test_keeps_what_exists_and_makes_the_rest(run, folder):
    (folder / "a.st").write_text("precious")
    done = run("train", "a.png", "b.png", *QUICK, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report.keys() == {"done", "failed"}
    assert [document["model"] for document in report["done"]] == ["b.st"]
    assert report["failed"] == [{"name": "a.png", "error": "a.st already exists"}]
    assert "hint: use --overwrite to replace it" in done.stderr
    assert (folder / "a.st").read_text() == "precious"
    assert run("train", "a.png", "b.png", *QUICK, "--overwrite").returncode == 0
    fftool.load(folder / "a.st")


def test_renders_all_checkpoints(run, model_path, tmp_path):
    for name in ("a.st", "b.st"):
        shutil.copy(model_path, tmp_path / name)
    (tmp_path / "c.st").write_text("not a checkpoint")
    done = run("render", "a.st", "b.st", "c.st", "--size", "200%", "-o", "out/deep")
    assert done.returncode == 1
    assert done.stdout.split() == ["out/deep/a-128x96.png", "out/deep/b-128x96.png"]
    assert "1 of 3 failed." in done.stderr
    assert re.search(r"^ c\.st +not a whole safetensors file", done.stderr, re.MULTILINE)


def test_same_file_twice_is_one_job(run, model_path, tmp_path):
    shutil.copy(model_path, tmp_path / "a.st")
    done = run("render", "a.st", "a.st", "-o", "out")
    assert (done.returncode, done.stdout) == (0, "out/a-64x48.png\n")
    assert "1 of 1: a.st" in done.stderr


def test_renders_one_file_into_a_folder(run, model_path, tmp_path):
    (tmp_path / "out.d").mkdir()
    assert run("render", model_path, "-o", "out.d").stdout == "out.d/model-64x48.png\n"
    assert run("render", model_path, "-o", "new/images/").stdout == "new/images/model-64x48.png\n"


def test_trains_one_file_into_a_folder(run, folder):
    (folder / "out.d").mkdir()
    assert run("train", "a.png", *QUICK, "-o", "out.d").returncode == 0
    assert (folder / "out.d" / "a.st").exists()
    assert run("train", "a.png", *QUICK, "-o", "new/models").returncode == 0
    assert (folder / "new" / "models" / "a.st").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("train", "a.png", "b.png", "-o", "one.st"), "one.st is the name of one file"),
        (("render", "a.st", "b.st", "-o", "one.png"), "one.png is the name of one file"),
        (("train", "a.png", "deep/a.png"), "2 of these files are named a.png"),
        (("train", "a.png", "-o", "-"), "a checkpoint cannot be written to standard output"),
        (("train",), "no file to train on"),
    ],
)
def test_rejects_requests_that_make_no_sense(run, tmp_path, arguments, problem):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {problem}")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def failing(photo_path, model_path, tmp_path):
    """Inputs that fail at each stage: not found, not read, not trained, not loaded."""
    shutil.copy(photo_path, tmp_path / "photo.png")
    (tmp_path / "damaged.png").write_bytes(photo_path.read_bytes()[:1000])
    shutil.copy(model_path, tmp_path / "model.st")
    network = fftool.load(model_path)
    for layer in network.layers:
        layer.weight.data *= 1e30  # finite, so that it is saved; what the network computes is not
    fftool.save(network, tmp_path / "infinite.st")
    return tmp_path


# Problem, and a command with an option last that takes a folder.
FAILURES = [
    ("gone.png: no such file", ("train", "gone.png", "-o")),
    ("damaged.png: damaged", ("train", "damaged.png", "-o")),
    ("2 of 2 failed", ("train", "gone.png", "damaged.png", "-o")),
    ("the loss is not finite", ("train", "photo.png", *QUICK, "--learning-rate", "1e30", "-o")),
    ("invalid number of parameters", ("train", "photo.png", "--hidden", "1000000", "-o")),
    ("gone.st: no such file", ("render", "gone.st", "-o")),
    ("the network's values are not finite", ("render", "infinite.st", "-o")),
    ("2 of 2 failed", ("render", "gone.st", "infinite.st", "-o")),
    ("invalid crop", ("render", "model.st", "--crop", "0,0,2,2", "-o")),
    ("the loss is not finite", ("compare", "photo.png", *QUICK, "--learning-rate", "1e30", "--save-models")),
    ("gone.st: no such file", ("compare", "photo.png", "gone.st", *QUICK, "--save-models")),
    ("gone.st: no such file", ("encode-viz", "--model", "gone.st", "-o")),
    ("invalid scale 0", ("encode-viz", "--scale", "0", "-o")),
]


@pytest.mark.parametrize(("problem", "arguments"), FAILURES, ids=lambda value: value if isinstance(value, str) else "")
def test_failure_leaves_no_folder(run, failing, problem, arguments):
    before = sorted(failing.rglob("*"))
    for folder in ("new", "new/deep/"):
        done = run(*arguments, folder)
        assert done.returncode in (1, 2)
        assert problem in done.stderr
        assert sorted(failing.rglob("*")) == before
    (failing / "new").mkdir()
    for folder in ("new", "new/deep"):
        assert run(*arguments, folder).returncode in (1, 2)
        assert sorted(failing.rglob("*")) == sorted([*before, failing / "new"])  # a folder that existed stays
