"""Checkpoints changed in every way, made from real ones: for the tests, and for `tests.soak.checkpoints`."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from hypothesis import strategies as st
from typer.testing import CliRunner

import fftool
from fftool import EncodingConfig, FFToolError, NetworkConfig, Run, Signal, TrainingConfig
from fftool.cli import app
from fftool.cli.errors import hint
from fftool.errors import SettingError

MUSHROOM = Path(__file__).parent.parent / "examples" / "mushroom.png"
DOCUMENTS = ("config", "resume")  # JSON documents in the metadata
DEEP = "\0deep"  # stands for a value nested deeper than any stack
TEXTS = (
    "",
    "x",
    "../../etc/passwd",
    "/dev/full",
    "\x1b[31m\n\r\0",
    "[red]{x}%s",
    "a" * 5000,
    "\ud800",
    "F64",
    "resume.\x1b[2J",
    DEEP,
)
COUNTS = (-1, 0, 1, 2, 3, 255, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**9, -(10**18), 10**4000)
NUMBERS = (-0.0, 1e-320, 0.5, 1e38, 1e308, float("nan"), float("inf"), -float("inf"))
ODD = (None, True, [], {}, [[]], {"a": {}}, [1, 2, 3], [-1], *TEXTS, *COUNTS, *NUMBERS)
WEIGHTS = (float("nan"), float("inf"), -float("inf"), 1e38, -3e38, 1e-45, 0.0)
DTYPES = ("float16", "float64", "int8", "int32", "uint16", "bool")
SHAPES = ((), (0,), (0, 2**40), (1,), (6,), (1, 1, 1), (6, 6), (6, 8), (2, 1000), (1,) * 64)
NAMES = ("", "encoding.B", "layers.3.weight", "resume.x", "resume.good.x", "resume.optimizer.x", "resume.\x1b[2J")
MAX_MESSAGE = 600  # characters of an error, beside the path: more than any needs


def originals(folder: Path) -> tuple[Signal, list[bytes]]:
    """An image, and the checkpoints of a finished and of two unfinished trainings on it."""
    signal, path = fftool.read_image(MUSHROOM), folder / "original.st"

    def course(**settings: Any) -> Iterator[fftool.Progress]:
        training = TrainingConfig(epochs=2, batch_size=50, precision="float32", device="cpu", **settings)
        return fftool.fit(signal, EncodingConfig(scale=2.0, dimension=4), NetworkConfig(hidden=6), training)

    def unfinished(steps: int, **settings: Any) -> bytes:
        *_, progress = islice(course(**settings), steps)
        fftool.save_run(without_times(progress.snapshot()), path, str(MUSHROOM))
        return path.read_bytes()

    *_, progress = course()
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, path)
    finished = path.read_bytes()
    second_epoch = unfinished(7)
    first_epoch = unfinished(3, optimizer="adam", holdout=0.2, seconds=60.0, schedule="constant")
    return signal, [finished, second_epoch, first_epoch]


def without_times(run: Run) -> Run:
    """The run as if it had taken no time, so that the same seed always gives the same files."""
    assert run.rollback
    position, earlier = (replace(at, seconds=0.0, scale_seconds=0.0) for at in (run.position, run.rollback.position))
    return replace(run, position=position, rollback=replace(run.rollback, position=earlier))


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header of a checkpoint, and its tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def join(header: str, tensors: bytes) -> bytes:
    """Checkpoint with that header and those tensors."""
    encoded = header.encode()
    return struct.pack("<Q", len(encoded)) + encoded + tensors


def to_json(document: Any) -> str:
    """JSON, also of values that JSON does not have."""
    return json.dumps(document).replace(json.dumps(DEEP), "[" * 10_000 + "]" * 10_000)


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Each dictionary or list within a document, with each of its keys or indices."""
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else []
    for key in keys:
        yield document, key
        yield from places(document[key])


def odd(value: Any) -> st.SearchStrategy[Any]:
    """Values to put in place of another: often of its own type, so that not only the type is odd."""
    alike = TEXTS if isinstance(value, str) else ODD if isinstance(value, dict | list) else (*COUNTS, *NUMBERS)
    return st.sampled_from(alike) | st.sampled_from(ODD)


@st.composite
def changed(draw: Callable[..., Any], document: Any) -> str:
    """JSON document in which one to three values were changed, removed, added, or named twice."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        part, key = draw(st.sampled_from(found)) if found else (document, None)
        match draw(st.sampled_from(("odd", "odd", "other", "removed", "more"))):
            case "odd":
                part[key] = copy.deepcopy(draw(odd(part[key] if found else None)))
            case "other" if key is not None:
                other, name = draw(st.sampled_from(found))
                part[key] = copy.deepcopy(other[name])
            case "removed" if key is not None:
                del part[key]
            case _ if isinstance(part, dict):
                part[draw(st.sampled_from(TEXTS))] = copy.deepcopy(draw(st.sampled_from(ODD)))
    whole = to_json(document)
    if isinstance(document, dict) and document and draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(list(document)))
        whole = f"{{{json.dumps(name)}: {to_json(document[name])}, {whole[1:]}"
    return whole


@st.composite
def with_other_header(draw: Callable[..., Any], data: bytes) -> bytes:
    header, tensors = split(data)
    return join(draw(changed(header)), tensors)


@st.composite
def with_other_documents(draw: Callable[..., Any], data: bytes) -> bytes:
    header, tensors = split(data)
    metadata = header["__metadata__"]
    name = draw(st.sampled_from([name for name in DOCUMENTS if name in metadata]))
    metadata[name] = draw(changed(json.loads(metadata[name])))
    return join(json.dumps(header), tensors)


@st.composite
def with_other_weights(draw: Callable[..., Any], data: bytes) -> bytes:
    header, tensors = split(data)
    changed = bytearray(tensors)
    for _ in range(draw(st.integers(1, 3))):
        struct.pack_into("<f", changed, 4 * draw(st.integers(0, len(tensors) // 4 - 1)), draw(st.sampled_from(WEIGHTS)))
    return join(json.dumps(header), bytes(changed))


@st.composite
def with_other_tensors(draw: Callable[..., Any], data: bytes) -> bytes:
    """Whole file in which one tensor has another dtype, shape or name, or is there twice or not at all."""
    header, _ = split(data)
    tensors = safetensors.numpy.load(data)
    name = draw(st.sampled_from(sorted(tensors)))
    tensor = tensors.pop(name)
    match draw(st.sampled_from(("dtype", "shape", "name", "twice", "missing"))):
        case "dtype":
            tensors[name] = np.ones(tensor.shape, draw(st.sampled_from(DTYPES)))
        case "shape":
            tensors[name] = np.ones(draw(st.sampled_from(SHAPES)), tensor.dtype)
        case "name":
            tensors[draw(st.sampled_from(NAMES))] = tensor
        case "twice":
            tensors |= {name: tensor, draw(st.sampled_from(NAMES)): tensor}
    entries, changed = split(safetensors.numpy.save(tensors))
    return join(json.dumps({"__metadata__": header["__metadata__"]} | entries), changed)


@st.composite
def with_other_bytes(draw: Callable[..., Any], data: bytes) -> bytes:
    """Flipped bits, cuts, insertions and repetitions, most of them in the header, and another length of the header."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, draw(st.sampled_from((8, 64, max(len(data) - 1, 0))))))
        some = draw(st.binary(min_size=1, max_size=9))
        length = struct.pack("<Q", draw(st.sampled_from((0, 1, 2**22, 2**22 + 1, 2**32, 2**63, 2**64 - 1))))
        end = at + draw(st.integers(1, 64))
        data = draw(
            st.sampled_from(
                (
                    data[:at] + some + data[at + len(some) :],
                    data[:at] + some + data[at:],
                    data[:at] + data[end:],
                    data[:end] + data[at:],
                    data[:at],
                    length + data[8:],
                )
            )
        )
    return data


def hostile(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    """Files that a stranger may send, made from real checkpoints."""
    once = with_other_bytes, with_other_header, with_other_weights, with_other_tensors
    ways = *once, with_other_documents, with_other_documents
    return st.one_of(*(way(data) for data in originals for way in ways))


def attempt(path: Path, signal: Signal) -> str:
    """Do everything that can be done with a checkpoint; returns how far that went.

    Raises AssertionError where a command fails. Any exception but FFToolError is a defect, and goes to the caller.
    """
    stage, threads = "not described", torch.get_num_threads()
    try:
        fftool.describe(path)
        for options in ([], ["--json"]):
            shown = CliRunner().invoke(app, ["info", str(path), *options], catch_exceptions=False)
            assert shown.exit_code == 0
            assert all(line.isprintable() for line in shown.output.splitlines())
        stage = "not rendered"
        network = fftool.load(path)
        if len(network.config.signal.axes) == 2:  # else a grid of 8×8 does not fit it
            assert fftool.render(network, (8, 8)).shape[:2] == (8, 8)
        stage = "rendered, and not resumed"
        for _ in islice(fftool.resume(signal, fftool.load_run(path)), 2):  # the state that it resumes from, and a step
            pass
    except FFToolError as error:
        assert not isinstance(error, SettingError), f"the command line has no part in this: {error}"
        assert hint(error)
        assert len(str(error)) < len(str(path)) + MAX_MESSAGE
        return stage
    finally:
        torch.set_num_threads(threads)
    return "rendered and resumed"
