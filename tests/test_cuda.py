"""The logic of CUDA graphs: on the CPU with graphs that run eagerly, and on a GPU where torch finds one."""

import math

import pytest
import torch

import fftool
from fftool import EncodingConfig, NetworkConfig, TrainingConfig
from fftool.backend.cuda_graph import GRAPHS, CudaGraph, EagerGraph, Replayed
from fftool.backend.device import FiniteCheck
from fftool.training import trainer
from fftool.training.step import TrainingStep

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")

BOTH = [
    pytest.param("cpu", EagerGraph, id="cpu"),
    pytest.param("cuda", CudaGraph, id="cuda", marks=on_cuda),
]


class Recording(EagerGraph):
    """Graph that counts its recordings, replays and warm-up runs."""

    recordings = replays = warm_ups = 0

    def __init__(self, function, input):
        super().__init__(function, input)
        Recording.recordings += 1

    def replay(self):
        Recording.replays += 1
        return super().replay()

    @staticmethod
    def warm_up(function, input):
        Recording.warm_ups += 1
        return function(input)

    @classmethod
    def counts(cls):
        return cls.warm_ups, cls.recordings, cls.replays


@pytest.fixture
def recording(monkeypatch):
    """Training on the CPU through graphs, counted."""
    for name in ("recordings", "replays", "warm_ups"):
        monkeypatch.setattr(Recording, name, 0)
    monkeypatch.setitem(GRAPHS, "cpu", Recording)
    return Recording


@pytest.mark.parametrize(("device", "graph"), BOTH)
def test_replayed_function_gives_what_it_would_give(device, graph):
    """Before the recording, after it, and for another number of rows; each of its effects comes once."""
    total = torch.zeros(3, device=device)

    def function(x):
        return total.add_(x.sum(0)).clone()

    replayed, expected = Replayed(function, 5, graph), torch.zeros(3)
    random = torch.Generator().manual_seed(0)
    for rows in (5, 5, 5, 5, 5, 2, 5, 5):
        x = torch.randn(rows, 3, generator=random)
        expected += x.sum(0)
        torch.testing.assert_close(replayed(x.to(device)).cpu(), expected)


@pytest.mark.parametrize(("device", "graph"), BOTH)
def test_reset_drops_the_graph_and_no_effect(device, graph):
    total = torch.zeros((), device=device)
    replayed = Replayed(lambda x: total.add_(x.sum()).clone(), 2, graph)
    for call in range(1, 13):
        if call in (6, 9):
            replayed.reset()
            assert replayed.recorded is None
        assert replayed(torch.ones(2, device=device)).item() == 2 * call
    assert replayed.recorded is not None


def test_graph_is_recorded_after_three_runs(recording):
    """Another number of rows runs on its own, and counts for nothing."""
    runs = []

    def function(x):
        runs.append(x.clone())
        return x.sum()

    replayed = Replayed(function, 4, recording)
    seen = []
    for rows in (4, 4, 3, 4, 4, 3, 4):
        replayed(torch.full((rows,), float(len(runs))))
        seen.append(recording.counts())
    assert seen == [(1, 0, 0), (2, 0, 0), (2, 0, 0), (3, 0, 0), (3, 1, 1), (3, 1, 1), (3, 1, 2)]
    assert [x.tolist() for x in runs] == [[float(i)] * rows for i, rows in enumerate((4, 4, 3, 4, 4, 3, 4))]


def test_graph_whose_memory_was_freed_while_it_was_recorded_is_dropped():
    """As where memory runs out within a recording, which itself runs nothing."""
    total, made = torch.zeros(()), []

    class Freed(EagerGraph):
        def __init__(self, function, input):
            super().__init__(function, input)
            made.append(self)
            if len(made) == 1:
                replayed.reset()

        def replay(self):
            assert self is not made[0]
            return super().replay()

    replayed = Replayed(lambda x: total.add_(x.sum()).clone(), 2, Freed)
    for call in range(1, 13):
        assert replayed(torch.ones(2)).item() == 2 * call
    assert len(made) == 2


def train(photo, **settings):
    encoding, network = EncodingConfig(scale=8.0, dimension=16), NetworkConfig(hidden=16)
    training = TrainingConfig(epochs=4, batch_size=700, device="cpu", **settings)
    for progress in fftool.fit(photo, encoding, network, training):
        pass
    return progress


def assert_equal(progress, expected):
    assert (progress.step, progress.loss) == (expected.step, expected.loss)
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(progress.network.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "adam"}, {"loss": "mse"}, {"holdout": 0.3}, {"precision": "bfloat16"}]
)
def test_training_through_graphs_gives_the_same_network(photo, recording, monkeypatch, settings):
    """With the rest of each epoch run on its own, and with a check that answers late, as on a GPU."""
    monkeypatch.setattr(trainer, "FiniteCheck", lambda late: FiniteCheck(late=True))
    progress = train(photo, **settings)
    full = 4 * (3 if "holdout" in settings else 4)  # batches of 700: 3072 or 2150 samples, and a rest
    assert recording.counts() == (3, 1, full - 3)
    monkeypatch.undo()
    assert_equal(progress, train(photo, **settings))


def spoil(monkeypatch, steps):
    """Have the losses of those steps, in the order that they are taken, be NaN, and the weights from then on."""
    taken, step = [], TrainingStep.__call__

    def spoilt(self, index, learning_rate):
        taken.append(learning_rate)
        errors = step(self, index, learning_rate)
        if len(taken) in steps:
            for weight in self.parameters.values():
                weight.fill_(torch.nan)
            return errors * torch.nan
        return errors

    monkeypatch.setattr(TrainingStep, "__call__", spoilt)
    return taken


@pytest.mark.parametrize("bad_step", [8, 10])
def test_late_check_rolls_back_to_the_same_network(photo, monkeypatch, bad_step):
    """A step later within an epoch of five steps, and at once at its end."""
    spoil(monkeypatch, {bad_step})
    expected = train(photo)
    monkeypatch.undo()
    taken = spoil(monkeypatch, {bad_step})
    monkeypatch.setattr(trainer, "FiniteCheck", lambda late: FiniteCheck(late=True))
    monkeypatch.setitem(GRAPHS, "cpu", EagerGraph)
    progress = train(photo)
    assert_equal(progress, expected)
    assert progress.rollbacks == 1
    assert len(taken) == 20 + (4 if bad_step == 8 else 5)  # steps 6 to 9, or 6 to 10, were taken twice


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=on_cuda)])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_late_check_answers_for_the_call_before(device, bad):
    """Even if the numbers have changed since."""
    check, values = FiniteCheck(late=True), torch.zeros(2, device=device)
    answers = []
    for number in (1.0, bad, 2.0, 3.0):
        values.fill_(number)
        answers.append(check(values))
    assert answers == [True, True, False, True]
    check = FiniteCheck(late=False)
    assert [check(torch.tensor([1.0, number], device=device)) for number in (1.0, bad, 2.0)] == [True, False, True]


@on_cuda
@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_gpu_trains_as_a_cpu_does(photo, optimizer):
    scores = {}
    for device in ("cpu", "cuda"):
        training = TrainingConfig(epochs=10, device=device, optimizer=optimizer, precision="float32")
        for progress in fftool.fit(photo, EncodingConfig(scale=8), training=training):
            pass
        scores[device] = fftool.evaluate(progress, photo).psnr
    assert scores["cuda"] == pytest.approx(scores["cpu"], abs=1)


@on_cuda
def test_gpu_renders_as_a_cpu_does(model_path):
    network = fftool.load(model_path)
    on_cpu = fftool.render(network, (90, 70), bits=16).astype(int)
    on_gpu = fftool.render(network.cuda(), (90, 70), bits=16).astype(int)
    assert abs(on_gpu - on_cpu).max() <= 16
