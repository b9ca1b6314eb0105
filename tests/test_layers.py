"""Imports point one way, and each library, option name and private function stays in its place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fftool

ROOT = Path(fftool.__file__).parent

# A module or package imports those before it, and never those behind it.
ORDER = (
    "errors", "cache", "decoding", "interrupts", "checks", "tiling", "config", "pipes", "files", "region", "occupancy",
    "stored", "signal", "values", "resampling", "grid", "rng", "holdout", "metrics", "media", "backend", "models",
    "scale", "tile_rendering", "rendering", "training", "evaluation", "checkpoint", "export", "comparison", "sweep",
    "cluster", "figures", "cli", "__main__",
)  # fmt: skip


def module_name(path: Path) -> str:
    """Name as in an import: fftool.media.base, or fftool.media for its __init__.py."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}
MODULES = sorted(SOURCES.keys() - {"fftool"})


def room(module: str) -> str:
    """The part of fftool that a module belongs to: media for fftool.media.image.png."""
    return module.split(".")[1]


def imports(module: str) -> Iterator[tuple[int, str]]:
    """Line and module of all imports of fftool: at the top, in functions, for type checkers, and by name."""
    for node in ast.walk(TREES[module]):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=source, names=names, level=0) if source:
                found = [f"{source}.{alias.name}" for alias in names]
            case ast.ImportFrom():
                pytest.fail(f"{module}, line {node.lineno}: a relative import")
            case ast.Constant(value=str(text)) if re.fullmatch(r"fftool(\.\w+)+", text):  # for import_module
                found = [text]
            case _:
                continue
        for name in found:
            if name.split(".")[0] == "fftool":
                yield node.lineno, nearest_module(name)


def nearest_module(name: str) -> str:
    """The module that a name comes from: fftool.signal for fftool.signal.Signal."""
    while name not in SOURCES:
        name = name.rpartition(".")[0]
    return name


def test_each_part_has_its_place():
    assert {room(module) for module in MODULES} == set(ORDER), "add new parts to ORDER, below all that they import"
    assert len(set(ORDER)) == len(ORDER)


def test_imports_are_found_wherever_they_stand():
    """By examples of each kind, as a check that finds nothing would pass."""
    found = {module: {name for _, name in imports(module)} for module in MODULES}
    assert "fftool.signal" in found["fftool.training.trainer"]  # at the top
    assert "fftool.rng" in found["fftool.holdout"]  # in a function
    assert "fftool.models.network" in found["fftool.checkpoint.reading"]  # for type checkers
    assert "fftool.media" in found["fftool.evaluation"]  # from fftool import media
    assert "fftool" in found["fftool.training.trainer"]  # from fftool import __version__
    assert "fftool.media.image.medium" in found["fftool.media"]  # by its name in a string


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    position = ORDER.index(room(module))
    wrong = [
        f"line {line}: {imported}"
        for line, imported in imports(module)
        if imported != "fftool" and ORDER.index(room(imported)) > position
    ]
    assert not wrong


def test_no_modules_import_each_other():
    """Not within a part either, directly or through others."""
    remaining = {module: {name for _, name in imports(module)} - {"fftool", module} for module in MODULES}
    while free := {module for module, needed in remaining.items() if not needed & remaining.keys()}:
        remaining = {module: needed for module, needed in remaining.items() if module not in free}
    assert not remaining


def strings(module: str) -> Iterator[tuple[int, str]]:
    """Line and text of all strings, docstrings too; of an f-string, the fixed parts."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


OPTION = re.compile(r"--[a-z]|(?<![\w-])-o\b")


def test_options_are_recognized():
    assert any(OPTION.search(text) for _, text in strings("fftool.cli.errors"))
    assert OPTION.search("name such a file with -o")
    assert not OPTION.search("a two-option choice")


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) not in ("cli", "__main__")])
def test_core_names_no_options(module):
    """Errors carry facts; hints for the command line are in cli/errors.py."""
    assert not [f"line {line}: {text}" for line, text in strings(module) if OPTION.search(text)]


def files_with(pattern: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix() for path in SOURCES.values() if re.search(pattern, path.read_text("utf-8"))
    }


def test_private_functions_of_torch_are_in_one_module():
    assert files_with(r"torch\._|ops\.(mkldnn|aten)") <= {"backend/kernels.py"}
    assert files_with(r"_private\(torch") == {"backend/kernels.py"}


def importers(package: str) -> set[str]:
    pattern = rf"(?m)^\s*(import|from) {package}\b|import_module\(.{package}"
    return {name.split("/")[0] if name.startswith("figures/") else name for name in files_with(pattern)}


def test_each_library_has_its_place():
    assert importers("rich") == {"cli/terminal.py", "cli/progress.py"}
    assert importers("matplotlib") == {"figures"}
    assert {name.split("/")[0] for name in importers("typer")} == {"cli"}
    assert {name.split("/")[0] for name in importers("msgspec")} <= {"checkpoint", "cli"}
    assert {name.split("/")[0] for name in importers("safetensors")} == {"checkpoint"}
    for library in ("PIL", "tifffile", "imagecodecs", "imageio"):
        assert {name.split("/")[0] for name in importers(library)} <= {"media", "figures", "cli"}, library
