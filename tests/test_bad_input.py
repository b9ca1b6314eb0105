"""Whatever a person gets wrong: one or two plain lines and a hint, the right exit code, and nothing harmed."""

import json
import os
import resource
import subprocess
from pathlib import Path

import numpy as np
import pictures
import pytest
from conftest import EXAMPLES, FFTOOL
from PIL import Image
from test_checkpoint import rewrite

import fftool
from fftool import FFToolError
from fftool.files import check_writable


def fails(done, code, *seen):
    """The command failed as it should: said in one error line and at most one hint, without a traceback."""
    lines = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert lines[0].startswith("error: ")
    assert [line for line in lines[1:] if not line.startswith("hint: ")] == []
    assert len(lines) == 2
    assert done.stdout == ""
    for text in seen:
        assert text in done.stderr


JPEG = (EXAMPLES / "astronaut.jpg").read_bytes()
PNG = (EXAMPLES / "mushroom.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "seen"),
    [
        ("text.jpg", b"This is no picture.\n", "not a picture"),
        ("empty.png", b"", "is empty"),
        ("cut.jpg", JPEG[: len(JPEG) // 2], "damaged"),
        ("cut.png", PNG[: len(PNG) // 2], "damaged"),
        ("header.png", PNG[:20], "picture"),
        ("noise.png", PNG[:60] + b"noise" + PNG[65:], "damaged"),
        ("bomb.png", pictures.png(pictures.smooth(3), 8, size=(60_000, 60_000)), "too large"),
        ("svg.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "not a picture"),
        ("nothing.png", None, "there is no file nothing.png"),
    ],
)
def test_a_file_that_is_no_picture(run, tmp_path, name, data, seen):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    fails(run("train", name), 1, seen, name)
    assert not (tmp_path / "model.st").exists()


@pytest.mark.parametrize("name", ["a.eps", "a.jpg"])
def test_no_other_program_is_started_to_read_a_picture(run, tmp_path, name):
    """As Ghostscript would be for PostScript, whatever its suffix: one of that name leaves a trace."""
    (tmp_path / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    (tmp_path / "gs").write_text("#!/bin/sh\ntouch started\n")
    (tmp_path / "gs").chmod(0o755)
    done = run("train", name, env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    fails(done, 1, "not a picture of a known format")
    assert not (tmp_path / "started").exists()


def test_a_folder_is_no_picture(run, tmp_path):
    fails(run("train", tmp_path), 1, "is a folder")


def test_a_cut_16_bit_png(run, tmp_path):
    fftool.write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 65535, (64, 64, 3)).astype(np.uint16))
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:9000])
    fails(run("train", "a.png"), 1, "damaged")


def test_a_cut_16_bit_tiff(run, tmp_path):
    fftool.write_image(tmp_path / "a.tif", np.zeros((64, 64, 3), np.uint16))
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:9000])
    fails(run("train", "a.tif"), 1, "damaged")


def test_an_animation(run, tmp_path):
    frames = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in (0, 90, 180)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    fails(run("train", "a.gif"), 1, "3 pictures")


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (("--scale", "-1"), "scale is -1"),
        (("--scale", "0"), "scale is 0"),
        (("--scale", "nan"), "scale is nan"),
        (("--scale", "inf"), "scale is inf"),
        (("--scale", "much"), "--scale"),
        (("--dimension", "0"), "dimension is 0"),
        (("--hidden", "0"), "0 units"),
        (("--layers", "-1"), "-1 hidden layers"),
        (("--layers", "100000"), "100000 hidden layers"),
        (("--hidden", "1000000"), "parameters"),
        (("--epochs", "0"), "epochs is 0"),
        (("--epochs", "9" * 30), "number of epochs"),
        (("--batch-size", "9" * 30), "batch size"),
        (("--scale", "1e38"), "scale is 1e+38"),
        (("--encoding", "positional", "--dimension", "1"), "2 axes"),
        (("--batch-size", "0"), "batch size is 0"),
        (("--learning-rate", "nan"), "learning rate is nan"),
        (("--learning-rate", "1e39"), "learning rate is 1e+39"),
        (("--seed", "-1"), "seed is -1"),
        (("--device", "toaster"), "--device"),
        (("--encoding", "magic"), "--encoding"),
        (("--loss", "hinge"), "--loss"),
        (("--colour",), "--colour"),
    ],
)
def test_a_wrong_setting_for_train(run, photo_path, tmp_path, arguments, seen):
    fails(run("train", photo_path, *arguments), 2, seen)
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
def test_a_size_that_is_none(run, model_path, tmp_path, size):
    fails(run("render", model_path, "--size", size), 2, "is no size")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("crop", "seen"),
    [
        ("0,0,1", "no crop"),
        ("a,b,c,d", "no crop"),
        ("0,0,2,1", "no part of the picture"),
        ("-0.1,0,1,1", "no part of the picture"),
        ("0,0,0,1", "no part of the picture"),
        ("nan,0,1,1", "no part of the picture"),
        ("0,0,1e-320,1e-320", "no part of the picture"),
        ("0.5,0,0.6,1", "no part of the picture"),
    ],
)
def test_a_crop_that_is_none(run, model_path, tmp_path, crop, seen):
    fails(run("render", model_path, "--crop", crop), 2, seen)
    assert not list(tmp_path.iterdir())


def test_a_size_beyond_memory_or_disk(run, model_path, tmp_path):
    """A TIFF is streamed, and needs room on the disk alone."""
    fails(run("render", model_path, "--size", "1000000000x1000000000", "-o", "a.tif"), 1, "3,000,000,000.0 GB", "free")
    fails(run("render", model_path, "--size", "10001x10000", "-o", "a.png"), 1, "100,000,000 pixels", ".tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "seen"),
    [
        (("--bits", "12"), 2, "bit depth is 12"),
        (("--bits", "16", "-o", "a.jpg"), 1, "JPEG holds 8 bits"),
        (("-o", "a.xyz"), 1, ".png"),
        (("-o", "missing/a.png"), 1, "no folder"),
        (("-o", "-", "--json"), 2, "standard output"),
        (("--size", "99999x1", "-o", "a.jpg"), 1, "65535"),
        (("--size", "1000001x1"), 1, "1000000"),
    ],
)
def test_a_wrong_request_to_render(run, model_path, tmp_path, arguments, code, seen):
    fails(run("render", model_path, *arguments), code, seen)
    assert not list(tmp_path.iterdir())


def test_alpha_that_a_format_cannot_hold(run, tmp_path):
    Image.new("RGBA", (4, 4)).save(tmp_path / "a.png")
    assert run("train", "a.png", "--epochs", 1).returncode == 0
    fails(run("render", "model.st", "-o", "a.jpg"), 1, "alpha")


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (None, "there is no file"),
        (b"", "not a whole safetensors file"),
        (b"something else", "not a whole safetensors file"),
        (PNG, "not a whole safetensors file"),
    ],
)
@pytest.mark.parametrize("command", ["render", "info"])
def test_a_file_that_is_no_checkpoint(run, tmp_path, command, data, seen):
    if data is not None:
        (tmp_path / "model.st").write_bytes(data)
    fails(run(command, "model.st"), 1, seen)


def test_a_checkpoint_cut_short(run, model_path, tmp_path):
    (tmp_path / "model.st").write_bytes(model_path.read_bytes()[:-1000])
    fails(run("render", "model.st"), 1, "not a whole safetensors file")


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"format": "other"}, "not one of fftool's"),
        ({"format_version": "2"}, "upgrade fftool"),
        ({"config": {"network.hidden": 128}}, "does not fit its own config"),
        ({"config": {"signal.source": "\x1b[31mred\n[red]"}}, None),
    ],
)
def test_a_checkpoint_from_elsewhere(run, model_path, tmp_path, change, seen):
    rewrite(model_path, tmp_path / "model.st", **change)
    done = run("info", "model.st")
    if seen:
        fails(done, 1, seen)
    else:
        assert "\x1b" not in done.stdout
        assert r"\x1b[31mred\n[red]" in done.stdout


def test_an_absent_device(run, photo_path, model_path):
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}  # where there is one
    fails(run("train", photo_path, "--device", "cuda", env=hidden), 1, "no cuda device")
    fails(run("render", model_path, "--device", "cuda", env=hidden), 1, "no cuda device")


def test_a_checkpoint_of_a_newer_fftool_is_not_drawn(run, model_path, tmp_path):
    rewrite(model_path, tmp_path / "model.st", format_version="2")
    fails(run("render", "model.st"), 1, "upgrade fftool")


def test_the_input_is_never_the_output(run, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    fails(run("train", "a.png", "-o", "./a.png", "--overwrite"), 1, "is the file that is read")
    assert (tmp_path / "a.png").read_bytes() == PNG


def test_a_name_in_no_encoding_is_trained_and_rendered(run, tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.png")).write_bytes(PNG)
    done = run("train", os.fsdecode(b"a\xff.png"), "-o", os.fsdecode(b"b\xff.st"), "--epochs", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["config"]["signal"]["source"] == "a\ufffd.png"
    assert run("render", os.fsdecode(b"b\xff.st"), "-o", "a.png").returncode == 0


def test_a_pipe_is_no_picture(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for command in ("train", "info"):
        fails(run(command, "pipe"), 1, "no regular file")


def test_standard_output_closed(model_path):
    done = subprocess.run(f"{FFTOOL} info {model_path} >&-", shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_standard_output_closed_early(model_path):
    """By a reader who has seen enough: no more is said."""
    command = f"{FFTOOL} render {model_path} --size 300x300 -o - | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, check=False)
    assert done.stdout == b"\x89PNG\r\n\x1a\n\0\0"
    assert done.stderr == b""


@pytest.mark.parametrize(("arguments", "hint"), [(("trian",), "fftool --help"), (("train",), "fftool train --help")])
def test_the_hint_is_a_command_that_works(run, arguments, hint):
    done = run(*arguments)
    fails(done, 2, f"hint: {hint}\n")
    assert run(*hint.split()[1:]).returncode == 0


def test_output_that_cannot_be_written(run, photo_path, model_path, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for command, source in (("train", photo_path), ("render", model_path)):
        fails(run(command, source, "-o", "missing/a.png"), 1, "no folder")
        fails(run(command, source, "-o", "file/a.png"), 1, "no folder")


@pytest.mark.parametrize("denied", ["folder", "folder/a.st"])
def test_a_place_without_permission(tmp_path, monkeypatch, denied):
    """Found before the work. Tests may run as root, who may write anywhere, so the system's answer is made up."""
    output = tmp_path / "folder" / "a.st"
    output.parent.mkdir()
    output.touch()
    check_writable(output, tmp_path)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path / denied)
    with pytest.raises(FFToolError, match="may not be written"):
        check_writable(output, tmp_path)


@pytest.mark.parametrize("command", ["train", "render"])
def test_a_full_disk(run, photo_path, model_path, tmp_path, command):
    """A limit on the size of files stands in for the disk: writes past it fail as on a full one."""
    source = photo_path if command == "train" else model_path
    output = tmp_path / "a.png"
    output.write_bytes(b"precious")
    arguments = ("--epochs", 1) if command == "train" else ("--size", "300x300")
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))}
    done = run(command, source, "-o", output, "--overwrite", *arguments, **limit)
    fails(done, 1, "could not be written")
    assert output.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [output]


def test_a_full_device(run, model_path):
    fails(run("render", model_path, "-o", "/dev/full"), 1, "no suffix")
    with Path("/dev/full").open("w") as full:
        done = run("info", model_path, capture_output=False, stdout=full, stderr=-1)
    assert done.returncode == 1
    assert "standard output: No space left" in done.stderr
