"""What is printed is right where it goes: pipes, plain and narrow terminals, and locales that lack letters."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FFTOOL, QUICK, in_terminal

import fftool

NO_LETTERS = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", [NO_LETTERS, {"PYTHONIOENCODING": "latin-1"}])
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


def test_colours_that_are_forced_make_no_terminal(run, photo_path):
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "40"}
    done = run("compare", photo_path, *QUICK, "--scale", 2, env=environment)
    assert "\x1b[" in done.stdout
    assert not re.search(r"\x1b\[[0-9;?]*[A-HJKSTfhl]", done.stdout + done.stderr)
    assert "parameters" in done.stdout


@pytest.mark.parametrize("columns", [40, 60])
def test_a_table_in_a_narrow_terminal_has_whole_numbers(photo_path, model_path, tmp_path, columns):
    """Columns that do not fit are left out, from the last on; a long name is folded, and takes none with it."""
    name = "long" * 20 + ".st"
    (tmp_path / name).write_bytes(model_path.read_bytes())
    arguments = ("compare", photo_path, name, *QUICK, "--scale", 2, "--overwrite")
    narrow, wide = (
        plain(in_terminal(arguments, b"", tmp_path, columns=width)[0]).replace("\r", "") for width in (columns, 300)
    )
    shown, known = (re.findall(r"\S+", re.split(r"─\s*\n", text)[1]) for text in (narrow, wide))
    assert "SSIM" in narrow
    names = [word for word in shown if not any(word in part for part in (name, "gaussian", "σ=8", "σ=2"))]
    seconds = re.compile(r"\d+\.\d$")  # the only figure that is another one each time
    assert {word for word in names if not seconds.match(word)} <= {word for word in known if not seconds.match(word)}
    assert len(names) > 4


def test_what_nobody_can_read_does_not_stop_the_work(run, photo_path, model_path, tmp_path):
    """Progress, notes and hints go to a full device."""
    with Path("/dev/full").open("w") as full:
        unread = {"capture_output": False, "stdout": subprocess.PIPE, "stderr": full}
        assert run("train", photo_path, *QUICK, **unread).returncode == 0
        for name in ("a.st", "b.st"):
            (tmp_path / name).write_bytes(model_path.read_bytes())
        assert run("render", "a.st", "b.st", **unread).stdout.split() == ["a-64x48.png", "b-64x48.png"]
        assert run("train", "--nonsense", **unread).returncode == 2
    assert fftool.describe(tmp_path / "model.st").resume is None


def test_a_terminal_that_closes_does_not_stop_the_work(photo_path, tmp_path):
    """Where SIGHUP does not reach it, as under nohup: bars can't be drawn any more."""
    master, slave = pty.openpty()
    command = [FFTOOL, "train", photo_path, *map(str, QUICK), "--epochs", "60"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=slave, start_new_session=True)
    os.close(slave)
    while b"Training" not in os.read(master, 4096):
        pass
    os.close(master)
    stdout, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert b"PSNR" in stdout
    assert fftool.describe(tmp_path / "model.st").resume is None


def test_files_are_there_though_the_table_cannot_be_read(run, photo_path, tmp_path):
    with Path("/dev/full").open("w") as full:
        done = run("compare", photo_path, *QUICK, "--csv", "a.csv", capture_output=False, stdout=full, stderr=-1)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "compare.png"]


def test_an_output_may_be_a_pipe(run, photo_path, tmp_path):
    done = run("compare", photo_path, *QUICK, "--csv", "/dev/stdout")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("name,")
    os.mkfifo(tmp_path / "pipe.st")
    done = run("train", photo_path, *QUICK, "-o", "pipe.st")
    assert done.returncode == 1
    assert "pipe.st is no regular file" in done.stderr


def test_a_picture_has_to_go_somewhere(model_path, tmp_path):
    command = ["sh", "-c", f"{FFTOOL} render {model_path} -o - >&-"]
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "standard output is closed" in done.stderr


MISTAKEN = """
import sys
from fftool.cli import main

sys.modules["fftool.cli.info"].describe = lambda path: 1 / 0
main()
"""


def test_a_mistake_of_fftools_own_is_told_in_a_line(model_path, tmp_path):
    command = [sys.executable, "-c", MISTAKEN, "info", model_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ZeroDivisionError: division by zero\nhint: this is a mistake in fftool; ")
    assert len(done.stderr.splitlines()) == 2


def test_settings_of_matplotlib_change_nothing(run, tmp_path):
    """Neither what a notebook draws with, nor a file of settings in the folder."""
    arguments = ("encode-viz", "--scale", 2, "--dimension", 4, "-o")
    assert run(*arguments, "plain").returncode == 0
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\nfont.size: 30\n")
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.gone"}
    done = run(*arguments, "set", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "set" / "scales.png").read_bytes() == (tmp_path / "plain" / "scales.png").read_bytes()


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
        assert done.stderr.splitlines() == ["Draw it at any size: fftool render model.st --size 500x500"]


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
