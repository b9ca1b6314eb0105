"""`fftool compare`: which variants there are, what is reported of each, and what the figures show."""

import csv
import json
import os
import shutil
import wave

import numpy as np
import pytest
from conftest import EXAMPLES, SMALL, in_terminal
from PIL import Image
from skimage.metrics import structural_similarity
from test_figures import colour_bars, error_maps, images, lines, texts
from test_resampling import pillow_resize

import fftool
from fftool.holdout import split


def compare(run, *arguments):
    done = run("compare", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report.keys() == {"image", "output", "page", "variants", "failed"}
    return report


def names(report):
    return [variant["name"] for variant in report["variants"]]


def mean_square_psnr(first, second):
    """PSNR of 8-bit samples by its formula."""
    return -10 * np.log10(np.mean((first / 255 - second / 255) ** 2))


@pytest.fixture(scope="module")
def lattice_path(photo_path, tmp_path_factory):
    """A checkpoint of every other pixel of the small photo."""
    signal, path = fftool.read_image(photo_path), tmp_path_factory.mktemp("lattice") / "lattice.st"
    encoding, network = fftool.EncodingConfig(scale=8.0, dimension=32), fftool.NetworkConfig(hidden=32)
    for progress in fftool.fit(signal, encoding, network, fftool.TrainingConfig(epochs=3, holdout="lattice", seed=1)):
        pass
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, path)
    return path


@pytest.fixture
def white(tmp_path):
    """An image of one colour, and settings that reproduce it exactly."""
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    return ("white.png", "--epochs", 100, "--learning-rate", 0.05, *SMALL[:4])


def test_scale_of_the_homework_is_the_best_on_the_bundled_photo(run, tmp_path):
    """After four epochs at 256×256. Measured: 27.3 dB, 6.9 dB above σ = 1, and 14 above σ = 300 and none."""
    Image.open(EXAMPLES / "astronaut.jpg").resize((256, 256), Image.Resampling.LANCZOS).save(tmp_path / "photo.png")
    variants = ("--scale", 1, "--scale", 25, "--scale", 300, "--encoding", "gaussian", "--encoding", "none")
    report = compare(run, "photo.png", *variants, "--epochs", 4)
    assert names(report) == ["gaussian σ=1", "gaussian σ=25", "gaussian σ=300", "none"]
    one, best, three_hundred, none = (variant["psnr"] for variant in report["variants"])
    assert best > 24
    assert best > one + 3
    assert best > max(three_hundred, none) + 8


def test_each_encoding_that_uses_a_scale_is_tried_with_every_scale(run, photo_path, quick_model_path):
    encodings = ("--encoding=none", "--encoding=gaussian", "--encoding=basic", "--encoding=positional")
    report = compare(run, photo_path, quick_model_path, *encodings, "--scale=2", "--scale=9", *SMALL)
    found = [(variant["encoding"], variant["scale"]) for variant in report["variants"]]
    assert found == [
        ("none", None), ("gaussian", 2), ("gaussian", 9), ("basic", None), ("positional", 2), ("positional", 9),
        ("gaussian", 8),
    ]  # fmt: skip
    assert names(report)[-1] == str(quick_model_path)


def test_report_has_the_figures_of_each_variant(run, photo_path, photo, model_path, tmp_path):
    report = compare(run, photo_path, model_path, "--scale", 8, *SMALL, "--save-models", "kept", "-o", "a.png")
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
        "baseline",
        "exact",
        "scale_search",
        "history",
    ]
    assert list(trained) == list(loaded) == keys
    assert (report["image"], report["output"], report["failed"]) == (str(photo_path), "a.png", [])
    assert (trained["model"], loaded["model"]) == ("kept/gaussian-8.st", str(model_path))
    for variant, hidden, features in ((trained, 32, 64), (loaded, 256, 256)):
        path = tmp_path / variant["model"]
        rendered = fftool.render(fftool.load(path))
        assert variant["psnr"] == pytest.approx(mean_square_psnr(photo.samples, rendered))
        expected = structural_similarity(photo.samples, rendered, channel_axis=-1)
        assert variant["ssim"] == pytest.approx(expected)
        assert (variant["holdout_psnr"], variant["exact"]) == (None, [])
        assert variant["parameters"] == (features + 1) * hidden + (hidden + 1) * hidden + (hidden + 1) * 3
        assert variant["bytes"] == path.stat().st_size
    assert (loaded["seconds"], loaded["history"]) == (None, [])
    assert [epoch["epoch"] for epoch in trained["history"]] == [1, 2, 3]
    assert trained["history"][0].keys() == {"epoch", "seconds", "loss", "psnr", "holdout_psnr"}
    assert trained["history"][-1]["seconds"] == trained["seconds"]
    assert trained["history"][-1]["loss"] < trained["history"][0]["loss"]
    result = fftool.describe(tmp_path / trained["model"]).result
    assert (result.psnr, result.loss) == (trained["psnr"], pytest.approx(trained["history"][-1]["loss"], rel=1e-6))


def test_size_of_an_unsaved_checkpoint_is_computed_without_its_tensors(run, photo_path, tmp_path, monkeypatch):
    (saved,) = compare(run, photo_path, "--scale", 8, *SMALL, "--save-models", "kept")["variants"]
    monkeypatch.setattr("fftool.checkpoint.writing._data", None)  # which writes them
    (unsaved,) = compare(run, photo_path, "--scale", 8, *SMALL, "-o", "a.png")["variants"]
    assert unsaved["model"] is None
    assert unsaved["bytes"] == saved["bytes"] == (tmp_path / "kept" / "gaussian-8.st").stat().st_size


def test_variant_is_the_same_file_as_train_makes(run, photo_path, tmp_path):
    """With the same settings, the same checkpoint to the last byte, whatever was trained before it."""
    settings = ("--scale", 8, *SMALL, "--seed", 3, "--loss", "mse", "--learning-rate", 0.002, "--holdout", 0.1)
    compare(run, photo_path, "--encoding", "none", "--encoding", "gaussian", *settings, "--save-models", "kept")
    assert run("train", photo_path, *settings, "-o", "alone.st").returncode == 0
    assert (tmp_path / "kept" / "gaussian-8.st").read_bytes() == (tmp_path / "alone.st").read_bytes()


@pytest.mark.parametrize("holdout", ["lattice", "0.2"])
def test_held_out_pixels_have_a_column_of_their_own(run, photo_path, photo, tmp_path, holdout):
    arguments = ("--scale", 8, *SMALL, "--holdout", holdout, "--save-models", "kept", "--seed", 5)
    (variant,) = compare(run, photo_path, *arguments)["variants"]
    network = fftool.load(tmp_path / "kept" / "gaussian-8.st")
    held_out = split(photo.shape, network.config.training.holdout, 5)
    source, rendered = photo.samples.reshape(-1, 3), fftool.render(network).reshape(-1, 3)
    for part, measured in ((held_out.train, variant["psnr"]), (held_out.test, variant["holdout_psnr"])):
        assert measured == pytest.approx(mean_square_psnr(source[part], rendered[part]))
    # A checkpoint holds which pixels it was not trained on.
    (again,) = compare(run, photo_path, "kept/gaussian-8.st", "-o", "again.png")["variants"]
    assert [again[key] for key in ("psnr", "ssim", "holdout_psnr")] == [
        variant[key] for key in ("psnr", "ssim", "holdout_psnr")
    ]
    shown = run("compare", photo_path, "kept/gaussian-8.st", "-o", "shown.png").stdout
    assert "held-out" in shown
    assert f"{variant['holdout_psnr']:.2f}" in shown


def test_checkpoint_of_another_size_is_rendered_at_the_size_of_the_image(run, photo_path, photo, tmp_path):
    Image.fromarray(photo.samples).resize((30, 40)).save(tmp_path / "small.png")
    assert run("train", "small.png", *SMALL, "--holdout", "lattice").returncode == 0
    (variant,) = compare(run, photo_path, "model.st")["variants"]
    rendered = fftool.render(fftool.load(tmp_path / "model.st"), photo.shape)
    assert variant["psnr"] == pytest.approx(mean_square_psnr(photo.samples, rendered))
    assert variant["holdout_psnr"] is None


def test_table_marks_the_best_of_each_measure(run, photo_path):
    done = run("compare", photo_path, "--scale", 0.1, "--scale", 8, *SMALL)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith(" gaussian")}
    assert rows["σ=8"].count("*") == 2
    assert "*" not in rows["σ=0.1"]
    assert "held-out" not in done.stdout
    assert done.stdout.endswith("compare.png\n")
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


def test_narrow_terminal_shows_the_first_columns(photo_path, model_path, tmp_path):
    shown, code = in_terminal(("compare", photo_path, model_path, "-o", "a.png"), b"", tmp_path, columns=40)
    assert code == 0
    assert "PSNR" in shown
    assert "parameters" not in shown


def test_csv_holds_the_same_figures(run, photo_path, tmp_path):
    variants = ("--scale", 2, "--encoding", "none", "--encoding", "gaussian")
    report = compare(run, photo_path, *variants, *SMALL, "--csv", "a.csv")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, variant in zip(rows, report["variants"], strict=True):
        for nested in ("exact", "scale_search", "history"):
            variant.pop(nested)
        assert row == {key: "" if value is None else str(value) for key, value in variant.items()}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "pdf", "svg"])
def test_figures_are_written_in_every_format(run, photo_path, quick_model_path, tmp_path, suffix):
    files = ("-o", f"a.{suffix}", "--curves", f"b.{suffix}")
    done = run("compare", photo_path, quick_model_path, "--scale", 2, *SMALL, *files)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"a.{suffix}\nb.{suffix}\n")
    for name in ("a", "b"):
        path = tmp_path / f"{name}.{suffix}"
        if suffix in ("pdf", "svg"):
            assert path.read_bytes().startswith({"pdf": b"%PDF", "svg": b"<?xml"}[suffix])
        else:
            with Image.open(path) as image:
                assert image.width > 800


def test_sheet_shows_the_image_the_rendering_and_the_error(run, pages, model_path, photo_path, photo):
    assert run("compare", photo_path, model_path).returncode == 0
    rendered = fftool.render(fftool.load(model_path))
    shown = [array for array in images(pages["compare.png"]) if array.ndim == 3]
    for samples in (photo.samples, rendered):
        assert sum(np.array_equal(array, samples) for array in shown) == 2  # whole and detail
    (errors,) = error_maps(pages["compare.png"])
    np.testing.assert_allclose(errors, np.abs(photo.samples.astype(float) - rendered).mean(axis=-1))
    psnr, found = mean_square_psnr(photo.samples, rendered), texts(pages["compare.png"])
    for text in ("photo.png: 1 variant", "photo.png", "the source, 64x48 pixels"):
        assert found.count(text) == 1, text
    assert sum(text.startswith(f"PSNR {psnr:.2f} dB, SSIM 0.") for text in found) == 1


@pytest.mark.parametrize(("size", "shape"), [("200x150", (150, 200)), ("16", (12, 16)), ("150%", (72, 96))])
def test_sheet_shows_renderings_at_the_requested_size(run, pages, model_path, photo_path, size, shape):
    assert run("compare", photo_path, model_path, "--size", size).returncode == 0
    rendered = fftool.render(fftool.load(model_path), shape)
    page = pages["compare.png"]
    assert sum(np.array_equal(array, rendered) for array in images(page)) == 2
    assert [array.shape for array in error_maps(page)] == [(48, 64)]
    assert f"photo.png: 1 variant, rendered at {shape[1]}x{shape[0]}" in texts(page)


def test_sheet_and_curves_name_the_training(run, pages, photo_path, quick_model_path):
    variants = ("--scale", 2, "--encoding", "gaussian", "--encoding", "none")
    report = compare(run, photo_path, quick_model_path, *variants, *SMALL, "--curves", "curves.png")
    epochs, seconds = (lines(axes) for axes in pages["curves.png"].figure.axes)
    for variant, label in zip(report["variants"], epochs, strict=True):
        name, quality = label.split("\n")
        assert variant["name"].endswith(name.removeprefix("…"))
        assert quality == f"PSNR {variant['psnr']:.2f} dB, SSIM {variant['ssim']:.4f}"
        if history := variant["history"]:
            assert list(epochs[label][0]) == [1, 2, 3]
            assert list(epochs[label][1]) == list(seconds[label][1]) == [epoch["psnr"] for epoch in history]
            assert list(seconds[label][0]) == [epoch["seconds"] for epoch in history]
        else:  # a checkpoint, at the level of its quality
            assert list(epochs[label][1]) == list(seconds[label][1]) == 2 * [variant["psnr"]]
    for page in pages.values():
        assert "photo.png: 3 variants, 3 epochs" in texts(page)


def test_same_comparison_gives_the_same_file(run, model_path, photo_path, tmp_path):
    for name in ("a.png", "b.png"):
        assert run("compare", photo_path, model_path, "-o", name).returncode == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (2, np.uint16), (3, np.uint16), (4, np.uint8)])
def test_images_of_any_kind_are_compared(run, tmp_path, channels, dtype):
    """Small, tall and wide: with all numbers of channels, 8 and 16 bits."""
    random = np.random.default_rng(0)
    for shape in ((1, 3), (2, 2), (90, 5), (5, 150)):
        samples = random.integers(0, np.iinfo(dtype).max, (*shape, channels), dtype, endpoint=True)
        fftool.write_image(tmp_path / "a.png", samples)
        done = run("compare", "a.png", "--scale", 1, "--scale", 2, *SMALL, "--overwrite", "--curves", "b.png")
        assert done.returncode == 0, done.stderr


def test_exact_figures_are_named_and_null(run, white):
    variants = compare(run, *white, "--scale", 0.5, "--scale", 1, "--holdout", 0.5)["variants"]
    assert [(each["psnr"], each["holdout_psnr"], each["exact"]) for each in variants] == [
        (None, None, ["psnr", "holdout_psnr"])
    ] * 2
    (variant,) = compare(run, *white, "--scale", 1, "-o", "b.png")["variants"]
    assert (variant["psnr"], variant["holdout_psnr"], variant["exact"]) == (None, None, ["psnr"])


def test_four_exact_variants_have_no_best_and_no_error_map(run, pages, white):
    scales = ("--scale", 1, "--scale", 2, "--scale", 3, "--scale", 4)
    done = run("compare", *white, *scales, "--curves", "curves.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" exact ") == 4
    assert "*" not in done.stdout
    found = texts(pages["compare.png"])
    assert found.count("exact") == 4
    assert not [text for text in found if "★" in text or "error" in text]
    assert error_maps(pages["compare.png"]) == colour_bars(pages["compare.png"]) == []
    assert sum(text.endswith("\nexact") for text in texts(pages["curves.png"])) == 4


def test_exact_variant_is_the_best_beside_another(run, pages, white):
    done = run("compare", *white, "--scale", 1, "--save-models", "kept")
    assert done.returncode == 0, done.stderr
    rough = run("train", "white.png", *SMALL[:4], "--epochs", 1, "-o", "rough.st")
    assert rough.returncode == 0
    done = run("compare", "white.png", "kept/gaussian-1.st", "rough.st", "-o", "both.png")
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if ".st " in line}
    assert "exact *" in rows["kept/gaussian-1.st"]
    assert "*" not in rows["rough.st"]
    assert texts(pages["both.png"]).count("★ best PSNR, exact") == 1
    assert len(error_maps(pages["both.png"])) == 1


def test_terminal_shows_progress_and_the_sheet(photo_path, tmp_path):
    """A bar for the whole and one for each variant, and then the sheet in half blocks."""
    arguments = ("compare", photo_path, "--scale", 1, "--scale", 8, "--epochs", 15, "--show")
    shown, code = in_terminal(arguments, b"", tmp_path)
    assert code == 0, shown
    for text in ("all variants", "gaussian σ=1 ", "gaussian σ=8 ", "px/s", "left", "compare.png"):
        assert text in shown
    assert shown.count("▀") > 500


def test_lattice_is_the_same_for_every_seed(run, photo_path, lattice_path):
    done = run("compare", photo_path, lattice_path, "--scale", 8, *SMALL, "--holdout", "lattice", "--seed", 2)
    assert done.stdout.count("*") == 3


def test_none_is_the_best_where_different_pixels_were_held_out(run, pages, photo_path, quick_model_path):
    done = run("compare", photo_path, quick_model_path, "--scale", 8, *SMALL, "--holdout", "lattice")
    assert done.returncode == 0
    assert "*" not in done.stdout
    assert "different samples were held out" in done.stderr
    assert "★" not in "".join(texts(pages["compare.png"]))


def test_name_of_a_checkpoint_in_no_encoding_is_shown(run, photo_path, model_path, tmp_path):
    name = os.fsdecode(b"a\xff.st")
    shutil.copy(model_path, tmp_path / name)
    assert names(compare(run, photo_path, name, "--csv", "a.csv")) == ["a\ufffd.st"]


def test_variants_are_trained_for_a_time_of_their_own(run, pages, photo_path):
    """Also for a time too short for a whole epoch: the curves are then level lines."""
    for name, duration, title in (("a", "0.5s", "0.5 s each"), ("b", "0.01s", "0.01 s each")):
        files = ("--curves", f"{name}.svg", "-o", f"{name}.png")
        report = compare(run, photo_path, "--scale", 2, "--scale", 8, "--time", duration, *files)
        assert names(report) == ["gaussian σ=2", "gaussian σ=8"]
        limit = float(duration.removesuffix("s"))
        assert all(limit <= variant["seconds"] < limit + 5 for variant in report["variants"])
        assert f"photo.png: 2 variants, {title}" in texts(pages[f"{name}.svg"])
        found = lines(pages[f"{name}.svg"].figure.axes[0]).values()
        for (_, y), variant in zip(found, report["variants"], strict=True):
            assert list(y) == ([epoch["psnr"] for epoch in variant["history"]] or 2 * [variant["psnr"]])


# Baselines

KERNELS = ("--baseline", "linear", "--baseline", "cubic", "--baseline", "lanczos")


def marked(done):
    """Name and number of marks of each row of the table."""
    rows = [
        line for line in done.stdout.splitlines() if line.startswith((" gaussian", " linear", " cubic", " lanczos"))
    ]
    return {" ".join(row.split()[:2]): row.count("*") for row in rows}


def test_baselines_are_rows_without_a_network(run, photo_path, photo, tmp_path):
    report = compare(run, photo_path, "--scale", 8, *SMALL, *KERNELS, "--holdout", "lattice", "--csv", "a.csv")
    network, *resizes = report["variants"]
    assert names(report) == ["gaussian σ=8", "linear resize", "cubic resize", "lanczos resize"]
    assert [each["baseline"] for each in report["variants"]] == [None, "linear", "cubic", "lanczos"]
    for each in resizes:
        assert each.keys() == network.keys()
        assert (each["psnr"], each["ssim"], each["exact"], each["history"]) == (None, 1, ["psnr"], [])
        for key in ("encoding", "scale", "seconds", "parameters", "bytes", "model", "scale_search"):
            assert each[key] is None, key
    known = photo.samples[::2, ::2].astype(float)
    known = np.pad(known, ((0, 1), (0, 1), (0, 0)), mode="edge")
    filled = np.rint((known[1:, 1:] + known[1:, :-1] + known[:-1, 1:] + known[:-1, :-1]) / 4)
    expected = mean_square_psnr(photo.samples[1::2, 1::2], filled)
    assert resizes[0]["holdout_psnr"] == pytest.approx(expected, abs=0.01)  # ties are rounded one way or the other
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["baseline"] for row in rows] == ["", "linear", "cubic", "lanczos"]
    assert [row["parameters"] != "" for row in rows] == [True, False, False, False]


def test_baseline_is_the_best_in_held_out_samples_alone(run, pages, photo_path):
    networks = ("--scale", 8, "--scale", 0.1, *SMALL)
    done = run("compare", photo_path, *networks, *KERNELS, "--holdout", "lattice", "--curves", "curves.png")
    assert done.returncode == 0, done.stderr
    marks = marked(done)
    assert (marks.pop("gaussian σ=8"), marks.pop("gaussian σ=0.1")) == (2, 0)  # PSNR and SSIM
    assert sorted(marks.values()) == [0, 0, 1]
    (best,) = (name for name, count in marks.items() if count)
    (starred,) = (text for text in texts(pages["compare.png"]) if "★" in text)
    assert starred.startswith("PSNR exact, SSIM 1.0000\n★ best held-out PSNR ")
    epochs = lines(pages["curves.png"].figure.axes[0])
    (level,) = (y for label, (_, y) in epochs.items() if label.startswith(best))
    assert f"★ best held-out PSNR {level[0]:.2f} dB" in starred


def test_baseline_that_repeats_all_samples_is_never_the_best(run, pages, photo_path):
    done = run("compare", photo_path, "--scale", 8, *SMALL, "--baseline", "cubic")
    assert marked(done) == {"gaussian σ=8": 0, "cubic resize": 0}
    assert "★" not in "".join(texts(pages["compare.png"]))
    done = run("compare", photo_path, "--scale", 8, "--scale", 0.1, *SMALL, "--baseline", "cubic", "-o", "b.png")
    assert marked(done) == {"gaussian σ=8": 2, "gaussian σ=0.1": 0, "cubic resize": 0}
    assert sum("★" in text for text in texts(pages["b.png"])) == 1


def test_sheet_shows_baselines_at_the_requested_size(run, pages, photo_path, photo):
    done = run("compare", photo_path, *KERNELS, "--size", "200x150", "--show")
    assert done.returncode == 0, done.stderr
    shown = [array for array in images(pages["compare.png"]) if array.shape == (150, 200, 3)]
    assert len(shown) == 6  # whole and detail
    for kernel in ("linear", "cubic", "lanczos"):
        expected = pillow_resize(photo.samples, (150, 200), kernel).clip(0, 255)
        assert sum(np.abs(array - expected).max() <= 0.51 for array in shown) == 2, kernel
    assert error_maps(pages["compare.png"]) == []
    assert "photo.png: 3 variants, rendered at 200x150" in texts(pages["compare.png"])


def test_baselines_join_checkpoints_of_a_lattice(run, photo_path, lattice_path):
    done = run("compare", photo_path, lattice_path, "--baseline", "lanczos", "--holdout", "lattice")
    assert done.returncode == 0, done.stderr
    assert marked(done) == {"lanczos resize": 1}
    done = run("compare", photo_path, lattice_path, "--baseline", "lanczos", "-o", "b.png")
    assert marked(done) == {"lanczos resize": 0}
    assert "different samples were held out" in done.stderr


def test_sounds_have_baselines(run, tmp_path):
    t = np.arange(400)
    amplitudes = np.rint(20000 * np.sin(t / 9)).astype(np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(amplitudes.astype("<i2").tobytes())
    report = compare(run, "a.wav", "--baseline", "lanczos", "--holdout", "lattice", "--size", "200%")
    (variant,) = report["variants"]
    assert variant["ssim"] is None
    assert variant["holdout_psnr"] > 40
