"""Checkpoints from strangers: read, or refused in a line and with little memory; nothing is written where they say."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from functools import partial
from math import prod
from pathlib import Path

import checkpoints
import pytest
from conftest import FFTOOL, fails
from hypothesis import given, seed, settings

CONFTEST = Path(__file__).with_name("conftest.py")
MAX_MEMORY = 500_000_000  # bytes


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return checkpoints.originals(tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize("part", range(2))
def test_changed_checkpoints_are_read_or_refused(originals, tmp_path_factory, part):
    """`python -m tests.soak.checkpoints` does the same for longer."""
    signal, real = originals
    path = tmp_path_factory.mktemp("hostile") / "hostile.st"
    stages = set()

    @seed(part)
    @settings(max_examples=150, deadline=None, database=None)
    @given(checkpoints.hostile(real[part % 2 :]))
    def read(data):
        path.write_bytes(data)
        stages.add(checkpoints.attempt(path, signal))

    read()
    assert {"not described", "rendered and resumed"} <= stages


def with_header(change):
    def make(data):
        header, tensors = checkpoints.split(data)
        change(header)
        return checkpoints.join(json.dumps(header), tensors)

    return make


def with_settings(document="config", **changes):
    """Changes by their dotted names, with two underscores for a dot."""

    def change(header):
        settings = json.loads(header["__metadata__"][document])
        for name, value in changes.items():
            *parents, last = name.split("__")
            part = settings
            for parent in parents:
                part = part[parent]
            part[last] = value
        header["__metadata__"][document] = json.dumps(settings)

    return with_header(change)


def with_metadata(**changes):
    return with_header(lambda header: header["__metadata__"].update(changes))


def with_tensor(name, **changes):
    return with_header(lambda header: header[name].update(changes))


def with_more(*shapes):
    """More tensors, of zeros, among those that only an unfinished run has."""

    def make(data):
        header, tensors = checkpoints.split(data)
        for i, shape in enumerate(shapes):
            start, tensors = len(tensors), tensors + bytes(4 * prod(shape))
            header[f"resume.{i}"] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(tensors)]}
        return checkpoints.join(json.dumps(header), tensors)

    return make


def with_text(old, new):
    """Replacement within the text of the header."""

    def make(data):
        header, tensors = checkpoints.split(data)
        text = json.dumps(header)
        assert old in text
        return checkpoints.join(text.replace(old, new, 1), tensors)

    return make


def with_weight(value):
    return lambda data: data[:-4] + struct.pack("<f", value)


DAMAGED, INCONSISTENT = "not a whole safetensors file", "does not fit its own config"
INVALID, UNKNOWN = "has an invalid config", "has an unknown setting"

HOSTILE = {
    "header of terabytes": (lambda data: struct.pack("<Q", 2**42) + data[8:], "its header would have"),
    "header of megabytes": (lambda data: checkpoints.join(" " * 5_000_000, data), "its header would have"),
    "tensor of terabytes": (with_tensor("layers.0.bias", shape=[2**40], data_offsets=[0, 2**42]), DAMAGED),
    "tensor of another shape": (with_tensor("layers.1.weight", shape=[4, 9]), INCONSISTENT),
    "tensor of another dtype": (with_tensor("layers.0.bias", dtype="I32"), INCONSISTENT),
    "one tensor too many": (with_text('"layers.0.bias"', '"layers.9.bias"'), INCONSISTENT),
    "tensor twice": (with_text('"layers.1.bias"', '"layers.0.bias"'), "is there twice"),
    "tensor missing": (with_header(lambda header: header.pop("layers.2.weight")), DAMAGED),
    "negative offsets": (with_tensor("layers.0.bias", data_offsets=[-24, 0]), DAMAGED),
    "a billion layers": (with_settings(network__layers=10**9), "invalid number of hidden layers 1000000000"),
    "a billion units": (with_settings(network__hidden=10**9), "parameters"),
    "a billion frequencies": (with_settings(encoding__dimension=10**9), "parameters"),
    "a thousand axes": (with_settings(signal__axes=["y"] * 1000, signal__shape=[1] * 1000), "axes 1000"),
    "side of ten billions": (with_settings(signal__shape=[10**10, 1]), "signal shape 10000000000: expected at most"),
    "more digits than Python reads": (with_text('\\"hidden\\":6', '\\"hidden\\":1' + "0" * 9999), INVALID),
    "not a number": (with_settings(encoding__scale=float("nan")), INVALID),
    "text in place of a number": (with_settings(network__hidden="6"), INVALID),
    "not JSON": (with_metadata(config="{no"), INVALID),
    "deep JSON": (with_metadata(config='{"a":' * 100_000 + "1" + "}" * 100_000), UNKNOWN),
    "deep JSON in a setting": (with_metadata(config='{"signal":' * 100_000 + "1" + "}" * 100_000), UNKNOWN),
    "deep lists": (with_metadata(config="[" * 100_000 + "]" * 100_000), INVALID),
    "no config": (with_header(lambda header: header["__metadata__"].pop("config")), INVALID),
    "setting twice": (with_text('\\"hidden\\":6', '\\"hidden\\":6,\\"hidden\\":6'), "is there twice"),
    "unknown setting": (with_settings(network__colour=1), "colour"),
    "unknown metadata": (with_metadata(colour="red"), "has an unknown setting: colour"),
    "unknown setting with control characters": (with_settings(**{"\x1b[2J\n": 1}), r"\x1b[2J\n"),
    "newer format": (with_metadata(format_version="3"), "has checkpoint format 3, expected 1 or 2"),
    "newer format in words": (with_metadata(format_version="\x1b[31m" + "9" * 9999), r"format \x1b[31m999"),
    "weights that are not a number": (with_weight(float("nan")), "weights that are not finite"),
    "weights that are infinite": (with_weight(float("inf")), "weights that are not finite"),
}


def check_refused(done, seen, folder):
    """In an error and a hint, short and without control characters; nothing is written."""
    fails(done, 1, seen)
    assert all(character.isprintable() for line in done.stderr.splitlines() for character in line)
    assert len(done.stderr) < 1000
    assert sorted(path.name for path in folder.iterdir()) == ["a.st"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_checkpoint_is_refused(run, originals, tmp_path, name):
    make, seen = HOSTILE[name]
    (tmp_path / "a.st").write_bytes(make(originals[1][0]))
    check_refused(run("render" if "weights" in name else "info", "a.st"), seen, tmp_path)


with_state = partial(with_settings, "resume")
UNFIT = "its unfinished run does not fit its config"
UNFINISHED = {
    "step before the first": (with_state(position__step=-7), INVALID),
    "step that no run reaches": (with_state(position__step=10**99), INVALID),
    "epoch after the last": (with_state(position__epoch=10**9, position__cells=225, position__step=0), "impossible"),
    "loss beyond float32": (with_state(position__loss=1e39, position__over=True), INVALID),
    "more samples than there are": (with_state(position__cells=999), "inconsistent"),
    "nothing to roll back to": (with_text('\\"good\\"', '\\"goods\\"'), UNKNOWN),
    "tensor too large": (with_more((10_000,)), UNFIT),
    "tensor of no size at all": (with_more((0, 2**62)), UNFIT),
    "tensor of too many axes": (with_more((1,) * 65), UNFIT),
    "a thousand tensors": (with_more(*1000 * [(0,)]), UNFIT),
    "tensor of another name": (with_text('"resume.good.layers', '"resume.bad.layers'), UNFIT),
    "state that is not finite": (with_weight(float("nan")), "inconsistent"),
    "learning rate beyond float32": (with_settings(training__learning_rate=1e39), "invalid learning rate 1e+39"),
    "signal that is a device": (with_state(picture="/dev/null"), "no longer at /dev/null"),
    "signal with an endless path": (with_state(picture="/long" * 100_000), "/long/long"),
    "signal that is another file": (with_state(picture=str(CONFTEST)), "conftest.py"),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_hostile_unfinished_run_is_refused(run, originals, tmp_path, name):
    make, seen = UNFINISHED[name]
    (tmp_path / "a.st").write_bytes(make(originals[1][1]))
    check_refused(run("train", "--resume", "a.st"), seen, tmp_path)


# A process between: the peak of a child is at least its parent's at the start, and pytest has torch loaded.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open(sys.argv[1], "w").write(str(peak if sys.platform == "darwin" else 1024 * peak))
sys.exit(code)
"""


@pytest.fixture
def measured(tmp_path):
    """A function: result of a command in a process of its own, and the most memory that it took, in bytes."""
    pytest.importorskip("resource")
    peak = tmp_path / "peak"

    def run(*arguments):
        command = [sys.executable, "-c", MEASURED, peak, FFTOOL, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        memory = int(peak.read_text())
        peak.unlink()
        return done, memory

    return run


@pytest.mark.parametrize(
    "name", ["header of terabytes", "header of megabytes", "tensor of terabytes", "deep JSON", "a billion units"]
)
def test_hostile_checkpoint_takes_little_memory(measured, originals, tmp_path, name):
    make, seen = HOSTILE[name]
    (tmp_path / "a.st").write_bytes(make(originals[1][0]))
    done, memory = measured("info", "a.st")
    check_refused(done, seen, tmp_path)
    assert memory < MAX_MEMORY / 5  # torch is not loaded


def test_hostile_unfinished_run_takes_little_memory(measured, originals, tmp_path):
    make, seen = UNFINISHED["state that is not finite"]
    (tmp_path / "a.st").write_bytes(make(originals[1][1]))
    done, memory = measured("train", "--resume", "a.st")
    check_refused(done, seen, tmp_path)
    assert memory < MAX_MEMORY


def test_terabytes_in_a_sparse_file_are_not_read(measured, originals, tmp_path):
    """A hole in a file takes no disk."""
    header, tensors = checkpoints.split(originals[1][1])
    end = len(tensors) + 2**40
    header["resume.more"] = {"dtype": "F32", "shape": [2**38], "data_offsets": [len(tensors), end]}
    (tmp_path / "a.st").write_bytes(checkpoints.join(json.dumps(header), tensors))
    os.truncate(tmp_path / "a.st", (tmp_path / "a.st").stat().st_size + 2**40)
    done, memory = measured("train", "--resume", "a.st")
    fails(done, 1, UNFIT)
    assert memory < MAX_MEMORY


@pytest.mark.parametrize("source", ["../../evil.png", "/tmp/evil.png", "\x1b[31m[red]\nevil\0.png", "a" * 100_000])
def test_source_is_shown_and_never_written_to(run, originals, tmp_path, source):
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "a.st").write_bytes(with_settings(signal__source=source)(originals[1][0]))
    done = run("info", "a.st", cwd=folder)
    assert done.returncode == 0
    assert all(character.isprintable() for line in done.stdout.splitlines() for character in line)
    assert source[:50].encode("unicode_escape").decode() in done.stdout
    assert run("render", "a.st", cwd=folder).returncode == 0
    assert run("train", checkpoints.MUSHROOM, "--resume", "a.st", "--epochs", 3, cwd=folder).returncode == 0
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a-15x15.png", "a.st"]


@pytest.mark.parametrize("name", ["axes", "medium"])
@pytest.mark.parametrize(
    "command",
    [
        ("render", "a.st"),
        ("compare", checkpoints.MUSHROOM, "a.st"),
        ("encode-viz", "--model", "a.st"),
        ("train", checkpoints.MUSHROOM, "--resume", "a.st", "--epochs", 3),
    ],
    ids=lambda command: command[0],
)
def test_names_of_any_length_fit_into_an_error(run, originals, tmp_path, command, name):
    """Of axes and media, which any config may hold."""
    settings = {"axes": {"signal__axes": ["a" * 50_000, "x"]}, "medium": {"signal__medium": "m" * 50_000}}[name]
    data = with_metadata(format_version="2")(with_settings(**settings)(originals[1][0]))
    (tmp_path / "a.st").write_bytes(data)
    done = run(*command)
    if (command[0], name) == ("compare", "medium"):  # it is compared by its axes
        assert done.returncode == 0
    else:
        check_refused(done, "mmm" if name == "medium" else "aaa", tmp_path)


def test_largest_trained_size_is_not_rendered_unasked(run, originals, tmp_path):
    (tmp_path / "a.st").write_bytes(with_settings(signal__shape=[2**31 - 1, 2**31 - 1])(originals[1][0]))
    done = run("render", "a.st")
    fails(done, done.returncode)
    assert done.returncode in (1, 2)
    assert run("render", "a.st", "--size", "8x8").returncode == 0


def test_extreme_frequency_is_rendered(run, originals, tmp_path):
    header, tensors = checkpoints.split(originals[1][0])
    assert header["encoding.B"]["data_offsets"][0] == 0
    (tmp_path / "a.st").write_bytes(checkpoints.join(json.dumps(header), struct.pack("<f", -3e38) + tensors[4:]))
    for command in (("render", "a.st"), ("encode-viz", "--model", "a.st")):
        done = run(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
