"""The scripts in examples/ run, and do what their READMEs say."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import EXAMPLES
from PIL import Image

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


def test_table_of_the_paper(table1, run, photo_path, tmp_path, monkeypatch, capsys):
    """One image of each kind; a run that is complete is not trained again. fftool runs in this process."""
    with Image.open(photo_path) as photo:
        photo.load()
    monkeypatch.setattr(table1, "photos", lambda folder: {"one": photo})
    monkeypatch.setattr(table1, "texts", lambda: {"two": photo})
    monkeypatch.setattr(table1.subprocess, "run", lambda command, check: run(*command[3:]))
    monkeypatch.setattr("sys.argv", ["table1.py", "--epochs", "1", "--output", str(tmp_path / "paper")])
    table1.main()
    runs = sorted((tmp_path / "paper").glob("*/runs/*.st"))
    assert [path.name for path in runs[:4]] == [
        f"one-{name}-seed-0.st" for name in ("basic", "gaussian-10", "none", "positional-64")
    ]
    assert len(runs) == 8
    shown, changed = capsys.readouterr().out, [path.stat().st_mtime_ns for path in runs]
    assert len(re.findall(r"^\| (?:one|two|\*\*mean\*\*) \|(?: +\d+\.\d\d \|){4}$", shown, re.MULTILINE)) == 4
    table1.main()
    assert capsys.readouterr().out == shown
    assert [path.stat().st_mtime_ns for path in runs] == changed


def test_images_of_the_table_are_reproducible(table1):
    first, again = table1.texts(), table1.texts()
    assert [image.tobytes() for image in first.values()] == [image.tobytes() for image in again.values()]
    assert len({image.tobytes() for image in first.values()}) == 4
    assert {image.size for image in (*first.values(), *table1.photos(None).values())} == {(512, 512)}
