"""`--scale auto` in the commands, and the figure that explains it."""

import json

import numpy as np
import pytest
from conftest import SMALL, fails, field, pixels
from test_figures import lines, texts

import fftool
from fftool import TrainingConfig, search_scale

REPORT = ("method", "frequency", "rate", "cells", "candidates", "chosen", "seconds")


def panels(page):
    """Panels of a page that explains the choice of σ, by row: spectrum and candidates, then scores."""
    axes = page.figure.axes
    return list(zip(axes[::2], axes[1::2], strict=True))


def test_train_chooses_the_scale_by_default(run, photo_path):
    auto = json.loads(run("train", photo_path, *SMALL, "--json", "-o", "a.st").stdout)
    search = auto["scale_search"]
    assert tuple(search) == REPORT
    assert auto["config"]["encoding"]["scale"] == search["chosen"]
    assert auto["config"]["encoding"]["scale_search"] == {name: search[name] for name in REPORT[:-1]}
    assert 0 < search["seconds"] < auto["seconds"]
    given = json.loads(run("train", photo_path, *SMALL, "--scale", search["chosen"], "--json", "-o", "b.st").stdout)
    assert given["scale_search"] is None
    assert given["psnr"] == auto["psnr"]


def test_train_and_info_say_how_the_scale_was_chosen(run, photo_path, tmp_path):
    for name in ("a.st", "b.st"):
        done = run("train", photo_path, *SMALL, "--scale", "auto", "-o", name, "--seed", 5)
    chosen = search_scale(fftool.read_image(photo_path), training=TrainingConfig(epochs=3)).chosen
    assert f"{chosen:g}, chosen for resize" in done.stdout
    assert (tmp_path / "a.st").read_bytes() == (tmp_path / "b.st").read_bytes()
    assert f"{chosen:g}, chosen for resize" in run("info", "a.st").stdout
    assert run("render", "a.st", "--size", "20x20", "-o", "a.png").returncode == 0
    assert pixels(tmp_path / "a.png").shape == (20, 20, 3)


def test_seed_does_not_change_the_choice(photo):
    chosen = {
        next(fftool.fit(photo, training=TrainingConfig(seed=seed))).network.config.encoding.scale for seed in range(3)
    }
    assert chosen == {(search_scale(photo).chosen,)}


def test_nothing_is_chosen_for_encodings_without_a_scale(run, photo_path):
    report = json.loads(run("train", photo_path, *SMALL, "--encoding", "basic", "--json").stdout)
    assert report["scale_search"] is None
    assert "scale" not in run("info", "model.st").stdout


def test_compare_has_auto_in_its_place(run, pages, photo_path, tmp_path):
    variants = ("--scale", 3, "--scale", "auto", "--scale", 8, "--encoding", "gaussian", "--encoding", "positional")
    files = ("--explain", "scale.png", "--save-models", "models", "--csv", "table.csv")
    report = json.loads(run("compare", photo_path, *variants, *SMALL, *files, "--json").stdout)
    found = report["variants"]
    assert [variant["encoding"] for variant in found] == 3 * ["gaussian"] + 3 * ["positional"]
    assert [variant["scale_search"] is not None for variant in found] == 2 * [False, True, False]
    for variant in (found[1], found[4]):
        assert variant["scale"] == variant["scale_search"]["chosen"]
        assert variant["name"] == f"{variant['encoding']} σ={variant['scale']:g} (auto)"
    assert found[4]["scale"] > 2 * found[1]["scale"]
    assert {path.name for path in (tmp_path / "models").iterdir()} >= {"gaussian-auto.st", "positional-auto.st"}
    again = json.loads(run("compare", photo_path, "models/gaussian-auto.st", "--json", "-o", "b.png").stdout)
    assert again["variants"][0]["scale_search"] == found[1]["scale_search"] | {"seconds": None}

    rows = panels(pages["scale.png"])
    assert len(rows) == 2
    for (spectrum, scores), variant in zip(rows, (found[1], found[4]), strict=True):
        search = variant["scale_search"]
        assert f"frequencies of σ = {variant['scale']:g}" in lines(spectrum)
        assert lines(spectrum)["mean frequency"][0][0] == search["frequency"]
        points = [tuple(each.get_offsets()[0]) for each in scores.collections]
        assert points == [(each["scale"], each["score"]) for each in search["candidates"]]
    assert pixels(tmp_path / "scale.png").shape[0] > 1000


def test_only_scales_that_were_chosen_here_are_explained(run, pages, tmp_path):
    """A checkpoint's scale was chosen for the image that it was trained on, which may be another one."""
    fftool.write_image(tmp_path / "other.png", field(64, 3).samples)
    assert run("train", "other.png", *SMALL, "-o", "other.st").returncode == 0
    fftool.write_image(tmp_path / "grey.png", field(64, 9).samples)
    done = run("compare", "grey.png", "other.st", "--scale", "auto", *SMALL, "--explain", "scale.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("chosen for resize") == 1
    assert len(panels(pages["scale.png"])) == 1
    chosen = search_scale(fftool.read_image(tmp_path / "grey.png"), training=TrainingConfig(epochs=3)).chosen
    assert any(text.startswith(f"gaussian: σ = {chosen:g}, for resize.") for text in texts(pages["scale.png"]))


@pytest.mark.parametrize("samples", [np.full((1, 1, 1), 9, np.uint8), np.full((30, 20, 3), 9, np.uint8)])
def test_choice_for_an_image_of_one_colour_is_explained(run, pages, samples, tmp_path):
    fftool.write_image(tmp_path / "flat.png", samples)
    done = run("compare", "flat.png", "--scale", "auto", *SMALL, "--explain", "scale.png")
    assert done.returncode == 0, done.stderr
    assert "σ=0.5 (auto)" in done.stdout
    found = texts(pages["scale.png"])
    rate = {(1, 1): "1", (30, 20): "24.5"}[samples.shape[:2]]  # √(30 · 20)
    assert (
        f"gaussian: σ = 0.5, for resize. The image has 0 cycles per side on average, "
        f"and the network has room for {rate} pixels per side." in found
    )
    ((spectrum, scores),) = panels(pages["scale.png"])
    assert "frequencies of σ = 0.5" in lines(spectrum)
    assert "mean frequency" not in lines(spectrum)  # there is none
    (power,) = (each for each in spectrum.collections if each.get_label() == "power of the image")
    assert power.get_paths()[0].vertices[:, 1].max() == 0
    scales = [each.get_offsets()[0][0] for each in scores.collections]
    assert min(scales) < 0.5 < max(scales)
    assert [label.get_text() for label in scores.texts] == [f"{scale:g}" for scale in scales]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--scale", 3, "--scale-for", "detail"), "--scale-for is for --scale auto"),
        (("compare", "--scale", 3, "--scale-for", "detail"), "--scale-for is for --scale auto"),
        (("train", "--encoding", "basic", "--scale-for", "detail"), "--scale-for is for --scale auto"),
        (("compare", "--scale", 3, "--explain", "scale.png"), "none is to be chosen"),
        (("compare", "--scale", "auto", "--encoding", "basic", "--explain", "scale.png"), "none is to be chosen"),
        (("train", "--hidden", "1" + 160 * "0"), "hidden"),
        (("train", "--dimension", "1" + 310 * "0"), "dimension"),
        (("compare", "--scale", "auto", "--scale", "auto"), "given 2 times"),
        (("train", "--scale", "autumn"), "'autumn', expected a number"),
        (("compare", "--scale", "autumn"), "'autumn', expected a number"),
    ],
)
def test_contradicting_options_are_refused(run, photo_path, tmp_path, arguments, message):
    command, *rest = arguments
    fails(run(command, photo_path, *SMALL, *rest), 2, message)
    assert not list(tmp_path.iterdir())
