"""The options of a training: each has its effect, or is rejected with a line that says why."""

import csv
import json
import re

import numpy as np
import pytest
from conftest import QUICK, SMALL, fails, pixels
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

import fftool
import fftool.config


def frequencies(path):
    with safe_open(path, framework="numpy") as file:
        return file.get_tensor("encoding.B")


def test_report_names_what_the_training_used(run, photo_path):
    """Precision auto is one of the two, and settings that were left open are numbers."""
    report = json.loads(run("train", photo_path, *QUICK, "--json").stdout)
    training = report["config"]["training"]
    assert report["precision"] == training["precision"] in ("float32", "bfloat16")
    assert (training["optimizer"], training["schedule"], training["batch_size"]) == ("muon", "cosine", 128)
    assert 0.04 < training["learning_rate"] < 0.05
    done = run("train", photo_path, *QUICK, "--precision", "float32", "-o", "b.st")
    assert "in float32)" in done.stdout


def test_trains_for_a_time(run, photo_path, tmp_path):
    """As many epochs as fit into what reading, measuring and saving leave of it, with a rate that decays to its end."""
    report = json.loads(run("train", photo_path, "--time", "1.5s", "--scale", 8, "--json").stdout)
    assert report["seconds"] < 30
    assert 0.3 <= report["config"]["training"]["seconds"] < 1.5
    assert report["epochs"] > 2
    assert report["psnr"] > 25
    assert (tmp_path / "model.st").exists()


def test_trains_up_to_a_target(run, photo_path):
    report = json.loads(run("train", photo_path, "--epochs", 1000, "--target-psnr", 26, "--scale", 8, "--json").stdout)
    assert report["epochs"] < 100
    assert 26 <= report["psnr"] < 35
    missed = run("train", photo_path, *QUICK, "--target-psnr", 60, "-o", "b.st")
    assert missed.returncode == 0
    assert "The target of 60 dB was not reached." in missed.stderr


def test_settings_have_their_effect(run, photo_path, tmp_path):
    asked = ("--optimizer", "adam", "--schedule", "constant", "--precision", "float32", "--threads", 1)
    report = json.loads(run("train", photo_path, *QUICK, *asked, "--json").stdout)
    training = report["config"]["training"]
    assert (training["optimizer"], training["schedule"], training["threads"]) == ("adam", "constant", 1)
    assert training["learning_rate"] == 3e-3
    assert run("render", "model.st", "--threads", 1, "-o", "a.png").returncode == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), fftool.render(fftool.load(tmp_path / "model.st")))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--epochs", 3, "--time", "3s"), "--epochs and --time both set the length of the training\nhint: leave one"),
        (("--time", "3s", "--epochs", 3), "--epochs and --time both set the length of the training\nhint: leave one"),
        (("--time", "soon"), "Invalid value for '--time': 'soon', expected a duration such as 10s, 1.5m or 2h\n"),
        (("--time", "0s"), "invalid training time 0: expected a positive number of seconds\n"),
        (("--target-psnr", -1), "invalid target PSNR -1: expected a positive number of decibels, such as 35\n"),
        (("--threads", 0), "invalid number of threads 0: expected a whole number of at least 1\n"),
        (("--threads", 5000), "invalid number of threads 5000: expected at most 1,024\n"),
        (("--holdout", 2), "invalid share of samples to hold out 2: expected a fraction between 0 and 1"),
        (("--holdout", "half"), "Invalid value for '--holdout': 'half', expected a fraction such as 0.1, or 'lattice'"),
        (("--save-every", 0), "invalid time between saves 0: expected a positive number of seconds\n"),
        (("--scale", 3, "--scale-for", "detail"), "--scale-for is for --scale auto\n"),
        (("--precision", "float16"), "Invalid value for '--precision': 'float16' is not one of 'auto', 'float32'"),
        (("--optimizer", "sgd"), "Invalid value for '--optimizer': 'sgd' is not one of 'muon', 'adam'"),
        (("--schedule", "step"), "Invalid value for '--schedule': 'step' is not one of 'linear', 'cosine', 'constant'"),
    ],
)
def test_rejects_invalid_settings(run, photo_path, tmp_path, arguments, problem):
    fails(run("train", photo_path, *arguments), 2, f"error: {problem}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_trains_with_a_scale_for_each_axis(run, photo_path, tmp_path, kind):
    """In coordinate order, x first: stored, shown and drawn from as given."""
    settings = (photo_path, *SMALL, "--encoding", kind)
    report = json.loads(run("train", *settings, "--scale", "5,9", "--json").stdout)
    assert report["config"]["encoding"]["scale"] == [5.0, 9.0]
    assert run("train", *settings, "--scale", 5, "-o", "five.st").returncode == 0
    assert run("train", *settings, "--scale", 9, "-o", "nine.st").returncode == 0
    five, nine = frequencies(tmp_path / "five.st"), frequencies(tmp_path / "nine.st")
    np.testing.assert_allclose(frequencies(tmp_path / "model.st"), [five[0], nine[1]], rtol=1e-6)
    assert "scale 5, 9\n" in run("info", "model.st").stdout
    assert json.loads(run("info", "model.st", "--json").stdout)["config"]["encoding"]["scale"] == [5.0, 9.0]
    assert run("render", "model.st", "--size", "40x30", "-o", "a.png").returncode == 0
    rendered = fftool.render(fftool.load(tmp_path / "model.st"), (30, 40))
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), rendered)


def test_resumes_with_a_scale_for_each_axis(run, photo_path, tmp_path):
    assert run("train", photo_path, *SMALL, "--scale", "5,9").returncode == 0
    before = frequencies(tmp_path / "model.st")
    report = json.loads(run("train", photo_path, "--resume", "model.st", "--epochs", 5, "--json").stdout)
    assert (report["epochs"], report["config"]["encoding"]["scale"]) == (5, [5.0, 9.0])
    np.testing.assert_array_equal(frequencies(tmp_path / "model.st"), before)


def test_compares_scales_for_each_axis(run, photo_path, tmp_path):
    outputs = ("--save-models", "kept", "--csv", "a.csv", "--json")
    done = run("compare", photo_path, *SMALL, "--scale", "5,9", "--scale", 5, "--scale", "9,5", *outputs)
    variants = json.loads(done.stdout)["variants"]
    assert [variant["name"] for variant in variants] == ["gaussian σ=5,9", "gaussian σ=5", "gaussian σ=9,5"]
    assert [variant["scale"] for variant in variants] == [[5.0, 9.0], 5.0, [9.0, 5.0]]
    names = ["gaussian-5-9.st", "gaussian-5.st", "gaussian-9-5.st"]
    assert [variant["model"] for variant in variants] == [f"kept/{name}" for name in names]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == sorted(names)
    with (tmp_path / "a.csv").open() as file:
        assert [json.loads(row["scale"]) for row in csv.DictReader(file)] == [[5.0, 9.0], 5.0, [9.0, 5.0]]
    assert run("train", photo_path, *SMALL, "--scale", "5,9").returncode == 0
    assert (tmp_path / "model.st").read_bytes() == (tmp_path / "kept" / "gaussian-5-9.st").read_bytes()


def test_shows_features_of_a_scale_for_each_axis(run, tmp_path):
    report = json.loads(run("encode-viz", "--scale", "5,9", "--dimension", 3, "--json").stdout)
    (encoding,) = report["encodings"]
    assert encoding["scale"] == [5.0, 9.0]
    assert encoding["contact_sheet"] == "encoding/gaussian-5-9.png"
    assert len(list((tmp_path / "encoding" / "gaussian-5-9").iterdir())) == 6


@pytest.mark.parametrize(
    ("scale", "problem"),
    [
        ("1,2,3", "invalid scale (1, 2, 3): expected one number, or one for each of 2 axes\n"),
        ("1,0", "invalid scale 0: expected a positive number up to 1e+09"),
        ("1,-2.5", "invalid scale -2.5: expected a positive number up to 1e+09"),
        ("1,", "Invalid value for '--scale': '1,', expected a number, "),
        ("1,much", "Invalid value for '--scale': '1,much', expected a number, "),
        ("1,auto", "Invalid value for '--scale': '1,auto', expected a number, "),
        ("1;2", "Invalid value for '--scale': '1;2', expected a number, "),
    ],
)
def test_rejects_scales_that_fit_no_axes(run, photo_path, tmp_path, scale, problem):
    for arguments in (
        ("train", photo_path),
        ("compare", photo_path, "--encoding", "positional", "--save-models", "kept"),
        ("encode-viz",),
    ):
        fails(run(*arguments, "--scale", scale), 2, f"error: {problem}", f"hint: see fftool {arguments[0]} --help\n")
    assert not list(tmp_path.iterdir())


SCALES = st.floats(0, fftool.config.MAX_SCALE, exclude_min=True)


@given(
    st.one_of(SCALES, st.tuples(SCALES, SCALES), st.tuples(SCALES, SCALES, SCALES)),
    st.sampled_from(["gaussian", "positional", "basic"]),
)
def test_file_names_are_safe_on_windows_too(scale, kind):
    """Letters, digits and a few marks; encodings that differ have different names."""
    name = fftool.EncodingConfig(kind=kind, scale=scale).file_name
    number = r"-(\d+(?:\.\d+)?(?:e[-+]\d+)?)"
    assert re.fullmatch(rf"[a-z]+({number})*", name)
    numbers = tuple(float(text) for text in re.findall(number, name))
    assert numbers == (() if kind == "basic" else scale if isinstance(scale, tuple) else (scale,))
