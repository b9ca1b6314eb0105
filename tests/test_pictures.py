"""Pictures of every kind: each as a viewer would show it, or refused in one line, by the library and by the command."""

from __future__ import annotations

import re

import numpy as np
import pictures
import pytest

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


def test_the_command_goes_through_all_of_them(tmp_path):
    """One process learns each of them that is a picture, lists the others, and says nothing else."""
    shown = {picture.name: picture.data for picture in WHOLE}
    not_shown = {name: data for name, data, _ in REFUSED}
    learnt, failed = pictures.go_through(shown | not_shown | BROKEN, tmp_path)
    assert learnt.issuperset(shown)
    assert failed.issuperset(not_shown)
    for name in (tmp_path / "models").iterdir():
        fftool.load(name)
