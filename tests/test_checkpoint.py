"""Checkpoints: what is written is read back, and what is not a checkpoint is refused."""

import dataclasses
import hashlib
import json
import pickle
import zipfile

import msgspec
import numpy as np
import pytest
import safetensors.numpy
import torch
from safetensors import safe_open

import fftool
from fftool import FFToolError


def contents(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def rewrite(path, target, *, tensors=None, config=None, **metadata):
    """A copy of a checkpoint with some tensors, config entries (by dotted path) or metadata changed; None removes."""
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


@pytest.fixture
def target(tmp_path):
    return tmp_path / "changed.st"


def test_a_network_comes_back_whole(model_path, target):
    network = fftool.load(model_path)
    fftool.save(network, target)
    again = fftool.load(target)
    assert again.config == network.config
    assert network.state_dict().keys() == again.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert target.read_bytes() == model_path.read_bytes()


@pytest.mark.parametrize("kind", ["gaussian", "positional", "basic", "none"])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_every_kind_of_network_comes_back(photo, target, kind, layers):
    settings = fftool.EncodingConfig(kind=kind, dimension=6), fftool.NetworkConfig(hidden=8, layers=layers)
    progress = next(fftool.fit(photo, *settings))
    fftool.save(progress.network, target)
    assert np.array_equal(fftool.render(fftool.load(target)), fftool.render(progress.network))


def test_the_format_is_as_promised(model_path, photo):
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
    assert config["version"] == fftool.__version__


def test_the_description_needs_no_weights(model_path):
    description = fftool.describe(model_path)
    tensors, _ = contents(model_path)
    assert {name: info.shape for name, info in description.tensors.items()} == {n: t.shape for n, t in tensors.items()}
    assert description.parameters == sum(t.size for name, t in tensors.items() if name != "encoding.B")
    assert description.parameters == sum(p.numel() for p in fftool.load(model_path).parameters())
    assert description.bytes == model_path.stat().st_size


def test_what_an_unfinished_run_adds_is_let_be(model_path, target):
    rewrite(model_path, target, tensors={"resume.optimizer.means.0": np.zeros(1, np.float32)})
    assert np.array_equal(fftool.render(fftool.load(target)), fftool.render(fftool.load(model_path)))


def test_an_older_config_without_a_newer_setting_takes_its_default(model_path, target):
    document = json.loads(contents(model_path)[1]["config"])
    del document["training"]["loss"]
    tensors, metadata = contents(model_path)
    safetensors.numpy.save_file(tensors, target, metadata | {"config": json.dumps(document)})
    assert fftool.describe(target).config.training.loss == "bce"


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"format": "other"}, "not one of fftool's"),
        ({"format": None}, "not one of fftool's"),
        ({"format_version": "2"}, "format 2"),
        ({"format_version": None}, "format None"),
        ({"config": {"network.hidden": 128}}, "does not fit its own config: layers.0.bias"),
        ({"config": {"network.layers": 3}}, "layers.2.bias should be F32"),
        ({"config": {"network.layers": 10**9}}, "hidden layers"),
        ({"config": {"network.hidden": 10**9}}, "parameters"),
        ({"config": {"network.hidden": "many"}}, "Expected `int`"),
        ({"config": {"encoding.kind": "magic"}}, "magic"),
        ({"config": {"encoding.kind": "none"}}, "encoding.B should be absent"),
        ({"config": {"encoding.scale": -1}}, "scale is -1"),
        ({"config": {"encoding.scale": float("nan")}}, "makes no sense"),
        ({"config": {"signal.channels": 1}}, "layers.2"),
        ({"config": {"signal.axes": ["x"]}}, "axes"),
        ({"config": {"signal.shape": [48, 0]}}, "shape"),
        ({"config": {"signal": 1}}, "makes no sense"),
        ({"tensors": {"layers.1.bias": None}}, "layers.1.bias should be F32 \\(256,\\), and is absent"),
        ({"tensors": {"extra": np.zeros(3, np.float32)}}, "extra should be absent"),
        ({"tensors": {"encoding.B": np.zeros((2, 128), np.float64)}}, "F64"),
        ({"tensors": {"encoding.B": np.zeros((3, 128), np.float32)}}, "encoding.B"),
    ],
)
def test_a_checkpoint_that_contradicts_itself_is_refused(model_path, target, change, seen):
    rewrite(model_path, target, **change)
    for read in (fftool.describe, fftool.load):
        with pytest.raises(FFToolError, match=seen):
            read(target)


def test_weights_that_are_not_finite_are_refused(model_path, target):
    rewrite(model_path, target, tensors={"layers.1.bias": np.full(256, np.inf, np.float32)})
    with pytest.raises(FFToolError, match="not finite"):
        fftool.load(target)


def test_a_config_nested_beyond_reason_is_refused(model_path, target):
    tensors, metadata = contents(model_path)
    safetensors.numpy.save_file(tensors, target, metadata | {"config": '{"a":' * 100_000})
    with pytest.raises(FFToolError, match="makes no sense"):
        fftool.describe(target)


def test_other_files_are_refused(model_path, tmp_path):
    files = {
        "empty": b"",
        "text": b"not a checkpoint",
        "cut": model_path.read_bytes()[:-1],
        "header": model_path.read_bytes()[:100],
        "long": model_path.read_bytes() + b"more",
        "terabytes": (2**42).to_bytes(8, "little") + b"{}",
        "pickle": pickle.dumps({"weights": [1.0]}),
    }
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(FFToolError, match="not a whole safetensors file"):
            fftool.load(path)


def test_a_pickle_is_never_loaded(tmp_path):
    """A torch checkpoint that would write a file if it were unpickled."""
    witness = tmp_path / "witness"

    class Trap:
        def __reduce__(self):
            return (open, (str(witness), "w"))

    path = tmp_path / "trap.st"
    torch.save({"B": Trap()}, path)
    assert zipfile.is_zipfile(path)
    with pytest.raises(FFToolError):
        fftool.load(path)
    assert not witness.exists()


def test_a_failed_save_leaves_what_was_there(model_path, tmp_path, monkeypatch):
    path = tmp_path / "model.st"
    path.write_bytes(b"precious")

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(FFToolError, match="No space left"):
        fftool.save(fftool.load(model_path), path)
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["model.st"]


def test_a_network_of_nans_is_not_saved(model_path, target):
    network = fftool.load(model_path)
    with torch.no_grad():
        network.layers[1].weight[3, 5] = torch.nan
    with pytest.raises(FFToolError, match="not finite"):
        fftool.save(network, target)
    assert not target.exists()


def test_a_link_stays_a_link(model_path, tmp_path):
    real, link = tmp_path / "real.st", tmp_path / "link.st"
    real.write_bytes(b"old")
    link.symlink_to(real)
    fftool.save(fftool.load(model_path), link)
    assert link.is_symlink()
    assert real.read_bytes() == model_path.read_bytes()


def test_the_config_survives_json(model_path):
    config = fftool.describe(model_path).config
    assert msgspec.json.decode(msgspec.json.encode(config), type=fftool.Config) == config
    assert json.loads(json.dumps(dataclasses.asdict(config))) == json.loads(msgspec.json.encode(config))
