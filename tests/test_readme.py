"""The README's promises: its code runs, its links lead somewhere, and its help is the commands' own."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

import fftool
from fftool.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LINKS = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
HELP = dict(re.findall(r"```\n\$ fftool (\S+) --help\n(.*?)```", README, re.DOTALL))
COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("path", LINKS)
def test_links_lead_to_files(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("kind", ["model_path", "tiled_model_path"])
def test_numpy_alone_reads_a_checkpoint(kind, request, tmp_path, monkeypatch):
    """Its float64 image is that of fftool, except for a rounding that may fall to the other side of a half."""
    model_path = request.getfixturevalue(kind)
    (reader,) = [code for code in CODE if "safe_open" in code]
    assert "torch" not in reader
    monkeypatch.chdir(tmp_path)
    shutil.copy(model_path, "model.st")
    names = {}
    exec(reader, names)
    image, expected = names["picture"], fftool.render(fftool.load("model.st"))
    assert image.dtype == expected.dtype
    difference = np.abs(image.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_library_example_runs(photo_path, tmp_path, monkeypatch):
    (example,) = [code for code in CODE if "fftool.fit" in code]
    monkeypatch.chdir(tmp_path)
    shutil.copy(photo_path, "photo.jpg")
    exec(example.replace("(2000, 3000)", "(20, 30)"), {})
    assert fftool.read_image("large.png").shape == (20, 30)
    run, network = fftool.load_run("run.st"), fftool.load("model.st")
    assert network.result.epochs == 10
    np.testing.assert_array_equal(fftool.render(run.network), fftool.render(network))


def test_exports_load_as_shown(run, model_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = fftool.load(model_path)
    for library in ("onnxruntime", "np.load"):
        (example,) = [code for code in CODE if library in code]
        file = re.search(r"model\.\w+", example)[0]
        assert run("export", model_path, "-o", file).returncode == 0
        names = {}
        exec(example, names)
        assert names["config"]["version"] == fftool.__version__
        if library == "onnxruntime":
            expected = network(torch.from_numpy(names["coordinates"])).detach().numpy()
            np.testing.assert_allclose(names["values"], expected, atol=1e-5)
        else:
            np.testing.assert_array_equal(names["B"], network.B)


def test_every_command_has_its_help():
    assert list(HELP) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_help_of_its_command(name):
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("-")]
    assert "--json" in options or name == "worker"  # which has no result
    for option in options:
        assert re.search(rf"^│ .*(?<!\S){option}(?!\S)", HELP[name], re.MULTILINE), option


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_that_of_the_command(run, name):
    """If this fails, run `make readme`."""
    shown = "\n".join(line.rstrip() for line in run(name, "--help").stdout.splitlines()).strip("\n")
    assert HELP[name] == f"{shown}\n"


def test_makefile_commands_are_documented():
    """Every target that the README and CONTRIBUTING.md name is one of the Makefile's."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^    )make ([a-z]+)", README + (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(named) <= targets
