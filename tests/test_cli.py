"""The commands, as a user types them."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import EXAMPLES, QUICK, fails, pixels
from PIL import Image

import fftool


def test_trains_and_renders_with_defaults(run, photo_path, tmp_path):
    """The first steps of the README."""
    trained = run("train", photo_path, "--epochs", 2)
    assert trained.returncode == 0, trained.stderr
    assert "PSNR" in trained.stdout
    assert "fftool render model.st --size 500x500" in trained.stderr
    rendered = run("render", "model.st", "--size", "500x500")
    assert rendered.returncode == 0, rendered.stderr
    assert rendered.stdout == "model-500x500.png\n"
    assert pixels(tmp_path / "model-500x500.png").shape == (500, 500, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model-500x500.png", "model.st"]


def test_fits_a_real_photo(run, tmp_path):
    """Five epochs of the bundled photo at half size; a network without features stays far below."""
    Image.open(EXAMPLES / "astronaut.jpg").reduce(2).save(tmp_path / "photo.png")
    result = {
        kind: json.loads(
            run("train", "photo.png", "--epochs", 5, "--encoding", kind, "-o", f"{kind}.st", "--json").stdout
        )
        for kind in ("gaussian", "none")
    }
    assert result["gaussian"]["psnr"] > 22
    assert result["none"]["psnr"] < result["gaussian"]["psnr"] - 4


def test_train_json(run, photo_path, photo, tmp_path):
    done = run("train", photo_path, *QUICK, "--output", "a.st", "--seed", 7, "--loss", "mse", "--json")
    report = json.loads(done.stdout)
    assert report.keys() == {
        "model", "psnr", "ssim", "holdout_psnr", "exact", "loss", "seconds", "epochs", "pixels_per_second",
        "parameters", "device", "precision", "scale_search", "config"
    }  # fmt: skip
    network = fftool.load(tmp_path / "a.st")
    assert report["model"] == "a.st"
    assert report["psnr"] == fftool.psnr(photo.samples, fftool.render(network))
    assert report["ssim"] == fftool.ssim(photo.samples, fftool.render(network))
    assert (report["holdout_psnr"], report["exact"]) == (None, [])
    assert report["epochs"] == 3
    assert report["parameters"] == (64 + 1) * 32 + (32 + 1) * 32 + (32 + 1) * 3
    assert report["pixels_per_second"] == pytest.approx(3 * 64 * 48 / report["seconds"])
    training = report["config"]["training"]
    assert (training["seed"], training["loss"], training["device"]) == (7, "mse", report["device"])
    assert report["config"]["encoding"] == {
        "kind": "gaussian",
        "dimension": 32,
        "scale": 8.0,
        "scale_for": "resize",
        "scale_search": None,
    }
    assert report["config"]["network"] == {"hidden": 32, "layers": 2}


@pytest.mark.parametrize(
    ("holdout", "exact"), [((), ["psnr"]), (("--holdout", 0.5), ["psnr", "holdout_psnr"])], ids=["all", "holdout"]
)
def test_exact_figures_are_named(run, tmp_path, holdout, exact):
    """One colour, fitted to the last bit: its infinite PSNR is null in JSON, and so is one that was not measured."""
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    settings = ("white.png", "--scale", 1, "--epochs", 100, "--learning-rate", 0.05, *holdout, "--json")
    trained = json.loads(run("train", *settings).stdout)
    (compared,) = json.loads(run("compare", *settings).stdout)["variants"]
    (loaded,) = json.loads(run("compare", "white.png", "model.st", "-o", "a.png", "--json").stdout)["variants"]
    shown = json.loads(run("info", "model.st", "--json").stdout)["config"]["training"]["result"]
    complete = json.loads(run("train", "--resume", "model.st", "--json").stdout)
    for report in (trained, compared, loaded, shown, complete):
        assert (report["psnr"], report["holdout_psnr"], report["exact"]) == (None, None, exact)
    text = run("info", "model.st").stdout
    assert len(re.findall(r"PSNR +exact$", text, re.MULTILINE)) == len(exact)


def test_renders_the_same_tiff_as_png(run, model_path, tmp_path):
    for name in ("a.png", "a.tif"):
        assert run("render", model_path, "--size", "700x500", "--bits", 16, "-o", name).returncode == 0
    a, b = (fftool.read_image(tmp_path / name).samples for name in ("a.png", "a.tif"))
    np.testing.assert_array_equal(a, b)


def test_same_seed_gives_same_bytes(run, photo_path, tmp_path):
    for name, seed in (("a.st", 1), ("b.st", 1), ("c.st", 2)):
        assert run("train", photo_path, *QUICK, "-o", name, "--seed", seed).returncode == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.st", "b.st", "c.st"))
    assert a == b
    assert a != c


@pytest.mark.parametrize("kind", ["positional", "basic", "none"])
def test_every_encoding_trains_and_renders(run, photo_path, tmp_path, kind):
    assert run("train", photo_path, *QUICK, "--encoding", kind, "--layers", 1).returncode == 0
    assert run("render", "model.st", "-o", "a.png").returncode == 0
    assert pixels(tmp_path / "a.png").shape == (48, 64, 3)
    assert fftool.describe(tmp_path / "model.st").config.encoding.kind == kind


def test_render_json(run, model_path, tmp_path):
    report = json.loads(run("render", model_path, "--size", "20x10", "--bits", 16, "-o", "a.png", "--json").stdout)
    assert report.pop("seconds") > 0
    assert report == {"output": "a.png", "width": 20, "height": 10, "channels": 3, "bits": 16}
    assert fftool.read_image(tmp_path / "a.png").bits == 16


@pytest.mark.parametrize(
    ("arguments", "name", "size"),
    [
        ((), "model-64x48.png", (64, 48)),
        (("--size", "30x70"), "model-30x70.png", (30, 70)),
        (("--size", "128"), "model-128x96.png", (128, 96)),
        (("--size", "50%"), "model-32x24.png", (32, 24)),
        (("--size", "1"), "model-1x1.png", (1, 1)),
        (("--crop", "0.5,0.5,0.25,0.25"), "model-64x48.png", (64, 48)),
        (("--crop", "0,0,1,0.5"), "model-64x24.png", (64, 24)),
        (("--crop", "0,0,0.5,1", "--size", "200%"), "model-64x96.png", (64, 96)),
        (("--crop", "0,0,0.25,1", "--size", "90"), "model-30x90.png", (30, 90)),
    ],
)
def test_renders_at_any_size(run, model_path, tmp_path, arguments, name, size):
    done = run("render", model_path, *arguments)
    assert done.stdout == f"{name}\n", done.stderr
    with Image.open(tmp_path / name) as image:
        assert image.size == size


def test_crop_matches_that_part_of_the_whole(run, model_path, tmp_path):
    run("render", model_path, "--size", "256x192", "-o", "whole.png")
    run("render", model_path, "--size", "128x48", "--crop", "0.25,0.5,0.5,0.25", "-o", "part.png")
    whole, part = pixels(tmp_path / "whole.png").astype(int), pixels(tmp_path / "part.png")
    assert np.abs(whole[96:144, 64:192] - part).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tiff", "bmp"])
def test_renders_every_format(run, model_path, tmp_path, suffix):
    assert run("render", model_path, "-o", f"a.{suffix}").returncode == 0
    with Image.open(tmp_path / f"a.{suffix}") as image:
        assert image.format.lower() == {"jpg": "jpeg"}.get(suffix, suffix)
        assert image.size == (64, 48)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_quality_trades_size_for_loss(run, model_path, tmp_path, suffix):
    sizes, errors, exact = [], [], fftool.render(fftool.load(model_path)).astype(int)
    for name, options in {
        "low": ("--quality", 20),
        "same": ("--quality", 95),
        "default": (),
        "top": ("--quality", 100),
    }.items():
        assert run("render", model_path, "-o", f"{name}.{suffix}", *options).returncode == 0
        path = tmp_path / f"{name}.{suffix}"
        sizes.append(path.stat().st_size)
        errors.append(np.square(pixels(path) - exact).mean())
    assert sizes[0] < sizes[1] == sizes[2] < sizes[3]
    assert errors[0] > errors[1] == errors[2] > errors[3]
    assert errors[3] == 0 or suffix != "webp"


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (
            ("-o", "a.png", "--quality", 95),
            1,
            "PNG has no quality: it keeps samples as they are\nhint: leave --quality out",
        ),
        (("-o", "a.tif", "--quality", 50), 1, "TIFF has no quality"),
        (("-o", "a.bmp", "--quality", 50), 1, "BMP has no quality"),
        (("-o", "-", "--quality", 50), 1, "PNG has no quality"),
        (("--quality", 50), 1, "PNG has no quality"),
        (("-o", "a.jpg", "--quality", 0), 2, "invalid quality 0: expected a whole number of at least 1\n"),
        (("-o", "a.jpg", "--quality", 101), 2, "invalid quality 101: expected at most 100\n"),
        (("-o", "a.jpg", "--quality", "high"), 2, "Invalid value for '--quality'"),
    ],
)
def test_refuses_quality_that_does_nothing(run, model_path, tmp_path, arguments, code, expected):
    fails(run("render", model_path, *arguments), code, expected)
    assert not list(tmp_path.iterdir())


def test_renders_to_standard_output(run, model_path, tmp_path):
    done = run("render", model_path, "-o", "-", text=False)
    (tmp_path / "a.png").write_bytes(done.stdout)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), fftool.render(fftool.load(model_path)))


@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (2, 8), (4, 8), (1, 16), (2, 16), (3, 16), (4, 16)])
def test_keeps_channels_and_depth(run, tmp_path, channels, bits):
    ramp = np.linspace(0, 2**bits - 1, 12).astype(f"u{bits // 8}")
    samples = np.stack([np.roll(np.tile(ramp, (9, 1)), 3 * c, axis=1) for c in range(channels)], axis=-1)
    fftool.write_image(tmp_path / "a.png", samples)
    assert run("train", tmp_path / "a.png", "--epochs", 100, "--scale", 2).returncode == 0
    assert run("render", "model.st", "-o", "b.png").returncode == 0
    rendered = fftool.read_image(tmp_path / "b.png").samples
    assert (rendered.shape, rendered.dtype) == (samples.shape, samples.dtype)
    assert fftool.psnr(samples, rendered) > 25


def test_info(run, model_path):
    done = run("info", model_path)
    for text in ("astronaut.jpg", "64x48", "gaussian", "scale 8", "132,355", "encoding.B", "F32 2 x 128"):
        assert text in done.stdout
    report = json.loads(run("info", model_path, "--json").stdout)
    assert report.keys() == {"config", "tensors", "parameters", "bytes", "resume"}
    assert report["resume"] is None
    assert report["tensors"]["encoding.B"] == {"shape": [2, 128], "dtype": "F32"}
    assert report["bytes"] == model_path.stat().st_size


WITHOUT_TORCH = """
import json
import sys

sys.modules["torch"] = None  # makes every import of it fail
from fftool.cli import main

for arguments in json.loads(sys.argv[1]):
    print("$", *arguments)
    sys.argv = ["fftool", *arguments]
    try:
        main()
    except SystemExit as exit:
        assert not exit.code, (arguments, exit.code)
"""


def test_help_version_and_info_need_no_torch(model_path):
    commands = ("train", "render", "compare", "encode-viz", "info")
    expected = {
        ("--version",): f"fftool {fftool.__version__}",
        ("--help",): "Usage: fftool [OPTIONS]",
        **{(command, "--help"): f"Usage: fftool {command} [OPTIONS]" for command in commands},
        ("info", str(model_path)): "gaussian",
    }
    process = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(list(expected))]
    done = subprocess.run(process, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for shown, text in zip(done.stdout.split("$ ")[1:], expected.values(), strict=True):
        assert text in shown


def test_version(run):
    assert run("--version").stdout == f"fftool {fftool.__version__}\n"


def test_shows_help_without_arguments(run):
    done = run()
    assert "train" in done.stdout
    assert (done.returncode, done.stderr) == (2, "")


def test_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "fftool", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fftool {fftool.__version__}\n"


@pytest.mark.parametrize("command", ["train", "render"])
def test_overwrites_only_when_asked(run, photo_path, model_path, tmp_path, command):
    arguments, name = {
        "train": (("train", photo_path, *QUICK), "model.st"),
        "render": (("render", model_path, "-o", "a.png"), "a.png"),
    }[command]
    (tmp_path / name).write_text("precious")
    refused = run(*arguments)
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert (tmp_path / name).read_text() == "precious"
    assert run(*arguments, "--overwrite").returncode == 0
    assert (tmp_path / name).read_bytes() != b"precious"


PEAK_MEMORY = """
import resource
import sys
from contextlib import suppress

from fftool.cli import main

model = sys.argv[1]
for side in (250, 1000):
    sys.argv = ["fftool", "render", model, "--size", f"{side}x{side}"]
    with suppress(SystemExit):
        main()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def test_memory_grows_with_the_image_alone(model_path, tmp_path):
    """In megabytes: 16 times the pixels take less than three times the bytes of the image more."""
    command = [sys.executable, "-c", PEAK_MEMORY, model_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    small, large = (int(line) / 1000 for line in done.stderr.splitlines() if line.isdecimal())
    assert pixels(tmp_path / "model-1000x1000.png").shape == (1000, 1000, 3)
    assert large - small < 3 * 3 * (1000**2 - 250**2) / 1e6 + 5


def test_shows_a_traceback_when_asked(run_process):
    done = run_process("train", "gone.png", env=os.environ | {"FFTOOL_DEBUG": "1"})
    assert "Traceback" in done.stderr
    assert done.returncode == 1
