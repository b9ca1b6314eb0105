"""`--scale auto` in the commands, and the figure that explains it."""

import json

import numpy as np
import pytest

import fftool
from fftool import EncodingConfig, Signal, TrainingConfig, search_scale
from fftool.figures.scale import density, radial_spectrum
from fftool.network import generator
from tests.conftest import SMALL, field, pixels

REPORT = ("method", "frequency", "rate", "cells", "candidates", "chosen", "seconds")


def test_train_chooses_it_unless_told(run, photo_path):
    auto = json.loads(run("train", photo_path, *SMALL, "--json", "-o", "a.st").stdout)
    search = auto["scale_search"]
    assert tuple(search) == REPORT
    assert auto["config"]["encoding"]["scale"] == search["chosen"]
    assert auto["config"]["encoding"]["scale_search"] == {name: search[name] for name in REPORT[:-1]}
    assert 0 < search["seconds"] < auto["seconds"]
    given = run("train", photo_path, *SMALL, "--scale", search["chosen"], "--json", "-o", "b.st")
    assert json.loads(given.stdout)["scale_search"] is None
    assert json.loads(given.stdout)["psnr"] == auto["psnr"]


def test_train_says_how_it_chose(run, photo_path, tmp_path):
    for name in ("a.st", "b.st"):
        done = run("train", photo_path, *SMALL, "--scale", "auto", "-o", name, "--seed", 5)
    chosen = search_scale(fftool.read_image(photo_path), training=TrainingConfig(epochs=3)).chosen
    assert f"{chosen:g}, chosen for resize" in done.stdout
    assert (tmp_path / "a.st").read_bytes() == (tmp_path / "b.st").read_bytes()
    assert f"{chosen:g}, chosen for resize" in run("info", "a.st").stdout
    assert run("render", "a.st", "--size", "20x20", "-o", "a.png").returncode == 0


def test_the_seed_has_no_say(photo):
    chosen = {
        next(fftool.fit(photo, training=TrainingConfig(seed=seed))).network.config.encoding.sigma for seed in range(3)
    }
    assert chosen == {search_scale(photo).chosen}


def test_encodings_without_a_scale_choose_none(run, photo_path):
    report = json.loads(run("train", photo_path, *SMALL, "--encoding", "basic", "--json").stdout)
    assert report["scale_search"] is None
    assert "scale" not in run("info", "model.st").stdout


def test_compare_has_it_in_its_place(run, photo_path, tmp_path):
    arguments = ("--scale", 3, "--scale", "auto", "--scale", 8, "--encoding", "gaussian", "--encoding", "positional")
    files = ("--explain", "scale.png", "--save-models", "models", "--csv", "table.csv")
    report = json.loads(run("compare", photo_path, *arguments, *SMALL, *files, "--json").stdout)
    variants = report["variants"]
    assert [variant["encoding"] for variant in variants] == 3 * ["gaussian"] + 3 * ["positional"]
    assert [variant["scale_search"] is not None for variant in variants] == 2 * [False, True, False]
    for variant in (variants[1], variants[4]):
        assert variant["scale"] == variant["scale_search"]["chosen"]
        assert variant["name"] == f"{variant['encoding']} σ={variant['scale']:g} (auto)"
    assert variants[4]["scale"] > 2 * variants[1]["scale"]
    assert {path.name for path in (tmp_path / "models").iterdir()} >= {"gaussian-auto.st", "positional-auto.st"}
    (again,) = json.loads(run("compare", photo_path, "models/gaussian-auto.st", "--json", "-o", "b.png").stdout)[
        "variants"
    ]
    assert again["scale_search"] == variants[1]["scale_search"] | {"seconds": None}
    figure = pixels(tmp_path / "scale.png")
    assert figure.shape[0] > 1000  # two rows of panels
    assert len(np.unique(figure.reshape(-1, figure.shape[-1]), axis=0)) > 50


def test_only_what_was_chosen_here_is_explained(run, photo_path, tmp_path):
    """A checkpoint's scale was chosen for the picture that it was trained on, which may be another."""
    fftool.write_image(tmp_path / "other.png", field(64, 3).samples)
    assert run("train", "other.png", *SMALL, "-o", "other.st").returncode == 0
    fftool.write_image(tmp_path / "grey.png", field(64, 9).samples)
    done = run("compare", "grey.png", "other.st", "--scale", "auto", *SMALL, "--explain", "scale.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("chosen for resize") == 1
    assert pixels(tmp_path / "scale.png").shape[0] < 1000  # one row of panels


def test_the_spectrum_of_a_wave_is_in_its_octave():
    wave = np.cos(2 * np.pi * 16 * (np.arange(256) + 0.5) / 256)
    frequency, share = radial_spectrum(Signal(fftool.quantize(np.tile(0.5 + 0.4 * wave, (256, 1)), 8)[..., None]))
    assert frequency[share.argmax()] == 16
    assert share[(frequency >= 8) & (frequency <= 32)].sum() > 0.99 * share.sum()
    assert radial_spectrum(Signal(np.full((20, 30, 3), 40_000, np.uint16)))[1].max() < 1e-6


@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_the_frequencies_of_a_candidate_are_those_that_B_has(kind):
    octaves = np.linspace(-8, 8, 4001)
    shares = density(kind, 9.0, 2**octaves)
    assert np.trapezoid(shares, octaves) == pytest.approx(1, rel=0.01)
    B = fftool.frequency_matrix(EncodingConfig(kind=kind, scale=9.0, dimension=20_000), 2, generator(0, "frequencies"))
    drawn = np.log2(np.linalg.norm(B.numpy(), axis=0))
    for low, high in ((0, 2), (2, 3), (3, 4)):
        inside = (octaves >= low) & (octaves <= high)
        expected = np.trapezoid(shares[inside], octaves[inside])
        assert ((drawn >= low) & (drawn <= high)).mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("samples", [np.full((1, 1, 1), 9, np.uint8), np.full((30, 20, 3), 9, np.uint8)])
def test_flat_pictures_are_explained(run, samples, tmp_path):
    fftool.write_image(tmp_path / "flat.png", samples)
    done = run("compare", "flat.png", "--scale", "auto", *SMALL, "--explain", "scale.png")
    assert done.returncode == 0, done.stderr
    assert "σ=0.5 (auto)" in done.stdout
    assert (tmp_path / "scale.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--scale", 3, "--scale-for", "detail"), "--scale-for is for --scale auto"),
        (("compare", "--scale", 3, "--scale-for", "detail"), "--scale-for is for --scale auto"),
        (("train", "--encoding", "basic", "--scale-for", "detail"), "--scale-for is for --scale auto"),
        (("compare", "--scale", 3, "--explain", "scale.png"), "none is to be chosen"),
        (("compare", "--scale", "auto", "--encoding", "basic", "--explain", "scale.png"), "none is to be chosen"),
        (("train", "--hidden", "1" + 160 * "0"), "parameters"),
        (("train", "--dimension", "1" + 310 * "0"), "parameters"),
        (("compare", "--scale", "auto", "--scale", "auto"), "asked for 2 times"),
        (("train", "--scale", "autumn"), "'autumn' is no scale"),
        (("compare", "--scale", "autumn"), "'autumn' is no scale"),
    ],
)
def test_what_makes_no_sense_is_said(run, photo_path, arguments, message):
    command, *rest = arguments
    done = run(command, photo_path, *SMALL, *rest)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
