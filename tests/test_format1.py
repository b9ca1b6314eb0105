"""Checkpoints of format 1, written by version 0.1.0: they load, render and resume as they did.

`tests/data/format1` holds them, and their renderings by that version: NAME.png at the trained size, and NAME-large.png,
a region at another size. photo.png is the signal of gaussian.st and unfinished.st, and resumed.st is what unfinished.st
became at its end.
"""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import DATA
from safetensors import safe_open

import fftool

FORMAT1 = DATA / "format1"
NAMES = ("gaussian", "positional", "unfinished")
REGION = fftool.Region(origin=(0.1, 0.25), extent=(0.6, 0.5))


def contents(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def check_alike(samples, path):
    """The same samples as in an image; another processor may round a few of them to the next step."""
    expected = fftool.read_image(path).samples
    assert (samples.shape, samples.dtype) == (expected.shape, expected.dtype)
    difference = np.abs(samples.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.001


def check_same_weights(tensors, path):
    """The same weights as in a checkpoint; their last bits depend on the processor."""
    expected, _ = contents(path)
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(torch.from_numpy(tensors[name]), torch.from_numpy(tensor), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_renders_the_same_pixels(name):
    network = fftool.load(FORMAT1 / f"{name}.st")
    check_alike(fftool.render(network), FORMAT1 / f"{name}.png")
    check_alike(fftool.render(network, (71, 90), region=REGION), FORMAT1 / f"{name}-large.png")


@pytest.mark.parametrize("name", NAMES)
def test_command_renders_the_same_pixels(run, tmp_path, name):
    model = FORMAT1 / f"{name}.st"
    for options in (("-o", "a.png"), ("--size", "90x71", "--crop", "0.1,0.25,0.6,0.5", "-o", "b.png")):
        done = run("render", model, *options)
        assert done.returncode == 0, done.stderr
    check_alike(fftool.read_image(tmp_path / "a.png").samples, FORMAT1 / f"{name}.png")
    check_alike(fftool.read_image(tmp_path / "b.png").samples, FORMAT1 / f"{name}-large.png")


@pytest.mark.parametrize("name", [*NAMES, "resumed"])
def test_info_shows_the_config_as_it_is_in_the_file(run, name):
    done = run("info", FORMAT1 / f"{name}.st", "--json")
    assert done.returncode == 0, done.stderr
    tensors, metadata = contents(FORMAT1 / f"{name}.st")
    shown, stored = json.loads(done.stdout), json.loads(metadata["config"])
    assert shown["config"] == stored
    assert shown["resume"] == (json.loads(metadata["resume"]) if "resume" in metadata else None)
    assert shown["tensors"] == {name: {"shape": list(tensor.shape), "dtype": "F32"} for name, tensor in tensors.items()}
    assert run("info", FORMAT1 / f"{name}.st").returncode == 0


def test_describes_settings_in_their_new_form():
    gaussian, positional = (fftool.describe(FORMAT1 / f"{name}.st") for name in ("gaussian", "positional"))
    encoding = gaussian.config.encoding
    assert (encoding.kind, encoding.scale, encoding.search.chosen, encoding.search.n_samples) == (
        "gaussian",
        (2.6,),
        2.6,
        3072,
    )
    assert (gaussian.config.signal.medium, gaussian.config.signal.axes) == ("image", ("y", "x"))
    assert gaussian.result.psnr == pytest.approx(27.4887, abs=1e-4)
    assert gaussian.config.training.holdout == "none"
    assert positional.config.training.holdout == 0.2
    assert (positional.result.ssim, positional.result.exact) == (None, ())
    assert positional.result.holdout_psnr == pytest.approx(16.4198, abs=1e-4)


def test_describes_the_position_of_an_unfinished_run():
    resume = fftool.describe(FORMAT1 / "unfinished.st").resume
    assert (resume.position.step, resume.position.epoch, resume.position.n_visited) == (7, 1, 1400)
    assert (resume.rollback.step, resume.rollback.epoch, resume.rollback.n_visited) == (5, 1, 0)
    assert resume.source == "photo.png"


@pytest.mark.parametrize("name", [*NAMES, "resumed"])
def test_saves_the_same_bytes_again(tmp_path, name):
    path, again = FORMAT1 / f"{name}.st", tmp_path / "again.st"
    if fftool.describe(path).resume:
        fftool.save_run(fftool.load_run(path), again, "photo.png")
    else:
        fftool.save(fftool.load(path), again)
    (tensors, metadata), (new_tensors, new_metadata) = contents(path), contents(again)
    assert tensors.keys() == new_tensors.keys()
    assert all(np.array_equal(tensors[name], new_tensors[name]) for name in tensors)
    documents = [name for name in ("config", "resume") if name in metadata]
    assert metadata.keys() == new_metadata.keys()
    assert all(json.loads(new_metadata[name]) == json.loads(metadata[name]) for name in documents)
    if name != "positional":  # whose σ stands in the file as 20, and not as 20.0: version 0.1.0 kept integers
        assert again.read_bytes() == path.read_bytes()


def test_resumes_to_the_same_weights():
    photo = fftool.read_image(FORMAT1 / "photo.png")
    for progress in fftool.resume(photo, fftool.load_run(FORMAT1 / "unfinished.st")):
        pass
    assert (progress.epochs, progress.step, progress.done) == (4, 20, 1)
    weights = {name: tensor.numpy() for name, tensor in progress.network.state_dict().items()}
    check_same_weights(weights, FORMAT1 / "resumed.st")


def test_command_resumes_to_the_same_weights(run, tmp_path):
    for name in ("unfinished.st", "photo.png"):
        shutil.copy(FORMAT1 / name, tmp_path)
    done = run("train", "--resume", "unfinished.st", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 4
    check_same_weights(contents(tmp_path / "unfinished.st")[0], FORMAT1 / "resumed.st")
    assert fftool.describe(tmp_path / "unfinished.st").resume is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "unfinished.st"]
