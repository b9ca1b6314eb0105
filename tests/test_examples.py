"""The scripts in examples/ run, and do what their READMEs say."""

import importlib.util
import os
import subprocess

import pytest
from conftest import EXAMPLES, FFTOOL


def test_the_homework(tmp_path):
    """All of its commands, with one epoch instead of twenty."""
    environment = os.environ | {"PATH": f"{FFTOOL.parent}{os.pathsep}{os.environ['PATH']}", "EPOCHS": "1"}
    script = ["sh", EXAMPLES / "homework" / "run.sh"]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "homework").iterdir()}
    assert made >= {"2b", "3c.st", "3c.jpg", "3d.jpg", "3d-curves.png", "3d.csv", "3e.jpg", "3e-holdout.csv", "3f.jpg"}
    assert len(list((tmp_path / "homework" / "2b" / "gaussian-10").iterdir())) == 50


@pytest.fixture
def table1():
    spec = importlib.util.spec_from_file_location("table1", EXAMPLES / "paper" / "table1.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_papers_table(table1, photo_path, tmp_path, monkeypatch):
    """One picture, and what is done is not done again."""
    picture = tmp_path / "photo.png"
    picture.write_bytes(photo_path.read_bytes())
    scores = table1.compare(picture, 1, ["none", "gaussian"], 4)
    assert scores.keys() == {"none", "gaussian"}
    assert all(5 < score < 30 for score in scores.values())
    monkeypatch.setattr(subprocess, "run", None)
    assert table1.compare(picture, 1, ["none", "gaussian"], 4) == scores
    with pytest.raises(TypeError):
        table1.compare(picture, 2, ["none", "gaussian"], 4)


def test_the_pictures_of_the_papers_table(table1):
    first, again = table1.texts(), table1.texts()
    assert [picture.tobytes() for picture in first.values()] == [picture.tobytes() for picture in again.values()]
    assert len({picture.tobytes() for picture in first.values()}) == 4
    assert {picture.size for picture in (*first.values(), *table1.photos(None).values())} == {(512, 512)}
