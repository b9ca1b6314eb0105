"""A run that is stopped, killed or refused its disk, and goes on: nothing is lost, and the model becomes the same."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from conftest import FFTOOL
from PIL import Image

import fftool
from fftool import EncodingConfig, FFToolError, NetworkConfig, TrainingConfig
from fftool.learner import Learner

LONG = ("--hidden", 32, "--dimension", 32, "--scale", 8, "--epochs", 150)


@pytest.fixture
def start(tmp_path, photo_path):
    """Begin to train the photo, and wait until it is saved for the first time."""

    def begun(*arguments):
        command = [FFTOOL, "train", photo_path, *map(str, (*LONG, "--save-every", 0.01, *arguments))]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not (tmp_path / "model.st").exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process

    return begun


@pytest.fixture(scope="module")
def whole(photo_path, tmp_path_factory):
    """The bytes of the model of an uninterrupted run."""
    path = tmp_path_factory.mktemp("whole") / "whole.st"
    subprocess.run([FFTOOL, "train", photo_path, *map(str, LONG), "-o", path], check=True, capture_output=True)
    return path.read_bytes()


def test_a_killed_run_goes_on_to_the_same_model(start, whole, run, tmp_path):
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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_run_says_how_to_go_on(start, whole, run, tmp_path, number, code):
    process = start()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "To go on: fftool train --resume model.st" in stderr
    assert "Traceback" not in stderr
    assert run("train", "--resume", "model.st").returncode == 0
    assert (tmp_path / "model.st").read_bytes() == whole


def test_a_second_process_is_refused_the_same_file(start, run, photo_path):
    process = start()
    for more in (("--resume", "model.st"), (photo_path, "--overwrite")):
        done = run("train", *more)
        assert done.returncode == 1
        assert "is being written by another fftool" in done.stderr
    process.terminate()
    process.communicate()
    assert process.returncode == 143


def test_the_picture_is_found_or_named_and_has_to_be_the_same(start, run, photo_path, tmp_path):
    process = start()
    process.terminate()
    process.communicate()
    fftool_run = fftool.load_run(tmp_path / "model.st")
    resume = fftool.describe(tmp_path / "model.st").resume
    fftool.save_run(fftool_run, tmp_path / "moved.st", str(tmp_path / "gone.png"))
    assert resume.picture == str(photo_path)
    done = run("train", "--resume", "moved.st")  # its source is photo.png, of which there is none here
    assert done.returncode == 1
    assert "gone.png" in done.stderr
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    done = run("train", "--resume", "moved.st")
    assert done.returncode == 1
    assert "not the picture that was learnt: its pixels" in done.stderr
    Image.new("RGB", (48, 64)).save(tmp_path / "photo.png")
    assert "its size" in run("train", "--resume", "moved.st").stderr
    shutil.copy(photo_path, tmp_path / "named.png")
    assert run("train", "named.png", "--resume", "moved.st").returncode == 0


def test_what_is_settled_cannot_be_changed(run, model_path, tmp_path):
    shutil.copy(model_path, tmp_path / "model.st")
    for option in ("--scale=3", "--seed=1", "--hidden=3", "--encoding=none", "--batch-size=7"):
        done = run("train", "--resume", "model.st", option)
        assert done.returncode == 2
        assert "is settled in model.st" in done.stderr
    assert run("train", "a.png", "b.png", "--resume", "model.st").returncode == 2


def test_a_finished_run_goes_on_with_more_epochs(run, model_path, photo, tmp_path):
    shutil.copy(model_path, tmp_path / "model.st")
    before = fftool.describe(model_path).config.training.result
    done = run("train", "--resume", "model.st")
    assert done.returncode == 0
    assert "is complete" in done.stderr
    assert (tmp_path / "model.st").read_bytes() == model_path.read_bytes()
    Image.fromarray(photo.samples).save(tmp_path / "photo.png")
    assert run("train", "photo.png", "--resume", "model.st", "--epochs", before.epochs).returncode == 2
    done = run("train", "photo.png", "--resume", "model.st", "--epochs", 3 * before.epochs, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["epochs"] == 3 * before.epochs
    assert report["psnr"] > before.psnr + 1
    assert fftool.describe(tmp_path / "model.st").resume is None


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf"])
def test_saving_takes_some_time(run, photo_path, every):
    done = run("train", photo_path, "--save-every", every)
    assert done.returncode == 2
    assert "time between saves" in done.stderr


def test_a_disk_that_is_full_for_a_while_stops_nothing(run, photo_path, tmp_path):
    """A limit on the size of files that has room for the network, but not for what it takes to go on."""
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))}
    done = run("train", photo_path, "--epochs", 5, "--save-every", 0.01, **limit)
    assert done.returncode == 0, done.stderr
    assert "Not saved at" in done.stderr
    assert fftool.describe(tmp_path / "model.st").resume is None
    assert [path.name for path in tmp_path.iterdir()] == ["model.st"]


# in the library


def begun(photo, steps=None, **settings):
    """A course of training, and where it stands after so many steps."""
    training = TrainingConfig(epochs=3, batch_size=700, **settings)
    course = fftool.fit(photo, EncodingConfig(scale=8.0, dimension=16), NetworkConfig(hidden=16), training)
    for progress in course:
        if progress.step == steps:
            break
    return progress


def bits(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}, {"holdout": 0.3}, {"schedule": "cosine"}])
@pytest.mark.parametrize("steps", [1, 4, 5, 6, 9, 14])
def test_from_any_step_it_goes_on_bit_for_bit(photo, tmp_path, steps, settings):
    """Within an epoch, at its end, and where only a rest of a batch is left of it."""
    whole = begun(photo, **settings)
    fftool.save_run(begun(photo, steps, **settings).run(), tmp_path / "a.st")
    for progress in fftool.resume(photo, fftool.load_run(tmp_path / "a.st")):
        pass
    assert (progress.step, progress.loss, progress.done) == (whole.step, whole.loss, 1)
    for name, tensor in bits(whole.network).items():
        assert torch.equal(tensor, progress.network.state_dict()[name]), name


def broken_at(monkeypatch, steps):
    """Have the losses of those steps, in the order that they are taken, be no numbers; the weights are too, by then."""
    taken, step = [], Learner.step

    def broken(self, index, learning_rate):
        taken.append(learning_rate)
        errors = step(self, index, learning_rate)
        if len(taken) in steps:
            for weight in self.weights.values():
                weight.fill_(torch.nan)
            return errors * torch.nan
        return errors

    monkeypatch.setattr(Learner, "step", broken)
    return taken


def test_a_loss_that_is_no_number_is_gone_back_from(photo, monkeypatch):
    """To the start of its epoch, of five steps, with a tenth of the learning rate."""
    rates = broken_at(monkeypatch, {8})
    progress = begun(photo, schedule="constant")
    assert rates[5:8] == pytest.approx([rates[5]] * 3)
    assert rates[8:] == pytest.approx([rates[5] / 10] * 10)
    assert progress.network.is_finite
    assert (progress.step, progress.retreats) == (15, 1)
    assert fftool.evaluate(progress, photo).retreats == 1


def test_what_was_lost_is_learnt_again_after_a_resumption(photo, monkeypatch, tmp_path):
    """The epoch's start is part of what is saved within it."""
    broken_at(monkeypatch, {9})
    whole = begun(photo)
    monkeypatch.undo()
    fftool.save_run(begun(photo, 7).run(), tmp_path / "a.st")
    broken_at(monkeypatch, {2})
    for progress in fftool.resume(photo, fftool.load_run(tmp_path / "a.st")):
        pass
    for name, tensor in bits(whole.network).items():
        assert torch.equal(tensor, progress.network.state_dict()[name]), name


DIVERGES = """
import sys, torch
from fftool.cli import main
from fftool.learner import Learner
step, taken = Learner.step, []

def broken(self, index, rate):
    taken.append(rate)
    return step(self, index, rate) * (torch.nan if len(taken) in (4, 6) else 1)

Learner.step = broken
main()
"""


def test_the_second_time_it_gives_up_and_keeps_the_last_good_model(photo_path, tmp_path):
    """Of epochs with two steps: in the second one, and again."""
    arguments = ["--epochs", "9", "--batch-size", "2000", "--hidden", "32"]
    command = [sys.executable, "-c", DIVERGES, "train", photo_path, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "back to the start of epoch 2" in done.stderr
    assert "error: the loss is no longer a finite number in epoch 2, not even with a tenth" in done.stderr
    assert "Traceback" not in done.stderr
    assert fftool.describe(tmp_path / "model.st").resume.position.step == 2
    assert np.isfinite(fftool.render(fftool.load(tmp_path / "model.st"))).all()


def test_a_training_that_diverges_at_once_saves_nothing(run, photo_path, tmp_path):
    done = run("train", photo_path, "--learning-rate", "1e30", "--epochs", 2)
    assert done.returncode == 1
    assert "error: the loss is no longer a finite number in epoch 1" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("odd", [("--learning-rate", 100), ("--scale", 1e6), ("--hidden", 1)])
def test_odd_settings_end_in_a_result(run, photo_path, tmp_path, odd):
    done = run("train", photo_path, *odd, "--epochs", 2)
    assert done.returncode == 0, done.stderr
    assert run("render", "model.st", "-o", "a.png").returncode == 0


def test_a_run_that_contradicts_itself_is_refused(photo, tmp_path):
    run = begun(photo, 7).run()
    for name, tensor in {
        "optimizer.means.0": torch.zeros(3),
        "optimizer.adam.means.0": torch.full((16,), torch.nan),
    }.items():
        fftool.save_run(
            type(run)(run.network, run.position, run.optimizer | {name: tensor}, run.good), tmp_path / "a.st"
        )
        with pytest.raises(FFToolError, match="contradicts itself"):
            next(fftool.resume(photo, fftool.load_run(tmp_path / "a.st")))


def test_another_signal_is_refused(photo):
    run = begun(photo, 7).run()
    other = fftool.Signal(255 - photo.samples, source="other.png")
    with pytest.raises(FFToolError, match=r"other\.png is not the picture"):
        next(fftool.resume(other, run))


def test_the_hash_is_of_the_samples(photo):
    wide = fftool.Signal(photo.samples.astype(">u2").astype(np.uint16))
    assert wide.sha256 == fftool.Signal(np.asfortranarray(wide.samples)).sha256 != photo.sha256


KILLED = """
import os, signal
from pathlib import Path
from fftool.files import replacing
with replacing(Path("a.st")) as file:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_taken_away(model_path, tmp_path):
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert len(list(tmp_path.iterdir())) == 2
    fftool.save(fftool.load(model_path), tmp_path / "a.st")
    assert [path.name for path in tmp_path.iterdir()] == ["a.st"]
