"""What is printed is right where it goes: pipes, plain and narrow terminals, and locales that lack letters."""

import json
import os
import re

import pytest
from conftest import QUICK, in_terminal

NO_LETTERS = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", [NO_LETTERS, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
def test_letters_that_a_locale_lacks(run, photo_path, model_path, tmp_path, locale):
    """They are escaped: σ and × are part of what is always said."""
    environment = {"env": os.environ | locale, "errors": "replace"}
    (tmp_path / "café.png").write_bytes(photo_path.read_bytes())
    for arguments in (
        ("compare", "café.png", *QUICK, "-o", "a.png"),
        ("compare", "--help"),
        ("info", model_path),
        ("encode-viz", "--scale", 2, "--dimension", 4),
        ("train", "café.png", *QUICK, "-o", "σ.st"),
        ("render", "σ.st"),
    ):
        done = run(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout
    done = run("render", "gone-σ.st", **environment)
    assert done.returncode == 1
    assert re.match(r"error: there is no file gone-(\\u03c3|\\xcf\\x83)\.st\n", done.stderr)
    document = json.loads(run("info", "σ.st", "--json", **environment).stdout)
    assert document["config"]["signal"]["source"] == "café.png"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_the_progress_fits_into_any_terminal(photo_path, tmp_path, columns):
    """Whole parts of it: the time that is left is always there."""
    shown, code = in_terminal(("train", photo_path, *QUICK), b"", tmp_path, columns=columns)
    assert code == 0
    lines = [line for line in re.split(r"[\r\n]", plain(shown)) if "Training" in line]
    assert any(re.search(r"100% .*\d\d:\d\d left *$", line) for line in lines)
    assert not any("…" in line for line in lines)
    assert all(len(line.rstrip()) <= columns for line in lines)


def plain(shown):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)


def test_a_plain_terminal_gets_plain_lines(photo_path, tmp_path):
    for arguments in (("train", photo_path, *QUICK), ("render", "model.st"), ("render", "gone.st")):
        shown, _ = in_terminal(arguments, b"", tmp_path, TERM="dumb")
        assert "\x1b" not in shown
        assert "\r\n\r\n" not in shown
        assert shown


def test_no_color(photo_path, tmp_path):
    shown, code = in_terminal(("compare", photo_path, *QUICK, "--scale", 2), b"", tmp_path, NO_COLOR="1")
    assert code == 0
    assert not re.search(r"\x1b\[[0-9;]*(3|4|9)[0-7][;m]", shown)


def test_pipes_get_neither_colours_nor_lines_that_are_cut(run, photo_path, tmp_path):
    name = "long" * 40 + ".png"
    (tmp_path / name).write_bytes(photo_path.read_bytes())
    for arguments in (
        ("train", name, *QUICK),
        ("info", "model.st"),
        ("compare", name, *QUICK),
        ("train", "gone", name),
    ):
        done = run(*arguments)
        assert "\x1b" not in done.stdout + done.stderr
    assert name in run("info", "model.st").stdout


@pytest.mark.parametrize("place", ["MPLCONFIGDIR", "HOME"])
def test_libraries_keep_their_warnings_to_themselves(run, tmp_path, place):
    """As matplotlib's, that it can't keep its list of fonts."""
    done = run("encode-viz", "--scale", 2, "--dimension", 4, env=os.environ | {place: "/proc/nowhere"})
    assert done.returncode == 0
    assert done.stderr == ""


def test_what_the_libraries_below_warn_of_and_log(run, photo_path, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    for warnings in ({}, {"PYTHONWARNINGS": "default"}):
        environment = os.environ | {"PYTHONPATH": str(tmp_path)} | warnings
        done = run("train", photo_path, *QUICK, "--overwrite", env=environment)
        assert done.returncode == 0
        assert "noise" not in done.stdout + done.stderr


NOISE = """
import sys

class Noisy:
    def find_spec(self, name, path=None, target=None):
        if name == "safetensors":
            import logging, warnings
            warnings.warn("noise")
            logging.getLogger("library").warning("noise")

sys.meta_path.insert(0, Noisy())
"""
