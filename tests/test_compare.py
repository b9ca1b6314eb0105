"""`fftool compare`: which variants there are, what is said of each, and what is drawn of them."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from conftest import EXAMPLES, SMALL, in_terminal
from PIL import Image

import fftool
from fftool.holdout import split


def compare(run, *arguments):
    done = run("compare", *arguments, "--json")
    report = json.loads(done.stdout)
    assert report.keys() == {"image", "output", "variants", "failed"}
    return report


def names(report):
    return [variant["name"] for variant in report["variants"]]


def test_the_seeds_scale_is_the_best_on_the_bundled_photo(run):
    """After two epochs at full size. Measured: 4.7 dB above σ = 1, and more than 10 above σ = 300 and none."""
    asked = ("--scale", 1, "--scale", 25, "--scale", 300, "--encoding", "gaussian", "--encoding", "none")
    report = compare(run, EXAMPLES / "astronaut.jpg", *asked, "--epochs", 2)
    assert names(report) == ["gaussian σ=1", "gaussian σ=25", "gaussian σ=300", "none"]
    one, best, three_hundred, none = (variant["psnr"] for variant in report["variants"])
    assert best > 23
    assert best > one + 2
    assert best > max(three_hundred, none) + 6


def test_scale_multiplies_the_encodings_that_use_it(run_here, photo_path, model_path):
    asked = [
        "--encoding=none",
        "--encoding=gaussian",
        "--encoding=basic",
        "--encoding=positional",
        "--scale=2",
        "--scale=9",
    ]
    report = compare(run_here, photo_path, model_path, *asked, *SMALL)
    found = [(variant["encoding"], variant["scale"]) for variant in report["variants"]]
    assert found == [
        ("none", None), ("gaussian", 2), ("gaussian", 9), ("basic", None), ("positional", 2), ("positional", 9),
        ("gaussian", 8),
    ]  # fmt: skip
    assert names(report)[-1] == str(model_path)


def test_what_is_said_of_each(run_here, photo_path, photo, model_path, tmp_path):
    report = compare(run_here, photo_path, model_path, "--scale", 8, *SMALL, "--save-models", "kept", "-o", "a.png")
    trained, loaded = report["variants"]
    keys = [
        "name",
        "encoding",
        "scale",
        "psnr",
        "ssim",
        "holdout_psnr",
        "seconds",
        "parameters",
        "bytes",
        "model",
        "scale_search",
        "history",
    ]
    assert list(trained) == list(loaded) == keys
    assert (report["image"], report["output"], report["failed"]) == (str(photo_path), "a.png", [])
    assert (trained["model"], loaded["model"]) == ("kept/gaussian-8.st", str(model_path))
    for variant in (trained, loaded):
        path = tmp_path / variant["model"]
        network = fftool.load(path)
        drawn = fftool.render(network)
        assert variant["psnr"] == fftool.psnr(photo.samples, drawn)
        assert variant["ssim"] == fftool.ssim(photo.samples, drawn)
        assert variant["holdout_psnr"] is None
        assert variant["parameters"] == network.config.parameters
        assert variant["bytes"] == path.stat().st_size
    assert (loaded["seconds"], loaded["history"]) == (None, [])
    assert [epoch["epoch"] for epoch in trained["history"]] == [1, 2, 3]
    assert trained["history"][0].keys() == {"epoch", "seconds", "loss", "psnr"}
    assert trained["history"][-1]["seconds"] == trained["seconds"]
    assert trained["history"][-1]["loss"] < trained["history"][0]["loss"]
    result = network_result(tmp_path / trained["model"])
    assert (result.psnr, result.loss) == (trained["psnr"], trained["history"][-1]["loss"])


def network_result(path):
    return fftool.describe(path).config.training.result


def test_a_variant_is_what_train_makes(run_here, photo_path, tmp_path):
    """With the same settings, the same checkpoint to the last byte, whatever was trained before it."""
    settings = ("--scale", 8, *SMALL, "--seed", 3, "--loss", "mse", "--learning-rate", 0.002, "--holdout", 0.1)
    compare(run_here, photo_path, "--encoding", "none", "--encoding", "gaussian", *settings, "--save-models", "kept")
    assert run_here("train", photo_path, *settings, "-o", "alone.st").exit_code == 0
    assert (tmp_path / "kept" / "gaussian-8.st").read_bytes() == (tmp_path / "alone.st").read_bytes()


@pytest.mark.parametrize("holdout", ["lattice", "0.2"])
def test_held_out_pixels_are_a_column_of_their_own(run_here, photo_path, photo, tmp_path, holdout):
    arguments = ("--scale", 8, *SMALL, "--holdout", holdout, "--save-models", "kept", "--seed", 5)
    (variant,) = compare(run_here, photo_path, *arguments)["variants"]
    network = fftool.load(tmp_path / "kept" / "gaussian-8.st")
    held, drawn = split(photo.shape, network.config.training), fftool.render(network)
    for part, measured in ((held.train, variant["psnr"]), (held.test, variant["holdout_psnr"])):
        errors = (photo.samples.reshape(-1, 3)[part] / 255 - drawn.reshape(-1, 3)[part] / 255) ** 2
        assert measured == pytest.approx(-10 * np.log10(errors.mean()))
    # a checkpoint remembers which pixels it has not seen
    (again,) = compare(run_here, photo_path, "kept/gaussian-8.st", "-o", "again.png")["variants"]
    assert [again[key] for key in ("psnr", "ssim", "holdout_psnr")] == [
        variant[key] for key in ("psnr", "ssim", "holdout_psnr")
    ]
    shown = run_here("compare", photo_path, "kept/gaussian-8.st", "-o", "shown.png").stdout
    assert "held-out" in shown
    assert f"{variant['holdout_psnr']:.2f}" in shown


def test_a_checkpoint_of_another_size_is_compared_at_the_pictures(run_here, photo_path, photo, tmp_path):
    Image.fromarray(photo.samples).resize((30, 40)).save(tmp_path / "small.png")
    assert run_here("train", "small.png", *SMALL, "--holdout", "lattice").exit_code == 0
    (variant,) = compare(run_here, photo_path, "model.st")["variants"]
    drawn = fftool.render(fftool.load(tmp_path / "model.st"), photo.shape)
    assert variant["psnr"] == fftool.psnr(photo.samples, drawn)
    assert variant["holdout_psnr"] is None


def test_the_table_marks_the_best(run_here, photo_path):
    done = run_here("compare", photo_path, "--scale", 0.1, "--scale", 8, *SMALL)
    assert done.exit_code == 0, done.output
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith(" gaussian")}
    assert lines["σ=8"].count("*") == 2
    assert "*" not in lines["σ=0.1"]
    assert "held-out" not in done.stdout
    assert done.stdout.endswith("compare.png\n")
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


def test_a_narrow_terminal_has_the_first_columns(photo_path, model_path, tmp_path):
    shown, code = in_terminal(("compare", photo_path, model_path, "-o", "a.png"), b"", tmp_path, columns=40)
    assert code == 0
    assert "PSNR" in shown
    assert "parameters" not in shown


def test_csv_holds_the_same_figures(run_here, photo_path, tmp_path):
    report = compare(
        run_here, photo_path, "--scale", 2, "--encoding", "none", "--encoding", "gaussian", *SMALL, "--csv", "a.csv"
    )
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, variant in zip(rows, report["variants"], strict=True):
        variant.pop("scale_search")
        variant.pop("history")
        assert row == {key: "" if value is None else str(value) for key, value in variant.items()}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "pdf", "svg"])
def test_figures_in_every_format(run_here, photo_path, model_path, tmp_path, suffix):
    done = run_here(
        "compare", photo_path, model_path, "--scale", 2, *SMALL, "-o", f"a.{suffix}", "--curves", f"b.{suffix}"
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(f"a.{suffix}\nb.{suffix}\n")
    for name in ("a", "b"):
        path = tmp_path / f"{name}.{suffix}"
        if suffix in ("pdf", "svg"):
            assert path.read_bytes().startswith({"pdf": b"%PDF", "svg": b"<?xml"}[suffix])
        else:
            with Image.open(path) as image:
                assert image.width > 800


def test_the_sheet_shows_each_picture_and_repeats_itself(run_here, model_path, photo_path, tmp_path):
    for name, size in (("a.png", ()), ("b.png", ()), ("c.png", ("--size", "200x150")), ("d.png", ("--size", "16"))):
        assert run_here("compare", photo_path, model_path, *size, "-o", name).exit_code == 0
    a, b, c, d = ((tmp_path / f"{name}.png").read_bytes() for name in "abcd")
    assert a == b
    assert len({a, c, d}) == 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_picture(run_here, tmp_path, channels, dtype):
    """Small, tall and wide: with all numbers of channels, 8 and 16 bits."""
    random = np.random.default_rng(0)
    for shape in ((1, 3), (2, 2), (90, 5), (5, 150)):
        samples = random.integers(0, np.iinfo(dtype).max, (*shape, channels), dtype, endpoint=True)
        fftool.write_image(tmp_path / "a.png", samples)
        done = run_here("compare", "a.png", "--scale", 1, "--scale", 2, *SMALL, "--overwrite", "--curves", "b.png")
        assert done.exit_code == 0, done.output


def test_an_exact_picture(run_here, tmp_path):
    """One colour, learnt to the last bit: its infinite PSNR is null in JSON, and the best in the table."""
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    settings = ("--scale", 1, "--scale", 2, "--epochs", 100, "--learning-rate", 0.05, "--holdout", 0.5)
    done = run_here("compare", "white.png", *settings, "--curves", "b.png")
    assert done.stdout.count("exact *") == 4, done.stdout
    report = compare(run_here, "white.png", *settings, "--overwrite")
    assert [(variant["psnr"], variant["holdout_psnr"]) for variant in report["variants"]] == [(None, None)] * 2


def test_in_a_terminal(photo_path, tmp_path):
    """A bar for the whole and one for each variant, and then the sheet in half blocks."""
    arguments = ("compare", photo_path, "--scale", 1, "--scale", 8, "--epochs", 15, "--show")
    shown, code = in_terminal(arguments, b"", tmp_path)
    assert code == 0, shown
    for text in ("all variants", "gaussian σ=1 ", "gaussian σ=8 ", "px/s", "left", "compare.png"):
        assert text in shown
    assert shown.count("▀") > 500


def test_a_lattice_is_the_same_for_every_seed(run_here, photo_path):
    settings = ("--scale", 8, *SMALL, "--holdout", "lattice")
    assert run_here("train", photo_path, *settings, "--seed", 1).exit_code == 0
    assert run_here("compare", photo_path, "model.st", *settings, "--seed", 2).stdout.count("*") == 3


def test_none_is_the_best_of_figures_of_different_pixels(run_here, photo_path, model_path):
    done = run_here("compare", photo_path, model_path, "--scale", 8, *SMALL, "--holdout", "lattice")
    assert done.exit_code == 0
    assert "*" not in done.stdout
    assert "not the same pixels" in done.stderr


def test_a_checkpoint_with_a_name_in_no_encoding(run, photo_path, model_path, tmp_path):
    name = os.fsdecode(b"a\xff.st")
    shutil.copy(model_path, tmp_path / name)
    done = run("compare", photo_path, name, "--csv", "a.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert names(json.loads(done.stdout)) == ["a\ufffd.st"]


def test_variants_trained_for_a_time_of_their_own(run, photo_path, tmp_path):
    """Too short for a whole epoch, too: the curves are then of nothing, and drawn."""
    for name, duration in (("a", "0.5s"), ("b", "0.01s")):
        done = run("compare", photo_path, "--scale", 2, "--scale", 8, "--time", duration, "--curves", f"{name}.svg",
                   "-o", f"{name}.png", "--json")  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert names(json.loads(done.stdout)) == ["gaussian σ=2", "gaussian σ=8"]
        assert (tmp_path / f"{name}.svg").stat().st_size > 1000
