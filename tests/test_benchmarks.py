"""The benchmarks run, and their figures follow from their measurements. None is compared with a time."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import fftool
from benchmarks import images, processes, quality, roofline, scale
from fftool import EncodingConfig, TrainingConfig
from fftool.evaluation import assess


@pytest.fixture(scope="module")
def small(photo):
    """The small photo at 32×24: enough for benchmarks that train many networks."""
    return images.resized("small", Image.fromarray(photo.samples), (32, 24))


def test_plain_loop_trains(photo):
    network, seconds = quality.train_plainly(photo, EncodingConfig(scale=8), 5)
    assert 18 < quality.psnr(network, photo) < 40
    assert seconds > 0


def test_plain_loop_visits_no_held_out_pixels(small):
    network, _ = quality.train_plainly(small, EncodingConfig(scale=8), 100, holdout="lattice")
    figures = quality.held_out([small], [8], 100)
    (row,) = figures[0].parts["holdout_psnr_db"]
    reached = assess(network, small)[1]
    assert reached.holdout_psnr == pytest.approx(row["plain"], abs=0.01)
    assert reached.psnr > row["plain"] + 3  # of the trained pixels
    assert [figure.value for figure in figures] == [row["fftool"] - row["plain"], row["fftool"] - row["adam"]]


def test_fewest_epochs_reach_the_target_and_one_less_does_not(small):
    few = quality.fewest_epochs(small, 25, 20)
    assert quality.psnr(quality.train(small, epochs=few).network, small) >= 25
    assert quality.psnr(quality.train(small, epochs=few - 1).network, small) < 25
    assert quality.fewest_epochs(small, 90, 2) is None


def test_figures_against_the_plain_loop_follow_from_their_rows(small):
    time, psnr = quality.against_plain_loop([small], 4)
    (row,) = time.parts["pictures"]
    assert psnr.parts == time.parts
    assert time.value == row["times_faster"] == row["plain_seconds"] / row["fftool_seconds"]
    assert psnr.value == row["fftool_psnr_db"] - row["plain_psnr_db"]
    assert 1 <= row["fftool_epochs"] <= 4


def test_small_image_is_measured_with_every_scale_and_seed():
    mushroom = fftool.read_image(Path(__file__).parents[1] / "examples" / "mushroom.png")
    figure = quality.small(mushroom, (1, 2), 2, (0, 1))
    rows = figure.parts["scales"]
    assert [(row["scale"], row["seed"]) for row in rows] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert figure.value == min(row["fftool_psnr_db"] - row["plain_psnr_db"] for row in rows)
    assert all(math.isfinite(row["plain_psnr_db"]) for row in rows)


def test_rooflines_are_shares(photo, model_path, monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.02)
    for figure in (roofline.training(photo), roofline.rendering(fftool.load(model_path), 100, 80)):
        assert figure.value == pytest.approx(
            figure.parts["pixels_per_second"] / figure.parts["roofline_pixels_per_second"], rel=0.2
        )


def test_products_of_a_step_are_all_of_them(photo):
    """Their multiplications as torch counts them: 2 × batch × weights forward and backward, and those of Muon."""
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
    assert render.parts["file_gb"] == pytest.approx(50 * 50 * 3 / 1e9, rel=0.1)
    assert 0.1 < training.value < 5
    assert (training.parts["width"], training.parts["height"]) == (115, 87)  # 10,000 pixels with the ratio 4 to 3
    assert 0 < start_up.parts["import_and_read_seconds"] < start_up.value


def test_failed_command_is_not_measured():
    with pytest.raises(subprocess.CalledProcessError):
        processes.peak_memory(Path(), "render", "missing.st")


def test_auto_is_measured_against_a_sweep_and_against_other_methods(small):
    smaller = images.resized("smaller", Image.fromarray(small.samples), (24, 18))
    figures = list(scale.against_sweep([small, smaller], (2, 8, 32), 5))
    rows = [figure.parts for figure in figures[:2]]
    for row in rows:
        assert row["best_db"] == max(row["sweep_db"].values())
        assert row["spectra"] in (2, 8, 32)
        assert row["short trials"] in (2, 8, 32)
        assert 0 < row["auto_share"] < 1
    losses = [row["best_db"] - row["auto_db"] for row in rows]
    assert [figure.value for figure in figures[:2]] == losses
    assert [figures[2].value, figures[3].value] == [pytest.approx(sum(losses) / 2), max(losses)]
    assert len(figures) == 6 + 4  # the methods: auto, a constant, spectra, short trials
    for figure in figures[6:]:
        first, second = figure.parts["halves"]
        assert (len(first["fitted_db"]), len(first["rest_db"])) == (1, 1)
        assert figure.value == pytest.approx((first["rest_db"][0] + second["rest_db"][0]) / 2)
        assert min(first["fitted_db"][0], second["fitted_db"][0]) >= 0


def test_psnr_between_the_scales_of_a_sweep_is_interpolated():
    sweep = {2: 20.0, 8: 24.0}
    assert [scale.interpolate(sweep, at) for at in (1, 2, 4, 8, 9)] == [20, 20, pytest.approx(22), 24, 24]


def test_packaged_images_are_signals():
    assert images.packaged("text").shape == (172, 448)
    assert set(images.packaged("horse").samples.ravel().tolist()) == {0, 255}


def test_resized_images_keep_their_orientation(photo):
    image = Image.fromarray(photo.samples)
    assert images.resized("wide", image, (30, 20)).shape == (20, 30)
    assert images.resized("tall", image.rotate(90, expand=True), (30, 20)).shape == (30, 20)


def test_help_names_the_options():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[1])  # fmt: skip
    assert "--full" in done.stdout
    assert "--json" in done.stdout
