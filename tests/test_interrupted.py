"""Ctrl-C at any moment of `fftool train`: what was learnt is kept, and no file is harmed."""

import json
import signal
import subprocess
import sys
import time

import pytest
from conftest import FFTOOL

import fftool


def test_ctrl_c_leaves_a_checkpoint_that_renders(run, photo_path, tmp_path):
    """Interrupted in the middle of a run that would take hours."""
    command = [FFTOOL, "train", photo_path, "--epochs", "1000000", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()  # a line now and then tells of the work, so it is under way
    assert "Training" in line
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "model.st" in stderr
    report = json.loads(stdout)
    assert 0 < report["epochs"] < 1_000_000
    assert report["psnr"] > 15
    assert run("render", "model.st", "-o", "a.png").returncode == 0
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.png", "model.st"]


MEASURED = """
import fftool.training, sys
from fftool.cli import main

def interrupted(*_):
    raise KeyboardInterrupt

fftool.training.evaluate = interrupted
main()
"""


def test_ctrl_c_while_measuring_comes_after_the_save(photo_path, tmp_path):
    command = [sys.executable, "-c", MEASURED, "train", photo_path, "--epochs", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "model.st" in done.stderr
    assert fftool.load(tmp_path / "model.st").config.training.result is None


def test_ctrl_c_before_anything_is_learnt_leaves_the_old_model(photo_path, tmp_path):
    """While torch is still loading: nothing is written, and nothing replaced."""
    (tmp_path / "model.st").write_text("precious")
    command = [FFTOOL, "train", photo_path, "--overwrite"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (stdout, stderr) == ("", "")
    assert (tmp_path / "model.st").read_text() == "precious"


def test_ctrl_c_within_an_import_waits_for_its_end(tmp_path):
    """Libraries such as torch abort the whole process when an import of theirs is broken off."""
    (tmp_path / "slow.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('imported')\n")
    (tmp_path / "main.py").write_text(
        "import signal, time\nfrom fftool.interrupts import interrupt\nsignal.signal(signal.SIGINT, interrupt)\n"
        "try:\n    import slow\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == ("imported\ninterrupted\n", "")


AT_EACH_STEP = """
import os, pathlib, signal, time
from fftool.files import replacing
from fftool.interrupts import answer_at_once

def interrupting(method):
    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return method(*arguments, **options)
    return interrupted

answer_at_once()
pathlib.Path.{step} = interrupting(pathlib.Path.{step})
try:
    with replacing(pathlib.Path("a")) as file:
        file.write(b"whole")
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("step", ["open", "replace", "unlink"])
def test_ctrl_c_while_a_file_is_opened_or_moved_waits_for_its_end(tmp_path, step):
    """A lock or a draft would stay behind."""
    command = [sys.executable, "-c", AT_EACH_STEP.format(step=step)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
    assert [path.name for path in tmp_path.iterdir() if path.read_bytes() != b"whole"] == []


def test_a_second_ctrl_c_harms_no_file(photo_path, tmp_path):
    (tmp_path / "model.st").write_text("precious")
    command = [FFTOOL, "train", photo_path, "--epochs", "1000000", "--overwrite"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert [p.name for p in tmp_path.iterdir()] == ["model.st"]
    if (tmp_path / "model.st").read_bytes() != b"precious":  # the first one was in time to save
        fftool.load(tmp_path / "model.st")
