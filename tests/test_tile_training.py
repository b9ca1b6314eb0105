"""Training of tiles, group by group: how well it fits, what it depends on, and how it ends."""

import itertools
import math

import numpy as np
import pytest
import torch
from conftest import fails

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.errors import DivergenceError, SettingError
from fftool.holdout import split
from fftool.training import groups
from fftool.training.step import TileStep

ENCODING, SMALL = EncodingConfig(scale=8.0, dimension=16), NetworkConfig(hidden=16, tile=16, margin=4)
EPOCH = 24 * 24  # positions in a window of the small photo, with tiles of 16 and margins of 4


def grouped(monkeypatch, n_tiles, hidden=16, batch_size=128):
    """Train so many tiles at once, from now on."""
    monkeypatch.setattr(groups, "GROUP_MULTIPLE", 1)
    monkeypatch.setitem(groups.GROUP_NUMBERS, "cpu", n_tiles * hidden * batch_size)


def start(signal, network=SMALL, **settings):
    """A training of the photo's 12 tiles, by epochs of 5 steps."""
    return fftool.fit(
        signal, ENCODING, network, TrainingConfig(**{"epochs": 2, "batch_size": 128, "device": "cpu"} | settings)
    )


def last(course):
    for progress in course:
        pass
    return progress


def weights(progress):
    return {name: tensor.clone() for name, tensor in progress.network.state_dict().items()}


def check_same(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def decibels(original, rendered):
    return -10 * np.log10(np.mean((original / 255 - rendered / 255) ** 2))


# quality


def test_tiles_fit_a_photo(photo):
    """Measured after 20 epochs: 46.7 dB."""
    progress = last(fftool.fit(photo, EncodingConfig(scale=8.0), NetworkConfig(tile=16), TrainingConfig(epochs=20)))
    fitted = decibels(photo.samples, fftool.render(progress.network))
    assert fitted > 42
    assert fftool.evaluate(progress, photo).psnr == pytest.approx(fitted)


def test_tiles_fit_the_samples_of_their_own_place():
    """Squares of different greys: each network is nearly constant, at the grey of its tile."""
    greys = np.array([[20, 90, 200], [240, 130, 60]], np.uint8)
    samples = np.kron(greys, np.ones((16, 16), np.uint8))[..., None]
    network, training = NetworkConfig(hidden=16, tile=16, margin=0), TrainingConfig(epochs=100, batch_size=64)
    progress = last(fftool.fit(Signal(samples), EncodingConfig(scale=2.0, dimension=16), network, training))
    rendered = fftool.render(progress.network)[..., 0]
    for row, column in np.ndindex(2, 3):
        part = rendered[16 * row : 16 * row + 16, 16 * column : 16 * column + 16].astype(int)
        assert np.abs(part - greys[row, column]).max() <= 4


@pytest.mark.parametrize(
    ("shape", "axes", "dtype"),
    [
        ((1, 40, 3), ("y", "x"), np.uint8),
        ((17, 9, 4), ("y", "x"), np.uint16),
        ((40, 2), ("t",), np.uint16),
        ((9, 10, 12, 1), ("z", "y", "x"), np.uint8),
    ],
)
@pytest.mark.parametrize("kind", ["gaussian", "none"])
def test_fits_any_shape_depth_and_number_of_axes(shape, axes, dtype, kind):
    """A smooth signal, without features too."""
    ramps = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    samples = fftool.quantize(sum(ramps) / len(ramps), np.iinfo(dtype).bits)
    signal = Signal(samples, axes)
    encoding = EncodingConfig(kind=kind, scale=1.0, dimension=16)
    training = TrainingConfig(epochs=150 if len(axes) < 3 else 15, batch_size=32 if len(axes) < 3 else 256)
    progress = last(fftool.fit(signal, encoding, NetworkConfig(hidden=32, tile=8), training))
    assert progress.network.tiles.n_tiles > 1
    rendered = fftool.render(progress.network)
    assert (rendered.shape, rendered.dtype) == (shape, dtype)
    assert fftool.psnr(samples, rendered) > {"gaussian": 24, "none": 20}[kind]


@pytest.mark.parametrize("settings", [{"optimizer": "adam"}, {"loss": "mse"}, {"precision": "bfloat16"}])
def test_loss_falls(photo, settings):
    history = last(start(photo, epochs=8, **settings)).history
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5, 6, 7, 8]
    losses = [epoch.loss for epoch in history]
    assert sorted(losses, reverse=True) == losses
    assert history[7].psnr > history[0].psnr


def test_loss_is_the_mean_of_all_tiles(photo, monkeypatch):
    """One step that visits each position: the loss of the untrained networks, by numpy from their output."""
    grouped(monkeypatch, 5, batch_size=EPOCH)
    progress = last(start(photo, epochs=1, batch_size=EPOCH))
    network = fftool.CoordinateMLP(progress.network.config)
    padded = np.pad(photo.samples, ((4, 4), (4, 4), (0, 0)), mode="reflect") / 255
    y = np.stack([padded[16 * i : 16 * i + 24, 16 * j : 16 * j + 24] for i, j in np.ndindex(3, 4)])
    i, j = np.meshgrid(np.arange(-4, 20) + 0.5, np.arange(-4, 20) + 0.5, indexing="ij")
    v = torch.from_numpy(np.stack([j / 64, i / 48], axis=-1).reshape(-1, 2)).float()
    with torch.no_grad():
        x = network.encoding(v)
        for layer in network.layers[:-1]:
            x = torch.relu(x @ layer.weight[0].T + layer.bias[0])
        p = torch.sigmoid(x @ network.layers[-1].weight[0].T + network.layers[-1].bias[0]).double().numpy()
    p = p.reshape(1, 24, 24, 3)
    losses = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert progress.loss == pytest.approx(losses.mean(), rel=1e-5)
    assert progress.psnr == pytest.approx(-10 * np.log10(np.square(p - y).mean()), rel=1e-5)
    assert [(e.epoch, e.loss) for e in progress.history] == [(1, pytest.approx(losses.mean(), rel=1e-5))]


# what a network depends on


def test_seed_decides_every_weight(photo, monkeypatch):
    grouped(monkeypatch, 5)
    first, second, other = (weights(last(start(photo, epochs=1, seed=seed))) for seed in (5, 5, 6))
    check_same(first, second)
    for name, tensor in first.items():
        assert not torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("n_tiles", [1, 5, 11])
@pytest.mark.parametrize("holdout", ["none", 0.2])
def test_numbers_of_a_tile_do_not_depend_on_its_group(photo, monkeypatch, n_tiles, holdout):
    """But for the rounding of vectors of another length, which is small in float32."""
    grouped(monkeypatch, 12)
    together = last(start(photo, holdout=holdout, precision="float32"))
    grouped(monkeypatch, n_tiles)
    found = last(start(photo, holdout=holdout, precision="float32"))
    assert found.step == math.ceil(12 / n_tiles) * together.step
    for name, tensor in weights(together).items():
        torch.testing.assert_close(weights(found)[name], tensor, rtol=0, atol=1e-5)
    assert found.loss == pytest.approx(together.loss, rel=1e-5)
    assert found.n_samples == pytest.approx(together.n_samples, abs=12 / n_tiles)  # which each group rounds


def test_numbers_of_a_tile_are_the_same_in_any_group(photo, monkeypatch):
    """To the last bit, for groups of multiples of 16 tiles, and the rest of them."""
    network, found = NetworkConfig(hidden=16, tile=8), []
    training = TrainingConfig(epochs=8, batch_size=32, device="cpu")
    samples = np.tile(photo.samples, (2, 2, 1))[:84]
    for n_tiles in (16, 64, 1000):
        monkeypatch.setitem(groups.GROUP_NUMBERS, "cpu", n_tiles * 16 * 32)
        progress = last(fftool.fit(Signal(samples), EncodingConfig(scale=16.0, dimension=16), network, training))
        found.append(weights(progress))
    assert len(found[0]["layers.0.bias"]) == 16 * 11
    for other in found[1:]:
        check_same(other, found[0])


@pytest.mark.parametrize("changed", [0, 7])
def test_tile_depends_on_its_window_alone(photo, monkeypatch, changed):
    """Other samples within one tile, by more than a margin from its edges, leave all the others as they are."""
    grouped(monkeypatch, 12)
    samples = photo.samples.copy()
    row, column = divmod(changed, 4)
    samples[16 * row + 4 : 16 * row + 12, 16 * column + 4 : 16 * column + 12] ^= 255
    first, second = (weights(last(start(Signal(each), epochs=1))) for each in (photo.samples, samples))
    for name in first.keys() - {"encoding.B"}:
        differs = [not torch.equal(*pair) for pair in zip(first[name], second[name], strict=True)]
        assert differs == [tile == changed for tile in range(12)], name


@pytest.mark.parametrize("holdout", ["lattice", 0.2])
@pytest.mark.parametrize(
    ("shape", "network"),
    [
        ((48, 64), SMALL),
        ((19, 33), NetworkConfig(hidden=16, tile=8, margin=3)),
        ((9, 40), NetworkConfig(hidden=16, tile=(20, 8), margin=1)),
    ],
)
def test_samples_held_out_change_nothing(photo, monkeypatch, holdout, shape, network):
    """Whatever they are, the network is the same to the last bit; and so is the σ that is chosen."""
    grouped(monkeypatch, 4, batch_size=64)
    samples = photo.samples[: shape[0], : shape[1]]
    kept = np.zeros(samples.shape[:2], bool).ravel()
    kept[split(shape, holdout, seed=2).train.numpy()] = True
    noise = np.random.default_rng(0).integers(0, 256, samples.shape, np.uint8)
    other = np.where(kept.reshape(*shape, 1), samples, noise)
    assert not np.array_equal(samples, other)
    training = TrainingConfig(epochs=2, batch_size=64, holdout=holdout, seed=2, target_psnr=60)
    first, second = (
        last(fftool.fit(Signal(each), EncodingConfig(dimension=16), network, training)) for each in (samples, other)
    )
    assert first.network.config.encoding == second.network.config.encoding
    assert (first.loss, first.psnr, first.history[-1].loss) == (second.loss, second.psnr, second.history[-1].loss)
    check_same(weights(first), weights(second))


@pytest.mark.parametrize("holdout", ["lattice", 0.2])
def test_each_trained_sample_changes_the_network(photo, holdout):
    """So that the test above is not true of a training that sees nothing."""
    for number in split(photo.shape, holdout, seed=0).train[[0, 100, -1]].tolist():
        samples = photo.samples.copy()
        samples.reshape(-1, 3)[number] ^= 255
        first, second = (weights(last(start(Signal(each), holdout=holdout))) for each in (photo.samples, samples))
        assert not torch.equal(first["layers.0.weight"], second["layers.0.weight"])


@pytest.mark.parametrize("holdout", ["lattice", 0.2])
def test_held_out_samples_are_predicted(photo, holdout):
    """Measured: 19.7 and 23.9 dB; 32.8 and 36.4 for the trained ones."""
    network = NetworkConfig(tile=16, hidden=32)
    progress = last(fftool.fit(photo, EncodingConfig(scale=5.0), network, TrainingConfig(epochs=20, holdout=holdout)))
    result = fftool.evaluate(progress, photo)
    assert result.psnr > 29
    assert result.holdout_psnr > 17
    test = split(photo.shape, holdout, seed=0).test.numpy()
    original, rendered = (each.reshape(-1, 3)[test] for each in (photo.samples, fftool.render(progress.network)))
    assert result.holdout_psnr == pytest.approx(decibels(original, rendered))


def test_tile_without_trained_samples_is_harmless(monkeypatch):
    """Of 4 tiles, each a group of its own, 3 have none: the other one is trained, and all stays finite."""
    grouped(monkeypatch, 1, batch_size=32)
    signal = Signal(np.full((16, 16, 1), 200, np.uint8))
    network = NetworkConfig(hidden=16, tile=8, margin=0)
    training = TrainingConfig(epochs=20, batch_size=32, holdout=0.995, target_psnr=60)
    assert len(split((16, 16), 0.995, seed=0).train) == 1
    progress = last(fftool.fit(signal, EncodingConfig(scale=1.0, dimension=16), network, training))
    assert progress.network.is_finite
    assert all(math.isfinite(epoch.loss) for epoch in progress.history)
    assert progress.done == 1
    assert fftool.evaluate(progress, signal).holdout_psnr > 0


# progress


def test_progress_is_over_all_groups(photo, monkeypatch):
    """Groups of 5, 5 and 2 tiles: each position of a window counts for the part of the photo that its tiles are."""
    grouped(monkeypatch, 5)
    steps = [(p.step, p.tiles, p.epochs, p.n_samples, round(p.done, 9)) for p in start(photo)]
    expected = []
    for first, stop in ((0, 5), (5, 10), (10, 12)):
        for step in range(1, 11):
            visited = 2 * 3072 * first / 12 + 3072 * (stop - first) / 12 * (
                step // 5 + min(128 * (step % 5), 576) / 576
            )
            expected.append((range(first, stop), visited, round((2 * 5 * first + step * (stop - first)) / 120, 9)))
    assert len(steps) == 30
    for number, ((step, tiles, epochs, n_samples, done), (group, visited, share)) in enumerate(
        zip(steps, expected, strict=True), start=1
    ):
        is_last_of_group = number % 10 == 0 and number < 30  # which the next one follows at once
        assert step == number
        assert n_samples == pytest.approx(visited, abs=1.5)
        assert done == share
        if not is_last_of_group:
            assert (tiles, epochs) == (group, number % 10 // 5 + 2 * (number == 30))
    assert steps[-1] == (30, range(10, 12), 2, 6144, 1)


def test_every_position_is_visited_once_in_each_epoch(photo, monkeypatch):
    """In the same order in each group, and another one in the next epoch."""
    grouped(monkeypatch, 6)
    visited, step = [], TileStep.__call__

    def recorded(self, index, rate):
        visited.extend(index.tolist())
        return step(self, index, rate)

    monkeypatch.setattr(TileStep, "__call__", recorded)
    last(start(photo))
    first, second, *other = (visited[i : i + EPOCH] for i in range(0, len(visited), EPOCH))
    assert sorted(first) == sorted(second) == list(range(EPOCH))
    assert first != second
    assert other == [first, second]


def test_each_group_warms_up_and_decays(photo, monkeypatch):
    """Fifths of the learning rate, times what is left of the group's ten steps."""
    grouped(monkeypatch, 6)
    rates, step = [], TileStep.__call__
    monkeypatch.setattr(TileStep, "__call__", lambda self, index, rate: rates.append(rate) or step(self, index, rate))
    last(start(photo, learning_rate=0.5))
    factors = [min(1, (i + 1) / 5) * (1 - i / 10) for i in range(10)]
    assert rates == pytest.approx([0.5 * factor for factor in factors * 2])


def test_settings_follow_the_tiles(photo):
    """Positions of a tile, and not of the signal, decide the batch size; a lattice leaves a quarter of them."""
    for holdout, batch_size in (("none", 64), (0.2, 64), ("lattice", 32)):
        training = TrainingConfig(holdout=holdout, epochs=30)
        settings = next(fftool.fit(photo, ENCODING, NetworkConfig(tile=16), training)).network.config.training
        assert (settings.batch_size, settings.schedule) == (batch_size, "linear")


@pytest.mark.parametrize(
    ("settings", "rate"), [({"epochs": 30}, 0.05), ({"epochs": 10**6}, 0.0274), ({"seconds": 3072 * 30 / 1e6}, 0.05)]
)
def test_learning_rate_of_tiles_falls_with_the_epochs(photo, settings, rate):
    network = next(fftool.fit(photo, ENCODING, NetworkConfig(tile=16), TrainingConfig(**settings))).network
    assert network.config.training.learning_rate == pytest.approx(rate, abs=1e-4)


# the end


@pytest.mark.parametrize("holdout", ["none", "lattice", 0.2])
def test_every_group_stops_once_it_has_reached_the_target(photo, monkeypatch, holdout):
    """By its trained samples in the windows of its tiles; a group may need fewer epochs than the next."""
    grouped(monkeypatch, 3, hidden=32, batch_size=64)
    network = NetworkConfig(hidden=32, tile=16)
    training = TrainingConfig(epochs=100, batch_size=64, target_psnr=26, holdout=holdout, device="cpu")
    ends = {}
    for progress in fftool.fit(photo, EncodingConfig(scale=6.0), network, training):
        ends[progress.tiles.start] = progress.step
    steps = np.diff([0, *ends.values()])
    assert list(ends) == [0, 3, 6, 9]
    assert len(set(steps)) > 1
    assert steps.max() < 100 * 9
    assert progress.done == 1
    assert fftool.evaluate(progress, photo).psnr > 25.5


def test_target_below_the_first_epoch_stops_every_group_after_it(photo, monkeypatch):
    grouped(monkeypatch, 5)
    progress = last(start(photo, target_psnr=1, epochs=9))
    assert (progress.step, progress.epochs, progress.n_samples, progress.done) == (15, 1, 3072, 1)


def test_target_is_of_what_is_seen():
    """Colours that alpha hides are noise, which no network fits, and count for nothing."""
    samples = np.random.default_rng(0).integers(0, 256, (20, 20, 4), np.uint8)
    samples[..., 3] = 0
    samples[:10] = (200, 100, 50, 255)
    network, training = NetworkConfig(hidden=16, tile=10), TrainingConfig(epochs=400, batch_size=64, target_psnr=28)
    signal = Signal(samples)
    progress = last(fftool.fit(signal, EncodingConfig(scale=3.0, dimension=16), network, training))
    assert progress.epochs < 400
    seen, fitted = (each / 255 for each in (samples, fftool.render(progress.network)))
    for each in (seen, fitted):
        each[..., :3] *= each[..., 3:]
    assert -10 * np.log10(np.square(seen - fitted).mean()) > 26


def test_time_is_shared_out_over_the_groups(photo, monkeypatch):
    """By a clock that each step advances by a second: 5, 5 and 2 of 12 tiles take 25, 25 and 9 of 60 seconds.

    The first step of all counts for none of these; the others have a second less to share.
    """
    grouped(monkeypatch, 5)
    now = [0.0]
    monkeypatch.setattr("fftool.training.trainer.perf_counter", lambda: now[0])
    taken, step = [], TileStep.__call__

    def timed(self, index, rate):
        now[0] += 1
        taken.append(self.values.n_tiles)
        return step(self, index, rate)

    monkeypatch.setattr(TileStep, "__call__", timed)
    progress = last(start(photo, seconds=60, epochs=1))
    assert [taken.count(n) for n in (5, 2)] == [1 + 25 + 25, 9]
    assert (progress.seconds, progress.done, progress.step) == (60, 1, 60)
    assert progress.epochs == 1  # of the last group, and most of another
    assert fftool.evaluate(progress, photo).psnr > 10


def test_saving_takes_its_time_from_all_groups(photo, monkeypatch):
    """Once, for as long as a group has: 30 of 60 seconds are left to share then."""
    grouped(monkeypatch, 4)
    now, taken, step = [0.0], [], TileStep.__call__
    monkeypatch.setattr("fftool.training.trainer.perf_counter", lambda: now[0])

    def timed(self, index, rate):
        now[0] += 1
        return step(self, index, rate)

    monkeypatch.setattr(TileStep, "__call__", timed)
    for progress in start(photo, seconds=60, epochs=1):
        taken.append(progress.tiles.start)
        if progress.step == 5:
            now[0] += 30
    first, second, third = (taken.count(begin) for begin in (0, 4, 8))
    assert first == pytest.approx(21, abs=1)
    assert second == pytest.approx(5, abs=1)
    assert third == pytest.approx(5, abs=1)


def test_group_that_took_too_long_leaves_the_others_a_step_each(photo, monkeypatch):
    """Where time is over before the last group begins, all of the photo is still trained."""
    grouped(monkeypatch, 5)
    now = itertools.count()
    monkeypatch.setattr("fftool.training.trainer.perf_counter", lambda: 100.0 * next(now))
    progress = last(start(photo, seconds=60))
    assert (progress.step, progress.done) == (3, 1)
    assert progress.network.is_finite


# losses that are not finite


def break_steps(monkeypatch, steps):
    """Make loss and weights NaN at those steps, counted from now on; returns the learning rates of all steps."""
    rates, step = [], TileStep.__call__

    def broken(self, index, learning_rate):
        rates.append(learning_rate)
        errors = step(self, index, learning_rate)
        if len(rates) in steps:
            for tensor in self.parameters.values():
                tensor.fill_(torch.nan)
            return errors * torch.nan
        return errors

    monkeypatch.setattr(TileStep, "__call__", broken)
    return rates


def test_group_rolls_back_alone(photo, monkeypatch):
    """To the start of its epoch, with a tenth of the learning rate until its end; other groups keep theirs."""
    grouped(monkeypatch, 5)
    expected = weights(last(start(photo, schedule="constant")))
    rates = break_steps(monkeypatch, {18})
    course = list(start(photo, schedule="constant"))
    progress = course[-1]
    assert [p.step for p in course if p.rolled_back] == [15]
    assert rates[:10] == pytest.approx(rates[28 - 5 : 33])
    assert rates[18:23] == pytest.approx([rates[15] / 10] * 5)
    assert (progress.step, progress.rollbacks) == (30, 1)
    found = weights(progress)
    assert torch.equal(found["layers.0.weight"][:5], expected["layers.0.weight"][:5])
    assert not torch.equal(found["layers.0.weight"][5:10], expected["layers.0.weight"][5:10])
    assert torch.equal(found["layers.0.weight"][10:], expected["layers.0.weight"][10:])
    assert progress.network.is_finite
    assert fftool.evaluate(progress, photo).rollbacks == 1


def test_each_group_may_roll_back_once(photo, monkeypatch):
    grouped(monkeypatch, 5)
    break_steps(monkeypatch, {2, 14, 25})
    progress = last(start(photo))
    assert (progress.step, progress.rollbacks, progress.done) == (30, 3, 1)
    assert progress.network.is_finite


def test_second_divergence_of_a_group_ends_the_training(photo, monkeypatch):
    grouped(monkeypatch, 5)
    break_steps(monkeypatch, {17, 19})
    with pytest.raises(DivergenceError, match="the loss is not finite in epoch 2"):
        for progress in start(photo):
            pass
    assert (progress.step, progress.tiles) == (15, range(5, 10))
    assert progress.network.is_finite


def test_reports_a_loss_that_is_not_finite(photo, run, photo_path, tmp_path):
    with pytest.raises(DivergenceError, match="the loss is not finite in epoch 1") as caught:
        last(start(photo, learning_rate=1e30))
    assert caught.value.learning_rate == 1e30
    done = run("train", photo_path, "--tile", 16, "--learning-rate", "1e30", "--epochs", 2)
    assert done.returncode == 1
    assert "error: the loss is not finite in epoch 1" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ({"tile": 16, "margin": 9}, "invalid margin 9: expected at most half the side of a tile, 8"),
        ({"tile": (16, 8), "margin": 5}, "invalid margin 5: expected at most half the side of a tile, 4"),
        ({"tile": "none", "margin": 4}, "invalid margin 4: expected 0 for a network without tiles"),
        ({"tile": (16,)}, "expected one side, or one for each axis"),
        ({"tile": 8, "hidden": 3000}, r"invalid number of parameters .*: expected at most 268,435,456"),
    ],
)
def test_refuses_tiles_that_cannot_be_trained(photo, network, problem):
    with pytest.raises(SettingError, match=problem):
        next(fftool.fit(photo, ENCODING, NetworkConfig(**network)))


def test_refuses_them_in_the_command_too(run, photo_path, tmp_path):
    fails(run("train", photo_path, "--tile", 16, "--margin", 9), 2, "invalid margin 9: expected at most half the side")
    assert not list(tmp_path.iterdir())
