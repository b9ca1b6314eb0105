"""fftool view: what it refuses and reports. The page itself is tested in a browser, in test_viewer.py."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from conftest import QUICK, fails, pixels
from PIL import Image
from test_audio import wav_bytes
from test_checkpoint import rewrite

import fftool
from fftool.media.image.medium import read_image


def page_document(path):
    return json.loads(re.search(r'id="page">(.*?)</script>', path.read_text(), re.DOTALL)[1])


def test_page_is_named_after_its_model(run, tmp_path, model_path):
    done = run("view", model_path)
    assert done.stdout == "model.html\n"
    assert "open it in a browser" in done.stderr
    assert [model["name"] for model in page_document(tmp_path / "model.html")["models"]] == ["model"]


def test_json_has_the_page_and_its_models(run, tmp_path, model_path, tiled_model_path):
    done = run("view", model_path, tiled_model_path, "--json")
    document = json.loads(done.stdout)
    assert document == {
        "output": "view.html",
        "bytes": (tmp_path / "view.html").stat().st_size,
        "models": [
            {"name": "model", "psnr": fftool.load(model_path).result.psnr},
            {"name": "tiles", "psnr": None},  # it was not evaluated
        ],
    }


def test_psnr_is_that_of_the_source_shown(run, tmp_path, model_path, photo, photo_path):
    """The one of the training if it is the same signal, else measured."""
    done = run("view", model_path, "--source", photo_path, "--json")
    assert json.loads(done.stdout)["models"][0]["psnr"] == fftool.load(model_path).result.psnr
    Image.fromarray(photo.samples[::-1]).save(tmp_path / "other.png")
    done = run("view", model_path, "--source", "other.png", "--json", "--overwrite")
    expected = fftool.psnr(read_image(tmp_path / "other.png").samples, fftool.render(fftool.load(model_path)))
    assert json.loads(done.stdout)["models"][0]["psnr"] == pytest.approx(expected)


def test_open_shows_the_page(run, tmp_path, model_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert run("view", model_path, "-o", "a b.html", "--open").returncode == 0
    assert opened == [(tmp_path / "a b.html").as_uri()]


def test_nothing_is_overwritten_unasked(run, tmp_path, model_path):
    (tmp_path / "a.html").write_text("mine")
    fails(run("view", model_path, "-o", "a.html"), 1, "already exists", "--overwrite")
    assert (tmp_path / "a.html").read_text() == "mine"


def test_signals_without_a_plane_are_refused(run, tmp_path):
    amplitudes = np.int16(9000 * np.sin(np.arange(400) / 5))
    (tmp_path / "a.wav").write_bytes(wav_bytes(amplitudes))
    assert run("train", "a.wav", *QUICK).returncode == 0
    fails(run("view", "model.st"), 1, "the signal is a sound, which has no plane to show")
    fails(run("compare", "a.wav", "model.st", "--page", "a.html"), 1, "which has no plane to show")
    assert not list(tmp_path.glob("*.html"))


def test_models_of_other_signals_are_refused(run, tmp_path, photo, model_path, photo_path):
    Image.fromarray(photo.samples[..., 0]).save(tmp_path / "grey.png")
    assert run("train", "grey.png", *QUICK).returncode == 0
    fails(run("view", model_path, "model.st"), 1, "model.st: was trained on 1 channel over x, y", "has 3 channels")
    fails(run("view", model_path, "--source", "grey.png"), 1, "was trained on 3 channels", "grey.png has 1 channel")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("-o", "a.png"), 2, "a.png: the suffix of a page is .html or .htm"),
        (("--as", "clip"), 2, "--as is the kind of the --source"),
        (("--source", "missing.png"), 1, "missing.png: no such file"),
        (("-o", "missing/a.html"), 1, "no such folder"),
    ],
)
def test_wrong_options_are_refused(run, model_path, arguments, code, text):
    fails(run("view", model_path, *arguments), code, text)


def test_unknown_medium_is_refused(run, model_path, tmp_path):
    rewrite(model_path, tmp_path / "a.st", config={"signal.medium": "hologram"}, format_version="2")
    fails(run("view", "a.st"), 1, "a.st: unknown medium 'hologram'", "hint: name another checkpoint")


def test_network_too_large_for_a_page_is_refused(run, model_path, monkeypatch):
    monkeypatch.setattr("fftool.export.scene.MAX_BYTES", 500_000)
    fails(run("view", model_path), 1, "a page holds networks of up to 0 MB", "1 MB")


def test_page_needs_networks_to_compare(run, photo_path):
    arguments = ("compare", photo_path, "--baseline", "linear", "--page")
    fails(run(*arguments, "a.html"), 2, "--page shows networks, and there are none")
    fails(run(*arguments, "a.png"), 2, "the suffix of a page is .html or .htm")


def test_source_of_16_bits_is_shown_in_8(run, tmp_path, quick_model_path, photo_path):
    """Compared with the network as it is: the PSNR is that of 16 bits."""
    deep = pixels(photo_path).astype(np.uint16) * 257
    fftool.write_image(tmp_path / "deep.png", deep)
    assert run("train", "deep.png", *QUICK).returncode == 0
    assert run("view", "model.st", "--source", "deep.png").returncode == 0
    scene = page_document(tmp_path / "model.html")["scene"]
    assert (scene["low"], scene["high"], scene["channels"]) == (0, 65535, 3)


def test_exact_network_has_no_number_in_json(run, tmp_path):
    """JSON has no infinity; the page says that it is exact."""
    Image.new("L", (2, 2), 255).save(tmp_path / "white.png")
    assert run("train", "white.png", "--epochs", 200, *QUICK[:4]).returncode == 0
    assert fftool.load(tmp_path / "model.st").result.exact == ("psnr",)
    document = json.loads(run("view", "model.st", "--json").stdout)
    assert document["models"] == [{"name": "model", "psnr": None}]
    assert page_document(tmp_path / "model.html")["models"][0]["quality"] == "exact"


def test_name_of_no_known_encoding_is_shown_as_far_as_it_can_be(run, tmp_path, quick_model_path):
    name = os.fsdecode(b"b\xff.st")
    shutil.copy(quick_model_path, tmp_path / name)
    assert run("view", name, "-o", "a.html").returncode == 0
    assert page_document(tmp_path / "a.html")["models"][0]["name"] == "b\ufffd"
