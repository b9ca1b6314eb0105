"""The README's promises: its code runs, and every command and option is in it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import fftool
from fftool.cli import app

README = (Path(__file__).parent.parent / "README.md").read_text()
LINKED = re.findall(r"\]\(([^)#:]+)\)", README)
CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("path", LINKED)
def test_what_it_links_to_is_there(path):
    assert (Path(__file__).parent.parent / path).exists()


def test_numpy_alone_reads_a_checkpoint(model_path, tmp_path, monkeypatch):
    """Its float64 picture is ours, but for a rounding that may fall to the other side of a half."""
    (reader,) = [code for code in CODE if "safe_open" in code]
    assert "torch" not in reader
    monkeypatch.chdir(tmp_path)
    shutil.copy(model_path, "model.st")
    names = {}
    exec(reader, names)
    picture, expected = names["picture"], fftool.render(fftool.load("model.st"))
    assert picture.dtype == expected.dtype
    difference = np.abs(picture.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_the_library_example_runs(photo_path, tmp_path, monkeypatch):
    (example,) = [code for code in CODE if "fftool.fit" in code]
    monkeypatch.chdir(tmp_path)
    shutil.copy(photo_path, "photo.jpg")
    exec(example.replace("(2000, 3000)", "(20, 30)"), {})
    assert fftool.read_image("large.png").shape == (20, 30)


@pytest.mark.parametrize("name", [command.callback.__name__.replace("_", "-") for command in app.registered_commands])
def test_every_command_and_option_is_in_the_readme(run, name):
    assert f"$ fftool {name} --help" in README
    for option in re.findall(r"--[a-z-]+", run(name, "--help").stdout):
        assert option in README
