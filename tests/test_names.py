"""Files of any name: read, written and shown as they are, and never taken for an option, markup or a command."""

import ctypes
import os
import shutil
import subprocess
import sys

import pytest
from conftest import QUICK, run_several

NAMES = [
    "two words.png",
    "café 猫 σ.png",
    "[red]red[bold] :smile: {x} %s.png",
    "line\nbreak\ttab.png",
    "\x1b[31mred\x1b[2J.png",
    b"byte \xff.png".decode(errors="surrogateescape"),
    "n" * 245 + ".png",
    " .png",
    "'quoted' \"twice\" $HOME `ls`.png",
    "trailing dot..png",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_accepts_any_name(run, photo_path, tmp_path, name):
    shutil.copy(photo_path, tmp_path / name)
    (tmp_path / "out").mkdir()
    stem = name.removesuffix(".png")
    done = run("train", name, *QUICK, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert_shown_in_one_line(done.stdout + done.stderr, stem)
    done = run("render", f"out/{stem}.st", "-o", f"out/{name}")
    assert done.returncode == 0, done.stderr
    assert_shown_in_one_line(done.stdout, stem)
    assert len(done.stdout.splitlines()) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([name, f"{stem}.st"])
    done = run("render", f"{stem}.gone.st")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert_shown_in_one_line(done.stderr, stem)


def assert_shown_in_one_line(output, stem):
    stem = os.fsencode(stem).decode(errors="backslashreplace")
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in stem)
    assert escaped in output
    assert all(c.isprintable() for line in output.splitlines() for c in line)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("stem", ["it's a", "line\nbreak \\x41\t'", os.fsdecode(b"\xff"), "-a"])
def test_hint_can_be_typed(run, photo_path, tmp_path, stem):
    hint = run("train", photo_path, *QUICK, "-o", f"./{stem}.st").stderr.splitlines()[-1]
    assert hint.startswith("Next: fftool render ")
    name = hint.removeprefix("Next: fftool render ").removesuffix(" --size 500x500")
    shown = subprocess.run(["bash", "-c", f"printf %s {name}"], capture_output=True, check=True).stdout
    assert (tmp_path / os.fsdecode(shown)).samefile(tmp_path / f"{stem}.st")


def test_leading_dash(run, photo_path, tmp_path):
    shutil.copy(photo_path, tmp_path / "-a.png")
    done = run("train", "-a.png", *QUICK)
    assert done.returncode == 2
    assert "hint: for the file of that name, type ./-a.png\n" in done.stderr
    assert run("train", "./-a.png", *QUICK, "-o", "./-b.st").returncode == 0
    assert run("train", *QUICK, "--overwrite", "-o", "c.st", "--", "-a.png").returncode == 0
    assert (tmp_path / "-b.st").read_bytes() == (tmp_path / "c.st").read_bytes()


def test_rejects_a_name_that_is_too_long(run, photo_path, model_path, tmp_path):
    name = "n" * 300
    for arguments in (("train", f"{name}.png"), ("render", f"{name}.st"), ("render", model_path, "-o", f"{name}.png")):
        done = run(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {name}.")
        assert "File name too long" in done.stderr
        assert len(done.stderr.splitlines()) == 2
    assert not list(tmp_path.iterdir())


def test_follows_links(run, photo_path, model_path, tmp_path):
    """A link is read and written through; one that leads nowhere is no file."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "real.png").write_bytes(photo_path.read_bytes())
    (tmp_path / "link.png").symlink_to("deep/real.png")
    (tmp_path / "nowhere.png").symlink_to("gone.png")
    (tmp_path / "round.png").symlink_to("round.png")
    assert run("train", "link.png", *QUICK).returncode == 0
    for name in ("nowhere.png", "round.png"):
        done = run("train", name, "-o", "other.st")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 2)
        assert done.stderr.startswith(f"error: {name}: no such file")
    assert run("render", "model.st", "-o", "link.png", "--overwrite").returncode == 0
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "deep" / "real.png").read_bytes() != photo_path.read_bytes()
    done = run("train", "link.png", "-o", "deep/real.png", "--overwrite")
    assert done.returncode == 1
    assert "deep/real.png: is an input, and would be overwritten" in done.stderr


def give_up_privileges():
    """Have a process that root has started heed permissions as others do."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the call that holds root back")
def test_reports_missing_permissions(photo_path, model_path, tmp_path):
    for name, source in (("secret.png", photo_path), ("secret.st", model_path), ("mine.png", photo_path)):
        shutil.copy(source, tmp_path / name)
    (tmp_path / "secret.png").chmod(0o000)
    (tmp_path / "secret.st").chmod(0o000)
    (tmp_path / "closed").mkdir(mode=0o555)
    problems = {
        ("train", "secret.png"): "secret.png",
        ("render", "secret.st"): "secret.st",
        ("train", "--resume", "secret.st"): "secret.st",
        ("compare", "mine.png", "secret.st"): "secret.st",
        ("encode-viz", "--model", "secret.st"): "secret.st",
        ("encode-viz", "-o", "closed/deep"): "closed/deep",
        ("train", "mine.png", "-o", "closed/a.st"): "closed/a.st",
        ("render", model_path, "-o", "closed/a.png"): "closed/a.png",
    }
    several = ("render", model_path, "secret.st", "-o", "closed/deep")
    *results, listed = run_several([*problems, several], tmp_path, preexec_fn=give_up_privileges)
    for done, path in zip(results, problems.values(), strict=True):
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {path}: permission denied\nhint: ")
        assert len(done.stderr.splitlines()) == 2
    assert (listed.returncode, listed.stdout) == (1, "")
    assert listed.stderr.count("permission denied\n") == 2
    assert not list((tmp_path / "closed").iterdir())
