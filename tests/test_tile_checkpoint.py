"""Tiled networks in checkpoints and through the commands: saved, resumed, shown, compared, and refused."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from conftest import fails, pixels
from PIL import Image
from test_checkpoint import contents, rewrite

import fftool
from fftool import EncodingConfig, NetworkConfig, Region, TrainingConfig
from fftool.checkpoint.format import tensor_shapes
from fftool.checkpoint.writing import checkpoint_size
from fftool.errors import CheckpointError, InconsistentCheckpointError, UnfinishedRunError
from fftool.training import groups
from fftool.training.state import CompleteTiles, Position, finished_position

TINY = (
    "--tile", 16, "--margin", 4, "--hidden", 16, "--dimension", 16, "--scale", 8, "--epochs", 2, "--batch-size", 128,
)  # fmt: skip
ENCODING, NETWORK = EncodingConfig(scale=8.0, dimension=16), NetworkConfig(hidden=16, tile=16, margin=4)


@pytest.fixture(autouse=True)
def five_tiles_at_once(monkeypatch):
    """Groups of 5, 5 and 2 of the small photo's 12 tiles."""
    monkeypatch.setattr(groups, "GROUP_MULTIPLE", 1)
    monkeypatch.setitem(groups.GROUP_NUMBERS, "cpu", 5 * 16 * 128)


def start(signal, **settings):
    """A training with 30 steps: 5 in each of two epochs, for each of three groups of tiles."""
    training = TrainingConfig(**{"epochs": 2, "batch_size": 128, "device": "cpu"} | settings)
    return fftool.fit(signal, ENCODING, NETWORK, training)


def at_step(course, step=math.inf):
    for progress in course:
        if progress.step >= step:
            break
    return progress


def save_evaluated(progress, signal, path):
    """The checkpoint of a finished training, as bytes."""
    assert progress.done == 1
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def model(photo, tmp_path_factory):
    """The file of a finished training."""
    path = tmp_path_factory.mktemp("tiles") / "model.st"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "GROUP_MULTIPLE", 1)
        patch.setitem(groups.GROUP_NUMBERS, "cpu", 5 * 16 * 128)
        save_evaluated(at_step(start(photo)), photo, path)
    return path


@pytest.fixture
def unfinished(photo, photo_path, tmp_path):
    """The file of a training in the second epoch of its second group."""
    path = tmp_path / "unfinished.st"
    fftool.save_run(at_step(start(fftool.read_image(photo_path)), 18).snapshot(), path, str(photo_path))
    return path


# the format


def test_layout_is_as_documented(model):
    tensors, metadata = contents(model)
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "encoding.B": (2, 16),
        "layers.0.weight": (12, 16, 32),
        "layers.0.bias": (12, 16),
        "layers.1.weight": (12, 16, 16),
        "layers.1.bias": (12, 16),
        "layers.2.weight": (12, 3, 16),
        "layers.2.bias": (12, 3),
    }
    assert metadata.keys() == {"format", "format_version", "config"}
    assert metadata["format_version"] == "2"
    config = json.loads(metadata["config"])
    assert config["network"] == {"hidden": 16, "layers": 2, "tile": [16, 16], "margin": 4}
    assert config["signal"]["medium"] == "image"


def test_single_network_stays_in_format_1(quick_model_path):
    _, metadata = contents(quick_model_path)
    assert metadata["format_version"] == "1"
    assert json.loads(metadata["config"])["network"].keys() == {"hidden", "layers"}


def test_network_gives_the_same_bytes_again(model, tmp_path):
    network = fftool.load(model)
    fftool.save(network, tmp_path / "again.st")
    assert (tmp_path / "again.st").read_bytes() == model.read_bytes()
    assert checkpoint_size(network) == model.stat().st_size
    description = fftool.describe(model)
    assert description.n_parameters == 12 * (33 * 16 + 17 * 16 + 17 * 3) == network.config.n_parameters
    shapes = tensor_shapes(network.config)
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == shapes
    fftool.save_run(fftool.load_run(model), tmp_path / "run.st")
    assert (tmp_path / "run.st").read_bytes() == model.read_bytes()


# resumed


@pytest.mark.parametrize("network", [NETWORK, NetworkConfig(hidden=16)])
@pytest.mark.parametrize("step", [5, 13, 19])
def test_resumed_run_keeps_the_best_epoch_before_it(photo, tmp_path, network, step):
    """To the same bytes as in one go, at a σ whose first epochs are the best between the samples."""
    training = TrainingConfig(epochs=6, batch_size=64, holdout="lattice", stop_at_best=True, device="cpu")
    encoding = EncodingConfig(scale=40.0, dimension=16)
    whole = save_evaluated(at_step(fftool.fit(photo, encoding, network, training)), photo, tmp_path / "whole.st")
    run = at_step(fftool.fit(photo, encoding, network, training), step).snapshot()
    fftool.save_run(run, tmp_path / "part.st")
    resumed = at_step(fftool.resume(photo, fftool.load_run(tmp_path / "part.st")))
    assert save_evaluated(resumed, photo, tmp_path / "resumed.st") == whole


@pytest.fixture(scope="module")
def uninterrupted(photo, tmp_path_factory):
    """A function: checkpoint of an uninterrupted training with these settings, as bytes."""
    found = {}

    def run(**settings):
        key = tuple(settings.items())
        if key not in found:
            path = tmp_path_factory.mktemp("whole") / "whole.st"
            found[key] = save_evaluated(at_step(start(photo, **settings)), photo, path)
        return found[key]

    return run


@pytest.mark.parametrize(
    ("every", "settings"),
    [
        (1, {}),
        (5, {}),
        (4, {"optimizer": "adam"}),
        (7, {"holdout": 0.2}),
        (2, {"holdout": "lattice"}),
        (7, {"precision": "bfloat16"}),
        (8, {"target_psnr": 11.5, "learning_rate": 0.1, "epochs": 12}),
    ],
    ids=str,
)
def test_run_that_is_interrupted_again_and_again_ends_in_the_same_bytes(
    photo, uninterrupted, tmp_path, every, settings
):
    """After so many steps each time, and resumed from its file."""
    expected = uninterrupted(**settings)
    path = tmp_path / "model.st"
    progress = at_step(start(photo, **settings), every)
    while progress.done < 1:
        run = progress.snapshot()
        fftool.save_run(run, path)
        loaded = fftool.load_run(path)
        assert (loaded.position, loaded.group_size) == (run.position, run.group_size)
        progress = at_step(fftool.resume(photo, loaded), progress.step + every)
    assert save_evaluated(progress, photo, path) == expected


def test_group_in_training_keeps_its_size(photo, uninterrupted, tmp_path, monkeypatch):
    """Where a later version, or another device, would train another number of tiles at once."""
    whole = uninterrupted()
    fftool.save_run(at_step(start(photo), 13).snapshot(), tmp_path / "a.st")
    run = fftool.load_run(tmp_path / "a.st")
    monkeypatch.setitem(groups.GROUP_NUMBERS, "cpu", 10**9)
    course = fftool.resume(photo, run)
    assert next(course).tiles == range(5, 10)
    progress = at_step(course)
    assert (progress.tiles, progress.step, progress.n_samples) == (range(10, 12), 30, 6144)
    assert save_evaluated(progress, photo, tmp_path / "b.st") == whole


def test_resumed_run_begins_where_it_was(photo):
    before = at_step(start(photo), 18)
    loss, psnr, history = before.loss, before.psnr, before.history
    run = before.snapshot()
    assert (run.position.complete.n_tiles, run.position.step, run.position.epoch) == (5, 18, 1)
    assert run.group_size == 5
    progress = next(fftool.resume(photo, run))
    assert (progress.step, progress.tiles, progress.n_samples) == (18, range(5, 10), before.n_samples)
    assert (progress.loss, progress.psnr) == (pytest.approx(loss, rel=1e-6), pytest.approx(psnr, rel=1e-6))
    assert progress.done == before.done
    assert history == ()  # no epoch is complete for all tiles


@pytest.mark.parametrize("step", [7, 17])
def test_rolls_back_after_a_resumption_too(photo, tmp_path, monkeypatch, step):
    """To the start of the epoch of its group, which is saved with the run."""
    from test_tile_training import break_steps

    whole = break_steps(monkeypatch, {step + 2})
    expected = save_evaluated(at_step(start(photo)), photo, tmp_path / "a.st")
    assert len(whole) > 30
    monkeypatch.undo()
    monkeypatch.setattr(groups, "GROUP_MULTIPLE", 1)
    monkeypatch.setitem(groups.GROUP_NUMBERS, "cpu", 5 * 16 * 128)
    fftool.save_run(at_step(start(photo), step).snapshot(), tmp_path / "b.st")
    break_steps(monkeypatch, {2})
    progress = at_step(fftool.resume(photo, fftool.load_run(tmp_path / "b.st")))
    assert progress.rollbacks == 1
    assert save_evaluated(progress, photo, tmp_path / "b.st") == expected


def with_epochs(run, epochs):
    config = run.network.config
    training = replace(config.training, epochs=epochs, seconds=math.inf, target_psnr=math.inf)
    run.network.config = replace(config, training=training)
    return replace(run, position=replace(run.position, finished=False))


def test_finished_run_resumes_with_more_epochs(photo, model, tmp_path):
    """All tiles once more, in groups, from their weights on; interrupted, to the same bytes."""
    course = fftool.resume(photo, with_epochs(fftool.load_run(model), 5))
    first = next(course)
    assert (first.step, first.epochs, first.n_samples, first.tiles) == (30, 2, 2 * 3072, range(5))
    progress = at_step(course)
    assert (progress.step, progress.epochs, progress.n_samples, progress.done) == (30 + 3 * 15, 5, 5 * 3072, 1)
    assert [epoch.epoch for epoch in progress.history] == [3, 4, 5]
    expected = save_evaluated(progress, photo, tmp_path / "a.st")
    before, after = fftool.describe(model).result, fftool.describe(tmp_path / "a.st").result
    assert (after.epochs, after.steps) == (5, 75)
    assert after.psnr > before.psnr
    progress = at_step(fftool.resume(photo, with_epochs(fftool.load_run(model), 5)), 33)
    while progress.done < 1:
        fftool.save_run(progress.snapshot(), tmp_path / "b.st")
        progress = at_step(fftool.resume(photo, fftool.load_run(tmp_path / "b.st")), progress.step + 9)
    assert save_evaluated(progress, photo, tmp_path / "b.st") == expected


def test_finished_tiles_begin_a_new_epoch(model):
    """Whatever the number of steps, as groups may have ended in different epochs."""
    network = fftool.load(model)
    result = replace(network.result, epochs=3, steps=17, rollbacks=2)
    position = finished_position(network.config, result)
    assert (position.epoch, position.first_epoch, position.n_visited, position.complete.n_tiles) == (3, 3, 0, 0)
    assert (position.step, position.first_step, position.finished, position.rollbacks) == (17, 17, True, 2)


# refused


def rewrite_resume(path, target, change, tensors=None):
    """Copy of an unfinished checkpoint, with its document changed by a function and some tensors replaced."""
    old, metadata = contents(path)
    document = json.loads(metadata["resume"])
    change(document)
    found = {name: value for name, value in (old | (tensors or {})).items() if value is not None}
    safetensors.numpy.save_file(found, target, metadata | {"resume": json.dumps(document)})
    return target


def complete(where="both", **values):
    """Change what is said of the tiles that are complete."""

    def change(document):
        for name in ("position", "good"):
            if where in ("both", name):
                document[name]["complete"] |= values

    return change


def keep(document):
    """Change nothing."""


def refuses(run, path, photo, error, problem):
    """No function takes the run, and the command fails as it should."""
    with pytest.raises(error, match=problem):
        next(fftool.resume(photo, fftool.load_run(path)))
    before = path.read_bytes()
    fails(run("train", "--resume", path), 1, "error: ")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        (complete(n_tiles=8), InconsistentCheckpointError, "another number of tiles"),  # and five more
        (complete(n_tiles=12), InconsistentCheckpointError, "another number of tiles"),
        (complete(n_tiles=10**9), InconsistentCheckpointError, "another number of tiles"),
        (complete("position", n_tiles=4), InconsistentCheckpointError, "another number of tiles"),
        (complete("good", n_tiles=4), InconsistentCheckpointError, "another number of tiles"),
        (complete(n_tiles=-1), CheckpointError, "impossible training of tiles"),
        (complete(n_samples=-1), CheckpointError, "impossible training of tiles"),
        (complete(n_values=-1), CheckpointError, "impossible training of tiles"),
        (complete(rollbacks=-1), CheckpointError, "impossible training of tiles"),
        (complete(n_values=2**63), CheckpointError, "has an invalid config"),
        (complete(n_samples=2**70), CheckpointError, "has an invalid config"),
        (complete(loss=1e39), CheckpointError, "impossible training of tiles"),
        (complete(loss=float("nan")), CheckpointError, "has an invalid config"),
        (complete(n_tiles=5.5), CheckpointError, "has an invalid config"),
        (complete(colour=1), CheckpointError, "has an unknown setting"),
        (lambda document: document["position"].update(complete=5), CheckpointError, "has an invalid config"),
        (lambda document: document["position"].update(first_epoch=-1), CheckpointError, "impossible position"),
        (lambda document: document["position"].update(first_epoch=2), CheckpointError, "impossible position"),
        (lambda document: document["position"].update(cells=577), UnfinishedRunError, "is inconsistent"),
        (lambda document: document["good"].update(cells=10**6), UnfinishedRunError, "is inconsistent"),
    ],
)
def test_refuses_a_run_that_lies(run, photo, unfinished, tmp_path, change, error, problem):
    refuses(run, rewrite_resume(unfinished, tmp_path / "a.st", change), photo, error, problem)


@pytest.mark.parametrize(
    ("tensors", "error", "problem"),
    [
        ({"resume.good.layers.0.bias": np.zeros((4, 16), np.float32)}, InconsistentCheckpointError, "does not fit"),
        ({"resume.good.layers.0.bias": np.zeros((8, 16), np.float32)}, InconsistentCheckpointError, "another number"),
        ({"resume.good.layers.0.bias": np.zeros((0, 16), np.float32)}, InconsistentCheckpointError, "another number"),
        ({"resume.good.layers.0.bias": np.zeros((), np.float32)}, InconsistentCheckpointError, "another number"),
        ({"resume.good.layers.0.bias": None}, InconsistentCheckpointError, "another number"),
        ({"resume.good.layers.1.weight": np.zeros((16, 16), np.float32)}, InconsistentCheckpointError, "does not fit"),
        ({"resume.optimizer.means.0": np.zeros((12, 16, 32), np.float32)}, InconsistentCheckpointError, "does not fit"),
        ({"resume.optimizer.means.0": None}, InconsistentCheckpointError, "does not fit"),
        ({"resume.optimizer.means.0": np.full((5, 16, 32), np.nan, np.float32)}, UnfinishedRunError, "inconsistent"),
        ({"layers.0.bias": np.zeros((5, 16), np.float32)}, InconsistentCheckpointError, "does not fit its own config"),
    ],
)
def test_refuses_a_state_of_other_tiles(run, photo, unfinished, tmp_path, tensors, error, problem):
    refuses(run, rewrite_resume(unfinished, tmp_path / "a.st", keep, tensors), photo, error, problem)


def test_refuses_complete_tiles_of_a_single_network(run, photo, photo_path, tmp_path):
    course = fftool.fit(fftool.read_image(photo_path), ENCODING, NetworkConfig(hidden=16), TrainingConfig(epochs=1))
    fftool.save_run(at_step(course, 3).snapshot(), tmp_path / "single.st", str(photo_path))
    tiles = {"n_tiles": 3, "n_samples": 0, "n_values": 0, "loss": 0.0, "squared_error": 0.0, "rollbacks": 0}

    def change(document):
        document["position"]["complete"] = document["good"]["complete"] = tiles

    path = rewrite_resume(tmp_path / "single.st", tmp_path / "a.st", change)
    refuses(run, path, photo, InconsistentCheckpointError, "another number of tiles")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"network.tile": [16]}, "invalid tile"),
        ({"network.tile": [16, 16, 16]}, "invalid tile"),
        ({"network.tile": [0, 16]}, "invalid tile"),
        ({"network.tile": [-16, 16]}, "invalid tile"),
        ({"network.tile": 16}, "has an invalid config"),
        ({"network.tile": [2**31, 16]}, "invalid tile"),
        ({"network.tile": [2**31 - 1, 2**31 - 1]}, "invalid tile"),
        ({"network.tile": [48, 65]}, "invalid tile"),
        ({"network.tile": [1, 1], "network.margin": 0, "network.hidden": 1000}, "number of parameters"),
        ({"network.tile": []}, "invalid margin 4"),
        ({"network.tile": [24, 16]}, "does not fit its own config"),
        ({"network.tile": [48, 64]}, "does not fit its own config"),
        ({"network.margin": 9}, "invalid margin 9: expected at most half the side of a tile, 8"),
        ({"network.margin": -1}, "invalid margin"),
        ({"network.margin": 2**40}, "invalid margin"),
        ({"network.colour": 3}, "unknown setting"),
        ({"signal.shape": [2**31 - 1, 2**31 - 1]}, "number of parameters"),
        ({"signal.shape": [48, 65]}, "does not fit its own config"),
        ({"signal.axes": ["x"]}, "a size for each axis"),
    ],
)
def test_refuses_a_config_that_lies(run, model, tmp_path, config, problem):
    path = rewrite(model, tmp_path / "a.st", config=config)
    for read in (fftool.describe, fftool.load, fftool.load_run):
        with pytest.raises(CheckpointError, match=problem):
            read(path)
    fails(run("info", path), 1, "error: ")


def test_refuses_weights_that_are_not_finite(model, tmp_path):
    biases = np.zeros((12, 16), np.float32)
    biases[7, 3] = np.nan
    rewrite(model, tmp_path / "a.st", tensors={"layers.1.bias": biases})
    with pytest.raises(InconsistentCheckpointError, match="weights that are not finite"):
        fftool.load(tmp_path / "a.st")


@pytest.mark.parametrize(
    "values", [{"n_tiles": -1}, {"n_values": 2**63}, {"loss": math.inf}, {"squared_error": math.nan}, {"rollbacks": -2}]
)
def test_refuses_tiles_that_no_training_completes(values):
    with pytest.raises(UnfinishedRunError, match="impossible training of tiles"):
        CompleteTiles(**values)


@pytest.mark.parametrize("values", [{"first_epoch": -1}, {"epoch": 1, "first_epoch": 2}])
def test_refuses_a_position_that_no_training_reaches(values):
    with pytest.raises(UnfinishedRunError, match="impossible position"):
        Position(**values)


# through the commands


@pytest.mark.parametrize(
    ("options", "tile", "margin", "parts"),
    [
        (("--tile", 16), [16, 16], 2, "4x3 of 16x16 pixels, margin 2, each with 16 units"),
        (("--tile", "16x8"), [8, 16], 2, "4x6 of 16x8 pixels, margin 2, each with 16 units"),
        (("--tile", 16, "--margin", 1), [16, 16], 1, "4x3 of 16x16 pixels, margin 1, each with 16 units"),
        (("--tile", 50, "--margin", 0), [48, 32], 0, "2x1 of 32x48 pixels, margin 0, each with 16 units"),
    ],
)
def test_trains_shows_and_renders(run, photo_path, photo, tmp_path, options, tile, margin, parts):
    settings = ("--hidden", 16, "--dimension", 16, "--scale", 8, "--epochs", 1)
    done = run("train", photo_path, *options, *settings)
    assert done.returncode == 0, done.stderr
    assert parts in done.stdout
    network = fftool.load(tmp_path / "model.st")
    assert (list(network.config.network.tile), network.config.network.margin) == (tile, margin)
    shown = run("info", "model.st")
    assert parts in shown.stdout
    assert f"F32 {network.tiles.n_tiles} x 16 x 32" in shown.stdout
    report = json.loads(run("info", "model.st", "--json").stdout)
    assert report["config"]["network"] == {"hidden": 16, "layers": 2, "tile": tile, "margin": margin}
    assert report["parameters"] == network.tiles.n_tiles * (33 * 16 + 17 * 16 + 17 * 3)
    done = run("render", "model.st", "--size", "40x30", "--crop", "0.25,0.5,0.5,0.5", "-o", "a.png")
    assert done.returncode == 0, done.stderr
    expected = fftool.render(network, (30, 40), region=Region((0.25, 0.5), (0.5, 0.5)))
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), expected)


def test_train_json(run, photo_path, photo, tmp_path):
    done = run("train", photo_path, *TINY, "--holdout", "lattice", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["config"]["network"] == {"hidden": 16, "layers": 2, "tile": [16, 16], "margin": 4}
    assert report["parameters"] == 12 * (33 * 16 + 17 * 16 + 17 * 3)
    assert (report["epochs"], report["holdout_psnr"] > 5) == (2, True)
    assert report["pixels_per_second"] == pytest.approx(2 * 24 * 32 / report["seconds"])
    original, rendered = (
        each[::2, ::2] / 255 for each in (photo.samples, fftool.render(fftool.load(tmp_path / "model.st")))
    )
    assert report["psnr"] == pytest.approx(-10 * np.log10(np.square(original - rendered).mean()))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_tiles_without_hidden_layers_have_no_units(run, photo_path, precision):
    done = run("train", photo_path, *TINY, "--layers", 0, "--precision", precision)
    assert re.search(r"4x3 of 16x16 pixels, margin 4$", done.stdout, re.MULTILINE), done.stdout


def test_train_without_tiles_is_the_network_as_before(run, photo_path, tmp_path):
    """The photo is small, so that auto is one network too: the same bytes, in format 1."""
    settings = ("--hidden", 16, "--dimension", 16, "--scale", 8, "--epochs", 1)
    for name, options in (("a.st", ("--tile", "none")), ("b.st", ("--tile", "auto")), ("c.st", ())):
        assert run("train", photo_path, *options, *settings, "-o", name).returncode == 0
    first, *others = ((tmp_path / name).read_bytes() for name in ("a.st", "b.st", "c.st"))
    assert [first, first] == others
    assert fftool.describe(tmp_path / "a.st").config.tiles is None
    assert contents(tmp_path / "a.st")[1]["format_version"] == "1"
    assert "tiles" not in run("info", "a.st").stdout


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--tile", "7"), "invalid tile 7: expected a whole number of at least 8"),
        (("--tile", "0"), "invalid tile 0: expected a whole number of at least 8"),
        (("--tile", "16x7"), "invalid tile 7: expected a whole number of at least 8"),
        (("--tile", "x16"), "Invalid value for '--tile': 'x16', expected a side such as 64"),
        (("--tile", "-16"), "Invalid value for '--tile': '-16', expected a side such as 64"),
        (("--tile", "16.5"), "Invalid value for '--tile': '16.5', expected a side such as 64"),
        (("--tile", ""), "Invalid value for '--tile': '', expected a side such as 64"),
        (("--tile", "9" * 30), "Invalid value for '--tile'"),
        (("--tile", "16x16x16"), "expected one side, or one for each axis, y, x"),
        (("--tile", "x".join(["16"] * 9)), "invalid tile"),
        (("--margin", "4"), "invalid margin 4: expected 0 for a network without tiles, or a tile"),
        (("--tile", "none", "--margin", "4"), "invalid margin 4: expected 0 for a network without tiles, or a tile"),
        (("--tile", "16", "--margin", "9"), "invalid margin 9: expected at most half the side of a tile, 8"),
        (("--tile", "16", "--margin", "-1"), "invalid margin -1: expected a whole number of at least 0"),
        (("--tile", "16", "--margin", "much"), "Invalid value for '--margin'"),
        (("--tile", "8", "--hidden", "3000"), "expected at most 268,435,456"),
    ],
)
def test_rejects_invalid_tiles(run, photo_path, tmp_path, options, problem):
    fails(run("train", photo_path, *options), 2, f"error: {problem}" if problem[0] == "i" else problem)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--tile", "16", "--tile", "7"), "error: invalid tile 7: expected a whole number of at least 8"),
        (("--tile", "none", "--tile", "16x16x16"), "expected one side, or one for each axis, y, x"),
        (("--tile", "16", "--tile", "none", "--margin", "4"), "error: invalid margin 4: expected 0"),
        (("--tile", "much"), "Invalid value for '--tile': 'much', expected a side such as 64"),
    ],
)
def test_rejects_invalid_tiles_in_a_comparison(run, photo_path, tmp_path, options, problem):
    """Before any of them is trained."""
    fails(run("compare", photo_path, *options), 2, problem)
    assert not list(tmp_path.iterdir())


def test_comparison_refuses_a_variant_that_cannot_be_trained(run, photo_path):
    done = run("compare", photo_path, "--tile", 16, "--tile", "20x8", "--margin", 5, *TINY[4:])
    assert done.returncode == 2
    assert "invalid margin 5: expected at most half the side of a tile, 4" in done.stderr


def test_compares_tiles(run, photo_path, photo, model, tmp_path):
    done = run(
        "compare", photo_path, model, "--tile", "none", "--tile", 16, "--tile", "16x8", *TINY[4:],
        "--save-models", "kept", "-o", "sheet.png", "--curves", "curves.png", "--csv", "a.csv", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    variants = json.loads(done.stdout)["variants"]
    assert [each["name"] for each in variants] == [
        "gaussian σ=8, one network", "gaussian σ=8, tile 16", "gaussian σ=8, tile 16x8", str(model),
    ]  # fmt: skip
    assert [each["model"] for each in variants[:3]] == [
        "kept/gaussian-8-one-network.st", "kept/gaussian-8-tile-16.st", "kept/gaussian-8-tile-16x8.st",
    ]  # fmt: skip
    one = 33 * 16 + 17 * 16 + 17 * 3
    assert [each["parameters"] for each in variants] == [one, 12 * one, 24 * one, 12 * one]
    for each in variants[:3]:
        assert [epoch["epoch"] for epoch in each["history"]] == [1, 2]
        assert each["history"][1]["loss"] < each["history"][0]["loss"]
    assert run("train", photo_path, "--tile", 16, *TINY[4:], "-o", "alone.st").returncode == 0
    assert (tmp_path / "kept" / "gaussian-8-tile-16.st").read_bytes() == (tmp_path / "alone.st").read_bytes()
    for name in ("curves.png", "sheet.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 100
    assert "gaussian σ=8, tile 16x8" in (tmp_path / "a.csv").read_text()


@pytest.mark.parametrize(
    ("options", "epochs", "tile", "hidden"),
    [
        (("--quality", "draft"), 10, [48, 64], 64),
        (("--quality", "good", "--epochs", 2), 2, [24, 32], 64),
        (("--quality", "best", "--time", "0.5s"), 50, [24, 32], 128),
        (("--quality", "best", "--tile", "none", "--epochs", 1), 1, None, 256),
        (("--quality", "draft", "--hidden", 8, "--epochs", 1), 1, None, 8),
    ],
)
def test_quality_sets_what_is_not_given(run, photo_path, options, epochs, tile, hidden):
    done = run("train", photo_path, *options, "--json")
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)["config"]
    assert (config["training"]["epochs"], config["network"]["hidden"]) == (epochs, hidden)
    assert config["network"].get("tile") == tile


def test_time_is_that_of_the_whole_command(run, photo_path):
    """What reading and measuring take is not left for training, but a fifth of the time is."""
    for asked in (1.5, 60.0):
        training = json.loads(
            run("train", photo_path, "--time", f"{asked}s", "--target-psnr", 8, "--overwrite", "--json").stdout
        )
        assert asked / 5 <= training["config"]["training"]["seconds"] < asked - 0.4


def test_says_that_a_network_is_small_for_its_image(run, tmp_path):
    Image.new("L", (600, 600), 90).save(tmp_path / "a.png")
    quick = ("--epochs", 1, "--hidden", 4, "--dimension", 2, "--batch-size", 4096)
    done = run("train", "a.png", "--tile", "none", *quick)
    assert "45 parameters are few for 360,000 pixels. For finer detail: --tile 32" in done.stderr
    done = run("train", "a.png", "--tile", 300, *quick, "--overwrite")
    assert "180 parameters are few for 360,000 pixels. For finer detail: --tile 150" in done.stderr


@pytest.mark.parametrize("tile", ["none", 16])
def test_stop_at_best_keeps_an_epoch_before_the_last(run, photo_path, photo, tile, tmp_path):
    """At a σ that only invents what lies between the samples: the first epochs are the best there."""
    settings = ("--scale", 60, "--hidden", 32, "--dimension", 32, "--epochs", 12, "--holdout", "lattice", "--seed", 1)
    found = []
    for options in ((), ("--stop-at-best",)):
        done = run("train", photo_path, "--tile", tile, *settings, *options, "-o", "a.st", "--overwrite", "--json")
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[1]["holdout_psnr"] > found[0]["holdout_psnr"] + 0.2
    assert found[1]["psnr"] < found[0]["psnr"]
    assert found[1]["config"]["training"]["stop_at_best"] is True
    assert "Kept" in done.stderr


def test_stop_at_best_needs_samples_held_out(run, photo_path):
    fails(run("train", photo_path, "--stop-at-best"), 2, "invalid stop at best True: expected False, as no samples are")


def test_rejects_a_tile_named_twice(run, photo_path):
    done = run("compare", photo_path, "--scale", 8, "--tile", 16, "--tile", 16)
    fails(done, 2, "invalid variant gaussian σ=8, tile 16, given 2 times: expected each variant once")


def test_resumes_through_the_command(run, photo_path, unfinished, tmp_path):
    """To the same bytes as a training in one go; then with more epochs; its tiles are fixed."""
    shown = run("info", unfinished)
    assert "in epoch 2, after 18 steps" in shown.stdout
    position = json.loads(run("info", unfinished, "--json").stdout)["resume"]["position"]
    assert position["complete"]["n_tiles"] == 5
    assert run("render", unfinished, "-o", "a.png").returncode == 0
    for option in ("--tile=16", "--margin=4"):
        fails(run("train", "--resume", unfinished, option), 2, f"{option.split('=')[0]} is fixed in")
    done = run("train", "--resume", unfinished)
    assert done.returncode == 0, done.stderr
    assert run("train", photo_path, *TINY, "-o", "whole.st").returncode == 0
    assert unfinished.read_bytes() == (tmp_path / "whole.st").read_bytes()
    done = run("train", photo_path, "--resume", "whole.st", "--epochs", 3, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 3
    assert fftool.describe(tmp_path / "whole.st").result.steps == 45


def test_diverging_group_keeps_the_last_good_network(run, photo_path, tmp_path, monkeypatch):
    from test_tile_training import break_steps

    break_steps(monkeypatch, {17, 19})
    done = run("train", photo_path, *TINY)
    assert done.returncode == 1
    assert "rolled back to the start of epoch 2" in done.stderr
    assert "error: the loss is not finite in epoch 2" in done.stderr
    assert "Traceback" not in done.stderr
    position = fftool.describe(tmp_path / "model.st").resume.position
    assert (position.step, position.complete.n_tiles) == (15, 5)
    assert fftool.render(fftool.load(tmp_path / "model.st")).std() > 0
