"""Errors carry facts, and the command line adds hints: every error has one, and it names only options that exist."""

import errno
import inspect
import re
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import typer
from conftest import fails
from test_checkpoint import rewrite

import fftool
from fftool import errors
from fftool.cli import app
from fftool.cli.errors import HINTS, CommandError, UsageError, as_fftool_error, exit_code, hint

PACKAGE = Path(fftool.__file__).parent
COMMANDS = typer.main.get_command(app).commands
OPTION = r"(?<![\w-])--?[a-z][a-z-]*\b"
OPTIONS = {option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts}
OPTIONS |= {"--help", "--version"}

# An error of each kind, as the library raises them.
EXAMPLES = [
    errors.SettingError("scale", -1, "a positive number"),
    errors.SignalError("samples are float64: expected uint8 or uint16"),
    errors.HoldoutError((1, 1), "2 samples or more"),
    errors.SignalMismatchError("photo.png", "channels 4, expected 3"),
    errors.DeviceError("cuda"),
    *(errors.OutOfMemoryError(work) for work in get_args(errors.Work)),
    errors.SizeError(10**12),
    errors.NetworkError("layers.0.bias", "missing", "a tensor"),
    errors.DivergenceError(3, 0.05),
    errors.NonFiniteError("the network's values"),
    errors.UnfinishedRunError("the position is inconsistent"),
    errors.PackageError("work on several processes takes distributed", "distributed", "cluster"),
    errors.ClusterError("tcp://127.0.0.1:8786", "is gone"),
    errors.WorkerError("the workers died"),
    errors.VersionMismatchError("tcp://127.0.0.1:1", "fftool 0.0.9", "fftool 0.1.0"),
    errors.WorkerFileError("a.png", "not found on a worker"),
    errors.ReadError("a.png", "no such file"),
    errors.EmptyFolderError("folder", "holds no image"),
    errors.PipeError("-", "is empty, expected a file"),
    errors.UrlError("https://a.org/a.png"),
    errors.WriteError("a.png", "permission denied"),
    errors.DiskFullError("a.png", "could not be written"),
    errors.FileLockedError("a.st", "is being written"),
    errors.SameFileError("a.png", "is an input"),
    errors.ForeignFileError("folder", "holds a.png"),
    errors.DifferentRunError("a.st", "was trained with other settings: epochs 3, expected 4"),
    errors.UnknownFormatError("a.txt", "not an image of a known format"),
    errors.DamagedFileError("a.png", "damaged"),
    errors.UnsupportedFileError("a.gif", "holds 3 images"),
    errors.MissingPackageError("a.heic", "needs the package pillow-heif", "pillow-heif"),
    errors.LargeFileError("a.png", "too large"),
    errors.OpenMeshError("a.stl", 3),
    *(
        errors.FormatError(limit, "JPEG holds 8 bits per channel, not 16")
        for limit in get_args(inspect.signature(errors.FormatError, eval_str=True).parameters["limit"].annotation)
    ),
    errors.FormatPackageError("OpenEXR takes the package OpenEXR to write", "OpenEXR"),
    errors.ExportError("a shader holds one network, and this one has 96 tiles"),
    errors.NotACheckpointError("a.st", "not a whole safetensors file"),
    errors.NewerCheckpointError("a.st", "has checkpoint format 3"),
    errors.InconsistentCheckpointError("a.st", "has an invalid config"),
    errors.UnsuitableCheckpointError("a.st", "was trained on 3 channels"),
]
# Bases of others, which nothing raises.
BASES = {errors.FFToolError, errors.FileError, errors.MediaError, errors.CheckpointError}


def subclasses(kind):
    return {kind, *(found for child in kind.__subclasses__() for found in subclasses(child))}


ALL = {kind for kind in subclasses(errors.FFToolError) if kind.__module__ == "fftool.errors"}


def test_there_is_an_example_of_every_error():
    assert {type(error) for error in EXAMPLES} == ALL - BASES
    for path in PACKAGE.rglob("*.py"):
        raised = re.findall(r"raise (?:errors\.)?(\w+)\(", path.read_text())
        assert not {base.__name__ for base in BASES - {errors.FFToolError}} & set(raised), path


@pytest.mark.parametrize("kind", sorted(ALL - BASES, key=str), ids=lambda kind: kind.__name__)
def test_every_error_has_a_hint_of_its_own_or_of_its_kind(kind):
    """The entry for all errors is for those of later plug-ins alone."""
    first = next(entry for entry in HINTS if issubclass(kind, entry))
    assert first is not errors.FFToolError


def test_no_hint_is_hidden_by_one_for_a_more_general_error():
    for kind in HINTS:
        assert next(entry for entry in HINTS if issubclass(kind, entry)) is kind


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_hints_are_lines_with_options_that_exist(monkeypatch, command):
    monkeypatch.setattr(sys, "argv", ["fftool", *command, "x"])
    for error in EXAMPLES:
        text = hint(error)
        assert text
        assert text == text.strip()
        assert "\n" not in text
        assert set(re.findall(OPTION, text)) <= OPTIONS, text


def test_the_command_line_names_only_options_that_exist():
    """In messages, help texts and docstrings. tests/test_layers.py sees to it that the library names none."""
    sources = "".join(path.read_text("utf-8") for path in (PACKAGE / "cli").glob("*.py"))
    found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*\b", sources))
    assert "--overwrite" in found
    assert found <= OPTIONS


@pytest.fixture
def problems(photo, photo_path, model_path, tmp_path):
    """Calls of the library that fail, by a part of their message."""
    (tmp_path / "text.png").write_text("not an image")
    rewrite(model_path, tmp_path / "new.st", format_version="3")
    network = fftool.load(model_path)
    small = fftool.Signal(photo.samples[:1, :1])

    def fit(signal=photo, **settings):
        return list(fftool.fit(signal, training=fftool.TrainingConfig(epochs=1, **settings)))

    return {
        "invalid scale -1: expected a positive number": lambda: fftool.EncodingConfig(scale=-1),
        "invalid scale (1, 2, 3): expected one number": lambda: list(
            fftool.fit(photo, fftool.EncodingConfig(scale=(1, 2, 3)))
        ),
        "invalid device 'gpu': expected one of auto": lambda: fftool.TrainingConfig(device="gpu"),
        "the loss is not finite": lambda: fit(learning_rate=1e30),
        "too small to hold samples out": lambda: fit(small, holdout=0.5),
        "gone.png: no such file": lambda: fftool.read_image(tmp_path / "gone.png"),
        "text.png: not an image of a known format": lambda: fftool.read_image(tmp_path / "text.png"),
        "text.png: not a whole safetensors file": lambda: fftool.load(tmp_path / "text.png"),
        "new.st: has checkpoint format 3": lambda: fftool.load(tmp_path / "new.st"),
        "could not be written: Is a directory": lambda: fftool.save(network, tmp_path),
        "a.xyz: no suffix of a known image format": lambda: fftool.write_image(tmp_path / "a.xyz", photo.samples),
        "JPEG holds 8 bits per channel, not 16": lambda: fftool.write_image(
            tmp_path / "a.jpg", photo.samples.astype(np.uint16)
        ),
        "samples are float32": lambda: fftool.write_image(tmp_path / "a.png", photo.samples.astype(np.float32)),
        "invalid bit depth 12: expected 8, 16 or 32": lambda: fftool.render(network, bits=12),
        "invalid shape": lambda: fftool.render(network, (0, 5)),
        "do not fit in memory": lambda: fftool.render(network, (10**9, 10**9)),
        "is not the signal that the run was trained on": lambda: list(
            fftool.resume(small, fftool.load_run(model_path))
        ),
    }


def test_errors_of_the_library_name_no_options(problems):
    for problem, call in problems.items():
        with pytest.raises(errors.FFToolError) as caught:
            call()
        message = str(caught.value)
        assert problem in message
        assert "\n" not in message
        assert not re.search(r"(?<![\w-])-", message.replace("invalid scale -1", "")), message
        assert "fftool" not in message or "fftool.quantize" in message


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("decoder error -2"), "decoder error -2"),
        (OSError(), "OSError"),
        (OSError(errno.ENOSPC, "No space left on device"), "standard output: No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "a.png"), "a.png: Permission denied"),
        (PermissionError(errno.EACCES, "Permission denied", "a.png", None, "b.png"), "a.png: Permission denied"),
        (UnicodeError("no letter"), None),
        (MemoryError(), "not enough memory for fftool"),
    ],
    ids=repr,
)
def test_errors_of_the_system_become_a_line(error, text):
    if text is None:
        with pytest.raises(type(error)):
            as_fftool_error(error)
        return
    found = as_fftool_error(error)
    assert (str(found), exit_code(found)) == (text, 1)
    assert "None" not in str(found) + hint(found)


def test_errors_of_fftool_stay_as_they_are():
    for error in EXAMPLES:
        assert as_fftool_error(error) is error


def test_exit_codes():
    """2 where the request itself is wrong, and 1 for any other problem."""
    assert {type(error) for error in EXAMPLES if exit_code(error) == 2} == {errors.SettingError}
    assert {exit_code(error) for error in EXAMPLES} == {1, 2}
    assert (exit_code(CommandError("a", "b")), exit_code(UsageError("a", "b"))) == (1, 2)


@pytest.mark.parametrize(
    ("error", "text"), [(OSError("the disk is gone"), "the disk is gone"), (OSError(), "OSError")], ids=repr
)
def test_command_reports_an_error_without_a_number(run, model_path, monkeypatch, error, text):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(sys.modules["fftool.cli.info"], "describe", fail)
    fails(run("info", model_path), 1, f"error: {text}\nhint: ")


def test_list_of_failures_has_an_error_without_a_number(run, model_path, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("the disk is gone")

    (tmp_path / "a.st").write_bytes(model_path.read_bytes())
    monkeypatch.setattr(sys.modules["fftool.cli.render"], "load", fail)
    done = run("render", model_path, "a.st")
    assert done.returncode == 1
    assert len(re.findall(r"\.st +the disk is gone$", done.stderr, re.MULTILINE)) == 2
