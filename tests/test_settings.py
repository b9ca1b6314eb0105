"""`fftool train` with the settings of training: each does what it says, or is refused."""

import json
import re

import numpy as np
import pytest
from conftest import QUICK, pixels
from hypothesis import given
from hypothesis import strategies as st

import fftool
import fftool.config


def test_what_training_took_is_said(run, photo_path):
    """Precision auto is one of the two, and the settings left open are numbers."""
    report = json.loads(run("train", photo_path, *QUICK, "--json").stdout)
    training = report["config"]["training"]
    assert report["precision"] == training["precision"] in ("float32", "bfloat16")
    assert (training["optimizer"], training["schedule"], training["batch_size"]) == ("muon", "cosine", 128)
    assert 0.04 < training["learning_rate"] < 0.05
    done = run("train", photo_path, *QUICK, "--precision", "float32", "-o", "b.st")
    assert "in float32)" in done.stdout


def test_train_for_a_time(run, photo_path, tmp_path):
    """Its epochs are those that fit into it, and the learning rate has gone down to its end."""
    report = json.loads(run("train", photo_path, "--time", "1.5s", "--scale", 8, "--json").stdout)
    assert 1.5 <= report["seconds"] < 30
    assert report["config"]["training"]["seconds"] == 1.5
    assert report["epochs"] > 2
    assert report["psnr"] > 25
    assert (tmp_path / "model.st").exists()


def test_train_up_to_a_target(run, photo_path):
    report = json.loads(run("train", photo_path, "--epochs", 1000, "--target-psnr", 26, "--scale", 8, "--json").stdout)
    assert report["epochs"] < 100
    assert 26 <= report["psnr"] < 35
    missed = run("train", photo_path, *QUICK, "--target-psnr", 60, "-o", "b.st")
    assert missed.returncode == 0
    assert "60" in missed.stderr


def test_threads_and_settings_do_what_they_say(run, photo_path, tmp_path):
    asked = ("--optimizer", "adam", "--schedule", "constant", "--precision", "float32", "--threads", 1)
    report = json.loads(run("train", photo_path, *QUICK, *asked, "--json").stdout)
    training = report["config"]["training"]
    assert (training["optimizer"], training["schedule"], training["threads"]) == ("adam", "constant", 1)
    assert training["learning_rate"] == 3e-3
    assert run("render", "model.st", "--threads", 1, "-o", "a.png").returncode == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), fftool.render(fftool.load(tmp_path / "model.st")))


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (("--epochs", 3, "--time", "3s"), "leave one of them out"),
        (("--time", "3s", "--epochs", 3), "leave one of them out"),
        (("--time", "soon"), "no duration"),
        (("--time", "0s"), "0.0 seconds"),
        (("--target-psnr", -1), "-1.0 dB"),
        (("--threads", 0), "threads is 0"),
        (("--precision", "float16"), "float16"),
        (("--optimizer", "sgd"), "sgd"),
        (("--schedule", "step"), "step"),
    ],
)
def test_training_settings_that_make_no_sense(run, photo_path, tmp_path, arguments, seen):
    done = run("train", photo_path, *arguments)
    assert done.returncode == 2
    assert seen in done.stderr
    assert not list(tmp_path.iterdir())


@given(st.floats(0, fftool.config.MAX_SCALE, exclude_min=True), st.sampled_from(["gaussian", "positional", "basic"]))
def test_names_of_files_are_safe_on_windows_too(scale, kind):
    """Letters, digits and a few marks; and what differs is named apart."""
    name = fftool.EncodingConfig(kind=kind, scale=scale).file_name
    assert re.fullmatch(r"[a-z]+(-\d+(\.\d+)?(e[-+]\d+)?)?", name)
    assert kind == "basic" or float(name.split("-", 1)[1]) == scale
