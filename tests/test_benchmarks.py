"""The benchmarks run, and their figures follow from their measurements. None is compared with a time."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fftool
from benchmarks import images, processes, quality, roofline, scale, tiles
from benchmarks.__main__ import QUICK, tiled_networks
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.evaluation import assess
from fftool.tiling import TileGrid


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


def test_products_of_a_step_of_tiles_are_all_of_them(photo):
    """Those of the networks as of one, and two of Muon's three iterations, on matrices of 64×128 and 64×64."""
    from torch.utils.flop_counter import FlopCounterMode

    network = quality.begin(photo, network=NetworkConfig(tile=16))
    with FlopCounterMode(display=False) as counter:
        roofline.tile_step_products(network, 5, 100)()
    weights = [64 * 128, 64 * 64, 64 * 3]
    muon = 2 * sum(2 * (2 * 64**2 * width + 64**3) for width in (128, 64))
    assert counter.get_total_flops() == 5 * (2 * 100 * (2 * sum(weights) + sum(weights[1:])) + muon)


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


def test_tiles_are_measured_on_every_photo(photo, monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.01)
    monkeypatch.setattr(processes, "large_render", lambda network, side: (network.tiles is not None, side))
    monkeypatch.setattr(processes, "large_training", lambda image, megapixels, tile: (megapixels, tile))
    extent = replace(QUICK, tile_size=photo.shape[::-1], tile_epochs=2, tile_seconds=0.2, rendering=(60, 40))
    found = list(tiled_networks({"photo": Image.fromarray(photo.samples)}, extent))
    assert found[-3:-1] == [(True, QUICK.render_side), (QUICK.megapixels, "auto")]
    detail, resize = found[:4], found[4:8]
    for psnr, seconds, error, bend in (detail, resize):
        (row,) = psnr.parts["pictures"]
        assert 10 < psnr.value == row["psnr_db"] < 40
        assert (seconds.value, error.value) == (row["seconds"], row["error"])
        assert bend.value == row["bend"] / row["lanczos_bend"]
        assert all(0.5 < each.value < 2 for each in (error, bend))
    equal_time, training, rendering, held_out, *enlarged = found[8:-3]
    (row,) = equal_time.parts["pictures"]
    assert equal_time.value == row["tiles_psnr_db"] - row["one_psnr_db"]
    assert training.value == pytest.approx(
        training.parts["pixels_per_second"] / training.parts["roofline_pixels_per_second"]
    )
    assert rendering.value == pytest.approx(
        rendering.parts["tiles_pixels_per_second"] / rendering.parts["one_pixels_per_second"]
    )
    (row,) = held_out.parts["holdout_psnr_db"]
    assert held_out.value == row["tiles"] - max(row["linear"], row["cubic"], row["lanczos"])
    (row,) = enlarged[0].parts["psnr_db"]
    assert [figure.value for figure in enlarged] == [
        row[network] - row[kernel] for network in ("tiles of 32", "default") for kernel in ("Lanczos", "bicubic")
    ]
    (row,) = found[-1].parts["pictures"]
    assert found[-1].value == row["plain_seconds"] / row["fftool_seconds"]


def test_tiles_of_a_large_image_are_those_by_default():
    small, large = (Signal(np.zeros((side, side, 3), np.uint8)) for side in (570, 580))  # 325,000 and 336,000 pixels
    assert tiles.tiled(large) == tiles.tiled(large, "lattice") == NetworkConfig()
    assert (tiles.tiled(small), tiles.tiled(small, "lattice")) == (NetworkConfig(tile=32), NetworkConfig(tile=64))


def test_pixels_near_the_edges_of_tiles_are_within_one_of_the_image():
    grid = TileGrid((8, 6), (4, 6), 1)
    assert np.flatnonzero(tiles.near_edges(grid, 0, 1)).tolist() == [3, 4]
    assert np.flatnonzero(tiles.near_edges(grid, 0, 2)).tolist() == [6, 7, 8, 9]
    assert not tiles.near_edges(grid, 1, 2).any()


def test_second_differences_show_steps_at_the_edges_of_tiles():
    """Two everywhere but at the step, where they are 12 and -8: 32 over the eight rows near it."""
    grid = TileGrid((8, 6), (4, 6), 1)
    y, x = np.ogrid[:32, :24]
    image = (y**2 + x**2).astype(np.float64)[..., None]
    assert tiles.bend_ratio(grid, image) == 1
    assert tiles.bend_ratio(grid, image + 10 * (y >= 16)[..., None]) == 2


def test_enlarged_images_have_even_sides():
    assert tiles.even(Signal(np.zeros((7, 4, 3), np.uint8))).size == (4, 6)


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
