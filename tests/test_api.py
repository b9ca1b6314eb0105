"""The public names: light to import, documented, and the same for users and for type checkers."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fftool

STUB = Path(fftool.__file__).with_suffix(".pyi").read_text()
NAMES = sorted(set(re.findall(r" as (\w+)", STUB)))


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_is_light():
    heavy = "import sys, fftool; print([m for m in ('torch', 'numpy', 'PIL', 'skimage', 'rich') if m in sys.modules])"
    assert python(heavy) == "[]\n"


@pytest.mark.parametrize("name", NAMES)
def test_public_name_is_there_and_documented(name):
    thing = getattr(fftool, name)
    assert name in dir(fftool)
    assert name in fftool.__all__
    doc = inspect.getdoc(thing)
    assert doc and not doc.startswith(f"{name}(")  # which a dataclass writes by itself


def test_stub_lists_all_public_names():
    """Each from the module that defines it, under its own name."""
    for node in ast.parse(STUB).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert alias.asname == alias.name
                assert getattr(fftool, alias.name).__module__ == f"fftool.{node.module}"
    assert set(fftool.__all__) == set(NAMES)
    assert re.fullmatch(r"\d+\.\d+\.\d+", fftool.__version__)


# Other libraries set up their own logging; fftool comes after them, and uses them.
IMPORTS = """
import json, logging, sys, warnings
import filelock, imagecodecs, imageio, matplotlib.figure, msgspec, numpy, PIL.Image, safetensors, scipy.fft
import skimage.metrics, tifffile, torch

def state():
    loggers = {"": logging.root} | {n: x for n, x in logging.root.manager.loggerDict.items() if hasattr(x, "handlers")}
    handlers = {name: [repr(handler) for handler in logger.handlers] for name, logger in loggers.items()}
    levels = {name: logger.level for name, logger in loggers.items()}
    return handlers, levels, list(map(repr, warnings.filters)), repr(logging.lastResort), logging.root.manager.disable

before = state()
import fftool
for name in fftool.__all__:
    getattr(fftool, name)
fftool.write_image(sys.argv[1] + "/a.png", fftool.read_image(sys.argv[2]).samples)
after = state()
added = [
    name for name, found in after[0].items()
    if found != before[0].get(name, []) and name.split(".")[0] != "fftool"
]
levels = [name for name, level in after[1].items() if level != before[1].get(name, 0)]
print(json.dumps([added, levels, list(before[2:]) == list(after[2:])]))
"""


def test_import_leaves_logging_and_warnings_alone(photo_path, tmp_path):
    """Handlers of other libraries' loggers, their levels, and the filters of warnings."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, tmp_path, photo_path], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[], [], True]
    assert done.stderr == ""
