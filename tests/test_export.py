"""fftool export: networks for ONNX runtimes, shaders and NumPy."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import SMALL, fails
from PIL import Image

import fftool
from fftool.config import EncodingConfig, NetworkConfig, TrainingConfig
from fftool.signal import Signal


def short_fit(signal, encoding, network):
    for progress in fftool.fit(signal, encoding, network, TrainingConfig(epochs=2)):
        pass
    return progress.network


def signal_of(shape, channels):
    samples = np.random.default_rng(0).integers(0, 256, (*shape, channels), np.uint8)
    kinds = {2: ("y", "x"), 3: ("z", "y", "x")}
    return Signal(samples, axes=kinds[len(shape)], medium={2: "image", 3: "volume"}[len(shape)])


def arrays_in(path):
    with np.load(path) as archive:
        return dict(archive)


SMALL_NETWORK = {"hidden": 16, "layers": 2}
NETWORKS = {
    "one network": ((20, 30), 3, EncodingConfig(scale=8.0, dimension=24), {"tile": "none"}),
    "no features": ((20, 30), 4, EncodingConfig(kind="none"), {"tile": "none"}),
    "positional": ((20, 30), 2, EncodingConfig(kind="positional", scale=8.0, dimension=9), {"tile": "none"}),
    "tiles": ((40, 50), 1, EncodingConfig(scale=6.0, dimension=24), {"tile": 16, "margin": 2}),
    "tiles without margin": ((40, 50), 3, EncodingConfig(scale=6.0, dimension=24), {"tile": 16, "margin": 0}),
    "tiles of three axes": ((12, 20, 10), 1, EncodingConfig(scale=3.0, dimension=24), {"tile": 8, "margin": 1}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_computes_what_the_network_does(name, run, tmp_path):
    shape, channels, encoding, options = NETWORKS[name]
    network = short_fit(signal_of(shape, channels), encoding, NetworkConfig(**SMALL_NETWORK, **options))
    fftool.save(network, tmp_path / "model.st")
    done = run("export", "model.st", "-o", "model.onnx", "--json")
    path = tmp_path / "model.onnx"
    assert json.loads(done.stdout) == {"output": "model.onnx", "bytes": path.stat().st_size}
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path)
    v = torch.rand(3000, len(shape), generator=torch.Generator().manual_seed(0))
    v[:100] = v[:100].round(decimals=1)  # on the edges of tiles
    v[0], v[1] = 0, 1
    (values,) = session.run(None, {"coordinates": v.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(values, network(v), rtol=0, atol=1e-5)
    config = json.loads(session.get_modelmeta().custom_metadata_map["config"])
    assert config["encoding"]["kind"] == encoding.kind
    assert config["signal"]["shape"] == list(shape)


def test_npz_has_the_tensors_of_the_checkpoint(run, tiled_model_path, tmp_path):
    assert run("export", tiled_model_path, "-o", "model.npz").stdout == "model.npz\n"
    network, archive = fftool.load(tiled_model_path), arrays_in(tmp_path / "model.npz")
    tensors = network.state_dict()
    assert set(archive) == {*tensors, "config"}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(archive[name], tensor)
    assert json.loads(str(archive["config"]))["network"]["tile"] == list(network.tiles.tile)


def test_shader_has_short_lines_and_exact_numbers(run, photo_path, tmp_path):
    """The viewer's tests compile it."""
    assert run("train", photo_path, "--tile", "none", *SMALL).returncode == 0
    assert run("export", "model.st", "-o", "model.glsl").returncode == 0
    text = (tmp_path / "model.glsl").read_text()
    assert "vec4 signal(vec2 v) {" in text
    bias = fftool.load(tmp_path / "model.st").detached_layers[0].bias.numpy()
    assert f"vec4 h0_0 = vec4({', '.join(map(str, bias[:4]))});" in text
    assert max(map(len, text.splitlines())) < 300


def test_unknown_suffix_is_refused_with_the_list(run, model_path):
    fails(run("export", model_path, "-o", "a.pt"), 1, "a.pt: no suffix", "expected one of .onnx, .glsl, .npz")


def test_shader_refuses_networks_without_a_place_in_it(run, model_path, tiled_model_path, tmp_path):
    fails(run("export", model_path, "-o", "a.glsl"), 1, "up to 64 hidden units", "has 256", "hint: export it as .npz")
    fails(run("export", tiled_model_path, "-o", "a.glsl"), 1, "one network", "tiles")
    assert not list(tmp_path.iterdir())


def test_model_too_large_for_onnx_is_refused(run, model_path, monkeypatch):
    monkeypatch.setattr("fftool.export.onnx.MAX_BYTES", 500_000)
    fails(run("export", model_path, "-o", "a.onnx"), 1, "holds up to 0.0 GB", "hint: export it as .npz")


def test_missing_package_is_named_with_its_installation(run, model_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = run("export", model_path, "-o", "a.onnx")
    fails(done, 1, "takes the package onnx", 'pipx inject fftool onnx, or pip install "fftool[onnx]"')


def test_nothing_is_overwritten_unasked(run, model_path, tmp_path):
    (tmp_path / "a.npz").write_bytes(b"mine")
    fails(run("export", model_path, "-o", "a.npz"), 1, "already exists", "--overwrite")
    assert (tmp_path / "a.npz").read_bytes() == b"mine"
    assert run("export", model_path, "-o", "a.npz", "--overwrite").returncode == 0
    assert "encoding.B" in arrays_in(tmp_path / "a.npz")


def test_input_is_no_checkpoint(run, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    fails(run("export", "a.png", "-o", "a.npz"), 1, "a.png: not a whole safetensors file")
