"""Several files at once: what fails is told at the end, and does not stop the rest."""

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
    shutil.copy(EXAMPLES / "mushroom.png", tmp_path / "b.bmp")  # whose content decides
    (tmp_path / "bad [red].jpg").write_text("no picture")
    return tmp_path


def test_all_pictures_are_learnt(run, folder):
    done = run("train", "a.png", "bad [red].jpg", "gone.png", "b.png", "b.bmp", *QUICK, "-o", "models")
    assert done.returncode == 1
    assert done.stdout.split() == ["models/a.st", "models/b.png.st", "models/b.bmp.st"]
    assert re.search(r"^ bad \[red\]\.jpg +is not a picture of a known format", done.stderr, re.MULTILINE)
    assert "there is no file gone.png" in done.stderr
    assert "2 of 5 failed." in done.stderr
    assert "Traceback" not in done.stderr
    assert fftool.describe(folder / "models" / "b.bmp.st").config.signal.source == "b.bmp"


def test_what_exists_is_kept_and_the_rest_is_made(run, folder):
    (folder / "a.st").write_text("precious")
    done = run("train", "a.png", "b.png", *QUICK, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert [document["model"] for document in report["done"]] == ["b.st"]
    assert [failed["name"] for failed in report["failed"]] == ["a.png"]
    assert (folder / "a.st").read_text() == "precious"
    assert run("train", "a.png", "b.png", *QUICK, "--overwrite").returncode == 0
    fftool.load(folder / "a.st")


def test_all_checkpoints_are_drawn(run, model_path, tmp_path):
    for name in ("a.st", "b.st"):
        shutil.copy(model_path, tmp_path / name)
    (tmp_path / "c.st").write_text("no checkpoint")
    done = run("render", "a.st", "b.st", "c.st", "--size", "200%", "-o", "out/deep")
    assert done.returncode == 1
    assert done.stdout.split() == ["out/deep/a-128x96.png", "out/deep/b-128x96.png"]
    assert "1 of 3 failed." in done.stderr
    assert re.search(r"^ c\.st +is not a whole safetensors file", done.stderr, re.MULTILINE)


def test_one_file_goes_into_a_folder_too(run, model_path, folder):
    (folder / "out").mkdir()
    assert run("render", model_path, "-o", "out").stdout == "out/model-64x48.png\n"
    assert run("train", "a.png", *QUICK, "-o", "out").returncode == 0
    assert (folder / "out" / "a.st").exists()
    assert run("train", "a.png", *QUICK, "-o", "new/models").returncode == 0
    assert (folder / "new" / "models" / "a.st").exists()
    assert run("render", "out/a.st", "-o", "new/pictures/").stdout == "new/pictures/a-64x48.png\n"


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (("train", "a.png", "b.png", "-o", "one.st"), "name of one file"),
        (("render", "a.st", "b.st", "-o", "one.png"), "name of one file"),
        (("train", "a.png", "deep/a.png"), "2 of these files are named a.png"),
        (("train", "a.png", "-o", "-"), "standard output"),
        (("train",), "no picture"),
    ],
)
def test_what_cannot_be_meant(run, tmp_path, arguments, seen):
    done = run(*arguments)
    assert done.returncode == 2
    assert seen in done.stderr
    assert not list(tmp_path.iterdir())
