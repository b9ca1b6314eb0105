"""What a person at a terminal sees and is asked."""

import pytest
from conftest import in_terminal


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0), (b"\x03", 130), (b"\x04", 1)])
def test_in_a_terminal_it_asks(model_path, tmp_path, answer, code):
    (tmp_path / "a.png").write_text("precious")
    shown, exit_code = in_terminal(("render", model_path, "-o", "a.png"), answer, tmp_path)
    assert "a.png exists already. Overwrite it?" in shown
    assert exit_code == code
    assert ((tmp_path / "a.png").read_bytes() == b"precious") == (code != 0)


def test_in_a_terminal_a_bar_shows_the_work(photo_path, tmp_path):
    shown, exit_code = in_terminal(("train", photo_path, "--epochs", 20), b"", tmp_path)
    assert exit_code == 0
    for text in ("Training", "epoch ", "/20", "loss", "dB", "px/s", "left"):
        assert text in shown


def test_in_a_terminal_rendering_shows_a_bar(model_path, tmp_path):
    shown, exit_code = in_terminal(("render", model_path, "--size", "1000x700"), b"", tmp_path)
    assert exit_code == 0
    for text in ("Rendering", "%", "px/s", "left"):
        assert text in shown


def test_a_terminal_is_not_sent_a_picture(model_path, tmp_path):
    shown, exit_code = in_terminal(("render", model_path, "-o", "-"), b"", tmp_path)
    assert exit_code == 1
    assert "terminal" in shown
    assert "PNG" not in shown
