"""What is printed suits its destination: pipes, plain and narrow terminals, locales without letters, closed streams."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FFTOOL, QUICK, in_terminal, run_several

import fftool

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", [ASCII, {"PYTHONIOENCODING": "latin-1"}], ids=["ascii", "latin-1"])
def test_escapes_letters_that_a_locale_lacks(photo_path, model_path, tmp_path, locale):
    """σ and × are part of every report."""
    (tmp_path / "café.png").write_bytes(photo_path.read_bytes())
    commands = (
        ("compare", "café.png", *QUICK, "-o", "a.png"),
        ("compare", "--help"),
        ("info", model_path),
        ("encode-viz", "--scale", 2, "--dimension", 4),
        ("train", "café.png", *QUICK, "-o", "σ.st"),
        ("render", "σ.st"),
        ("render", "gone-σ.st"),
        ("info", "σ.st", "--json"),
    )
    *results, failed, info = run_several(commands, tmp_path, env=os.environ | locale, errors="replace")
    for done in results:
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout
    assert failed.returncode == 1
    assert re.match(r"error: gone-(\\u03c3|\\xcf\\x83)\.st: no such file\n", failed.stderr)
    assert json.loads(info.stdout)["config"]["signal"]["source"] == "café.png"


# The commands of a session, each with a width and an environment of its own, in one process in one terminal.
SESSION = """
import json
import os
import sys
import termios

from fftool.__main__ import main

original = dict(os.environ)
for columns, environment, arguments in json.loads(sys.argv[1]):
    os.environ.clear()
    os.environ |= original | {"COLUMNS": str(columns)} | environment
    termios.tcsetwinsize(1, (24, columns))
    sys.argv, code = ["fftool", *arguments], 0
    try:
        main()
    except SystemExit as exit:
        code = exit.code or 0
    print(f"\\0{code}", end="\\0", flush=True)
"""
LONG_NAME = "long" * 20 + ".st"
COMPARED = ("compare", "photo.png", LONG_NAME, *map(str, QUICK), "--scale", "2", "--overwrite")
TERMINALS = {
    **{f"progress in {n}": (n, {}, ("train", "photo.png", *map(str, QUICK), "--overwrite")) for n in (40, 60, 80, 200)},
    **{f"table in {n}": (n, {}, COMPARED) for n in (40, 60, 300)},
    "dumb train": (80, {"TERM": "dumb"}, ("train", "photo.png", *map(str, QUICK), "--overwrite")),
    "dumb render": (80, {"TERM": "dumb"}, ("render", "model.st")),
    "dumb error": (80, {"TERM": "dumb"}, ("render", "gone.st")),
    "no colour": (80, {"NO_COLOR": "1"}, ("compare", "photo.png", *map(str, QUICK), "--scale", "2", "--overwrite")),
}


@pytest.fixture(scope="module")
def session(photo_path, model_path, tmp_path_factory):
    """What the commands above show in a terminal."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "photo.png").write_bytes(photo_path.read_bytes())
    (folder / LONG_NAME).write_bytes(model_path.read_bytes())
    arguments = ("-c", SESSION, json.dumps(list(TERMINALS.values())))
    shown, code = in_terminal(arguments, b"", folder, program=sys.executable)
    assert code == 0, shown
    parts = shown.split("\0")
    codes = dict(zip(TERMINALS, map(int, parts[1::2]), strict=True))
    assert [name for name, code in codes.items() if code] == ["dumb error"]
    return dict(zip(TERMINALS, parts[::2], strict=False))


def plain(shown):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_progress_fits_into_any_terminal(session, columns):
    """Whole parts of it: the time that is left is always there."""
    lines = [line for line in re.split(r"[\r\n]", plain(session[f"progress in {columns}"])) if "Training" in line]
    assert any(re.search(r"100% .*\d\d:\d\d left *$", line) for line in lines)
    assert not any("…" in line for line in lines)
    assert all(len(line.rstrip()) <= columns for line in lines)


def test_plain_terminal_gets_plain_lines(session):
    for name in ("dumb train", "dumb render", "dumb error"):
        assert "\x1b" not in session[name]
        assert "\r\n\r\n" not in session[name]
        assert session[name].strip()


def test_respects_no_color(session):
    assert not re.search(r"\x1b\[[0-9;]*(3|4|9)[0-7][;m]", session["no colour"])
    assert re.search(r"\x1b\[[0-9;]*(3|4|9)[0-7][;m]", session["progress in 80"])


@pytest.mark.parametrize("columns", [40, 60])
def test_table_in_a_narrow_terminal_has_whole_numbers(session, columns):
    """Columns that do not fit are left out, from the last on; a long name is folded, and takes none with it."""
    narrow, wide = (plain(session[f"table in {width}"]).replace("\r", "") for width in (columns, 300))
    shown, known = (re.findall(r"\S+", re.split(r"─\s*\n", text)[1]) for text in (narrow, wide))
    assert "SSIM" in narrow
    numbers = [word for word in shown if not any(word in part for part in (LONG_NAME, "gaussian", "σ=8", "σ=2"))]
    seconds = re.compile(r"\d+\.\d$")  # the only figure that is another one each time
    assert {word for word in numbers if not seconds.match(word)} <= {word for word in known if not seconds.match(word)}
    assert len(numbers) > 4


def test_pipes_get_neither_colours_nor_cut_lines(run, photo_path, tmp_path):
    name = "long" * 40 + ".png"
    (tmp_path / name).write_bytes(photo_path.read_bytes())
    for arguments in (
        ("train", name, *QUICK),
        ("info", "model.st"),
        ("compare", name, *QUICK),
        ("train", "gone", name, *QUICK),
    ):
        done = run(*arguments)
        assert "\x1b" not in done.stdout + done.stderr
    assert name in run("info", "model.st").stdout


def test_forced_colours_make_no_terminal_of_a_file(run, photo_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    done = run("compare", photo_path, *QUICK, "--scale", 2)
    assert "\x1b[" in done.stdout
    assert not re.search(r"\x1b\[[0-9;?]*[A-HJKSTfhl]", done.stdout + done.stderr)
    assert "parameters" in done.stdout


# Each command finds standard error on a full device; the first failure would send the rest of it nowhere.
FULL_STDERR = """
import json
import os
import sys

from fftool.__main__ import main

for arguments in json.loads(sys.argv[1]):
    os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
    sys.argv, code = ["fftool", *arguments], 0
    try:
        main()
    except SystemExit as exit:
        code = exit.code or 0
    print(f"exit {code}", flush=True)
"""


def test_work_continues_where_notes_cannot_be_written(photo_path, model_path, tmp_path):
    """Progress, notes and hints go to a full device."""
    for name in ("a.st", "b.st"):
        (tmp_path / name).write_bytes(model_path.read_bytes())
    commands = (["train", photo_path, *QUICK, "--json"], ["render", "a.st", "b.st"], ["train", "--nonsense"])
    process = [sys.executable, "-c", FULL_STDERR, json.dumps([list(map(str, command)) for command in commands])]
    done = subprocess.run(process, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(done.stdout.split("exit")[0])["epochs"] == 3
    assert done.stdout.endswith("}\nexit 0\na-64x48.png\nb-64x48.png\nexit 0\nexit 2\n")
    assert fftool.describe(tmp_path / "model.st").resume is None


def test_work_continues_where_the_terminal_closes(photo_path, tmp_path):
    """Where SIGHUP does not reach it, as under nohup: the bars cannot be drawn any more."""
    master, slave = pty.openpty()
    command = [FFTOOL, "train", photo_path, *map(str, QUICK), "--epochs", "60"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=slave, start_new_session=True)
    os.close(slave)
    while b"Training" not in os.read(master, 4096):
        pass
    os.close(master)
    stdout, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert b"PSNR" in stdout
    assert fftool.describe(tmp_path / "model.st").resume is None


def test_files_are_written_though_the_table_is_not(run_process, photo_path, tmp_path):
    with Path("/dev/full").open("w") as full:
        arguments = ("compare", photo_path, *QUICK, "--csv", "a.csv")
        done = run_process(*arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "error: standard output: No space left on device" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "compare.png"]


def test_writes_a_table_to_a_pipe(run_process, photo_path):
    done = run_process("compare", photo_path, *QUICK, "--csv", "/dev/stdout")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("name,")


def test_writes_no_checkpoint_to_a_pipe(run, photo_path, tmp_path):
    """It could not be replaced while it is trained."""
    os.mkfifo(tmp_path / "pipe.st")
    done = run("train", photo_path, *QUICK, "-o", "pipe.st")
    assert done.returncode == 1
    assert "error: pipe.st: is not a regular file" in done.stderr


def test_closed_standard_output(model_path, tmp_path):
    """Nothing is shown then; a file has to go somewhere."""
    shell = f"{FFTOOL} info {model_path} >&-; echo $? >&2; {FFTOOL} render {model_path} -o - >&-; echo $? >&2"
    done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    shown, rendered = done.stderr.split("\n", 1)
    assert shown == "0"
    assert rendered.startswith("error: standard output is closed\nhint: ")
    assert rendered.endswith("\n1\n")
    assert not list(tmp_path.iterdir())


def test_bug_is_reported_in_two_lines(run, model_path, monkeypatch):
    monkeypatch.setattr(sys.modules["fftool.cli.info"], "describe", lambda path: 1 / 0)
    done = run("info", model_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ZeroDivisionError: division by zero\nhint: this is a bug in fftool; ")
    assert len(done.stderr.splitlines()) == 2


def test_figures_ignore_the_settings_and_warnings_of_matplotlib(run, run_process, tmp_path):
    """A notebook's backend, a file of settings in the folder, and no folder to keep a list of fonts in."""
    arguments = ("encode-viz", "--scale", 2, "--dimension", 4, "-o")
    assert run(*arguments, "plain").returncode == 0
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\nfont.size: 30\n")
    environment = os.environ | {
        "MPLBACKEND": "module://matplotlib_inline.gone",
        "MPLCONFIGDIR": "/proc/nowhere",
        "HOME": "/proc/nowhere",
    }
    done = run_process(*arguments, "set", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("scales.png", "gaussian-2.png"):
        assert (tmp_path / "set" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


NOISE = """
import sys

class Noisy:
    def find_spec(self, name, path=None, target=None):
        if name == "safetensors":
            import logging, warnings
            warnings.warn("noise")
            logging.getLogger("library").warning("noise")
            print("safetensors is loaded")

sys.meta_path.insert(0, Noisy())
"""


@pytest.mark.parametrize("variables", [{}, {"PYTHONWARNINGS": "default"}], ids=["", "PYTHONWARNINGS"])
def test_hides_warnings_and_logs_of_libraries(run_process, model_path, tmp_path, variables):
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    done = run_process("info", model_path, env=os.environ | {"PYTHONPATH": str(tmp_path)} | variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("safetensors is loaded\nsource ")
