"""The public names: light to import, documented, and the same for people and for type checkers."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fftool

STUB = Path(fftool.__file__).with_suffix(".pyi").read_text()


def test_import_is_light():
    heavy = "import sys, fftool; print([m for m in ('torch', 'numpy', 'PIL', 'skimage', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", sorted(set(re.findall(r" as (\w+)", STUB))))
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(fftool, name)
    assert name in dir(fftool)
    assert inspect.getdoc(thing), name
