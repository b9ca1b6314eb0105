"""Checkpoints from strangers: read, or refused in a line, without much memory; nothing is written where they say."""

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
from conftest import FFTOOL
from hypothesis import given, settings

CONFTEST = Path(__file__).with_name("conftest.py")
LITTLE = 500_000_000  # bytes of memory


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return checkpoints.originals(tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize("part", range(4))
def test_whatever_is_changed_it_is_read_or_refused(originals, tmp_path_factory, part):
    """`python -m tests.soak.checkpoints` does the same for longer."""
    signal, real = originals
    path = tmp_path_factory.mktemp("hostile") / "hostile.st"
    stages = set()

    @settings(max_examples=150, derandomize=True, deadline=None, database=None)
    @given(checkpoints.hostile(real[part % 2 :]))
    def read(data):
        path.write_bytes(data)
        stages.add(checkpoints.attempt(path, signal))

    read()
    assert {"not described", "drawn and resumed"} <= stages


def with_header(change):
    def made(data):
        header, tensors = checkpoints.parts(data)
        change(header)
        return checkpoints.checkpoint(json.dumps(header), tensors)

    return made


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
    """More tensors, of zeros, among those that only an unfinished run holds."""

    def made(data):
        header, tensors = checkpoints.parts(data)
        for i, shape in enumerate(shapes):
            start, tensors = len(tensors), tensors + bytes(4 * prod(shape))
            header[f"resume.{i}"] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(tensors)]}
        return checkpoints.checkpoint(json.dumps(header), tensors)

    return made


def with_text(old, new):
    """Of the header, as it is written."""

    def made(data):
        header, tensors = checkpoints.parts(data)
        text = json.dumps(header)
        assert old in text
        return checkpoints.checkpoint(text.replace(old, new, 1), tensors)

    return made


def with_weight(value):
    return lambda data: data[:-4] + struct.pack("<f", value)


HOSTILE = {
    "a header of terabytes": (lambda data: struct.pack("<Q", 2**42) + data[8:], "its header would have"),
    "a header of megabytes": (lambda data: checkpoints.checkpoint(" " * 5_000_000, data), "its header would have"),
    "a tensor of terabytes": (with_tensor("layers.0.bias", shape=[2**40], data_offsets=[0, 2**42]), "not a whole"),
    "a tensor of other shape": (with_tensor("layers.1.weight", shape=[4, 9]), "does not fit its own config"),
    "a tensor of other numbers": (with_tensor("layers.0.bias", dtype="I32"), "does not fit its own config"),
    "a tensor too many": (with_text('"layers.0.bias"', '"layers.9.bias"'), "does not fit its own config"),
    "a tensor twice": (with_text('"layers.1.bias"', '"layers.0.bias"'), "is named twice"),
    "a tensor that is missing": (with_header(lambda header: header.pop("layers.2.weight")), "not a whole"),
    "negative offsets": (with_tensor("layers.0.bias", data_offsets=[-24, 0]), "not a whole"),
    "a billion layers": (with_settings(network__layers=10**9), "1000000000 hidden layers"),
    "a billion units": (with_settings(network__hidden=10**9), "parameters"),
    "a billion frequencies": (with_settings(encoding__dimension=10**9), "parameters"),
    "a thousand axes": (with_settings(signal__axes=["y"] * 1000, signal__shape=[1] * 1000), "1000 axes"),
    "a side of a billion": (with_settings(signal__shape=[10**10, 1]), "every size is a number"),
    "more digits than Python reads": (with_text('\\"hidden\\":6', '\\"hidden\\":1' + "0" * 9999), "makes no sense"),
    "no number": (with_settings(encoding__scale=float("nan")), "makes no sense"),
    "text for a number": (with_settings(network__hidden="6"), "makes no sense"),
    "no JSON": (with_metadata(config="{no"), "makes no sense"),
    "JSON that is deep": (with_metadata(config='{"a":' * 100_000 + "1" + "}" * 100_000), "makes no sense"),
    "no config": (with_header(lambda header: header["__metadata__"].pop("config")), "makes no sense"),
    "a setting twice": (with_text('\\"hidden\\":6', '\\"hidden\\":6,\\"hidden\\":6'), "is named twice"),
    "an unknown setting": (with_settings(network__colour=1), "does not know: colour"),
    "unknown metadata": (with_metadata(colour="red"), "does not know: colour"),
    "an unknown setting with control characters": (with_settings(**{"\x1b[2J\n": 1}), r"does not know: \x1b[2J\n"),
    "a newer format": (with_metadata(format_version="2"), "this fftool reads format 1"),
    "a newer format in words": (with_metadata(format_version="\x1b[31m" + "9" * 9999), r"format \x1b[31m999"),
    "weights that are no numbers": (with_weight(float("nan")), "not finite"),
    "weights that are infinite": (with_weight(float("inf")), "not finite"),
}


# A process between: the peak of a child is at least that of the one which starts it, and this one has torch loaded.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open(sys.argv[1], "w").write(str(peak if sys.platform == "darwin" else 1024 * peak))
sys.exit(code)
"""


def measured(folder, *arguments):
    """A command's exit code, what it said, and the most memory that it had, in bytes."""
    peak = folder / "peak"
    command = [sys.executable, "-c", MEASURED, peak, FFTOOL, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    memory = int(peak.read_text())
    peak.unlink()
    return done.returncode, done.stdout, done.stderr, memory


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_in_a_line_with_little_memory(originals, tmp_path, name):
    make, seen = HOSTILE[name]
    (tmp_path / "a.st").write_bytes(make(originals[1][0]))
    command = "render" if "weights" in name else "info"
    code, out, err, memory = measured(tmp_path, command, "a.st")
    assert (code, out) == (1, "")
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]
    assert seen in err
    assert all(character.isprintable() for line in err.splitlines() for character in line)
    assert len(err) < 1000
    assert memory < LITTLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.st"]


with_state = partial(with_settings, "resume")
UNFINISHED = {
    "a step before the first": (with_state(position__step=-7), "makes no sense"),
    "a step that nobody reaches": (with_state(position__step=10**99), "makes no sense"),
    "an epoch after the last": (
        with_state(position__epoch=10**9, position__cells=225, position__step=0),
        "cannot stand",
    ),
    "a loss beyond float32": (with_state(position__loss=1e39, position__over=True), "makes no sense"),
    "more pixels than there are": (with_state(position__cells=999), "contradicts itself"),
    "no place to go back to": (with_text('\\"good\\"', '\\"goods\\"'), "makes no sense"),
    "a tensor too large": (with_more((10_000,)), "holds more than it takes to go on"),
    "a tensor of no size at all": (with_more((0, 2**62)), "holds more than it takes to go on"),
    "a tensor of too many axes": (with_more((1,) * 65), "holds more than it takes to go on"),
    "a thousand tensors": (with_more(*1000 * [(0,)]), "holds more than it takes to go on"),
    "a tensor of another name": (with_text('"resume.good.layers', '"resume.bad.layers'), "contradicts itself"),
    "numbers that are not finite": (with_weight(float("nan")), "contradicts itself"),
    "a learning rate beyond float32": (with_settings(training__learning_rate=1e39), "learning rate is 1e+39"),
    "a picture that is none": (with_state(picture="/dev/null"), "is not at /dev/null any more"),
    "a picture without end": (with_state(picture="/long" * 100_000), "/long/long"),
    "a picture that is another file": (with_state(picture=str(CONFTEST)), "is not a picture of a known format"),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_cannot_go_on_is_refused_in_a_line(originals, tmp_path, name):
    make, seen = UNFINISHED[name]
    (tmp_path / "a.st").write_bytes(make(originals[1][1]))
    code, out, err, memory = measured(tmp_path, "train", "--resume", "a.st")
    assert (code, out) == (1, "")
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]
    assert seen in err
    assert len(err) < 1000
    assert memory < LITTLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.st"]


def test_terabytes_that_are_there_are_not_read(originals, tmp_path):
    """A hole in a file takes no disk."""
    header, tensors = checkpoints.parts(originals[1][1])
    end = len(tensors) + 2**40
    header["resume.more"] = {"dtype": "F32", "shape": [2**38], "data_offsets": [len(tensors), end]}
    (tmp_path / "a.st").write_bytes(checkpoints.checkpoint(json.dumps(header), tensors))
    os.truncate(tmp_path / "a.st", (tmp_path / "a.st").stat().st_size + 2**40)
    code, out, err, memory = measured(tmp_path, "train", "--resume", "a.st")
    assert (code, out) == (1, "")
    assert "holds more than it takes to go on" in err
    assert memory < LITTLE


@pytest.mark.parametrize("source", ["../../evil.png", "/tmp/evil.png", "\x1b[31m[red]\nevil\0.png", "a" * 100_000])
def test_the_name_of_a_source_is_shown_and_never_written_to(run, originals, tmp_path, source):
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


def test_a_picture_larger_than_any_is_not_drawn_unasked(run, originals, tmp_path):
    (tmp_path / "a.st").write_bytes(with_settings(signal__shape=[2**31 - 1, 2**31 - 1])(originals[1][0]))
    done = run("render", "a.st")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert run("render", "a.st", "--size", "8x8").returncode == 0


def test_a_frequency_without_measure_is_drawn(run, originals, tmp_path):
    header, tensors = checkpoints.parts(originals[1][0])
    assert header["encoding.B"]["data_offsets"][0] == 0
    (tmp_path / "a.st").write_bytes(checkpoints.checkpoint(json.dumps(header), struct.pack("<f", -3e38) + tensors[4:]))
    for command in (("render", "a.st"), ("encode-viz", "--model", "a.st")):
        done = run(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
