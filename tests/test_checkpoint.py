"""Checkpoints: they are read as they were written, and other files are refused."""

import hashlib
import json
import math
import pickle
import struct
import zipfile

import msgspec
import numpy as np
import pytest
import safetensors.numpy
import torch
from safetensors import safe_open
from torch.nn.utils import parametrizations, prune

import fftool
from fftool import EncodingConfig, FFToolError, NetworkConfig, Signal, TrainingConfig, TrainingResult
from fftool.checkpoint.format import ConfigDocument, from_document, tensor_shapes, to_builtins
from fftool.checkpoint.writing import checkpoint_size
from fftool.errors import (
    CheckpointError,
    InconsistentCheckpointError,
    NetworkError,
    NewerCheckpointError,
    NonFiniteError,
    NotACheckpointError,
    UnsuitableCheckpointError,
)

ENCODINGS = {
    "gaussian": EncodingConfig(scale=8, dimension=6),
    "gaussian, one σ for each axis": EncodingConfig(scale=(8, 2.5), dimension=6),
    "gaussian, auto": EncodingConfig(dimension=6),
    "gaussian, auto for detail": EncodingConfig(dimension=6, scale_for="detail"),
    "positional": EncodingConfig(kind="positional", scale=20, dimension=6),
    "positional, one σ for each axis": EncodingConfig(kind="positional", scale=[20, 0.1], dimension=7),
    "basic": EncodingConfig(kind="basic"),
    "basic, with a σ that it does not use": EncodingConfig(kind="basic", scale=3),
    "none": EncodingConfig(kind="none"),
}


def contents(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def rewrite(path, target, *, tensors=None, config=None, **metadata):
    """Copy of a checkpoint with some tensors, config entries (by dotted path) or metadata changed; None removes."""
    old_tensors, old_metadata = contents(path)
    document = json.loads(old_metadata["config"])
    for dotted, value in (config or {}).items():
        *parents, last = dotted.split(".")
        part = document
        for parent in parents:
            part = part[parent]
        part[last] = value
    new_metadata = old_metadata | {"config": json.dumps(document)} | metadata
    new_tensors = {name: value for name, value in (old_tensors | (tensors or {})).items() if value is not None}
    safetensors.numpy.save_file(new_tensors, target, {k: v for k, v in new_metadata.items() if v is not None})
    return target


def begin(signal, encoding=EncodingConfig(scale=8, dimension=6), layers=1, **training):
    """A network after one step of training."""
    settings = {"precision": "float32", "device": "cpu"} | training
    return next(fftool.fit(signal, encoding, NetworkConfig(hidden=8, layers=layers), TrainingConfig(**settings)))


def with_axes(signal, n_axes):
    """The samples of an image over so many axes."""
    height, width, channels = signal.samples.shape
    shape = {1: (height * width,), 2: (height, width), 3: (4, height // 4, width)}[n_axes]
    return Signal(signal.samples.reshape(*shape, channels), axes=("t", "y", "x")[-n_axes:], medium="clip")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "changed.st"


# written and read


def test_network_is_read_as_it_was_written(model_path, target):
    network = fftool.load(model_path)
    fftool.save(network, target)
    again = fftool.load(target)
    assert (again.config, again.result) == (network.config, network.result)
    assert network.state_dict().keys() == again.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert target.read_bytes() == model_path.read_bytes()


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_every_kind_of_network_gives_the_same_bytes_again(photo, target, encoding, layers):
    """A σ given as an integer too; and the network renders the same."""
    progress = begin(photo, encoding, layers)
    fftool.evaluate(progress, photo)
    fftool.save(progress.network, target)
    written = target.read_bytes()
    network = fftool.load(target)
    assert (network.config, network.result) == (progress.network.config, progress.network.result)
    assert np.array_equal(fftool.render(network), fftool.render(progress.network))
    fftool.save(network, target)
    assert target.read_bytes() == written


@pytest.mark.parametrize(
    "training",
    [
        {"seconds": 60, "target_psnr": 35, "threads": 2},
        {"holdout": 0.25, "loss": "mse", "optimizer": "adam", "schedule": "constant"},
        {"holdout": "lattice", "batch_size": 100, "learning_rate": 1},
        {"precision": "bfloat16", "seed": 2**63 - 1, "epochs": 10**9},
    ],
)
def test_all_settings_of_a_training_give_the_same_bytes_again(photo, target, training):
    threads = torch.get_num_threads()
    try:
        progress = begin(photo, **training)
    finally:
        torch.set_num_threads(threads)
    fftool.save_run(progress.snapshot(), target, "photo.png")
    written, run = target.read_bytes(), fftool.load_run(target)
    assert run.network.config == progress.network.config
    assert run.position == progress.snapshot().position
    fftool.save_run(run, target, "photo.png")
    assert target.read_bytes() == written


def test_layout_is_as_documented(model_path, photo):
    tensors, metadata = contents(model_path)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    assert shapes == {
        "encoding.B": (2, 128),
        "layers.0.weight": (256, 256),
        "layers.0.bias": (256,),
        "layers.1.weight": (256, 256),
        "layers.1.bias": (256,),
        "layers.2.weight": (3, 256),
        "layers.2.bias": (3,),
    }
    assert all(tensor.dtype == np.float32 for tensor in tensors.values())
    assert metadata.keys() == {"format", "format_version", "config"}
    assert (metadata["format"], metadata["format_version"]) == ("fftool", "1")
    config = json.loads(metadata["config"])
    assert config["signal"] == {
        "axes": ["y", "x"], "shape": [48, 64], "channels": 3, "bits": 8, "source": "astronaut.jpg",
        "sha256": hashlib.sha256(photo.samples.tobytes()).hexdigest(),
    }  # fmt: skip
    assert config["encoding"] == {
        "kind": "gaussian",
        "dimension": 128,
        "scale": 8.0,
        "scale_for": "resize",
        "scale_search": None,
    }
    assert config["network"] == {"hidden": 256, "layers": 2}
    assert config["training"]["result"]["epochs"] == 10
    assert config["training"]["result"].keys() == {
        "epochs", "steps", "loss", "psnr", "ssim", "holdout_psnr", "retreats",
    }  # fmt: skip
    assert config["version"] == fftool.__version__


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("encoding", ["gaussian", "positional", "basic", "none"])
def test_other_media_are_written_in_format_2(photo, target, n_axes, encoding):
    signal = with_axes(photo, n_axes)
    progress = begin(signal, EncodingConfig(kind=encoding, scale=8, dimension=6))
    fftool.save_run(progress.snapshot(), target)
    _, metadata = contents(target)
    assert metadata["format_version"] == "2"
    assert json.loads(metadata["config"])["signal"]["medium"] == "clip"
    network = fftool.load(target)
    assert (network.config.signal.medium, network.config.signal.axes) == ("clip", signal.axes)
    assert np.array_equal(fftool.render(network), fftool.render(progress.network))
    assert fftool.load_run(target).position == progress.snapshot().position


@pytest.mark.parametrize(
    ("scale", "version", "stored"),
    [(8, "1", 8.0), ((8,), "1", 8.0), ((8, 8), "2", [8.0, 8.0]), ((8, 2.5), "2", [8, 2.5])],
)
def test_one_scale_for_each_axis_is_written_in_format_2(photo, target, scale, version, stored):
    """Format 1, which version 0.1.0 reads, wherever it can hold the network."""
    fftool.save(begin(photo, EncodingConfig(scale=scale, dimension=6)).network, target)
    _, metadata = contents(target)
    assert metadata["format_version"] == version
    assert json.loads(metadata["config"])["encoding"]["scale"] == stored
    scales = fftool.describe(target).config.encoding.scale
    assert scales == (tuple(stored) if isinstance(stored, list) else (stored,))


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_header_is_valid_for_safetensors(photo, target, layers, encoding):
    """The header is not written by safetensors, which must find the same names, shapes and numbers, and no gap."""
    network = begin(photo, encoding, layers).network
    fftool.save(network, target)
    data = target.read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    assert max(entry["data_offsets"][1] for name, entry in header.items() if name[0] != "_") == len(data) - 8 - length
    tensors = safetensors.numpy.load(data)
    expected = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    assert tensors.keys() == expected.keys() == tensor_shapes(network.config).keys()
    for name, tensor in expected.items():
        assert tensors[name].dtype == np.float32
        assert np.array_equal(tensors[name], tensor)
        assert tensors[name].shape == tensor_shapes(network.config)[name]


def test_header_of_an_unfinished_run_is_valid_for_safetensors(photo, target):
    run = begin(photo, optimizer="muon", layers=2).snapshot()
    fftool.save_run(run, target, "photo.png")
    tensors, metadata = contents(target)
    assert metadata.keys() == {"format", "format_version", "config", "resume"}
    expected = dict(run.network.state_dict())
    expected |= {f"resume.{name}": tensor for name, tensor in run.optimizer.items()}
    expected |= {f"resume.good.{name}": tensor for name, tensor in run.rollback.tensors.items()}
    assert tensors.keys() == expected.keys()
    assert all(np.array_equal(tensors[name], tensor.numpy()) for name, tensor in expected.items())


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_checkpoint_size_is_that_of_the_file(photo, target, layers, encoding):
    network = begin(photo, encoding, layers).network
    fftool.save(network, target)
    assert checkpoint_size(network) == target.stat().st_size


@pytest.mark.parametrize("n_axes", [1, 3])
def test_checkpoint_size_is_that_of_the_file_in_format_2(photo, target, n_axes):
    network = begin(with_axes(photo, n_axes)).network
    fftool.save(network, target)
    assert checkpoint_size(network) == target.stat().st_size


def test_description_needs_no_weights(model_path):
    description = fftool.describe(model_path)
    tensors, _ = contents(model_path)
    assert {name: info.shape for name, info in description.tensors.items()} == {n: t.shape for n, t in tensors.items()}
    assert description.n_parameters == sum(t.size for name, t in tensors.items() if name != "encoding.B")
    assert description.n_parameters == sum(p.numel() for p in fftool.load(model_path).parameters())
    assert description.bytes == model_path.stat().st_size
    assert description.result == fftool.load(model_path).result
    assert description.resume is None


def test_tensors_of_an_unfinished_run_do_not_change_the_network(model_path, target):
    rewrite(model_path, target, tensors={"resume.optimizer.means.0": np.zeros(1, np.float32)})
    assert np.array_equal(fftool.render(fftool.load(target)), fftool.render(fftool.load(model_path)))


def test_older_config_without_a_newer_setting_takes_its_default(model_path, target):
    document = json.loads(contents(model_path)[1]["config"])
    del document["training"]["loss"]
    tensors, metadata = contents(model_path)
    safetensors.numpy.save_file(tensors, target, metadata | {"config": json.dumps(document)})
    assert fftool.describe(target).config.training.loss == "bce"


def test_finished_run_is_saved_as_its_network(model_path, target):
    fftool.save_run(fftool.load_run(model_path), target)
    assert target.read_bytes() == model_path.read_bytes()


def test_network_that_was_not_evaluated_cannot_be_resumed(photo, target):
    fftool.save(begin(photo).network, target)
    assert fftool.load(target).result is None
    with pytest.raises(UnsuitableCheckpointError, match="does not say how far it was trained"):
        fftool.load_run(target)


# figures that are exact, and figures that were not measured


@pytest.mark.parametrize(
    ("holdout", "figures", "stored"),
    [
        ("none", {"psnr": 30.5}, {"psnr": 30.5, "holdout_psnr": None}),
        ("none", {"psnr": math.inf}, {"psnr": None, "holdout_psnr": None, "exact": ["psnr"]}),
        ("none", {"psnr": None}, {"psnr": None, "holdout_psnr": None, "exact": []}),
        (0.2, {"psnr": 30.5, "holdout_psnr": 20.5}, {"psnr": 30.5, "holdout_psnr": 20.5}),
        (
            0.2,
            {"psnr": math.inf, "holdout_psnr": math.inf},
            {"psnr": None, "holdout_psnr": None, "exact": ["psnr", "holdout_psnr"]},
        ),
        (
            0.2,
            {"psnr": 30.5, "holdout_psnr": math.inf},
            {"psnr": 30.5, "holdout_psnr": None, "exact": ["holdout_psnr"]},
        ),
        (0.2, {"psnr": 30.5, "holdout_psnr": None}, {"psnr": 30.5, "holdout_psnr": None, "exact": []}),
        (0.2, {"psnr": math.inf, "holdout_psnr": None}, {"psnr": None, "holdout_psnr": None, "exact": ["psnr"]}),
    ],
)
def test_exact_figures_are_told_from_unmeasured_ones(photo, target, holdout, figures, stored):
    """JSON has no infinity: null is exact if it is listed, and was not measured if there is a list without it."""
    network = begin(photo, holdout=holdout).network
    network.result = TrainingResult(epochs=1, steps=1, loss=0.5, ssim=1.0, **figures)
    fftool.save(network, target)
    document = json.loads(contents(target)[1]["config"])["training"]["result"]
    assert {name: document[name] for name in document if name in ("psnr", "holdout_psnr", "exact")} == stored
    assert fftool.describe(target).result == fftool.load(target).result == network.result


@pytest.mark.parametrize(("holdout", "holdout_psnr"), [("none", None), (0.2, math.inf)])
def test_null_in_a_result_of_an_earlier_version_is_exact(photo, target, tmp_path, holdout, holdout_psnr):
    """It measured every figure, and listed none as exact."""
    network = begin(photo, holdout=holdout).network
    network.result = TrainingResult(epochs=1, steps=1, loss=0.5, psnr=30.0, holdout_psnr=20.0)
    fftool.save(network, tmp_path / "a.st")
    rewrite(tmp_path / "a.st", target, config={"training.result.psnr": None, "training.result.holdout_psnr": None})
    result = fftool.describe(target).result
    assert (result.psnr, result.holdout_psnr) == (math.inf, holdout_psnr)


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """A grey image and two checkpoints that reproduce it exactly, the second with samples held out."""
    folder = tmp_path_factory.mktemp("exact")
    grey = Signal(np.full((8, 9, 1), 128, np.uint8), source="grey.png")
    fftool.write_image(folder / "grey.png", grey.samples)
    for name, holdout in (("all.st", "none"), ("heldout.st", 0.2)):
        progress = begin(grey, EncodingConfig(kind="none"), holdout=holdout)
        with torch.no_grad():
            for parameter in progress.network.parameters():
                parameter.zero_()
        fftool.evaluate(progress, grey)
        fftool.save(progress.network, folder / name)
    return folder


def test_exact_result_is_read_as_infinite(exact):
    assert fftool.describe(exact / "all.st").result.psnr == math.inf
    assert fftool.describe(exact / "all.st").result.holdout_psnr is None
    assert fftool.describe(exact / "heldout.st").result.exact == ("psnr", "holdout_psnr")
    assert fftool.load_run(exact / "all.st").position.squared_error == 0


def test_info_lists_exact_figures(run, exact):
    for name, figures in (("all.st", ["psnr"]), ("heldout.st", ["psnr", "holdout_psnr"])):
        result = json.loads(run("info", exact / name, "--json").stdout)["config"]["training"]["result"]
        assert (result["psnr"], result["holdout_psnr"], result["exact"]) == (None, None, figures)
        assert run("info", exact / name).stdout.count("exact") == len(figures)


def test_train_and_compare_list_exact_figures(run, exact, tmp_path):
    """On a black image, which a large learning rate makes exact at once."""
    fftool.write_image(tmp_path / "black.png", np.zeros((8, 9, 1), np.uint8))
    options = ("--encoding", "none", "--layers", 0, "--epochs", 100, "--optimizer", "adam", "--learning-rate", 1)
    done = run("train", "black.png", *options, "--holdout", 0.2, "-o", "a.st", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["psnr"], report["holdout_psnr"]) == (None, None)
    assert report["exact"] == ["psnr", "holdout_psnr"] == report["config"]["training"]["result"]["exact"]
    assert fftool.describe(tmp_path / "a.st").result.holdout_psnr == math.inf
    compared = json.loads(run("compare", exact / "grey.png", exact / "all.st", "--json").stdout)
    assert [(each["psnr"], each["exact"]) for each in compared["variants"]] == [(None, ["psnr"])]


def test_train_lists_no_figure_that_is_not_exact(run, photo_path):
    report = json.loads(run("train", photo_path, "--hidden", 4, "--dimension", 4, "--epochs", 1, "--json").stdout)
    assert (report["psnr"] > 5, report["holdout_psnr"], report["exact"]) == (True, None, [])


# refused


@pytest.mark.parametrize(
    ("change", "error", "seen"),
    [
        ({"format": "other"}, NotACheckpointError, "a safetensors file that fftool did not write"),
        ({"format": None}, NotACheckpointError, "a safetensors file that fftool did not write"),
        ({"format_version": "3"}, NewerCheckpointError, "has checkpoint format 3, expected 1 or 2"),
        ({"format_version": None}, NewerCheckpointError, "has checkpoint format None"),
        (
            {"config": {"network.hidden": 128}},
            InconsistentCheckpointError,
            "does not fit its own config: layers.0.bias",
        ),
        ({"config": {"network.layers": 3}}, InconsistentCheckpointError, r"layers\.2\.bias is F32 \(3,\), expected"),
        ({"config": {"network.layers": 10**9}}, InconsistentCheckpointError, "hidden layers"),
        ({"config": {"network.hidden": 10**9}}, InconsistentCheckpointError, "parameters"),
        ({"config": {"network.hidden": "many"}}, InconsistentCheckpointError, "Expected `int`"),
        ({"config": {"encoding.kind": "magic"}}, InconsistentCheckpointError, "magic"),
        ({"config": {"encoding.kind": "none"}}, InconsistentCheckpointError, r"encoding\.B is .*, expected absent"),
        ({"config": {"encoding.scale": -1}}, InconsistentCheckpointError, "invalid scale -1"),
        ({"config": {"encoding.scale": [8, 8, 8]}}, InconsistentCheckpointError, "one for each of 2 axes"),
        ({"config": {"encoding.scale": float("nan")}}, InconsistentCheckpointError, "has an invalid config"),
        ({"config": {"encoding.scale": "auto"}}, InconsistentCheckpointError, "has an invalid config: invalid scale"),
        ({"config": {"signal.channels": 1}}, InconsistentCheckpointError, r"layers\.2"),
        ({"config": {"signal.axes": ["x"]}}, InconsistentCheckpointError, "a size for each axis"),
        ({"config": {"signal.shape": [48, 0]}}, InconsistentCheckpointError, "shape"),
        ({"config": {"signal": 1}}, InconsistentCheckpointError, "has an invalid config"),
        ({"config": {"network.colour": 1}}, NewerCheckpointError, "has an unknown setting: .*colour"),
        (
            {"tensors": {"layers.1.bias": None}},
            InconsistentCheckpointError,
            r"layers\.1\.bias is absent, expected F32 \(256,\)",
        ),
        (
            {"tensors": {"extra": np.zeros(3, np.float32)}},
            InconsistentCheckpointError,
            r"extra is F32 \(3,\), expected absent",
        ),
        ({"tensors": {"encoding.B": np.zeros((2, 128), np.float64)}}, InconsistentCheckpointError, "F64"),
        ({"tensors": {"encoding.B": np.zeros((3, 128), np.float32)}}, InconsistentCheckpointError, r"encoding\.B"),
    ],
)
def test_rejects_checkpoint_that_is_inconsistent(model_path, target, change, error, seen):
    rewrite(model_path, target, **change)
    for read in (fftool.describe, fftool.load):
        with pytest.raises(error, match=seen):
            read(target)


def test_rejects_weights_that_are_not_finite(model_path, target):
    rewrite(model_path, target, tensors={"layers.1.bias": np.full(256, np.inf, np.float32)})
    with pytest.raises(InconsistentCheckpointError, match="weights that are not finite"):
        fftool.load(target)


@pytest.mark.parametrize("deep", ['{"a":' * 100_000, '{"signal":' * 100_000, '{"signal":{"axes":' + "[" * 100_000])
def test_rejects_config_nested_too_deep(model_path, target, deep):
    tensors, metadata = contents(model_path)
    safetensors.numpy.save_file(tensors, target, metadata | {"config": deep})
    with pytest.raises(CheckpointError, match=r"has an (invalid config|unknown setting)"):
        fftool.describe(target)


def test_rejects_other_files(model_path, tmp_path):
    files = {
        "empty": b"",
        "text": b"not a checkpoint",
        "cut": model_path.read_bytes()[:-1],
        "header": model_path.read_bytes()[:100],
        "long": model_path.read_bytes() + b"more",
        "terabytes": struct.pack("<Q", 2**42) + b"{}",
        "pickle": pickle.dumps({"weights": [1.0]}),
    }
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(NotACheckpointError, match="not a whole safetensors file"):
            fftool.load(path)


def test_never_loads_a_pickle(tmp_path):
    """A torch checkpoint that would write a file if it were unpickled."""
    witness = tmp_path / "witness"

    class Trap:
        def __reduce__(self):
            return (open, (str(witness), "w"))

    path = tmp_path / "trap.st"
    torch.save({"B": Trap()}, path)
    assert zipfile.is_zipfile(path)
    with pytest.raises(NotACheckpointError):
        fftool.load(path)
    assert not witness.exists()


# saved safely


def test_failed_save_leaves_the_old_file(model_path, tmp_path, monkeypatch):
    path = tmp_path / "model.st"
    path.write_bytes(b"precious")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(FFToolError, match="No space left"):
        fftool.save(fftool.load(model_path), path)
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["model.st"]


def test_rejects_saving_weights_that_are_not_finite(model_path, target):
    network = fftool.load(model_path)
    with torch.no_grad():
        network.layers[1].weight[3, 5] = torch.nan
    with pytest.raises(NonFiniteError, match="not finite"):
        fftool.save(network, target)
    assert not target.exists()


WRAPPED = {
    "compiled": torch.compile,
    "parallel": torch.nn.DataParallel,
    "both": lambda network: torch.compile(torch.nn.DataParallel(network)),
    "double": lambda network: network.double(),
}


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # of torch.compile
@pytest.mark.parametrize("wrap", [*WRAPPED.values()], ids=[*WRAPPED])
def test_network_within_a_wrapper_is_saved_as_itself(model_path, target, wrap):
    fftool.save(wrap(fftool.load(model_path)), target)
    assert target.read_bytes() == model_path.read_bytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_precision_is_saved_as_float32(model_path, target, dtype):
    network = fftool.load(model_path).to(dtype)
    expected = {name: tensor.float() for name, tensor in network.state_dict().items()}
    fftool.save(network, target)
    torch.testing.assert_close(dict(fftool.load(target).state_dict()), expected, rtol=0, atol=0)


def test_pruned_and_parametrized_layers_are_saved_as_they_compute(model_path, target):
    network = fftool.load(model_path)
    prune.l1_unstructured(network.layers[0], "weight", 0.3)
    parametrizations.weight_norm(network.layers[1], "weight")
    weights = [network.layers[i].weight.detach().clone() for i in range(2)]
    assert (weights[0] == 0).float().mean() > 0.2
    fftool.save(network, target)
    loaded = fftool.load(target)
    for i, weight in enumerate(weights):
        torch.testing.assert_close(loaded.layers[i].weight, weight, rtol=0, atol=0)


def swap_layer(network):
    network.layers[1] = torch.nn.Linear(4, 4)


def add_layer(network):
    network.layers.append(torch.nn.Linear(3, 3))


def drop_frequencies(network):
    network.encoding = torch.nn.Identity()


def replace_layer(network):
    network.layers[0] = torch.nn.ReLU()


def move_to_meta(network):
    network.to("meta")


def make_sparse(network):
    layer = network.layers[0]
    layer.weight = torch.nn.Parameter(layer.weight.detach().to_sparse())


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (swap_layer, r"layers.1.weight is strided float32 \(4, 4\), expected strided floating-point \(256, 256\)"),
        (add_layer, "the number of layers is 4, expected 3"),
        (drop_frequencies, "encoding is Identity, expected gaussian features"),
        (replace_layer, "a layer is without weight, expected weight and bias"),
        (move_to_meta, "encoding.B is meta float32"),
        (make_sparse, "layers.0.weight is sparse_coo float32"),
    ],
)
def test_refuses_a_network_that_does_not_fit_its_config(model_path, target, change, seen):
    network = fftool.load(model_path)
    change(network)
    target.write_bytes(b"precious")
    with pytest.raises(NetworkError, match=f"cannot be saved: {seen}"):
        fftool.save(network, target)
    assert target.read_bytes() == b"precious"


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # of torch.compile
def test_refuses_another_module(target):
    with pytest.raises(NetworkError, match="the module is Linear, expected CoordinateMLP"):
        fftool.save(torch.compile(torch.nn.Linear(2, 3)), target)


def test_refuses_weights_beyond_float32(model_path, target):
    network = fftool.load(model_path).double()
    with torch.no_grad():
        network.layers[0].weight[0, 0] = 1e300
    with pytest.raises(NonFiniteError, match="not finite"):
        fftool.save(network, target)
    assert not target.exists()


def test_link_stays_a_link(model_path, tmp_path):
    real, link = tmp_path / "real.st", tmp_path / "link.st"
    real.write_bytes(b"old")
    link.symlink_to(real)
    fftool.save(fftool.load(model_path), link)
    assert link.is_symlink()
    assert real.read_bytes() == model_path.read_bytes()


def test_config_survives_json(model_path):
    """As `info --json` shows it."""
    description = fftool.describe(model_path)
    shown = json.dumps(to_builtins(description.config, description.result))
    document = msgspec.json.decode(shown, type=ConfigDocument)
    assert from_document(document) == (description.config, description.result)
