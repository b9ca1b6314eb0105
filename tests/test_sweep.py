"""fftool sweep: every combination is a run, tables and a figure sum them up, and the same command resumes."""

import csv
import json
import math
import os
import pty
import signal
import statistics
import subprocess
from contextlib import suppress

import numpy as np
import pytest
from conftest import FFTOOL, QUICK, SMALL, checkpoints, fails, pixels, swept
from PIL import Image

import fftool
from fftool.checkpoint.reading import describe
from fftool.errors import DiskFullError
from fftool.figures.page import Page
from fftool.figures.sweep import Point, sweep
from fftool.sweep.estimate import total_seconds
from fftool.sweep.plan import Run
from fftool.sweep.table import Row, read_rows, summarize, write_rows

TWO_SEEDS = (*SMALL, "--scale", 4, "--scale", 12, "--seed", 0, "--seed", 1, "--holdout", "lattice")
NAMES = [f"photo-gaussian-{scale}-seed-{seed}" for scale in (4, 12) for seed in (0, 1)]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sweep_folder(photo_path, tmp_path_factory):
    """The folder of a complete sweep."""
    folder = tmp_path_factory.mktemp("sweep_folder")
    command = [FFTOOL, "sweep", photo_path, *TWO_SEEDS, "-o", folder / "runs", "--figure", folder / "sweep.png"]
    done = subprocess.run([*map(str, command), "--json"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder / "out.json").write_text(done.stdout)
    return folder


def test_every_combination_has_a_checkpoint_a_row_and_a_part_in_the_summary(sweep_folder, photo_path):
    document = json.loads((sweep_folder / "out.json").read_text())
    rows = table(sweep_folder / "runs" / "results.csv")
    assert [row["model"] for row in rows] == [f"{name}.st" for name in NAMES]
    assert sorted(path.name for path in (sweep_folder / "runs").iterdir()) == sorted(
        [*(f"{name}.st" for name in NAMES), "results.csv", "summary.csv"]
    )
    assert [row["model"] for row in document["runs"]] == [row["model"] for row in rows]
    for row in rows:
        found = describe(sweep_folder / "runs" / row["model"])
        assert float(row["scale"]) == found.config.encoding.scale[0]
        assert int(row["seed"]) == found.config.training.seed
        assert float(row["psnr"]) == found.result.psnr
        assert float(row["holdout_psnr"]) == found.result.holdout_psnr
        assert float(row["seconds"]) > 0
        assert row["file"] == str(photo_path)
        assert row["sha256"] == fftool.read_image(photo_path).sha256
    for group, scale in zip(table(sweep_folder / "runs" / "summary.csv"), ("4", "12"), strict=True):
        held_out = [float(row["holdout_psnr"]) for row in rows if row["requested_scale"] == scale]
        assert (group["requested_scale"], group["runs"]) == (scale, "2")
        assert float(group["holdout_psnr_mean"]) == pytest.approx(np.mean(held_out))
        assert float(group["holdout_psnr_std"]) == pytest.approx(np.std(held_out, ddof=1))
    assert pixels(sweep_folder / "sweep.png").shape[2] >= 3


def test_checkpoint_has_the_bytes_of_a_training_alone(run, sweep_folder, photo_path, tmp_path):
    done = run("train", photo_path, *SMALL, "--scale", 12, "--seed", 1, "--holdout", "lattice", "-o", "alone.st")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "alone.st").read_bytes() == (sweep_folder / "runs" / f"{NAMES[3]}.st").read_bytes()


def test_same_command_keeps_what_is_complete(run, sweep_folder, photo_path, tmp_path):
    (tmp_path / "runs").mkdir()
    for path in (sweep_folder / "runs").iterdir():
        (tmp_path / "runs" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "runs" / f"{NAMES[2]}.st").unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.st")}
    seconds = {row["model"]: row["seconds"] for row in table(sweep_folder / "runs" / "results.csv")}
    done = run("sweep", photo_path, *TWO_SEEDS)
    assert done.returncode == 0, done.stderr
    assert "4 runs: 3 are complete.\n" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert checkpoints(tmp_path / "runs") == checkpoints(sweep_folder / "runs")
    rows = table(tmp_path / "runs" / "results.csv")
    assert {row["model"] for row in rows} == {f"{name}.st" for name in NAMES}
    assert all(row["seconds"] == seconds[row["model"]] for row in rows if row["model"] != f"{NAMES[2]}.st")


def test_runs_of_another_sweep_stay_in_the_tables(run, photo_path, tmp_path):
    assert run("sweep", photo_path, *QUICK).returncode == 0
    done = run("sweep", photo_path, *QUICK, "--seed", 7, "--json")
    assert [row["seed"] for row in json.loads(done.stdout)["runs"]] == [7]
    assert [row["seed"] for row in table(tmp_path / "runs" / "results.csv")] == ["0", "7"]
    (tmp_path / "runs" / "photo-gaussian-8-seed-0.st").unlink()
    assert run("sweep", photo_path, *QUICK, "--seed", 7).returncode == 0
    assert [row["seed"] for row in table(tmp_path / "runs" / "results.csv")] == ["7"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--epochs", 4), "was trained with other settings: epochs 3, expected 4"),
        (("--hidden", 16), "was trained with other settings: hidden 32, expected 16"),
        (("--precision", "float32", "--loss", "mse"), "was trained with other settings: loss bce, expected mse"),
    ],
)
def test_checkpoint_of_other_settings_is_not_replaced_unasked(run, photo_path, tmp_path, options, problem):
    assert run("sweep", photo_path, *QUICK, "--precision", "float32").returncode == 0
    before = checkpoints(tmp_path / "runs")
    again = ("sweep", photo_path, *QUICK, *options)
    name = "photo-gaussian-8-seed-0.st"
    fails(run(*again), 1, f"error: runs/{name}: {problem}\n", "hint: name another folder with -o, or use --overwrite")
    assert checkpoints(tmp_path / "runs") == before
    assert run(*again, "--overwrite").returncode == 0
    assert checkpoints(tmp_path / "runs") != before


def test_checkpoint_of_another_signal_is_not_replaced_unasked(run, photo_path, tmp_path):
    image = pixels(photo_path).copy()
    Image.fromarray(image).save(tmp_path / "photo.png")
    assert run("sweep", "photo.png", *QUICK).returncode == 0
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(tmp_path / "photo.png")
    problem = "was trained on another signal: its samples differ"
    fails(run("sweep", "photo.png", *QUICK), 1, f"error: runs/photo-gaussian-8-seed-0.st: {problem}\n", "hint: ")


def test_foreign_table_is_not_replaced(run, photo_path, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "results.csv").write_text("name,value\nmine,1\n")
    problem = "error: runs/results.csv: is not a table of this version of fftool\n"
    fails(run("sweep", photo_path, *QUICK), 1, problem, "hint: name a new or empty folder")
    assert (tmp_path / "runs" / "results.csv").read_text() == "name,value\nmine,1\n"


def test_run_that_fails_is_reported_and_takes_none_with_it(run, photo_path, tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    done = run("sweep", "text.png", photo_path, *QUICK, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert [row["model"] for row in document["runs"]] == ["photo-gaussian-8-seed-0.st"]
    assert [each["name"] for each in document["failed"]] == ["text-gaussian-8-seed-0"]
    assert "1 of 2 failed." in done.stderr
    assert "text.png: not an image of a known format" in " ".join(done.stderr.split())


def test_figure_that_cannot_be_written_leaves_the_results(run, photo_path, tmp_path, monkeypatch):
    def fail(self, path):
        raise DiskFullError(path, "could not be written: No space left on device")

    monkeypatch.setattr(Page, "save", fail)
    done = run("sweep", photo_path, *QUICK, "--figure", "sweep.png")
    assert done.returncode == 1
    assert done.stdout.endswith("runs/results.csv\nruns/summary.csv\n")
    assert "the figure" in done.stderr
    assert "No space left on device" in done.stderr


def test_runs_that_are_to_be_replaced_and_fail_are_not_reported_as_complete(run, photo_path, tmp_path):
    assert run("sweep", photo_path, *QUICK).returncode == 0
    done = run("sweep", photo_path, *QUICK, "--learning-rate", 1e30, "--overwrite", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["runs"]) == (1, [])
    assert [each["name"] for each in document["failed"]] == ["photo-gaussian-8-seed-0"]


def test_dry_run_shows_the_plan_and_trains_none(run, photo_path, tmp_path):
    assert run("sweep", photo_path, *QUICK).returncode == 0
    done = run("sweep", photo_path, *QUICK, "--encoding", "gaussian", "--encoding", "none", "--dry-run")
    assert done.stdout == "runs/photo-gaussian-8-seed-0.st (complete)\nruns/photo-none-seed-0.st\n"
    assert "2 runs: 1 is complete.\nAbout " in done.stderr
    assert len(checkpoints(tmp_path / "runs")) == 1
    document = json.loads(run("sweep", photo_path, *QUICK, "--encoding", "none", "--dry-run", "--json").stdout)
    assert [each["state"] for each in document["runs"]] == ["new"]
    assert document["seconds"] > 0


def test_expected_time_is_in_proportion_to_the_epochs(photo, photo_path, tmp_path):
    from fftool.config import EncodingConfig, NetworkConfig, TrainingConfig, Variant
    from fftool.media.source import SignalSource

    variant = Variant(EncodingConfig(scale=8.0), NetworkConfig())
    few, many = (
        total_seconds([Run(SignalSource((photo_path,)), variant, TrainingConfig(epochs=epochs), tmp_path / "a.st")])
        for epochs in (100, 1000)
    )
    assert 3 < many / few < 30
    timed = Run(SignalSource((photo_path,)), variant, TrainingConfig(seconds=60), tmp_path / "a.st")
    assert 180 < total_seconds([timed] * 3) < 190


LONG = (*SMALL, "--epochs", 60, "--scale", 4, "--scale", 12)


@pytest.fixture(scope="module")
def whole(photo_path, tmp_path_factory):
    """Checkpoints of a sweep that was never stopped."""
    return swept(tmp_path_factory.mktemp("whole"), photo_path, *LONG)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_stopped_sweep_resumes(photo_path, tmp_path, whole, stop):
    """The second run is saved where it was; the same command completes it, with the bytes of a sweep in one go."""
    command = [str(each) for each in (FFTOOL, "sweep", photo_path, *LONG)]
    leader, follower = pty.openpty()  # so that progress shows which run it is at
    with subprocess.Popen(command, cwd=tmp_path, stderr=follower, stdout=subprocess.PIPE, text=True) as process:
        os.close(follower)
        shown = b""
        while b"2 of 2" not in shown and b"12-seed" not in shown:
            shown += os.read(leader, 4096)
        process.send_signal(stop)
        with suppress(OSError):  # the end of a terminal
            while part := os.read(leader, 4096):
                shown += part
        os.close(leader)
    assert process.returncode == 128 + stop
    assert b"Stopped: 1 of 2 runs are complete. The same command resumes." in shown
    assert describe(tmp_path / "runs" / "photo-gaussian-12-seed-0.st").resume
    if stop == signal.SIGTERM:  # it resumes in the same way
        return
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert "2 runs: 1 is complete, 1 is unfinished.\n" in again.stderr
    assert checkpoints(tmp_path / "runs") == whole


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "no file to train on"),
        (("--seed", 1, "--seed", 1), "a seed is given more than once"),
        (("--scale", 4, "--scale", 4.0), "invalid variant gaussian σ=4, given 2 times: expected each variant once"),
        (("--workers", 2, "--cluster", "tcp://127.0.0.1:1"), "--workers and --cluster both say where the work is done"),
        (("-o", "runs.st"), "runs.st is the name of one file, and there are several to write"),
        (("--figure", "sweep.txt"), "sweep.txt: no suffix of a known figure format"),
        (("--seed", -1), "invalid seed -1"),
        (("--scale-for", "detail", "--scale", 4), "--scale-for is for --scale auto"),
    ],
    ids=str,
)
def test_usage_errors(run, photo_path, tmp_path, arguments, problem):
    done = run("sweep", *([photo_path] if arguments else []), *arguments)
    assert done.returncode in (1, 2)
    assert f"error: {problem}" in done.stderr
    assert list(tmp_path.iterdir()) == []


# The tables


def example(**figures):
    values = {
        "file": "a.png", "encoding": "gaussian", "requested_scale": "25,50", "scale": 50.0, "tile": "", "seed": 0,
        "psnr": 30.25, "ssim": None, "holdout_psnr": None, "iou": None, "near_iou": None, "seconds": 1.5, "loss": 0.1,
        "epochs": 3, "steps": 10, "parameters": 100, "bytes": 1000, "device": "cpu", "precision": "float32",
        "holdout": "none", "sha256": "00", "version": "1", "model": "a.st",
    }  # fmt: skip
    return Row(**(values | figures))


def test_table_is_read_as_it_was_written(tmp_path):
    rows = [example(), example(model='b,\n".st', psnr=math.inf, seconds=None, ssim=0.1 + 0.2, encoding="none")]
    write_rows(tmp_path / "results.csv", rows)
    assert list(read_rows(tmp_path / "results.csv").values()) == rows


def test_summary_is_over_seeds_alone():
    psnrs = [30.0, 31.0, 33.5]
    rows = [example(seed=seed, psnr=psnr) for seed, psnr in enumerate(psnrs)]
    first, second, third = summarize([*rows, example(file="b.png"), example(tile="tile 32", psnr=math.inf)])
    assert first["psnr_mean"] == pytest.approx(statistics.mean(psnrs))
    assert first["psnr_std"] == pytest.approx(np.std(psnrs, ddof=1))
    assert (first["ssim_mean"], first["ssim_std"]) == (None, None)
    assert (second["file"], second["runs"], second["psnr_std"]) == ("b.png", 1, None)
    assert (third["psnr_mean"], third["psnr_std"]) == (math.inf, None)


def test_figure_has_a_line_for_each_network_and_its_band():
    points = [
        Point("gaussian", scale, False, "a", seed, psnr + seed)
        for scale, psnr in ((5, 20), (20, 30))
        for seed in (0, 1)
    ]
    points += [Point("gaussian", 12, True, "a", seed, 31 + seed) for seed in (0, 1)]
    points += [Point("none", None, False, "a", 0, 15.0), Point("none", None, False, "a", 1, math.inf)]
    (axes,) = sweep(points, "a", is_held_out=True).figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(lines["gaussian"].get_xydata(), [[5, 20.5], [20, 30.5]])
    np.testing.assert_allclose(lines["none"].get_ydata(), 15)
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(20.5 - np.std([20, 21], ddof=1))
    assert axes.get_ylabel() == "held-out PSNR (dB)"
