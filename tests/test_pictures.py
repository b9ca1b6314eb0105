"""Pictures of every kind: each as a viewer would show it, or refused in one line, by the library and by the command."""

from __future__ import annotations

import json
import re

import numpy as np
import pictures
import pytest
from conftest import TINY

import fftool
from fftool import FFToolError, read_image

WHOLE = list(pictures.whole())
REFUSED = list(pictures.refused())
BROKEN = dict(pictures.broken(flips=8))


@pytest.mark.parametrize("picture", WHOLE, ids=[picture.name for picture in WHOLE])
def test_a_picture_is_read_as_it_is_shown(tmp_path, capfd, picture):
    (tmp_path / picture.name).write_bytes(picture.data)
    samples = read_image(tmp_path / picture.name).samples
    assert (samples.shape, samples.dtype) == (picture.samples.shape, picture.samples.dtype)
    assert np.abs(samples.astype(int) - picture.samples).max() <= picture.tolerance
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "data", "seen"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_what_is_no_single_picture_is_refused(tmp_path, capfd, name, data, seen):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FFToolError, match=rf"/{re.escape(name)} .*{seen}"):
        read_image(tmp_path / name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [name for name in BROKEN if "-cut-" in name])
def test_what_is_cut_short_is_refused(tmp_path, capfd, name):
    """Rather than shown with a part of it grey or black."""
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(FFToolError, match=rf"/{re.escape(name)} is (damaged|empty|not a picture)"):
        read_image(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_the_command_goes_through_all_of_them(run, tmp_path):
    """One process learns each of them that is a picture, lists the others, and says nothing else."""
    shown = {picture.name: picture.data for picture in WHOLE}
    not_shown = {name: data for name, data, _ in REFUSED}
    files = shown | not_shown | BROKEN
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = run("train", *files, "-o", "models", *TINY, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    learnt = {document["config"]["signal"]["source"] for document in report["done"]}
    failed = {document["name"] for document in report["failed"]}
    assert learnt | failed == set(files)
    assert learnt.isdisjoint(failed)
    assert learnt.issuperset(shown)
    assert failed.issuperset(not_shown)
    said = re.sub(r"^\d+ of \d+: .*\n", "", done.stderr, flags=re.MULTILINE)
    assert said.splitlines()[1].split() == ["failed", "why"]
    assert len(said.splitlines()) == len(failed) + 5
    assert f"{len(failed)} of {len(files)} failed." in said
    for document in report["done"]:
        fftool.load(tmp_path / document["model"])
