"""Wrong input of every kind: one line with the problem, one with a hint, the right exit code, and no harm done."""

import json
import os
import resource
import socket
import subprocess
from pathlib import Path

import numpy as np
import pictures
import pytest
from conftest import EXAMPLES, FFTOOL, fails
from PIL import Image
from test_checkpoint import rewrite

import fftool
from fftool.errors import WriteError
from fftool.files import check_writable

JPEG = (EXAMPLES / "astronaut.jpg").read_bytes()
PNG = (EXAMPLES / "mushroom.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("text.jpg", b"This is no image.\n", "not an image of a known format"),
        ("empty.png", b"", "the file is empty"),
        ("cut.jpg", JPEG[: len(JPEG) // 2], "damaged"),
        ("cut.png", PNG[: len(PNG) // 2], "damaged"),
        ("header.png", PNG[:20], "damaged"),
        ("noise.png", PNG[:60] + b"noise" + PNG[65:], "damaged"),
        ("bomb.png", pictures.png(pictures.smooth(3), 8, size=(60_000, 60_000)), "too large"),
        ("vector.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "not an image of a known"),
        ("gone.png", None, "no such file"),
    ],
)
def test_rejects_files_that_are_no_image(run, tmp_path, name, data, problem):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    fails(run("train", name), 1, f"error: {name}: ", problem)
    assert not (tmp_path / "model.st").exists()


def test_starts_no_program_to_read_an_image(run, tmp_path, monkeypatch):
    """As Ghostscript would be for PostScript, whatever its suffix: a program of that name leaves a trace."""
    (tmp_path / "gs").write_text("#!/bin/sh\ntouch started\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    subprocess.run(["gs"], cwd=tmp_path, check=True)
    (tmp_path / "started").unlink()  # so it would be found
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # which Pillow looks up once
    for name in ("a.eps", "a.jpg"):
        data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
        (tmp_path / name).write_bytes(data)
        fails(run("train", name), 1, f"{name}: not an image of a known format")
    assert not (tmp_path / "started").exists()


def test_rejects_a_folder(run, tmp_path):
    """Where there is one file for each network."""
    for command in (("compare", tmp_path, "--scale", 1), ("info", tmp_path), ("encode-viz", "--model", tmp_path)):
        fails(run(*command), 1, "is a folder, expected a file")


def test_rejects_a_truncated_16_bit_png(run, tmp_path):
    fftool.write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 65535, (64, 64, 3)).astype(np.uint16))
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:9000])
    fails(run("train", "a.png"), 1, "a.png: damaged")


def test_rejects_a_truncated_16_bit_tiff(run, tmp_path):
    fftool.write_image(tmp_path / "a.tif", np.zeros((64, 64, 3), np.uint16))
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:9000])
    fails(run("train", "a.tif"), 1, "a.tif: damaged")


def test_rejects_an_animation_as_an_image(run, tmp_path):
    frames = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in (0, 90, 180)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    fails(run("train", "a.gif", "--as", "image"), 1, "a.gif: holds 3 images, expected one")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--scale", "-1"), "invalid scale -1: expected a positive number"),
        (("--scale", "0"), "invalid scale 0: expected a positive number"),
        (("--scale", "nan"), "invalid scale nan: expected a positive number"),
        (("--scale", "inf"), "invalid scale inf: expected a positive number"),
        (("--scale", "1e38"), "invalid scale 1e+38: expected a positive number up to 1e+09"),
        (("--scale", "much"), "Invalid value for '--scale': 'much', expected a number"),
        (("--scale", ""), "Invalid value for '--scale': '', expected a number"),
        (("--dimension", "0"), "invalid dimension 0: expected a whole number of at least 1\n"),
        (("--hidden", "0"), "invalid number of hidden units 0: expected a whole number of at least 1\n"),
        (("--layers", "-1"), "invalid number of hidden layers -1: expected a whole number of at least 0\n"),
        (("--layers", "100000"), "invalid number of hidden layers 100000: expected at most 1,000\n"),
        (("--hidden", "1000000"), "invalid number of parameters 1,000,261,000,003: expected at most 268,435,456\n"),
        (("--epochs", "0"), "invalid number of epochs 0: expected a whole number of at least 1\n"),
        (("--epochs", "9" * 30), f"invalid number of epochs {'9' * 30}: expected at most 1,000,000,000\n"),
        (("--epochs", "many"), "Invalid value for '--epochs'"),
        (("--batch-size", "9" * 30), f"invalid batch size {'9' * 30}: expected at most 2,147,483,647\n"),
        (("--batch-size", "0"), "invalid batch size 0: expected a whole number of at least 1\n"),
        (
            ("--encoding", "positional", "--dimension", "1"),
            "invalid number of frequencies 1: expected at least 2 for the positional encoding, one for each axis\n",
        ),
        (("--learning-rate", "nan"), "invalid learning rate nan: expected a positive number"),
        (("--learning-rate", "1e39"), "invalid learning rate 1e+39: expected a positive number"),
        (("--seed", "-1"), "invalid seed -1: expected a whole number of at least 0\n"),
        (("--device", "toaster"), "Invalid value for '--device': 'toaster' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        (("--encoding", "magic"), "Invalid value for '--encoding': 'magic' is not one of 'gaussian'"),
        (("--loss", "hinge"), "Invalid value for '--loss': 'hinge' is not one of 'bce', 'mse'"),
        (("--colour",), "No such option: --colour"),
    ],
)
def test_rejects_invalid_settings(run, photo_path, tmp_path, arguments, problem):
    fails(run("train", photo_path, *arguments), 2, f"error: {problem}", "hint: see fftool train --help\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "size",
    [
        "0x10",
        "-5x5",
        "10x",
        "x10",
        "1e9x1e9",
        "10x10x10",
        "0",
        "0%",
        "-5%",
        "huge",
        "",
        "nan",
        "9" * 11,
        "9" * 400 + "%",
    ],
)
def test_rejects_invalid_sizes(run, model_path, photo_path, tmp_path, size):
    problem = f"error: invalid size '{size[:150]}"
    expected = "expected WIDTHxHEIGHT, a longest side such as 800, or a percentage such as 200%\n"
    fails(run("render", model_path, "--size", size), 2, problem, expected, "hint: see fftool render --help\n")
    fails(run("compare", photo_path, model_path, "--size", size), 2, problem, expected)
    fails(run("encode-viz", "--size", size), 2, problem, expected)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        ("", "X,Y,WIDTH,HEIGHT as fractions, such as 0.25,0.25,0.5,0.5\n"),
        ("0,0,1", "X,Y,WIDTH,HEIGHT as fractions, such as 0.25,0.25,0.5,0.5\n"),
        ("a,b,c,d", "X,Y,WIDTH,HEIGHT as fractions"),
        ("nan,0,1,1", "X,Y,WIDTH,HEIGHT as fractions"),
        ("0,0,2,1", "a part of the image: fractions that start at 0 or later and end at 1 or before\n"),
        ("-0.1,0,1,1", "a part of the image"),
        ("0,0,0,1", "a part of the image"),
        ("0,0,1e-320,1e-320", "a part of the image"),
        ("0.5,0,0.6,1", "a part of the image"),
    ],
)
def test_rejects_invalid_crops(run, model_path, tmp_path, crop, expected):
    fails(run("render", model_path, "--crop", crop), 2, f"error: invalid crop '{crop}': expected {expected}")
    assert not list(tmp_path.iterdir())


def test_rejects_sizes_beyond_memory_and_disk(run, model_path, tmp_path):
    """A TIFF is written while it is rendered, and needs room on the disk alone."""
    fails(run("render", model_path, "--size", "1000000000x1000000000", "-o", "a.tif"), 1, "3,000,000,000.0 GB", "free")
    fails(run("render", model_path, "--size", "10001x10000", "-o", "a.png"), 1, "100,000,000 pixels", ".tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--bits", "12"), 2, "invalid bit depth 12: expected 8, 16 or 32"),
        (("--bits", "16", "-o", "a.jpg"), 1, "JPEG holds 8 bits per channel, not 16"),
        (("-o", "a.xyz"), 1, "a.xyz: no suffix of a known image format: expected one of .png"),
        (("-o", "missing/a.png"), 1, "missing/a.png: no such folder"),
        (("-o", "-", "--json"), 2, "-o - and --json both write to standard output"),
        (("--size", "99999x1", "-o", "a.jpg"), 1, "65,535"),
        (("--size", "1000001x1"), 1, "1,000,000"),
    ],
)
def test_rejects_invalid_renderings(run, model_path, tmp_path, arguments, code, text):
    fails(run("render", model_path, *arguments), code, text)
    assert not list(tmp_path.iterdir())


def test_rejects_alpha_that_a_format_cannot_hold(run, tmp_path):
    Image.new("RGBA", (4, 4)).save(tmp_path / "a.png")
    assert run("train", "a.png", "--epochs", 1).returncode == 0
    done = run("render", "model.st", "-o", "a.jpg")
    fails(done, 1, "JPEG holds no alpha channel", "use a .png, .tiff, .webp or .avif file")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "no such file"),
        (b"", "not a whole safetensors file"),
        (b"something else", "not a whole safetensors file"),
        (PNG, "not a whole safetensors file"),
    ],
)
def test_rejects_files_that_are_no_checkpoint(run, photo_path, tmp_path, data, problem):
    if data is not None:
        (tmp_path / "model.st").write_bytes(data)
    for arguments in (
        ("render", "model.st"),
        ("info", "model.st"),
        ("train", "--resume", "model.st"),
        ("compare", photo_path, "model.st"),
        ("encode-viz", "--model", "model.st"),
    ):
        fails(run(*arguments), 1, f"error: model.st: {problem}")


def test_rejects_a_truncated_checkpoint(run, model_path, tmp_path):
    (tmp_path / "model.st").write_bytes(model_path.read_bytes()[:-1000])
    fails(run("render", "model.st"), 1, "not a whole safetensors file")


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({"format": "other"}, ("a safetensors file that fftool did not write",)),
        ({"format_version": "3"}, ("has checkpoint format 3, expected 1 or 2", "upgrade fftool")),
        ({"config": {"network.hidden": 128}}, ("does not fit its own config",)),
    ],
)
def test_rejects_unsuitable_checkpoints(run, model_path, tmp_path, change, texts):
    rewrite(model_path, tmp_path / "model.st", **change)
    for command in ("info", "render"):
        fails(run(command, "model.st"), 1, "error: model.st: ", *texts)
    assert [path.name for path in tmp_path.iterdir()] == ["model.st"]


def test_shows_control_characters_of_a_checkpoint_escaped(run, model_path, tmp_path):
    rewrite(model_path, tmp_path / "model.st", config={"signal.source": "\x1b[31mred\n[red]"})
    done = run("info", "model.st")
    assert "\x1b" not in done.stdout
    assert r"\x1b[31mred\n[red]" in done.stdout


def test_rejects_a_device_that_is_absent(run, photo_path, model_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for arguments in (("train", photo_path), ("render", model_path)):
        fails(run(*arguments, "--device", "cuda"), 1, "no cuda device", "--device cpu")


def test_input_is_never_overwritten(run, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    fails(run("train", "a.png", "-o", "./a.png", "--overwrite"), 1, "a.png: is an input, and would be overwritten")
    assert (tmp_path / "a.png").read_bytes() == PNG


def test_trains_and_renders_names_in_no_encoding(run, tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.png")).write_bytes(PNG)
    done = run("train", os.fsdecode(b"a\xff.png"), "-o", os.fsdecode(b"b\xff.st"), "--epochs", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["config"]["signal"]["source"] == "a\ufffd.png"
    assert run("render", os.fsdecode(b"b\xff.st"), "-o", "a.png").returncode == 0


def test_rejects_a_socket_as_input(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for command in ("train", "info"):
            fails(run(command, "socket"), 1, "socket: is not a regular file")


def test_reader_that_closes_standard_output_early(model_path):
    """It has seen enough: nothing more is said."""
    command = f"{FFTOOL} render {model_path} --size 300x300 -o - | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, check=False)
    assert done.stdout == b"\x89PNG\r\n\x1a\n\0\0"
    assert done.stderr == b""


@pytest.mark.parametrize(("arguments", "hint"), [(("trian",), "fftool --help"), (("train",), "fftool train --help")])
def test_hint_names_a_command_that_works(run, arguments, hint):
    done = run(*arguments)
    fails(done, 2, f"hint: see {hint}\n")
    assert run(*hint.split()[1:]).returncode == 0


def test_rejects_outputs_in_missing_folders(run, photo_path, model_path, tmp_path):
    (tmp_path / "file").touch()
    for command, source in (("train", photo_path), ("render", model_path)):
        for output in ("missing/a.png", "file/a.png"):
            fails(run(command, source, "-o", output), 1, f"error: {output}: no such folder", "hint: name another path")
    for arguments in (("train", photo_path), ("render", model_path), ("encode-viz",)):
        fails(run(*arguments, "-o", "file/folder/"), 1, "error: file", "cannot be made", "/file is a file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("denied", ["folder", "folder/a.st"])
def test_rejects_a_path_without_permission(tmp_path, monkeypatch, denied):
    """Found before the work. Tests may run as root, who may write anywhere, so that the system's answer is replaced."""
    output = tmp_path / "folder" / "a.st"
    output.parent.mkdir()
    output.touch()
    check_writable(output, tmp_path)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path / denied)
    with pytest.raises(WriteError, match="permission denied"):
        check_writable(output, tmp_path)


@pytest.mark.parametrize("command", ["train", "render"])
def test_full_disk_leaves_the_old_file(run_process, photo_path, model_path, tmp_path, command):
    """A limit on the size of files stands in for the disk: writes past it fail as on a full one."""
    source = photo_path if command == "train" else model_path
    output = tmp_path / "a.png"
    output.write_bytes(b"precious")
    arguments = ("--epochs", 1) if command == "train" else ("--size", "300x300")
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))}
    done = run_process(command, source, "-o", output, "--overwrite", *arguments, **limit)
    fails(done, 1, "could not be written: File too large")
    assert output.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [output]


def test_full_device(run, run_process, model_path):
    fails(run("render", model_path, "-o", "/dev/full"), 1, "/dev/full: no suffix of a known image format")
    with Path("/dev/full").open("w") as full:
        done = run_process("info", model_path, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output: No space left on device\nhint: ")
