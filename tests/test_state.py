"""State of a training: snapshots of it, and finished runs that resume."""

import math
from dataclasses import replace

import pytest
import torch
from conftest import recorded_visits

import fftool
from fftool import EncodingConfig, NetworkConfig, TrainingConfig, TrainingResult
from fftool.errors import UnfinishedRunError
from fftool.training.state import Position, finished_position
from fftool.training.step import TrainingStep

ENCODING, NETWORK = EncodingConfig(scale=8.0, dimension=16), NetworkConfig(hidden=16)


def start(photo, **settings):
    """A training of epochs with five steps: four of 700 samples, and one of 272."""
    return fftool.fit(
        photo, ENCODING, NETWORK, TrainingConfig(**{"epochs": 3, "batch_size": 700, "device": "cpu"} | settings)
    )


def at_step(course, step):
    for progress in course:
        if progress.step == step:
            break
    return progress


def last(course):
    for progress in course:
        pass
    return progress


def with_epochs(run, epochs):
    """A run that is to continue to so many epochs, as `fftool train --resume` makes it."""
    config = run.network.config
    training = replace(config.training, epochs=epochs, seconds=math.inf, target_psnr=math.inf)
    run.network.config = replace(config, training=training)
    return replace(run, position=replace(run.position, finished=False))


def contents(run):
    """Copies of all tensors in a run, by name."""
    tensors = {f"network.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in run.optimizer.items()}
    if run.rollback:
        tensors |= {f"rollback.{name}": tensor for name, tensor in run.rollback.tensors.items()}
    return {name: tensor.clone() for name, tensor in tensors.items()}


def assert_equal(tensors, expected):
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensors[name], tensor), name


# Snapshots


@pytest.fixture(scope="module", params=["muon", "adam"])
def uninterrupted(request, photo):
    """The settings of a training, and its network."""
    settings = {"optimizer": request.param}
    return settings, last(start(photo, **settings)).network.state_dict()


@pytest.mark.parametrize("step", [1, 5, 7, 14])
def test_snapshot_stays_as_it_was(photo, uninterrupted, step):
    """After three more steps, and after a whole training that resumes from it."""
    settings, expected = uninterrupted
    course = start(photo, **settings)
    run = at_step(course, step).snapshot()
    position, tensors = run.position, contents(run)
    assert (position.step, position.epoch) == (step, (step - 1) // 5)
    progress = at_step(course, step + 3)  # or the last step
    assert progress.step > step
    assert progress.network is not run.network
    assert not torch.equal(progress.network.layers[0].weight, run.network.layers[0].weight)
    assert run.position == position
    assert_equal(contents(run), tensors)
    resumed = last(fftool.resume(photo, run))
    assert_equal(resumed.network.state_dict(), expected)
    assert run.position == position
    assert_equal(contents(run), tensors)


def test_resume_leaves_the_run_untouched(photo):
    """Its network, config and result are its own: it can be resumed again, or saved."""
    progress = at_step(start(photo), 7)
    progress.network.result = result = TrainingResult(epochs=1, steps=7, loss=0.5)
    run = progress.snapshot()
    config, tensors = run.network.config, contents(run)
    first, second = (last(fftool.resume(photo, run)) for _ in range(2))
    assert first.network is not run.network
    assert first.network.result is None
    assert_equal(first.network.state_dict(), second.network.state_dict())
    assert (run.network.config, run.network.result) == (config, result)
    assert_equal(contents(run), tensors)


def test_snapshot_before_a_step_is_where_resume_begins(photo):
    """`resume` yields the state that it resumes from first."""
    before = at_step(start(photo), 7)
    loss = before.loss
    progress = next(fftool.resume(photo, before.snapshot()))
    assert (progress.step, progress.epochs, progress.n_samples) == (7, 1, 3072 + 1400)
    assert progress.loss == pytest.approx(loss, rel=1e-6)
    assert progress.done == pytest.approx(7 / 15)


# Finished runs


@pytest.fixture
def clock(monkeypatch):
    """Time in the training loop, in seconds: one for each step, if `timed` runs it."""
    now = [0.0]
    monkeypatch.setattr("fftool.training.trainer.perf_counter", lambda: now[0])
    return now


def timed(course, clock):
    for progress in course:
        clock[0] += 1
    return progress


@pytest.mark.parametrize("holdout", ["none", 0.3])
@pytest.mark.parametrize("steps", [3, 5, 8, 9])
def test_run_that_time_ended_resumes_to_the_number_of_epochs(photo, clock, monkeypatch, tmp_path, holdout, steps):
    """It ends within an epoch, or at its end, is saved and resumed: every sample is visited once in each epoch."""
    n_trained = {"none": 3072, 0.3: 2150}[holdout]
    steps_per_epoch = math.ceil(n_trained / 700)
    visited = recorded_visits(monkeypatch)
    progress = timed(start(photo, seconds=steps - 1, holdout=holdout), clock)
    assert (progress.step, progress.epochs, progress.done) == (steps, steps // steps_per_epoch, 1)
    result = fftool.evaluate(progress, photo)
    fftool.save(progress.network, tmp_path / "model.st")

    run = with_epochs(fftool.load_run(tmp_path / "model.st"), 6)
    course = fftool.resume(photo, run)
    resumed = next(course)
    assert (resumed.step, resumed.epochs, resumed.n_samples) == (steps, progress.epochs, progress.n_samples)
    if steps % steps_per_epoch:
        assert resumed.loss == pytest.approx(result.loss, rel=1e-5)
    assert [p.step for p in course] == list(range(steps + 1, 6 * steps_per_epoch + 1))
    resumed = last(fftool.resume(photo, run))
    assert (resumed.epochs, resumed.step, resumed.n_samples) == (6, 6 * steps_per_epoch, 6 * n_trained)
    epochs = [sorted(visited[i : i + n_trained]) for i in range(0, 6 * n_trained, n_trained)]
    assert len({tuple(epoch) for epoch in epochs}) == 1
    assert len(set(epochs[0])) == n_trained


def test_run_that_time_ended_resumes_again_and_again(photo, clock, tmp_path):
    """Finished by time, then by epochs, then by more of them."""
    progress = timed(start(photo, seconds=6.0), clock)
    for epochs in (2, 3, 7):
        fftool.evaluate(progress, photo)
        fftool.save(progress.network, tmp_path / "model.st")
        progress = last(fftool.resume(photo, with_epochs(fftool.load_run(tmp_path / "model.st"), epochs)))
        assert (progress.epochs, progress.step) == (epochs, 5 * epochs)
        assert fftool.evaluate(progress, photo).epochs == epochs


def test_finished_file_whose_steps_do_not_fit_its_epochs_is_repaired(photo, tmp_path):
    """Earlier versions could end a run of three epochs within the third one, after 3 · 5 steps."""
    network = last(start(photo, epochs=2)).network
    network.result = TrainingResult(epochs=2, steps=15, loss=0.5, psnr=20.0)
    fftool.save(network, tmp_path / "old.st")
    run = fftool.load_run(tmp_path / "old.st")
    assert (run.position.epoch, run.position.n_visited, run.position.finished) == (2, 0, True)
    resumed = last(fftool.resume(photo, with_epochs(run, 3)))
    assert (resumed.epochs, resumed.n_samples, resumed.done) == (3, 3 * 3072, 1)
    fftool.evaluate(resumed, photo)
    fftool.save(resumed.network, tmp_path / "old.st")
    resumed = last(fftool.resume(photo, with_epochs(fftool.load_run(tmp_path / "old.st"), 4)))
    assert (resumed.epochs, resumed.n_samples) == (4, 4 * 3072)


@pytest.mark.parametrize(
    ("epochs", "steps", "n_visited"),
    [(2, 10, 0), (2, 11, 700), (2, 14, 2800), (0, 3, 2100), (2, 15, 0), (2, 9, 0), (2, 100, 0), (0, 0, 0)],
)
def test_finished_position_follows_from_the_result(trained, epochs, steps, n_visited):
    """Sums over the partial epoch are means times the 3 values of each visited sample."""
    config = trained.network.config
    config = replace(config, training=replace(config.training, batch_size=700))
    result = TrainingResult(epochs=epochs, steps=steps, loss=0.5, psnr=20.0, rollbacks=1)
    position = finished_position(config, result)
    assert (position.step, position.first_step, position.epoch, position.n_visited) == (steps, steps, epochs, n_visited)
    assert position.loss == pytest.approx(1.5 * n_visited)
    assert position.squared_error == pytest.approx(0.03 * n_visited)
    assert position.finished and position.rollbacks == 1


def test_exact_finished_run_has_no_squared_error(trained):
    config = trained.network.config
    result = TrainingResult(epochs=0, steps=3, loss=0.5, psnr=math.inf)
    position = finished_position(replace(config, training=replace(config.training, batch_size=700)), result)
    assert (position.n_visited, position.squared_error) == (2100, 0.0)


@pytest.fixture(scope="module")
def finished(photo, tmp_path_factory):
    """The file of a finished run of two epochs."""
    path = tmp_path_factory.mktemp("finished") / "model.st"
    progress = last(start(photo, epochs=2, learning_rate=0.5, schedule="linear"))
    fftool.evaluate(progress, photo)
    fftool.save(progress.network, path)
    return path


def recorded_rates(monkeypatch):
    """Learning rates of all steps from now on: a list that grows."""
    rates, step = [], TrainingStep.__call__

    def recorded(self, index, learning_rate):
        rates.append(learning_rate)
        return step(self, index, learning_rate)

    monkeypatch.setattr(TrainingStep, "__call__", recorded)
    return rates


def test_finished_run_warms_up_again(photo, finished, monkeypatch):
    """As its optimizer starts from zero: fifths of the rate that 10 to 14 of 40 steps have decayed to."""
    run = fftool.load_run(finished)
    assert run.optimizer == {}
    rates = recorded_rates(monkeypatch)
    course = fftool.resume(photo, with_epochs(run, 8))
    optimizer = next(course).snapshot().optimizer
    assert optimizer and not any(tensor.any() for tensor in optimizer.values())
    last(course)
    assert rates[:7] == pytest.approx([0.5 * f for f in (0.15, 0.29, 0.42, 0.54, 0.65, 0.625, 0.6)])
    assert len(rates) == 30


def test_unfinished_run_does_not_warm_up_again(photo, monkeypatch, tmp_path):
    fftool.save_run(at_step(start(photo, learning_rate=0.5, schedule="linear"), 7).snapshot(), tmp_path / "a.st")
    rates = recorded_rates(monkeypatch)
    last(fftool.resume(photo, fftool.load_run(tmp_path / "a.st")))
    assert rates == pytest.approx([0.5 * (1 - step / 15) for step in range(7, 15)])


@pytest.mark.parametrize("steps", [1, 3, 12])
def test_run_resumed_from_a_finished_one_can_be_interrupted(photo, finished, tmp_path, steps):
    """Within its second warm-up, and after it: bit for bit."""
    expected = last(fftool.resume(photo, with_epochs(fftool.load_run(finished), 5))).network.state_dict()
    interrupted = at_step(fftool.resume(photo, with_epochs(fftool.load_run(finished), 5)), 10 + steps)
    fftool.save_run(interrupted.snapshot(), tmp_path / "a.st")
    run = fftool.load_run(tmp_path / "a.st")
    assert (run.position.step, run.position.first_step) == (10 + steps, 10)
    assert_equal(last(fftool.resume(photo, run)).network.state_dict(), expected)


def test_finished_run_is_saved_as_it_was(finished, tmp_path):
    fftool.save_run(fftool.load_run(finished), tmp_path / "again.st")
    assert (tmp_path / "again.st").read_bytes() == finished.read_bytes()


@pytest.mark.parametrize(
    "values",
    [
        {"step": -1},
        {"epoch": -1},
        {"epoch": 10**9 + 1},
        {"n_visited": -1},
        {"step": 2**63},
        {"seconds": math.nan},
        {"seconds": -1.0},
        {"scale_seconds": math.inf},
        {"loss": math.nan},
        {"squared_error": math.inf},
        {"rollbacks": -1},
        {"step": 3, "first_step": 4},
    ],
)
def test_refuses_a_position_that_no_training_reaches(values):
    with pytest.raises(UnfinishedRunError, match="impossible position of a training"):
        Position(**values)
