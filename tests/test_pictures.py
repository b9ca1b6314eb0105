"""Image files of every kind: read as a viewer shows them, or refused in one line, by the library and by the command."""

from __future__ import annotations

import re

import numpy as np
import pictures
import pytest

import fftool
from fftool import media
from fftool.errors import DamagedFileError, UnknownFormatError
from fftool.media.image.medium import read_image

WHOLE = list(pictures.whole())
REFUSED = list(pictures.refused())
BROKEN = dict(pictures.broken(flips=8))


@pytest.mark.parametrize("picture", WHOLE, ids=[picture.name for picture in WHOLE])
def test_reads_samples_that_viewer_shows(tmp_path, capfd, picture):
    (tmp_path / picture.name).write_bytes(picture.data)
    samples = read_image(tmp_path / picture.name).samples
    assert (samples.shape, samples.dtype) == (picture.samples.shape, picture.samples.dtype)
    assert np.abs(samples.astype(int) - picture.samples).max() <= picture.tolerance
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "data", "refusal"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_refuses_file_that_is_not_one_readable_image(tmp_path, capfd, name, data, refusal):
    kind, problem = refusal
    (tmp_path / name).write_bytes(data)
    with pytest.raises(kind, match=f"^{re.escape(f'{tmp_path / name}: {problem}')}") as caught:
        read_image(tmp_path / name)
    assert type(caught.value) is kind
    assert caught.value.path == tmp_path / name
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [name for name in BROKEN if "-cut-" in name])
def test_refuses_file_that_is_cut_short(tmp_path, capfd, name):
    """A decoder could also fill the rest with grey or black."""
    (tmp_path / name).write_bytes(BROKEN[name])
    problem = "(damaged: |the file is empty|not an image of a known format)"
    with pytest.raises((DamagedFileError, UnknownFormatError), match=rf"/{re.escape(name)}: {problem}"):
        read_image(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_command_trains_on_images_and_lists_other_files(tmp_path):
    """All in one process, which writes nothing else, whatever the decoders log or print."""
    shown = {picture.name: picture.data for picture in WHOLE}
    not_shown = {name: data for name, data, _ in REFUSED}
    trained, failed = pictures.go_through(shown | not_shown | BROKEN, tmp_path)
    others = {name for name in not_shown if media.recognize(tmp_path / name).name != "image"}  # clips, and stacks
    assert trained.issuperset(shown)
    assert failed.issuperset(not_shown.keys() - others)
    assert "animated.gif" in trained & others
    for path in (tmp_path / "models").iterdir():
        fftool.load(path)
