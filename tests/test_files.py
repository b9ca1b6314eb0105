"""Files: their permissions, and folders that are made for them."""

import errno
import json
import os
import re
import stat
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL

import fftool
from fftool.errors import DiskFullError, FFToolWarning, FileLockedError, WriteError
from fftool.files import new_folder, replacing, reserved

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """A function that sets the umask, which is restored afterwards."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_overwriting_keeps_permissions(tmp_path, umask, kept):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(kept)
    with replacing(path) as file:
        file.write(b"new")
        assert mode(next(tmp_path.glob(".fftool-*.part"))) == kept  # from the start: a private file is never readable
    assert (mode(path), path.read_bytes()) == (kept, b"new")


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_new_file_follows_the_umask(tmp_path, umask, mask, expected):
    umask(mask)
    with replacing(tmp_path / "a") as file:
        file.write(b"new")
    assert mode(tmp_path / "a") == expected


def test_overwriting_a_link_keeps_permissions_of_its_target(tmp_path, umask):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o600)
    (tmp_path / "link").symlink_to("a")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (mode(tmp_path / "a"), (tmp_path / "a").read_bytes()) == (0o600, b"new")


@pytest.mark.parametrize("private", [True, False])
def test_commands_keep_permissions(run, quick_model_path, photo_path, tmp_path, umask, private):
    """Of checkpoints, rendered images, figures, tables and saved models; new ones follow the umask."""
    umask(0o022)
    commands = [
        ("train", photo_path, *SMALL, "-o", "model.st"),
        ("train", photo_path, "--resume", "model.st", "--epochs", 4),
        ("render", quick_model_path, "-o", "a.png"),
        ("render", quick_model_path, "-o", "a.tiff"),
        ("compare", photo_path, quick_model_path, "--scale", 8, *SMALL, "-o", "sheet.png", "--curves", "curves.svg",
         "--csv", "table.csv", "--save-models", "models"),
        ("encode-viz", "--dimension", 1, "--scale", 1, "--size", "9x9", "-o", "encoding"),
    ]  # fmt: skip
    expected = [
        "a.png", "a.tiff", "curves.svg", "encoding/gaussian-1.png", "encoding/gaussian-1/0-cos.png",
        "encoding/gaussian-1/0-sin.png", "encoding/scales.png", "model.st", "models/gaussian-8.st", "sheet.png",
        "table.csv",
    ]  # fmt: skip
    if private:
        for path in map(tmp_path.joinpath, expected):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            path.chmod(0o600)
    for command in commands:
        overwriting = () if "--resume" in command else ("--overwrite",)
        done = run(*command, *overwriting)
        assert done.returncode == 0, done.stderr
    written = {path.relative_to(tmp_path).as_posix(): mode(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == dict.fromkeys(expected, 0o600 if private else 0o644)


def test_library_keeps_permissions(photo, model_path, tmp_path, umask):
    for name in ("a.st", "a.png", "a.tif", "a.jpg"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o600)
    fftool.save(fftool.load(model_path), tmp_path / "a.st")
    for name in ("a.png", "a.tif", "a.jpg"):
        fftool.write_image(tmp_path / name, photo.samples)
    assert all(mode(path) == 0o600 and path.stat().st_size for path in tmp_path.iterdir())


def test_failed_overwriting_keeps_the_file_and_its_permissions(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o600)
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a") as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert (mode(tmp_path / "a"), (tmp_path / "a").read_bytes()) == (0o600, b"old")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_writing_into_a_missing_folder_makes_none(tmp_path):
    for section in (replacing, reserved):
        with pytest.raises(WriteError, match="no such folder"), section(tmp_path / "gone" / "a"):
            pass
    assert not list(tmp_path.iterdir())


def test_reserved_file_can_be_written_by_its_own_thread_alone(tmp_path):
    """Whose sections may be nested; the outer one removes the lock."""
    refused = []

    def write():
        try:
            with replacing(tmp_path / "a") as file:
                file.write(b"other")
        except FileLockedError as error:
            refused.append(error)

    with reserved(tmp_path / "a"):
        with replacing(tmp_path / "a") as file:
            file.write(b"new")
        assert [path.suffix for path in tmp_path.glob(".*")] == [".lock"]
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"new")]


@pytest.mark.parametrize("fails", [True, False])
def test_folders_made_for_a_file_are_removed_if_they_stay_empty(tmp_path, fails):
    (tmp_path / "a").mkdir()
    try:
        with new_folder(tmp_path / "a" / "b" / "c"):
            assert (tmp_path / "a" / "b" / "c").is_dir()
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert (tmp_path / "a" / "b").exists() != fails
    assert (tmp_path / "a").is_dir()


def test_folder_with_a_file_is_kept(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "file").touch()
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_device_is_written_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with reserved(tmp_path / "pipe"), replacing(tmp_path / "pipe") as file:
        file.write(np.arange(3, dtype=np.uint8).tobytes())
    reader.join()
    assert read == [b"\0\1\2"]
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def refuse(monkeypatch, module, function, number):
    """Have a function of the system fail, as it does on a file system that lacks it."""

    def refused(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"{module}.{function}", refused)


NO_LOCKS = ("ENOLCK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EPERM", "ENOTTY")


@pytest.mark.parametrize("name", NO_LOCKS)
def test_file_system_without_locks_is_written(tmp_path, monkeypatch, name):
    """Whole or not at all, with nothing left beside the file."""
    refuse(monkeypatch, "fcntl", "flock", getattr(errno, name))
    with pytest.warns(FFToolWarning, match=f"^{re.escape(str(tmp_path))}: has no file locks"), reserved(tmp_path / "a"):
        assert not list(tmp_path.iterdir())
        with replacing(tmp_path / "a") as file:
            file.write(b"new")
    with pytest.warns(FFToolWarning), pytest.raises(ZeroDivisionError), replacing(tmp_path / "a") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"new")]


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EDQUOT", "EROFS"])
def test_other_failures_of_a_lock_are_errors(tmp_path, monkeypatch, name):
    refuse(monkeypatch, "fcntl", "flock", getattr(errno, name))
    with pytest.raises(WriteError, match=re.escape(os.strerror(getattr(errno, name)))), reserved(tmp_path / "a"):
        pass


def test_folder_that_takes_no_lock_file_is_not_written(tmp_path, monkeypatch):
    """EPERM, as for a folder that root has made immutable, and not for lack of locks."""
    refuse(monkeypatch, "filelock.FileLock", "acquire", errno.EPERM)
    with pytest.raises(WriteError, match="Operation not permitted"), reserved(tmp_path / "a"):
        pass


@pytest.mark.filterwarnings("ignore::fftool.errors.FFToolWarning")
def test_writers_without_locks_do_not_mix(tmp_path, monkeypatch):
    """Each has a draft of its own, and the last one to end gives the file."""
    refuse(monkeypatch, "fcntl", "flock", errno.ENOLCK)
    with replacing(tmp_path / "a") as first:
        first.write(b"first, ")
        first.flush()
        with replacing(tmp_path / "a") as second:
            second.write(b"second")
        assert (tmp_path / "a").read_bytes() == b"second"
        first.write(b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first, whole")]


@pytest.mark.parametrize("name", ["EINVAL", "ENOTSUP", "ENOSYS"])
def test_fsync_that_is_lacking_is_a_warning(tmp_path, monkeypatch, name):
    refuse(monkeypatch, "os", "fsync", getattr(errno, name))
    with pytest.warns(FFToolWarning, match="has no fsync"), replacing(tmp_path / "a") as file:
        file.write(b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"new")]


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EDQUOT", "EROFS"])
def test_fsync_that_fails_is_an_error(tmp_path, monkeypatch, name):
    """The data may be lost."""
    (tmp_path / "a").write_bytes(b"old")
    number = getattr(errno, name)
    refuse(monkeypatch, "os", "fsync", number)
    expected = DiskFullError if name == "ENOSPC" else WriteError
    with pytest.raises(expected, match=re.escape(os.strerror(number))), replacing(tmp_path / "a") as file:
        file.write(b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_commands_work_without_locks_and_say_so_once(run, photo_path, quick_model_path, tmp_path, monkeypatch):
    refuse(monkeypatch, "fcntl", "flock", errno.ENOLCK)
    refuse(monkeypatch, "os", "fsync", errno.EINVAL)
    done = run("train", photo_path, *SMALL, "--scale", 8, "--save-every", 0.001)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: ") == 2
    assert done.stderr.count(f"warning: {tmp_path}: has no file locks (No locks available)") == 1
    assert done.stderr.count(f"warning: {tmp_path}: has no fsync (Invalid argument)") == 1
    done = run("render", quick_model_path, "-o", "a.png", "--json")
    assert (done.returncode, json.loads(done.stdout)["output"], done.stderr.count("warning: ")) == (0, "a.png", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "model.st"]
