"""`fftool encode-viz`: images that equal the formula, figures that show them, and a folder of their own."""

import json
import os
import pty
import subprocess

import numpy as np
import pytest
from conftest import FFTOOL, fails, in_terminal, pixels
from PIL import Image
from skimage.feature import match_template
from test_figures import images, texts

import fftool
from fftool import EncodingConfig, NetworkConfig, TrainingConfig

FEW = ("--scale", 2, "--dimension", 3, "--size", 20)


def formula(x, y, width, height):
    """Cosine and sine of one frequency in 8 bits, by numpy in float64."""
    v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    phase = 2 * np.pi * (x * u + y * v)
    return [np.rint((wave(phase) + 1) / 2 * 255).astype(np.uint8) for wave in (np.cos, np.sin)]


def test_fifty_images_for_each_scale_equal_the_formula(run, tmp_path):
    """The command of the homework: its default scales, and 25 frequencies."""
    done = run("encode-viz", "--dimension", 25, "--size", "100x100", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [each["scale"] for each in report["encodings"]] == [1, 10, 100]
    expected = {"scales.png"}
    for each in report["encodings"]:
        folder = f"gaussian-{each['scale']:g}"
        encoding = EncodingConfig(dimension=25, scale=each["scale"]).resolve()
        B = fftool.frequency_matrix(encoding, 2, fftool.generator(0, "frequencies"))
        assert [(f["x"], f["y"]) for f in each["frequencies"]] == list(zip(*B.tolist(), strict=True))
        names = sorted(path.name for path in (tmp_path / "out" / folder).iterdir())
        assert names == [f"{j:02}-{wave}.png" for j in range(25) for wave in ("cos", "sin")]
        for j, frequency in enumerate(each["frequencies"]):
            for wave, samples in zip(("cos", "sin"), formula(frequency["x"], frequency["y"], 100, 100), strict=True):
                path = tmp_path / "out" / folder / f"{j:02}-{wave}.png"
                assert frequency[wave] == str(path.relative_to(tmp_path))
                np.testing.assert_array_equal(pixels(path), samples)
        expected |= {f"{folder}.png", *(f"{folder}/{name}" for name in names)}
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")} == expected
    assert [each["above_nyquist"] for each in report["encodings"]][:2] == [0, 0]
    assert report["encodings"][2]["above_nyquist"] > 12


def test_contact_sheet_shows_the_images_pixel_by_pixel(run, tmp_path):
    done = run("encode-viz", "--dimension", 5, "--scale", 4, "--size", "100x80", "-o", "out")
    assert done.returncode == 0, done.stderr
    sheet = np.asarray(Image.open(tmp_path / "out" / "gaussian-4.png").convert("L"), float)
    for name in ("0-cos", "0-sin", "4-cos", "4-sin"):
        tile = pixels(tmp_path / "out" / "gaussian-4" / f"{name}.png").astype(float)
        assert match_template(sheet, tile).max() > 0.9999


def test_contact_sheet_says_where_images_are_reduced(run, pages):
    for size, expected in (("128x64", "At 128x64 pixels: cos"), ("256x64", "At 256x64 pixels, reduced to 128x32: cos")):
        done = run("encode-viz", "--dimension", 1, "--scale", 4, "--size", size, "-o", size)
        assert done.returncode == 0, done.stderr
        assert any(text.startswith(expected) for text in texts(pages["gaussian-4.png"])), size


@pytest.mark.parametrize("kind", ["positional", "basic"])
def test_other_encodings_equal_their_frequencies(run, tmp_path, kind):
    few = ("--scale", 6, "--dimension", 4, "--size", "20x10")
    done = run("encode-viz", "--encoding", kind, *few, "-o", "out", "--json")
    (report,) = json.loads(done.stdout)["encodings"]
    folder = {"positional": "positional-6", "basic": "basic"}[kind]
    expected = {"positional": [(1, 0), (6, 0), (0, 1), (0, 6)], "basic": [(1, 0), (0, 1)]}[kind]
    assert [(f["x"], f["y"]) for f in report["frequencies"]] == expected
    assert [f["above_nyquist"] for f in report["frequencies"]] == [y > 5 for x, y in expected]
    for j, (x, y) in enumerate(expected):
        for wave, samples in zip(("cos", "sin"), formula(x, y, 20, 10), strict=True):
            difference = pixels(tmp_path / "out" / folder / f"{j}-{wave}.png").astype(int) - samples
            assert np.abs(difference).max() <= 1  # here values lie half-way between two steps


def test_each_axis_may_have_a_scale_of_its_own(run, pages, tmp_path):
    done = run("encode-viz", "--scale", "1,20", "--dimension", 40, "--size", 10, "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)["encodings"]
    assert report["scale"] == [1, 20]
    x, y = (np.std([f[axis] for f in report["frequencies"]]) for axis in "xy")
    assert (x, y) == (pytest.approx(1, rel=0.4), pytest.approx(20, rel=0.4))
    assert (tmp_path / "out" / "gaussian-1-20" / "00-cos.png").exists()
    assert "gaussian σ = 1, 20: 40 frequencies" in texts(pages["gaussian-1-20.png"])


def test_model_is_shown_with_its_own_frequencies(run, pages, model_path, tmp_path):
    report = json.loads(run("encode-viz", "--model", model_path, "-o", "out", "--json").stdout)
    assert (report["width"], report["height"]) == (64, 48)
    (encoding,) = report["encodings"]
    B = fftool.load(model_path).B.T.tolist()
    assert [[f["x"], f["y"]] for f in encoding["frequencies"]] == B
    for wave, expected in zip(("cos", "sin"), formula(*B[127], 64, 48), strict=True):
        np.testing.assert_array_equal(pixels(tmp_path / "out" / "gaussian-8" / f"127-{wave}.png"), expected)
    assert len(images(pages["gaussian-8.png"])) == 2 * 128


def test_seed_decides_the_frequencies_and_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("encode-viz", *FEW, "--seed", seed, "-o", folder).returncode == 0
    a, b, c = ([p.read_bytes() for p in sorted((tmp_path / folder).rglob("*.png"))] for folder in "abc")
    assert a == b
    assert all(first != other for first, other in zip(a, c, strict=True))


def test_table_has_a_row_for_each_encoding(run):
    command = ("encode-viz", "--scale", 1, "--scale", 100, "--dimension", 4, "--size", "100x50", "-o", "out")
    report = json.loads(run(*command, "--json").stdout)["encodings"]
    done = run(*command, "--overwrite")
    rows = {line.split()[1]: line.split()[2:] for line in done.stdout.splitlines() if line.startswith(" gaussian")}
    for each in report:
        half = f"{100 * each['half_width']:.3g}"
        assert rows[f"σ={each['scale']:g}"] == ["4", str(each["above_nyquist"]), half, "pixels"]
    assert "above Nyquist" in done.stdout
    assert done.stdout.endswith("out/scales.png\nout/gaussian-1.png\nout/gaussian-100.png\n")


def test_figures_are_shown_in_a_terminal(tmp_path):
    shown, code = in_terminal(("encode-viz", *FEW, "--show"), b"", tmp_path)
    assert code == 0
    assert shown.count("▀") > 500


def test_figures_are_not_shown_where_there_is_no_terminal(run):
    done = run("encode-viz", *FEW, "--show")
    assert done.returncode == 0
    assert "not a terminal" in done.stderr
    assert "▀" not in done.stdout


def test_matplotlib_prints_nothing_where_it_cannot_keep_its_list_of_fonts(run_process):
    nowhere = os.environ | {"MPLCONFIGDIR": "/proc/nowhere", "HOME": "/proc/nowhere"}
    done = run_process("encode-viz", "--scale", 2, "--dimension", 1, "--size", 9, env=nowhere)
    assert (done.returncode, done.stderr) == (0, "")


def test_terminal_without_a_keyboard_is_not_asked_what_it_can_show(tmp_path):
    """The answer would come on standard input."""
    keyboard, screen = pty.openpty()
    command = [FFTOOL, "encode-viz", "--scale", "2", "--dimension", "1", "--size", "9", "--show"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=screen, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=100)
    os.close(keyboard)
    os.close(screen)
    assert process.returncode == 0
    assert b"No image is shown" in stderr


def test_folder_of_other_files_is_left_alone(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "holiday.png").write_text("precious")
    for overwrite in ((), ("--overwrite",)):
        fails(run("encode-viz", "--scale", 1, "-o", "out", *overwrite), 1, "holds holiday.png")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["holiday.png"]


def test_images_are_replaced_only_on_request(run, tmp_path):
    command = ("encode-viz", *FEW, "-o", "out")
    assert run(*command).returncode == 0
    fails(run(*command), 1, "and 7 more already exist")
    assert run(*command, "--overwrite").returncode == 0
    left_over = run(*command, "--dimension", 2, "--overwrite")
    fails(left_over, 1, "holds gaussian-2/2-", ".png, which would be left over")
    other = ("encode-viz", "--scale", 5, "--dimension", 2, "--size", 20, "-o", "out", "--overwrite")
    assert run(*other).returncode == 0  # beside files that fftool itself has put there
    assert (tmp_path / "out" / "gaussian-2" / "2-cos.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("--scale", "0"), 2, "invalid scale 0: expected"),
        (("--scale", "1,2,3"), 2, "invalid scale (1, 2, 3): expected one number, or one for each of 2 axes"),
        (("--scale", "auto"), 2, "'auto', expected a number"),
        (("--dimension", "0"), 2, "invalid dimension 0: expected a whole number"),
        (("--dimension", "1000000000"), 2, "1,000,000,000 frequencies"),
        (("--scale", "5", "--scale", "5.0"), 2, "invalid variant gaussian σ=5, given 2 times"),
        (("--encoding", "none"), 2, "none"),
        (("--seed", "-1"), 2, "invalid seed -1: expected"),
        (("--size", "10000x10000"), 2, "100,000,000 pixels"),
        (("--size", "ten"), 2, "invalid size 'ten': expected WIDTHxHEIGHT"),
        (("--show", "--json"), 2, "standard output"),
        (("--model", "missing.st"), 1, "missing.st: no such file"),
        (("--model", "missing.st", "--scale", "3"), 2, "--scale"),
        (("-o", "file"), 1, "file: is a file, expected a folder"),
        (("-o", "file/below"), 1, "file/below"),
    ],
)
def test_wrong_request_is_refused(run, tmp_path, arguments, code, expected):
    (tmp_path / "file").write_text("precious")
    fails(run("encode-viz", *arguments), code, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_checkpoint_without_frequencies_is_refused(run, photo, tmp_path):
    network = next(fftool.fit(photo, EncodingConfig(kind="none"), NetworkConfig(hidden=4), TrainingConfig())).network
    fftool.save(network, tmp_path / "model.st")
    fails(run("encode-viz", "--model", "model.st"), 1, "has no B")
    assert [path.name for path in tmp_path.iterdir()] == ["model.st"]
