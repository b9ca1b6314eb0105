"""The benchmarks run, and their figures are made of what they say. None is compared with a time."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import fftool
from benchmarks import pictures, processes, quality, roofline, scale
from fftool import EncodingConfig, TrainingConfig


def test_the_plain_loop_learns(photo):
    network, seconds = quality.plainly(photo, EncodingConfig(scale=8), 5)
    assert 18 < quality.psnr(network, photo) < 40
    assert seconds > 0


def test_held_out_pixels_are_held_out_of_the_plain_loop_too(photo):
    network, _ = quality.plainly(photo, EncodingConfig(scale=8), 60, holdout="lattice")
    figures = quality.held_out([photo], [8], 60)
    (row,) = figures[0].parts["holdout_psnr_db"]
    assert fftool.training.assess(network, photo)[1].holdout_psnr == pytest.approx(row["plain"], abs=0.01)
    assert fftool.training.assess(network, photo)[1].psnr > row["plain"] + 3  # of what was learnt
    assert [figure.value for figure in figures] == [row["fftool"] - row["plain"], row["fftool"] - row["adam"]]


def test_the_fewest_epochs_reach_the_target_and_one_less_does_not(photo):
    few = quality.fewest_epochs(photo, 25, 20)
    assert quality.psnr(quality.learnt(photo, epochs=few).network, photo) >= 25
    assert quality.psnr(quality.learnt(photo, epochs=few - 1).network, photo) < 25
    assert quality.fewest_epochs(photo, 90, 2) is None


def test_rooflines_are_shares(photo, model_path, monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.02)
    for figure in (roofline.training(photo), roofline.rendering(fftool.load(model_path), 100, 80)):
        assert figure.value == pytest.approx(
            figure.parts["pixels_per_second"] / figure.parts["roofline_pixels_per_second"], rel=0.2
        )


def test_the_products_of_a_step_are_all_of_them(photo):
    """Their multiplications, counted by torch: 2 × batch × weights forward and back, and Muon's."""
    from torch.utils.flop_counter import FlopCounterMode

    network = next(fftool.fit(photo, training=TrainingConfig(epochs=1))).network
    with FlopCounterMode(display=False) as counter:
        roofline.step_products(network, 100)()
    weights = [256 * 256, 256 * 256, 256 * 3]
    assert counter.get_total_flops() == 2 * 100 * (2 * sum(weights) + sum(weights[1:])) + 9 * 2 * 2 * 256**3


def test_processes_are_measured(photo_path, model_path):
    render = processes.large_render(fftool.load(model_path), 50)
    training = processes.large_training(Image.open(photo_path), 0.01)
    start_up = processes.start_up(Image.open(photo_path), 64, 48, times=1)
    assert 0.1 < render.value < 5
    assert 0.1 < training.value < 5
    assert 0 < start_up.parts["import_and_read_seconds"] < start_up.value
    with pytest.raises(subprocess.CalledProcessError):
        processes.peak_memory(Path(), "render", "nothing.st")


def test_auto_is_measured_against_a_sweep_and_against_other_ways(photo):
    small = pictures.resized("other", Image.fromarray(photo.samples), (32, 24))
    figures = list(scale.against_a_sweep([photo, small], (2, 8, 32), 5))
    rows = [figure.parts for figure in figures[:2]]
    for row in rows:
        assert row["best_db"] == max(row["sweep_db"].values())
        assert row["spectra"] in (2, 8, 32) and row["short trials"] in (2, 8, 32)
        assert 0 < row["auto_share"] < 1
    losses = [row["best_db"] - row["auto_db"] for row in rows]
    assert [figure.value for figure in figures[:2]] == losses
    assert [figures[2].value, figures[3].value] == [pytest.approx(sum(losses) / 2), max(losses)]
    for figure in figures[6:]:
        first, second = figure.parts["halves"]
        assert (len(first["fitted_db"]), len(first["rest_db"])) == (1, 1)
        assert figure.value == pytest.approx((first["rest_db"][0] + second["rest_db"][0]) / 2)
        assert min(first["fitted_db"][0], second["fitted_db"][0]) >= 0


def test_what_lies_between_the_scales_of_a_sweep_is_read_off():
    sweep = {2: 20.0, 8: 24.0}
    assert [scale.interpolated(sweep, at) for at in (1, 2, 4, 8, 9)] == [20, 20, pytest.approx(22), 24, 24]


def test_packaged_pictures_are_signals():
    assert pictures.packaged("text").shape == (172, 448)
    assert set(pictures.packaged("horse").samples.ravel().tolist()) == {0, 255}


def test_its_help(tmp_path):
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[1])  # fmt: skip
    assert "--full" in done.stdout
