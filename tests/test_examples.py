"""The scripts in examples/ run, and do what their READMEs say."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest
from conftest import EXAMPLES

RECORDER = """#!/bin/sh
printf '%s\\n' "$@" "" >> commands.txt
"""


def test_homework(run, photo_path, tmp_path):
    """All of its commands, for one epoch on a small photo: the script is run with a recorder in place of fftool."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "fftool").write_text(RECORDER)
    (tmp_path / "bin" / "fftool").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "EPOCHS": "1"}
    script = ["sh", EXAMPLES / "homework" / "run.sh"]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    commands = [command.split("\n") for command in (tmp_path / "commands.txt").read_text().strip().split("\n\n")]
    assert len(commands) == (EXAMPLES / "homework" / "run.sh").read_text().count("\nfftool ") == 7
    for command in commands:
        photo = next((part for part in command if part.endswith("astronaut.jpg")), None)
        assert photo is None or Path(photo).samefile(EXAMPLES / "astronaut.jpg")
        small = {photo: photo_path, "150": "1"}
        done = run(*(small.get(part, part) for part in command))
        assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "homework").iterdir()}
    assert made == {
        "2b", "3c.st", "3c.jpg", "3d.jpg", "3d-curves.png", "3d.csv", "3e.jpg", "3e.csv", "3e-holdout.jpg",
        "3e-holdout.csv", "3f.jpg", "3f-curves.png", "3f.csv",
    }  # fmt: skip
    assert len(list((tmp_path / "homework" / "2b" / "gaussian-10").iterdir())) == 50


@pytest.fixture
def table1():
    spec = importlib.util.spec_from_file_location("table1", EXAMPLES / "paper" / "table1.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_of_the_paper(table1, photo_path, tmp_path, monkeypatch):
    """One image; a result that is there is not computed again."""
    image = tmp_path / "photo.png"
    image.write_bytes(photo_path.read_bytes())
    scores = table1.compare(image, 1, ["none", "gaussian"], 4)
    assert scores.keys() == {"none", "gaussian"}
    assert all(5 < score < 30 for score in scores.values())
    monkeypatch.setattr(subprocess, "run", None)
    assert table1.compare(image, 1, ["none", "gaussian"], 4) == scores
    with pytest.raises(TypeError):
        table1.compare(image, 2, ["none", "gaussian"], 4)


def test_images_of_the_table_are_reproducible(table1):
    first, again = table1.texts(), table1.texts()
    assert [image.tobytes() for image in first.values()] == [image.tobytes() for image in again.values()]
    assert len({image.tobytes() for image in first.values()}) == 4
    assert {image.size for image in (*first.values(), *table1.photos(None).values())} == {(512, 512)}
