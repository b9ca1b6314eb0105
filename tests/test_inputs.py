"""Names of inputs on the command line: patterns on Windows."""

import os
import shutil
from types import SimpleNamespace

import pytest
from conftest import QUICK, fails

from fftool.cli import inputs


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
