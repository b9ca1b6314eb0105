"""fftool export: networks for ONNX runtimes, shaders and NumPy."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import QUICK, SMALL, fails
from PIL import Image
from viewer import assert_alike, rendered

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


README = Path(__file__).parent.parent / "README.md"
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


SHADER_PAGE = """
async source => {
  const gl = new OffscreenCanvas(64, 48).getContext("webgl2");
  const program = gl.createProgram();
  const shaders = [
    [gl.VERTEX_SHADER, `#version 300 es
      in vec2 p; out vec2 v; void main() { v = vec2(p.x + 1.0, 1.0 - p.y) / 2.0; gl_Position = vec4(p, 0.0, 1.0); }`],
    [gl.FRAGMENT_SHADER, source],
  ];
  for (const [kind, text] of shaders) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const pixels = new Uint8Array(64 * 48 * 4);
  gl.readPixels(0, 0, 64, 48, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return [...pixels];
}
"""


def shader_picture(browser, code):
    """Pixels that the README's fragment shader draws by an exported function."""
    (shader,) = re.findall(r"```glsl\n(.*?)```", README.read_text(), re.DOTALL)
    page = browser.new_page()
    pixels = page.evaluate(SHADER_PAGE, shader.replace("// paste model.glsl here", code))
    page.close()
    return np.array(pixels, np.uint8).reshape(48, 64, 4)[::-1]


@pytest.mark.parametrize("options", [QUICK, (*SMALL, "--encoding", "none"), (*SMALL, "--encoding", "basic")])
def test_shader_compiles_and_draws_the_network(options, browser, run, tmp_path, photo_path):
    assert run("train", photo_path, "--tile", "none", *options).returncode == 0
    assert run("export", "model.st", "-o", "a.glsl").returncode == 0
    image = shader_picture(browser, (tmp_path / "a.glsl").read_text())
    assert_alike(image, rendered(run, tmp_path, "model.st"))


def test_shader_of_a_volume_draws_its_slices(browser, run, tmp_path, volume_path):
    assert run("export", volume_path, "-o", "a.glsl").returncode == 0
    code = (tmp_path / "a.glsl").read_text()
    assert "vec4 signal(vec3 v) {" in code
    image = shader_picture(browser, f"{code}vec4 signal(vec2 v) {{ return signal(vec3(v, 0.45)); }}")
    y, x = np.mgrid[:48, :64]
    v = np.stack([(x + 0.5) / 64, (y + 0.5) / 48, np.full(x.shape, 0.45)], -1).reshape(-1, 3)
    with torch.no_grad():
        grey = 255 * fftool.load(volume_path).double()(torch.from_numpy(v)).numpy().reshape(48, 64)
    assert np.abs(image[..., 0] - grey).max() < 1
    assert (image[..., 1] == image[..., 0]).all()


def test_shader_of_a_sound_takes_a_number(browser, run, tmp_path):
    signal = Signal(np.arange(0, 240, 10, np.uint8)[:, None], axes=("t",), medium="audio")
    network = short_fit(signal, EncodingConfig(scale=2.0, dimension=6), NetworkConfig(**SMALL_NETWORK, tile="none"))
    fftool.save(network, tmp_path / "sound.st")
    assert run("export", "sound.st", "-o", "a.glsl").returncode == 0
    code = (tmp_path / "a.glsl").read_text()
    image = shader_picture(browser, f"{code}vec4 signal(vec2 v) {{ return signal(v.x); }}")
    with torch.no_grad():
        expected = 255 * network((torch.arange(64)[:, None] + 0.5) / 64)[:, 0].numpy()
    assert np.abs(image[0, :, 0] - expected).max() < 1


def test_signal_of_too_many_axes_is_no_shader(run, tmp_path):
    """As a stranger's checkpoint may have."""
    signal = Signal(np.zeros((2, 3, 4, 5, 1), np.uint8), axes=("w", "z", "y", "x"))
    network = short_fit(signal, EncodingConfig(scale=2.0, dimension=6), NetworkConfig(**SMALL_NETWORK, tile="none"))
    fftool.save(network, tmp_path / "a.st")
    fails(run("export", "a.st", "-o", "a.glsl"), 1, "holds up to 3 axes, and this one has 4", "hint: export it as .npz")
