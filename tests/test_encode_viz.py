"""`fftool encode-viz`: pictures that equal the formula, figures that show it, and a folder that is theirs alone."""

import json
import os
import pty
import subprocess

import numpy as np
import pytest
import torch
from conftest import FFTOOL, in_terminal, pixels
from PIL import Image
from skimage.feature import match_template
from test_bad_input import fails

import fftool
from fftool.encoding import above_nyquist, expected_kernel, kernel
from fftool.figures.encoding import Frequencies


def formula(x, y, width, height):
    """γ's two columns for one frequency in 8 bits, written anew in numpy and float64."""
    v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    phase = 2 * np.pi * (x * u + y * v)
    return [np.rint((wave(phase) + 1) / 2 * 255).astype(np.uint8) for wave in (np.cos, np.sin)]


def test_fifty_pictures_a_scale_equal_the_formula(run, tmp_path):
    """The command of the issue: its default scales, and 25 frequencies."""
    done = run("encode-viz", "--dimension", 25, "--size", "100x100", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [each["scale"] for each in report["encodings"]] == [1, 10, 100]
    seen = {"scales.png"}
    for each in report["encodings"]:
        folder = f"gaussian-{each['scale']:g}"
        B = fftool.frequency_matrix(
            fftool.EncodingConfig(dimension=25, scale=each["scale"]), 2, fftool.network.generator(0, "frequencies")
        )
        assert [(f["x"], f["y"]) for f in each["frequencies"]] == list(zip(*B.tolist(), strict=True))
        names = sorted(path.name for path in (tmp_path / "out" / folder).iterdir())
        assert names == [f"{j:02}-{wave}.png" for j in range(25) for wave in ("cos", "sin")]
        for j, frequency in enumerate(each["frequencies"]):
            for wave, expected in zip(("cos", "sin"), formula(frequency["x"], frequency["y"], 100, 100), strict=True):
                path = tmp_path / "out" / folder / f"{j:02}-{wave}.png"
                assert frequency[wave] == str(path.relative_to(tmp_path))
                np.testing.assert_array_equal(pixels(path), expected)
        seen |= {f"{folder}.png", *(f"{folder}/{name}" for name in names)}
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")}
    assert found == seen
    assert [each["above_nyquist"] for each in report["encodings"]][:2] == [0, 0]
    assert report["encodings"][2]["above_nyquist"] > 12


def test_the_contact_sheet_shows_the_pictures_pixel_by_pixel(run_here, tmp_path):
    done = run_here("encode-viz", "--dimension", 5, "--scale", 4, "--size", "100x80", "-o", "out")
    assert done.exit_code == 0, done.output
    sheet = np.asarray(Image.open(tmp_path / "out" / "gaussian-4.png").convert("L"), float)
    for name in ("0-cos", "0-sin", "4-cos", "4-sin"):
        assert (
            match_template(sheet, pixels(tmp_path / "out" / "gaussian-4" / f"{name}.png").astype(float)).max() > 0.9999
        )


@pytest.mark.parametrize("kind", ["positional", "basic"])
def test_other_encodings(run_here, tmp_path, kind):
    done = run_here(
        "encode-viz", "--encoding", kind, "--scale", 6, "--dimension", 4, "--size", "20x10", "-o", "out", "--json"
    )
    (report,) = json.loads(done.stdout)["encodings"]
    folder = {"positional": "positional-6", "basic": "basic"}[kind]
    expected = {"positional": [(1, 0), (6, 0), (0, 1), (0, 6)], "basic": [(1, 0), (0, 1)]}[kind]
    assert [(f["x"], f["y"]) for f in report["frequencies"]] == expected
    assert [f["above_nyquist"] for f in report["frequencies"]] == [y > 5 for x, y in expected]
    for j, (x, y) in enumerate(expected):
        for wave, samples in zip(("cos", "sin"), formula(x, y, 20, 10), strict=True):
            difference = pixels(tmp_path / "out" / folder / f"{j}-{wave}.png").astype(int) - samples
            assert np.abs(difference).max() <= 1  # here values lie half-way between two steps


def test_a_checkpoint_shows_the_B_that_it_holds(run_here, model_path, tmp_path):
    report = json.loads(run_here("encode-viz", "--model", model_path, "-o", "out", "--json").stdout)
    assert (report["width"], report["height"]) == (64, 48)
    (encoding,) = report["encodings"]
    B = fftool.load(model_path).encoding.B.T.tolist()
    assert [[f["x"], f["y"]] for f in encoding["frequencies"]] == B
    for wave, expected in zip(("cos", "sin"), formula(*B[127], 64, 48), strict=True):
        np.testing.assert_array_equal(pixels(tmp_path / "out" / "gaussian-8" / f"127-{wave}.png"), expected)


def test_the_seed_decides_B_and_the_same_seed_gives_the_same_bytes(run_here, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        run_here("encode-viz", "--scale", 3, "--dimension", 3, "--size", 20, "--seed", seed, "-o", folder)
    a, b, c = ([p.read_bytes() for p in sorted((tmp_path / folder).rglob("*.png"))] for folder in "abc")
    assert a == b
    assert a != c


def test_the_table(run_here):
    done = run_here("encode-viz", "--scale", 100, "--size", "100x100", "-o", "out")
    assert "gaussian σ=100" in done.stdout
    assert "above Nyquist" in done.stdout
    assert "out/scales.png\nout/gaussian-100.png\n" in done.stdout


def test_shown_in_a_terminal(tmp_path):
    shown, code = in_terminal(("encode-viz", "--scale", 2, "--dimension", 3, "--size", 20, "--show"), b"", tmp_path)
    assert code == 0
    assert shown.count("▀") > 500


def test_nowhere_to_show_it(run_here):
    done = run_here("encode-viz", "--scale", 2, "--dimension", 3, "--size", 20, "--show")
    assert done.exit_code == 0
    assert "not a terminal" in done.stderr
    assert "▀" not in done.stdout


def test_matplotlib_has_nothing_to_say(run, tmp_path):
    """Not even where it may not keep its list of fonts."""
    nowhere = os.environ | {"MPLCONFIGDIR": "/proc/nowhere", "HOME": "/proc/nowhere"}
    done = run("encode-viz", "--scale", 2, "--dimension", 1, "--size", 9, env=nowhere)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_keyboard_that_cannot_answer(photo_path, tmp_path):
    """The terminal is asked what it can show, and answers on standard input."""
    keyboard, screen = pty.openpty()
    command = [FFTOOL, "encode-viz", "--scale", "2", "--dimension", "1", "--size", "9", "--show"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=screen, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=100)
    os.close(keyboard)
    os.close(screen)
    assert process.returncode == 0
    assert b"Nothing is drawn" in stderr


def test_a_folder_of_other_files_is_left_alone(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "holiday.png").write_text("precious")
    for overwrite in ((), ("--overwrite",)):
        fails(run("encode-viz", "--scale", 1, "-o", "out", *overwrite), 1, "holds holiday.png")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["holiday.png"]


def test_pictures_are_overwritten_when_asked(run_here, tmp_path):
    arguments = ("encode-viz", "--scale", 2, "--dimension", 3, "--size", 20, "-o", "out")
    assert run_here(*arguments).exit_code == 0
    with pytest.raises(fftool.FFToolError, match="and 7 more exist already"):
        run_here(*arguments)
    assert run_here(*arguments, "--overwrite").exit_code == 0
    with pytest.raises(fftool.FFToolError, match=r"holds gaussian-2/2-...\.png, which would be left"):
        run_here(*arguments, "--dimension", 2, "--overwrite")
    other = ("encode-viz", "--scale", 5, "--dimension", 2, "--size", 20, "-o", "out", "--overwrite")
    assert run_here(*other).exit_code == 0  # beside what fftool itself has put there
    assert (tmp_path / "out" / "gaussian-2" / "2-cos.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "seen"),
    [
        (("--scale", "0"), 2, "scale is 0"),
        (("--dimension", "0"), 2, "dimension is 0"),
        (("--dimension", "1000000000"), 2, "1,000,000,000 frequencies"),
        (("--scale", "5", "--scale", "5.0"), 2, "gaussian σ=5 is asked for 2 times"),
        (("--encoding", "none"), 2, "none"),
        (("--seed", "-1"), 2, "seed is -1"),
        (("--size", "10000x10000"), 2, "100,000,000 pixels"),
        (("--size", "ten"), 2, "no size"),
        (("--show", "--json"), 2, "standard output"),
        (("--model", "missing.st"), 1, "there is no file"),
        (("--model", "missing.st", "--scale", "3"), 2, "--scale"),
        (("-o", "file"), 1, "is a file"),
        (("-o", "file/below"), 1, "file/below"),
    ],
)
def test_a_wrong_request(run, tmp_path, arguments, code, seen):
    (tmp_path / "file").write_text("precious")
    fails(run("encode-viz", *arguments), code, seen)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_checkpoint_without_B(run, photo_path, tmp_path):
    assert run("train", photo_path, "--encoding", "none", "--epochs", 1).returncode == 0
    fails(run("encode-viz", "--model", "model.st"), 1, "has no B")


def test_the_kernel_is_the_product_of_features():
    random = np.random.default_rng(0)
    u, v, B = random.random((50, 2)), random.random((50, 2)), random.normal(0, 5, (2, 30))

    def gamma(v):
        return np.concatenate([np.cos(2 * np.pi * v @ B), np.sin(2 * np.pi * v @ B)], axis=1)

    expected = (gamma(u) * gamma(v)).sum(axis=1) / 30
    np.testing.assert_allclose(kernel(torch.from_numpy(u - v), torch.from_numpy(B)).numpy(), expected, atol=1e-12)


def test_the_kernels_expectation():
    """With 100,000 frequencies, the measured kernel is within five of its standard deviations."""
    generator = torch.Generator().manual_seed(0)
    B = torch.randn(2, 100_000, generator=generator, dtype=torch.float64) * 3
    distance = torch.linspace(0, 0.3, 20, dtype=torch.float64)
    for direction in ([1.0, 0.0], [0.6, 0.8]):
        measured = kernel(distance[:, None] * torch.tensor(direction, dtype=torch.float64), B)
        expected = expected_kernel(distance, 3)
        np.testing.assert_allclose(expected, np.exp(-2 * np.pi**2 * 9 * distance.numpy() ** 2))
        assert (measured - expected).abs().max() < 5 * (0.5 / 100_000) ** 0.5


def test_the_kernel_narrows_as_the_scale_grows():
    """To one half at √(ln 2 / 2) / (π σ), by its expectation."""
    for scale in (1.0, 10.0, 100.0):
        config = fftool.EncodingConfig(dimension=5000, scale=scale)
        B = fftool.frequency_matrix(config, 2, torch.Generator().manual_seed(0))
        width = Frequencies(config, B, (100, 100)).half_width
        assert width == pytest.approx(np.sqrt(np.log(2) / 2) / (np.pi * scale), rel=0.02)


def test_nyquist_is_half_the_pixels_on_each_axis():
    B = torch.tensor([[50.0, 50.1, -51.0, 0.0, 0.0], [0.0, 0.0, 0.0, 20.0, -20.1]])
    assert above_nyquist(B, (40, 100)).tolist() == [False, True, True, False, True]
