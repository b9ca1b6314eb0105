"""Runs that are stopped, killed or refused disk space, and resumed: nothing is lost, and the model becomes the same."""

import itertools
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from conftest import FFTOOL, fails
from PIL import Image
from test_checkpoint import rewrite

import fftool
from fftool import EncodingConfig, FFToolError, NetworkConfig, TrainingConfig
from fftool.errors import InconsistentCheckpointError, SignalMismatchError, UnfinishedRunError
from fftool.training.step import TrainingStep

LONG = ("--hidden", 32, "--dimension", 32, "--scale", 8, "--epochs", 150, "--batch-size", 512)
TINY = ("--hidden", 16, "--dimension", 16, "--scale", 8, "--batch-size", 700)  # an epoch has five steps
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals and limits")


@pytest.fixture
def start(tmp_path, photo_path):
    """Start a training on the photo in a process, and wait for its first save."""

    def started(*arguments):
        command = [FFTOOL, "train", photo_path, *map(str, (*LONG, "--save-every", 0.01, *arguments))]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not (tmp_path / "model.st").exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process

    return started


@pytest.fixture(scope="module")
def whole(photo_path, tmp_path_factory):
    """The checkpoint of an uninterrupted run, as bytes."""
    path, signal = tmp_path_factory.mktemp("whole") / "whole.st", fftool.read_image(photo_path)
    encoding, network = EncodingConfig(scale=8, dimension=32), NetworkConfig(hidden=32)
    for progress in fftool.fit(signal, encoding, network, TrainingConfig(epochs=150, batch_size=512)):
        pass
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, path)
    return path.read_bytes()


@posix
def test_killed_run_resumes_to_the_same_model(start, whole, run, tmp_path):
    process = start()
    process.kill()
    process.communicate()
    unfinished = json.loads(run("info", "model.st", "--json").stdout)
    assert unfinished["resume"]["position"]["step"] > 0
    assert "unfinished" in run("info", "model.st").stdout
    assert run("render", "model.st", "-o", "a.png").returncode == 0
    done = run("train", "--resume", "model.st")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.st").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "model.st"]


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_stopped_run_says_how_to_resume(start, whole, run, tmp_path, name, code):
    process = start()
    process.send_signal(getattr(signal, name))
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "To resume: fftool train --resume model.st" in stderr
    assert "Traceback" not in stderr
    assert run("train", "--resume", "model.st").returncode == 0
    assert (tmp_path / "model.st").read_bytes() == whole


@posix
def test_second_process_is_refused_the_same_file(start, run, photo_path):
    process = start()
    for more in (("--resume", "model.st"), (photo_path, "--overwrite")):
        fails(run("train", *more), 1, "model.st: is being written by another fftool process")
    process.terminate()
    process.communicate()
    assert process.returncode == 143


@posix
def test_killed_process_leaves_nothing_that_stays(model_path, tmp_path):
    """The next one reuses its lock and its draft, and removes them."""
    killed = (
        "import os, signal\nfrom pathlib import Path\nfrom fftool.files import replacing\n"
        "with replacing(Path('a.st')) as file:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", killed], cwd=tmp_path, check=False)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock", ".part"]
    fftool.save(fftool.load(model_path), tmp_path / "a.st")
    assert [path.name for path in tmp_path.iterdir()] == ["a.st"]


@posix
def test_disk_that_is_full_for_a_while_stops_nothing(run_process, photo_path, tmp_path):
    """A limit on the size of files that leaves room for the network, and not for the state of its training."""
    import resource

    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))}
    done = run_process("train", photo_path, "--epochs", 5, "--save-every", 0.01, **limit)
    assert done.returncode == 0, done.stderr
    assert "Not saved at" in done.stderr
    assert fftool.describe(tmp_path / "model.st").resume is None
    assert [path.name for path in tmp_path.iterdir()] == ["model.st"]


# through the command


def unfinished(photo_path, path, source=None, steps=7):
    """Save a run on the photo in its second epoch, whose signal is said to be at `source`."""
    course = begin(fftool.read_image(photo_path), steps)
    fftool.save_run(course.snapshot(), path, str(source or photo_path))


def test_image_is_found_at_its_path_or_beside_the_model_or_named(run, photo_path, tmp_path):
    unfinished(photo_path, tmp_path / "here.st")
    unfinished(photo_path, tmp_path / "moved.st", tmp_path / "gone.png")
    assert fftool.describe(tmp_path / "here.st").resume.source == str(photo_path)
    fails(run("train", "--resume", "moved.st"), 1, "gone.png", "fftool train FILE --resume moved.st")
    (tmp_path / "models").mkdir()
    shutil.copy(tmp_path / "moved.st", tmp_path / "models" / "a.st")
    shutil.copy(photo_path, tmp_path / "named.png")
    shutil.copy(photo_path, tmp_path / "models" / "photo.png")
    for arguments in (("here.st",), ("moved.st", "named.png"), ("models/a.st",)):
        done = run("train", "--resume", *arguments)
        assert done.returncode == 0, done.stderr
    models = {(tmp_path / name).read_bytes() for name in ("here.st", "moved.st", "models/a.st")}
    assert len(models) == 1


@pytest.mark.parametrize(
    ("image", "difference"),
    [
        (Image.new("RGB", (64, 48)), "its samples differ"),
        (Image.new("RGB", (48, 64)), "shape (64, 48), expected (48, 64)"),
        (Image.new("L", (64, 48)), "channels 1, expected 3"),
    ],
)
def test_rejects_another_image(run, photo_path, tmp_path, image, difference):
    unfinished(photo_path, tmp_path / "model.st", tmp_path / "gone.png")
    before = (tmp_path / "model.st").read_bytes()
    image.save(tmp_path / "photo.png")
    done = run("train", "--resume", "model.st")
    fails(done, 1, "photo.png is not the signal that the run was trained on", difference)
    assert (tmp_path / "model.st").read_bytes() == before


@pytest.mark.parametrize("option", ["--scale=3", "--seed=1", "--hidden=3", "--encoding=none", "--batch-size=7"])
def test_rejects_changes_to_fixed_settings(run, model_path, tmp_path, option):
    shutil.copy(model_path, tmp_path / "model.st")
    fails(run("train", "--resume", "model.st", option), 2, f"{option.split('=')[0]} is fixed in model.st")


def test_rejects_several_images(run, model_path, tmp_path):
    shutil.copy(model_path, tmp_path / "model.st")
    fails(run("train", "a.png", "b.png", "--resume", "model.st"), 2, "one run, with one file")


def test_resumed_run_is_written_to_another_file(run, photo_path, tmp_path):
    unfinished(photo_path, tmp_path / "model.st")
    before = (tmp_path / "model.st").read_bytes()
    done = run("train", "--resume", "model.st", "-o", "other.st", "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.st").read_bytes() == before
    assert fftool.describe(tmp_path / "other.st").resume is None
    assert fftool.describe(tmp_path / "other.st").config.training.threads == 1
    fails(run("train", "--resume", "model.st", "-o", "other.st"), 1, "other.st already exists")


def test_finished_run_resumes_with_more_epochs(run, model_path, photo, tmp_path):
    shutil.copy(model_path, tmp_path / "model.st")
    before = fftool.describe(model_path).result
    done = run("train", "--resume", "model.st")
    assert done.returncode == 0
    assert f"is complete. To train longer: fftool train --resume model.st --epochs {2 * before.epochs}" in done.stderr
    assert (tmp_path / "model.st").read_bytes() == model_path.read_bytes()
    Image.fromarray(photo.samples).save(tmp_path / "photo.png")
    fails(
        run("train", "photo.png", "--resume", "model.st", "--epochs", before.epochs),
        2,
        "trained for 10 epochs",
        "--epochs 20",
    )
    done = run("train", "photo.png", "--resume", "model.st", "--epochs", 3 * before.epochs, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["epochs"] == 3 * before.epochs
    assert report["psnr"] > before.psnr + 1
    assert fftool.describe(tmp_path / "model.st").resume is None


def test_finished_run_warms_up_when_it_is_resumed(run, photo_path, tmp_path, monkeypatch):
    """Its optimizer is a new one: fifths of the learning rate that 5 to 9 of 15 steps have decayed to."""
    assert run("train", photo_path, *TINY, "--epochs", 1).returncode == 0
    rates, step = [], TrainingStep.__call__
    monkeypatch.setattr(TrainingStep, "__call__", lambda *arguments: rates.append(arguments[2]) or step(*arguments))
    assert run("train", photo_path, "--resume", "model.st", "--epochs", 3).returncode == 0
    full = fftool.describe(tmp_path / "model.st").config.training.learning_rate
    factors = [min(1, (i + 1) / 5) * 0.5 * (1 + np.cos(np.pi * (5 + i) / 15)) for i in range(10)]  # a cosine
    assert rates == pytest.approx([full * factor for factor in factors])


@pytest.fixture
def timed(run, photo_path, tmp_path, monkeypatch):
    """A run that time ended within its second epoch, in model.st: the clock counts the steps."""
    clock = itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr("fftool.training.trainer.perf_counter", lambda: float(next(clock)))
        done = run("train", photo_path, *TINY, "--time", "12s", "--json")
    assert done.returncode == 0, done.stderr
    result = fftool.describe(tmp_path / "model.st").result
    assert (json.loads(done.stdout)["epochs"], result.epochs) == (1, 1)
    assert 5 < result.steps < 10
    return tmp_path / "model.st"


def test_run_that_time_ended_resumes_to_exactly_the_epochs_asked_for(run, timed, photo_path, tmp_path):
    """And to the same model each time; asking for as many again is refused."""
    models, figures = set(), []
    for name in ("a.st", "b.st"):
        shutil.copy(timed, tmp_path / name)
        done = run("train", photo_path, "--resume", name, "--epochs", 4, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        figures.append((report["epochs"], report["psnr"]))
        result = fftool.describe(tmp_path / name).result
        assert (result.epochs, result.steps) == (4, 20)
        models.add((tmp_path / name).read_bytes())
        for epochs in (4, 3):
            again = run("train", photo_path, "--resume", name, "--epochs", epochs)
            fails(again, 2, name, "trained for 4 epochs", "--epochs 8")
        assert (tmp_path / name).read_bytes() in models
    assert len(models) == 1
    assert figures[0] == figures[1]
    assert figures[0][0] == 4
    done = run("train", photo_path, "--resume", "a.st", "--epochs", 5, "--json")
    assert json.loads(done.stdout)["epochs"] == 5
    assert fftool.describe(tmp_path / "a.st").result.steps == 25


def test_run_that_an_earlier_version_ended_early_is_repaired(run, timed, photo_path, tmp_path):
    """Version 0.1.0 took the steps of the partial epoch for those of another: 4 asked for, 3 done, after 20 steps."""
    rewrite(timed, tmp_path / "old.st", config={"training.result.epochs": 3, "training.result.steps": 20})
    for epochs in (4, 6):
        done = run("train", photo_path, "--resume", "old.st", "--epochs", epochs, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["epochs"] == epochs == fftool.describe(tmp_path / "old.st").result.epochs
        fails(run("train", photo_path, "--resume", "old.st", "--epochs", epochs), 2, f"trained for {epochs} epochs")


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf"])
def test_rejects_impossible_time_between_saves(run, photo_path, every):
    fails(run("train", photo_path, "--save-every", every), 2, "invalid time between saves")


# in the library


def begin(photo, steps=None, **settings):
    """State of a training of three epochs, of five steps each, after so many steps."""
    training = TrainingConfig(**{"epochs": 3, "batch_size": 700} | settings)
    for progress in fftool.fit(photo, EncodingConfig(scale=8.0, dimension=16), NetworkConfig(hidden=16), training):
        if progress.step == steps:
            break
    return progress


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def check_same_weights(network, expected):
    for name, tensor in expected.items():
        assert torch.equal(tensor, network.state_dict()[name]), name


SETTINGS = {
    "muon": {},
    "adam": {"optimizer": "adam"},
    "held out": {"holdout": 0.3},
    "cosine": {"schedule": "cosine"},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.fixture(scope="module")
def uninterrupted(photo):
    """A function: step, loss and weights at the end of an uninterrupted run with these settings."""

    @cache
    def run(name):
        progress = begin(photo, **SETTINGS[name])
        return progress.step, progress.loss, weights(progress.network)

    return run


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("steps", [1, 4, 5, 6, 9, 14])
def test_resumes_from_any_step_bit_for_bit(photo, uninterrupted, tmp_path, steps, name):
    """Within an epoch, at its end, and where only a rest of a batch is left of it."""
    step, loss, expected = uninterrupted(name)
    fftool.save_run(begin(photo, steps, **SETTINGS[name]).snapshot(), tmp_path / "a.st")
    for progress in fftool.resume(photo, fftool.load_run(tmp_path / "a.st")):
        pass
    assert (progress.step, progress.loss, progress.done) == (step, loss, 1)
    check_same_weights(progress.network, expected)


def break_steps(monkeypatch, steps):
    """Make loss and weights NaN at those steps, counted from now on; returns the learning rates of all steps."""
    rates, step = [], TrainingStep.__call__

    def broken(self, index, learning_rate):
        rates.append(learning_rate)
        errors = step(self, index, learning_rate)
        if len(rates) in steps:
            for tensor in self.parameters.values():
                tensor.fill_(torch.nan)
            return errors * torch.nan
        return errors

    monkeypatch.setattr(TrainingStep, "__call__", broken)
    return rates


def test_rolls_back_from_a_loss_that_is_not_finite(photo, monkeypatch):
    """To the start of the epoch, of five steps, with a tenth of the learning rate."""
    rates = break_steps(monkeypatch, {8})
    progress = begin(photo, schedule="constant")
    assert rates[5:8] == pytest.approx([rates[5]] * 3)
    assert rates[8:] == pytest.approx([rates[5] / 10] * 10)
    assert progress.network.is_finite
    assert (progress.step, progress.rollbacks) == (15, 1)
    assert fftool.evaluate(progress, photo).rollbacks == 1


def test_rolls_back_after_a_resumption_too(photo, monkeypatch, tmp_path):
    """The start of the epoch is saved with a run within it."""
    break_steps(monkeypatch, {9})
    expected = weights(begin(photo).network)
    monkeypatch.undo()
    fftool.save_run(begin(photo, 7).snapshot(), tmp_path / "a.st")
    break_steps(monkeypatch, {2})
    for progress in fftool.resume(photo, fftool.load_run(tmp_path / "a.st")):
        pass
    assert progress.rollbacks == 1
    check_same_weights(progress.network, expected)


def test_second_divergence_ends_the_run_and_keeps_the_last_good_model(run, photo_path, tmp_path, monkeypatch):
    """In the second of epochs with two steps, and again."""
    break_steps(monkeypatch, {4, 6})
    done = run("train", photo_path, "--epochs", 9, "--batch-size", 2000, "--hidden", 32)
    assert done.returncode == 1
    assert "rolled back to the start of epoch 2, with a tenth of the learning rate" in done.stderr
    assert "error: the loss is not finite in epoch 2, even with a tenth of the learning rate" in done.stderr
    assert "The network before that, after 1 epochs, is in model.st." in done.stderr
    assert "Traceback" not in done.stderr
    assert fftool.describe(tmp_path / "model.st").resume.position.step == 2
    assert fftool.render(fftool.load(tmp_path / "model.st")).std() > 0


def test_training_that_diverges_at_once_saves_nothing(run, photo_path, tmp_path):
    done = run("train", photo_path, "--learning-rate", "1e30", "--epochs", 2)
    assert done.returncode == 1
    assert "error: the loss is not finite in epoch 1" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("odd", [("--learning-rate", 100), ("--scale", 1e6), ("--hidden", 1)])
def test_odd_settings_end_in_a_result(run, photo_path, odd):
    done = run("train", photo_path, *odd, "--epochs", 2)
    assert done.returncode == 0, done.stderr
    assert run("render", "model.st", "-o", "a.png").returncode == 0


def test_rejects_state_of_other_shapes(photo, tmp_path):
    snapshot = begin(photo, 7).snapshot()
    optimizer = snapshot.optimizer | {"optimizer.means.0": torch.zeros(3)}
    fftool.save_run(replace(snapshot, optimizer=optimizer), tmp_path / "a.st")
    expected = r"optimizer\.means\.0 is F32 \(3,\), expected F32"
    with pytest.raises(InconsistentCheckpointError, match=expected):
        fftool.load_run(tmp_path / "a.st")
    with pytest.raises(UnfinishedRunError, match="is inconsistent"):
        next(fftool.resume(photo, replace(snapshot, optimizer=optimizer)))


def test_rejects_state_that_is_not_finite(photo, tmp_path):
    snapshot = begin(photo, 7).snapshot()
    optimizer = snapshot.optimizer | {"optimizer.adam.means.0": torch.full((16,), torch.nan)}
    fftool.save_run(replace(snapshot, optimizer=optimizer), tmp_path / "a.st")
    with pytest.raises(UnfinishedRunError, match="is inconsistent"):
        next(fftool.resume(photo, fftool.load_run(tmp_path / "a.st")))


def test_rejects_another_signal(photo):
    snapshot = begin(photo, 7).snapshot()
    other = fftool.Signal(255 - photo.samples, source="other.png")
    with pytest.raises(SignalMismatchError, match=r"other\.png is not the signal"):
        next(fftool.resume(other, snapshot))
    assert issubclass(SignalMismatchError, FFToolError)


def test_hash_is_of_the_samples(photo):
    wide = fftool.Signal(photo.samples.astype(">u2").astype(np.uint16))
    assert wide.sha256 == fftool.Signal(np.asfortranarray(wide.samples)).sha256 != photo.sha256
