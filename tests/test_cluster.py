"""A sweep on workers: the same bytes as in one process, whatever dies on the way."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tifffile
from cluster import Cluster
from conftest import FFTOOL, QUICK, SMALL, checkpoints, fails, swept

from fftool import errors, evaluation
from fftool.checkpoint.reading import describe
from fftool.cli.training_run import Saver
from fftool.cluster.files import MAX_TRAVELLING
from fftool.media.image import decoded

FOUR = (*SMALL, "--threads", 1, "--scale", 4, "--scale", 12, "--seed", 0, "--seed", 1)
SLOW = (*FOUR, "--epochs", 40)  # about a second for each run


def start(tmp_path, *arguments):
    command = [str(each) for each in (FFTOOL, "sweep", *arguments)]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler with two workers, for tests that leave both alive."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster.start()
    finally:
        cluster.close()


@pytest.fixture
def own_cluster(tmp_path_factory):
    """One that a test may break; it starts it."""
    cluster = Cluster(tmp_path_factory.mktemp("own"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def alone(photo_path, tmp_path_factory):
    """Checkpoints of the same sweep in one process, with one thread."""
    return swept(tmp_path_factory.mktemp("alone"), photo_path, *FOUR)


def test_same_bytes_as_without_workers(run, cluster, photo_path, tmp_path, alone):
    done = run("sweep", photo_path, *FOUR, "--cluster", cluster.address, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [row["model"] for row in document["runs"]] == [
        f"photo-gaussian-{scale}-seed-{seed}.st" for scale in (4, 12) for seed in (0, 1)
    ]
    assert all(row["file"] == str(photo_path) and row["seconds"] > 0 for row in document["runs"])
    assert checkpoints(tmp_path / "runs") == alone
    again = run("sweep", photo_path, *FOUR, "--cluster", cluster.address)
    assert "4 runs: all complete.\n" in again.stderr


def test_workers_of_this_machine_listen_to_it_alone(photo_path, tmp_path, alone):
    with start(tmp_path, photo_path, *FOUR, "--workers", 2) as process:
        seen = set()
        while process.poll() is None:
            seen |= listening(process.pid)
            time.sleep(0.3)
        _, error = process.communicate()
    assert process.returncode == 0, error
    assert checkpoints(tmp_path / "runs") == alone
    assert seen
    assert all(address.endswith("0100007F") for address in seen), seen  # 127.0.0.1, low byte first


def listening(pid):
    """Addresses at which a process and its children listen, in the hexadecimal of Linux."""
    pids = [pid, *children(pid)]
    sockets = set()
    for each in pids:
        for link in Path(f"/proc/{each}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:  # closed meanwhile
                continue
    found = set()
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                found.add(words[1].split(":")[0])
    return found


def children(pid):
    try:
        direct = [int(each) for task in Path(f"/proc/{pid}/task").iterdir() for each in children_of(task)]
    except OSError:
        return []
    return [*direct, *(below for child in direct for below in children(child))]


def children_of(task):
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def test_run_that_fails_on_a_worker_is_reported_and_takes_none_with_it(run, cluster, photo_path, tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    done = run("sweep", "text.png", photo_path, "missing.png", *QUICK, "--cluster", cluster.address, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert [row["model"] for row in document["runs"]] == ["photo-gaussian-8-seed-0.st"]
    problems = {each["name"]: each["error"] for each in document["failed"]}
    assert problems.keys() == {"text-gaussian-8-seed-0", "missing-gaussian-8-seed-0"}
    assert "not an image of a known format" in problems["text-gaussian-8-seed-0"]
    assert "no such file" in problems["missing-gaussian-8-seed-0"]
    assert "save it as a PNG" in done.stderr  # the hint of the error, which came from another process


def test_killed_worker_costs_no_run(cluster, photo_path, tmp_path):
    with start(tmp_path, photo_path, *SLOW, "--cluster", cluster.address) as process:
        wait_for(lambda: checkpoints(tmp_path / "runs"))  # the others run now
        nanny = cluster.processes[1]
        (worker,) = [pid for pid in children(nanny.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(worker, signal.SIGKILL)
        _, error = process.communicate()
    assert process.returncode == 0, error
    assert len(checkpoints(tmp_path / "runs")) == 4


def test_scheduler_that_goes_leaves_what_is_complete(run, own_cluster, cluster, photo_path, tmp_path):
    own_cluster.start()
    with start(tmp_path, photo_path, *SLOW, "--cluster", own_cluster.address) as process:
        wait_for(lambda: checkpoints(tmp_path / "runs"))
        own_cluster.scheduler.kill()
        _, error = process.communicate()
    assert process.returncode == 1
    assert f"error: the scheduler at {own_cluster.address} is gone\nhint: start it with dask scheduler" in error
    assert "Traceback" not in error
    complete = checkpoints(tmp_path / "runs")
    assert f"Stopped: {len(complete)} of 4 runs are complete. The same command resumes.\n" in error
    done = run("sweep", photo_path, *SLOW, "--cluster", cluster.address)
    assert done.returncode == 0, done.stderr
    count = len(complete)
    assert f"4 runs: {count} {'are' if count > 1 else 'is'} complete.\n" in done.stderr
    assert complete.items() <= checkpoints(tmp_path / "runs").items()
    assert len(checkpoints(tmp_path / "runs")) == 4


def test_interrupted_client_keeps_what_is_complete(run, cluster, photo_path, tmp_path):
    with start(tmp_path, photo_path, *SLOW, "--epochs", 150, "--cluster", cluster.address) as process:
        wait_for(lambda: checkpoints(tmp_path / "runs"))
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "runs are complete. The same command resumes." in error
    complete = checkpoints(tmp_path / "runs")
    assert 0 < len(complete) < 4
    assert all(describe(tmp_path / "runs" / name).result for name in complete)
    done = run("sweep", photo_path, *QUICK, "-o", "other", "--cluster", cluster.address)
    assert done.returncode == 0, done.stderr  # the workers are free again


def test_source_that_a_worker_lacks_is_named(own_cluster, tmp_path):
    """It is too large to travel, and gone when the first worker starts."""
    own_cluster.start(workers=0)
    large = tmp_path / "large.png"
    large.write_bytes(bytes(MAX_TRAVELLING + 1))
    with start(tmp_path, "large.png", *QUICK, "--cluster", own_cluster.address) as process:
        waiting = process.stderr.readline() + process.stderr.readline()
        assert f"has no workers yet. To start one, on any machine: fftool worker {own_cluster.address}\n" in waiting
        large.rename(tmp_path / "moved.png")
        own_cluster.add_workers(1)
        _, error = process.communicate()
    assert process.returncode == 1
    text = " ".join(error.split())
    assert "not found on a worker (No such file or directory)" in text
    assert "hint: put it in a folder that all workers have at the same path" in text


def test_worker_of_another_version_is_refused(run, cluster, photo_path, tmp_path):
    with cluster.old_worker() as worker:
        done = run("sweep", photo_path, *QUICK, "--cluster", cluster.address)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith(f"error: the worker {worker} has fftool 0.0.9 with torch ")
    assert hint == "hint: install the same versions of fftool and torch on all machines"
    assert not checkpoints(tmp_path / "runs")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_tls_follows_the_settings_of_dask(run_process, own_cluster, photo_path, tmp_path, monkeypatch):
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    certificate, key = tmp_path / "node.pem", tmp_path / "node.key"
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", str(certificate))
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT", str(certificate))
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY", str(key))
    own_cluster.start(workers=1, protocol="tls")
    done = run_process("sweep", photo_path, *QUICK, "--cluster", own_cluster.address)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("tcp://127.0.0.1:9", "the scheduler at tcp://127.0.0.1:9 cannot be reached: Connection refused"),
        ("head:8786", "invalid address of a scheduler head:8786: expected one such as tcp://head:8786"),
    ],
)
@pytest.mark.parametrize("command", ["sweep", "worker"])
def test_scheduler_that_is_none_is_an_error(run, photo_path, address, problem, command):
    done = run(*(("worker", address) if command == "worker" else ("sweep", photo_path, *QUICK, "--cluster", address)))
    assert f"error: {problem}" in done.stderr
    assert "Traceback" not in done.stderr


def test_memory_limit_that_is_no_size_is_an_error(run):
    done = run("worker", "tcp://127.0.0.1:9", "--memory-limit", "much")
    fails(done, 2, "error: invalid memory limit much: expected a size such as 4GB, or 'auto'\n", "hint: ")


def test_missing_dask_is_named_with_its_installation(run, photo_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    done = run("sweep", photo_path, *QUICK, "--workers", 2)
    assert 'hint: install it: pipx inject fftool distributed, or pip install "fftool[cluster]"\n' in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    "error",
    [errors.SettingError("scale", -1, "more"), errors.MissingPackageError("a", "b", "c"), errors.FFToolError("text")],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error):
    import pickle

    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


# One network

TILED = (*SMALL, "--tile", 12, "--scale", 8, "--threads", 1)


@pytest.fixture(scope="module")
def tiled_alone(photo_path, tmp_path_factory):
    """A network of tiles, trained in one process with one thread."""
    path = tmp_path_factory.mktemp("alone") / "model.st"
    command = [str(each) for each in (FFTOOL, "train", photo_path, *TILED, "-o", path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return path


@pytest.mark.parametrize("options", [(), ("--holdout", 0.2, "--stop-at-best"), ("--target-psnr", 22)], ids=str)
def test_tiles_have_the_same_bytes_as_without_workers(run, cluster, photo_path, tmp_path, options):
    done = run("train", photo_path, *TILED, *options, "-o", "shared.st", "--cluster", cluster.address)
    assert done.returncode == 0, done.stderr
    assert run("train", photo_path, *TILED, *options, "-o", "alone.st").returncode == 0
    assert (tmp_path / "shared.st").read_bytes() == (tmp_path / "alone.st").read_bytes()


def test_stored_signal_has_the_same_bytes_as_without_workers(run, cluster, photo, tmp_path, monkeypatch):
    """It is evaluated by the workers too. The client's limit is lower than theirs: they read the file whole."""
    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, photo.samples, photometric="rgb", tile=(16, 16), compression="zlib")
    monkeypatch.setattr(decoded, "MAX_PIXELS", 1000)
    monkeypatch.setattr(evaluation, "PART_SAMPLES", 1000)
    assert run("train", path, *TILED, "-o", "alone.st").returncode == 0
    done = run("train", path, *TILED, "-o", "shared.st", "--cluster", cluster.address)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "shared.st").read_bytes() == (tmp_path / "alone.st").read_bytes()


@pytest.mark.parametrize("size", ["200%", "100x30"])
def test_rendering_has_the_same_bytes_as_without_workers(run, cluster, tiled_alone, model_path, tmp_path, size):
    for model in (tiled_alone, model_path):
        options = (model, "--size", size, "--threads", 1)
        done = run("render", *options, "-o", "shared.png", "--overwrite", "--cluster", cluster.address)
        assert done.returncode == 0, done.stderr
        assert run("render", *options, "-o", "alone.png", "--overwrite").returncode == 0
        assert (tmp_path / "shared.png").read_bytes() == (tmp_path / "alone.png").read_bytes()


def test_training_resumes_without_its_workers(run, own_cluster, photo_path, tmp_path, monkeypatch):
    """The scheduler is gone after the first group of tiles: what was trained is saved, and completed here."""
    own_cluster.start(workers=1)
    save_if_due = Saver.save_if_due

    def kill_and_save(saver, progress):
        if progress.tiles.start:
            own_cluster.scheduler.kill()
        save_if_due(saver, progress)

    options = ("--tile", 8, "--hidden", 128, "--scale", 8, "--threads", 1, "--epochs", 5, "--batch-size", 256)
    with monkeypatch.context() as patch:
        patch.setattr(Saver, "save_if_due", kill_and_save)
        done = run("train", photo_path, *options, "--cluster", own_cluster.address)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2] == f"error: the scheduler at {own_cluster.address} is gone"
    assert 0 < describe(tmp_path / "model.st").resume.position.complete.n_tiles < 48
    assert run("train", "--resume", "model.st").returncode == 0
    assert run("train", photo_path, *options, "-o", "alone.st").returncode == 0
    assert (tmp_path / "model.st").read_bytes() == (tmp_path / "alone.st").read_bytes()


def test_complete_network_is_not_trained_longer_by_several_processes(run, cluster, photo_path, tiled_alone, tmp_path):
    shutil.copy(tiled_alone, tmp_path / "model.st")
    done = run("train", photo_path, "--resume", "model.st", "--epochs", 9, "--cluster", cluster.address)
    assert done.returncode == 2
    assert "invalid number of epochs 9: expected those of a new network, to share its tiles" in done.stderr
    assert (tmp_path / "model.st").read_bytes() == tiled_alone.read_bytes()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--tile", "none"), "invalid tile 'none': expected tiles, as several processes share the tiles"),
        (("--tile", 12, "--time", "5s"), "--time lets a clock decide, and several processes have no common one"),
    ],
)
def test_trainings_that_cannot_be_shared_are_refused(run, cluster, photo_path, options, problem):
    done = run("train", photo_path, *SMALL[:4], *options, "--cluster", cluster.address)
    assert done.returncode == 2
    assert problem in done.stderr
