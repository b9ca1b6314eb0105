"""Ctrl-C and other stop signals at any moment: trained networks are kept, files whole, and no traceback is shown."""

import contextlib
import gc
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import FFTOOL

import fftool
from fftool import files, interrupts
from fftool.files import replacing, reserved
from fftool.interrupts import interruptible, stop_requests, uninterrupted
from tests.soak import interrupts as soak

if sys.platform == "win32":
    pytest.skip("Windows has no POSIX signals", allow_module_level=True)

# Sections


@pytest.fixture
def installed():
    """Handlers of the command, in this process; those of pytest are restored afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    interrupts.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    assert (interrupts._depth, interrupts._pending) == (0, None)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, None), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("within", [True, False])
def test_signal_is_answered_at_once_or_at_the_end_of_a_section(installed, number, code, within):
    reached = []
    with pytest.raises(SystemExit if code else KeyboardInterrupt) as raised:
        if within:
            with uninterrupted():
                signal.raise_signal(number)
                reached.append("end of the section")
        else:
            signal.raise_signal(number)
        reached.append("code after the signal")
    assert reached == (["end of the section"] if within else [])
    assert raised.value.code == code if code else True


def test_section_without_a_signal_raises_nothing(installed):
    with uninterrupted(), interruptible(), uninterrupted():
        pass


def test_signal_waits_for_the_end_of_the_outermost_section(installed):
    reached = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # waits too, and is answered with the first one
            reached.append(1)
        reached.append(2)
    assert reached == [1, 2]


def test_signal_that_waits_is_answered_where_a_section_can_be_interrupted(installed):
    reached = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        try:
            with interruptible():
                reached.append("never")
        finally:
            reached.append("cleaned up")
    assert reached == ["cleaned up"]


def test_signal_within_the_interruptible_part_is_answered_at_once(installed):
    reached = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        try:
            with interruptible():
                signal.raise_signal(signal.SIGINT)
                reached.append("never")
        finally:
            reached.append("cleaned up")
    assert reached == ["cleaned up"]


def test_signal_after_the_interruptible_part_waits_again(installed):
    reached = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with interruptible():
            pass
        signal.raise_signal(signal.SIGINT)
        reached.append("end of the section")
    assert reached == ["end of the section"]


def test_interruptible_part_of_an_inner_section_leaves_the_outer_one_uninterrupted(installed):
    """A file written while libraries are loading: its author protects more than the file."""
    reached = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted(), interruptible():
            signal.raise_signal(signal.SIGINT)
            reached.append("inner")
        reached.append("outer")
    assert reached == ["inner", "outer"]


def test_signal_takes_the_place_of_an_exception_within_a_section(installed):
    """It would be lost otherwise, where the exception is caught."""
    with pytest.raises(KeyboardInterrupt) as raised, uninterrupted():
        signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError
    assert isinstance(raised.value.__context__, ZeroDivisionError)


@pytest.mark.parametrize("section", [uninterrupted, interruptible])
def test_exception_within_a_section_leaves_it(installed, section):
    with pytest.raises(ZeroDivisionError), uninterrupted(), section():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_sections_of_other_threads_do_not_hold_signals(installed):
    entered, leave = threading.Event(), threading.Event()

    def work():
        with uninterrupted(), interruptible(), uninterrupted():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert entered.wait(10)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        leave.set()
        thread.join()


def test_leaving_a_section_of_another_thread_does_not_answer_signals_there(installed):
    raised = []

    def work():
        try:
            with uninterrupted():
                pass
        except BaseException as error:
            raised.append(error)

    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not raised


def test_first_signal_is_recorded_and_a_second_one_is_answered(installed):
    with stop_requests() as stop:
        assert stop() is None
        signal.raise_signal(signal.SIGTERM)
        assert stop() == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop() == signal.SIGTERM
    assert stop() == signal.SIGTERM
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_second_signal_waits_for_the_end_of_a_section(installed):
    reached = []
    with stop_requests() as stop:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            signal.raise_signal(signal.SIGINT)
            assert stop() == signal.SIGINT
            signal.raise_signal(signal.SIGINT)
            reached.append("end of the section")
        assert reached == ["end of the section"]


def test_signals_are_handled_as_before_after_stop_requests(installed):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(ZeroDivisionError), stop_requests():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_ignored_signals_stay_ignored(installed):
    """As SIGHUP under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.install()
    with stop_requests() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop() is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


# Files


def interrupt_at(n, action):
    """Run an action, with a Ctrl-C at the n-th Python instruction of `files` and of the context managers that it uses.

    Returns whether it has so many.
    """
    sources = {files.__file__, interrupts.__file__, contextlib.__file__}
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if frame.f_code.co_filename not in sources:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == n:
                signal.raise_signal(signal.SIGINT)
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(previous)
    assert count < n, f"the signal at instruction {n} was lost"
    return False


@pytest.mark.parametrize("first", range(1, 5))
def test_ctrl_c_at_any_instruction_leaves_a_whole_file(installed, tmp_path, monkeypatch, first):
    """No lock or draft stays behind, and no signal is lost."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    path = tmp_path / "a"

    def write():
        with reserved(path), replacing(path) as file:
            file.write(b"whole")

    found = set()
    path.write_bytes(b"old")
    for n in itertools.count(first, step=28):
        if not interrupt_at(n, write):
            break
        gc.collect(1)  # closes a generator that was interrupted as it yielded, as the end of a process does
        assert [each.name for each in tmp_path.iterdir()] == ["a"], n
        assert (interrupts._depth, interrupts._pending) == (0, None), n
        found.add(path.read_bytes())
        path.write_bytes(b"old")
    assert n > 1000
    assert found == {b"old", b"whole"}


@pytest.mark.parametrize("step", ["open", "replace", "unlink"])
def test_ctrl_c_while_a_file_is_opened_or_moved_waits_for_its_end(installed, tmp_path, monkeypatch, step):
    method = getattr(Path, step)

    def interrupted(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return method(*arguments, **options)

    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        patch.setattr(Path, step, interrupted)
        with replacing(tmp_path / "a") as file:
            file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir() if path.read_bytes() != b"whole"] == []
    assert [path.name for path in tmp_path.iterdir()] in ([], ["a"])


def test_ctrl_c_within_an_import_waits_for_its_end(tmp_path):
    """Libraries such as torch abort the whole process when an import of theirs is interrupted."""
    (tmp_path / "slow.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('imported')\n")
    (tmp_path / "main.py").write_text(
        "import time\nfrom fftool import interrupts\ninterrupts.install()\n"
        "try:\n    with interrupts.uninterrupted():\n        import slow\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == ("imported\ninterrupted\n", "")


WATCHED = """
import atexit, sys
from importlib.machinery import EXTENSION_SUFFIXES
from fftool import __main__, interrupts

class Finder:
    def find_spec(self, name, path=None, target=None):
        if interrupts._depth == 0:
            outside.append(name)

def install(install=interrupts.install):
    install()
    sys.meta_path.insert(0, Finder())

def report():
    print(f"{len(outside)} modules were loaded outside of sections", file=sys.stderr)
    files = {name: getattr(sys.modules.get(name), "__file__", None) or "" for name in outside}
    for name, file in files.items():
        if file.endswith(tuple(EXTENSION_SUFFIXES)):
            print("extension:", name, file=sys.stderr)

outside = []
interrupts.install = install
atexit.register(report)
__main__.main()
"""
# Extensions whose import has been interrupted without harm: they call no other library while they load.
HARMLESS = {"pydantic_core", "PIL", "fontTools"}


@pytest.mark.parametrize(
    "command",
    [
        ("train", "photo.png", "--hidden", 4, "--dimension", 4, "--epochs", 1, "--holdout", 0.2, "-o", "a.st"),
        ("train", "photo.png", "--resume", "model.st", "--epochs", 4),
        ("render", "model.st", "-o", "a.png"),
        ("compare", "photo.png", "model.st", "--csv", "a.csv", "-o", "a.png"),
        ("encode-viz", "--dimension", 1, "--scale", 1, "--size", "9x9"),
    ],
    ids=["train", "resume", "render", "compare", "encode-viz"],
)
def test_commands_import_heavy_libraries_in_sections(quick_model_path, photo_path, tmp_path, command):
    """No extension of numpy, torch, scipy, scikit-image, matplotlib or imagecodecs is loaded where Ctrl-C may come."""
    shutil.copy(quick_model_path, tmp_path / "model.st")
    shutil.copy(photo_path, tmp_path / "photo.png")
    program = [sys.executable, "-c", WATCHED, *map(str, command)]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^[1-9]\d* modules were loaded outside", done.stderr, re.MULTILINE)
    names = re.findall(r"^extension: (.*)", done.stderr, re.MULTILINE)
    assert {name.split(".")[0] for name in names} - HARMLESS - sys.stdlib_module_names == set(), names


# Commands


REPORTING = """
import fftool.cli.progress
from fftool.__main__ import main

fftool.cli.progress.LINE_SECONDS = 0.1
main()
"""


@pytest.fixture
def start(tmp_path, photo_path):
    """Start a training that would take hours, and wait for its third epoch."""

    def started(*arguments):
        command = [sys.executable, "-c", REPORTING, "train", photo_path, "--epochs", "1000000", *arguments]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not re.search(r"epoch (?![12]/)", line := process.stderr.readline()):
            assert "Training" in line, line
        return process

    return started


def test_ctrl_c_leaves_a_checkpoint_that_renders(start, run, tmp_path):
    process = start("--json")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "model.st" in stderr
    report = json.loads(stdout)
    assert 0 < report["epochs"] < 1_000_000
    assert report["psnr"] > 15
    assert run("render", "model.st", "-o", "a.png").returncode == 0
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.png", "model.st"]


def test_second_ctrl_c_harms_no_file(start, tmp_path):
    (tmp_path / "model.st").write_text("precious")
    process = start("--overwrite")
    process.send_signal(signal.SIGINT)
    time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the latter if it had ended all but Python
    assert [p.name for p in tmp_path.iterdir()] == ["model.st"]
    if (tmp_path / "model.st").read_bytes() != b"precious":  # the first one was in time to save
        fftool.load(tmp_path / "model.st")


EVALUATED = """
import fftool.cli.training_run, os, signal
from fftool.__main__ import main

def interrupted(*_):
    os.kill(os.getpid(), signal.SIGINT)

fftool.cli.training_run.evaluate = interrupted
main()
"""


def test_ctrl_c_during_the_evaluation_comes_after_the_save(photo_path, tmp_path):
    command = [sys.executable, "-c", EVALUATED, "train", photo_path, "--epochs", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "Not evaluated. To resume: fftool train --resume model.st\n"
    assert fftool.load(tmp_path / "model.st").result is None
    assert fftool.load_run(tmp_path / "model.st").position.finished


def test_ctrl_c_before_the_training_leaves_the_old_model(photo_path, tmp_path):
    """While torch is still loading: nothing is written, and nothing replaced."""
    (tmp_path / "model.st").write_text("precious")
    command = [FFTOOL, "train", photo_path, "--overwrite"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (stdout, stderr) == ("", "")
    assert (tmp_path / "model.st").read_text() == "precious"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    soak.prepare(folder)
    return folder


@pytest.mark.parametrize(
    "case",
    [
        soak.Case("help", 0.2),
        soak.Case("train", 0.6, signal.SIGTERM),
        soak.Case("train", 1.8, again=0.1),
        soak.Case("compare", 1.6),
    ],
    ids=lambda case: f"{case.name} after {case.delay} s",
)
def test_command_ends_quietly_whenever_it_is_interrupted(prepared, case):
    """`python -m tests.soak.interrupts` tries hundreds of moments."""
    soak.run(case, prepared)
