"""`fftool compare` where something goes wrong: finished variants are kept, and wrong requests are refused."""

import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import time

import pytest
from conftest import EXAMPLES, FFTOOL, SMALL, fails
from PIL import Image
from test_compare import names

import fftool
from fftool import EncodingConfig, NetworkConfig, TrainingConfig
from fftool.comparison import runner
from fftool.comparison.runner import VariantCallback, VariantRunner
from fftool.config import Variant
from fftool.errors import DiskFullError, DivergenceError, NonFiniteError, WriteError
from fftool.rendering import no_callback

ONE, TWO, THREE = (
    Variant(EncodingConfig(scale=scale, dimension=4), NetworkConfig(hidden=4)) for scale in (1.0, 2.0, 3.0)
)


def compare(photo, *variants, checkpoints=None, **training):
    """Results of small networks with these encodings."""
    return VariantRunner(photo, variants, TrainingConfig(**({"epochs": 1} | training)), checkpoints or {}).run(
        no_tracking
    )


def no_tracking(name, work):
    return VariantCallback(lambda progress: None, no_callback)


def failing_save(monkeypatch, error):
    """Let the save of σ = 1 fail."""
    save = runner.save

    def failing(network, path):
        if network.config.encoding.scale == (1.0,):
            raise error
        save(network, path)

    monkeypatch.setattr(runner, "save", failing)


def interrupted_training(monkeypatch, scale):
    """Have Ctrl-C come while the network with that σ is trained."""
    train = runner.train_variant

    def interrupted(signal, variant, *rest):
        if variant.encoding.scale == scale:
            raise KeyboardInterrupt
        return train(signal, variant, *rest)

    monkeypatch.setattr(runner, "train_variant", interrupted)


# The comparison itself


def test_comparison_keeps_a_network_whose_save_failed_and_counts_it_once(photo, tmp_path):
    checkpoints = {ONE: tmp_path / "missing" / "one.st", TWO: tmp_path / "two.st"}
    results = compare(photo, ONE, TWO, checkpoints=checkpoints)
    assert (results.n_run, results.interrupted) == (2, False)
    assert [outcome.name for outcome in results.outcomes] == ["gaussian σ=1", "gaussian σ=2"]
    assert [outcome.checkpoint for outcome in results.outcomes] == [None, tmp_path / "two.st"]
    assert list(results.failures) == ["gaussian σ=1"]
    assert isinstance(results.failures["gaussian σ=1"], WriteError)
    assert [path.name for path in tmp_path.iterdir()] == ["two.st"]
    assert fftool.load(tmp_path / "two.st").result.psnr == results.outcomes[1].quality.psnr


def test_comparison_continues_after_a_variant_that_fails(photo):
    results = compare(photo, ONE, TWO, epochs=2, learning_rate=1e30)
    assert (results.n_run, results.outcomes, results.interrupted) == (2, [], False)
    assert [type(error) for error in results.failures.values()] == 2 * [DivergenceError]


def test_failures_of_a_comparison_hold_no_tensors(photo):
    """Frames of a traceback would keep all memory of a failed training until the end."""
    results = compare(photo, ONE, TWO, epochs=2, learning_rate=1e30)
    for error in results.failures.values():
        while error is not None:
            assert error.__traceback__ is None
            error = error.__cause__ or error.__context__


def test_comparison_stops_at_an_interruption_and_keeps_what_was_finished(photo, tmp_path, monkeypatch):
    failing_save(monkeypatch, DiskFullError("one.st", "no space"))
    interrupted_training(monkeypatch, 2.0)
    results = compare(photo, ONE, TWO, THREE, checkpoints={ONE: tmp_path / "one.st"})
    assert (results.n_run, results.interrupted) == (1, True)
    assert [outcome.name for outcome in results.outcomes] == ["gaussian σ=1"]
    assert list(results.failures) == ["gaussian σ=1"]


def test_comparison_measures_checkpoints_beside_trained_networks(photo, quick_model_path):
    results = compare(photo, ONE, quick_model_path)
    trained, loaded = results.outcomes
    assert (trained.checkpoint, loaded.checkpoint) == (None, quick_model_path)
    assert loaded.bytes == quick_model_path.stat().st_size
    assert loaded.quality.psnr == fftool.load(quick_model_path).result.psnr
    assert (loaded.seconds, loaded.history) == (None, ())
    assert trained.seconds > 0


def test_comparison_reports_the_work_of_each_variant(photo, quick_model_path):
    tracked = []

    def track(name, work):
        tracked.append((name, work))
        return no_tracking(name, work)

    VariantRunner(photo, [ONE, quick_model_path], TrainingConfig(epochs=2, holdout="lattice")).run(track)
    assert tracked == [("gaussian σ=1", 2 * 32 * 24), (str(quick_model_path), 64 * 48)]


# The command


def test_variant_that_fails_leaves_the_others(run, photo_path, tmp_path):
    variants = ("--encoding", "positional", "--encoding", "none", *SMALL, "--dimension", 1)
    done = run("compare", photo_path, *variants, "--csv", "a.csv", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert names(report) == ["none"]
    assert [failed["name"] for failed in report["failed"]] == ["positional σ=auto"]
    assert "expected at least 2 for the positional encoding" in report["failed"][0]["error"]
    assert "error: positional σ=auto: " in done.stderr
    assert (tmp_path / "compare.png").exists()
    assert (tmp_path / "a.csv").read_text().count("\n") == 2


def test_variant_whose_save_failed_is_shown_and_reported_once(run, photo_path, tmp_path, monkeypatch):
    failing_save(monkeypatch, DiskFullError("kept/gaussian-1.st", "could not be written: No space left on device"))
    variants = ("--scale", 1, "--scale", 2, *SMALL, "--save-models", "kept", "--csv", "a.csv")
    done = run("compare", photo_path, *variants, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert [(variant["name"], variant["model"]) for variant in report["variants"]] == [
        ("gaussian σ=1", None),
        ("gaussian σ=2", "kept/gaussian-2.st"),
    ]
    assert [failed["name"] for failed in report["failed"]] == ["gaussian σ=1"]
    assert done.stderr.count("error: gaussian σ=1: kept/gaussian-1.st: could not be written") == 1
    assert "Stopped" not in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.csv", "compare.png", "gaussian-2.st"]


def test_interruption_after_a_failed_save_counts_that_variant_once(run, photo_path, monkeypatch):
    failing_save(monkeypatch, DiskFullError("kept/gaussian-1.st", "no space"))
    interrupted_training(monkeypatch, 2.0)
    scales = ("--scale", 1, "--scale", 2, "--scale", 3)
    done = run("compare", photo_path, *scales, *SMALL, "--save-models", "kept", "--json")
    assert done.returncode == 130
    assert names(json.loads(done.stdout)) == ["gaussian σ=1"]
    assert "Stopped after 1 of 3 variants." in done.stderr


def test_variant_that_needs_too_much_memory_leaves_the_others(run_process):
    """A first layer of 800 MB, its gradient and the optimizer's copy, within 4 GB of addresses in all."""
    large = ("--dimension", 1_000_000, "--hidden", 100, "--layers", 1, "--epochs", 1, "--precision", "float32")
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9))}
    image = EXAMPLES / "mushroom.png"
    done = run_process("compare", image, "--encoding=none", "--encoding=gaussian", *large, **limit)
    assert done.returncode == 1
    assert " none " in done.stdout
    assert "error: gaussian σ=auto: not enough memory for training" in done.stderr
    assert "Traceback" not in done.stderr


def test_variant_whose_last_step_leaves_no_numbers_fails(run, photo_path):
    """The loss before that step was finite."""
    diverging = ("--epochs", 1, "--batch-size", 64 * 48, "--learning-rate", 1e38)
    done = run("compare", photo_path, "--scale", 1, *diverging, "--json")
    assert done.returncode == 1
    assert "not finite" in json.loads(done.stdout)["failed"][0]["error"]


def test_nothing_is_written_where_all_variants_fail(run, photo_path, tmp_path):
    done = run("compare", photo_path, "--scale", 1, "--scale", 2, *SMALL, "--learning-rate", 1e30)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("the loss is not finite") == 2
    assert not list(tmp_path.iterdir())


def test_figure_that_fails_leaves_the_table(run, photo_path, quick_model_path, tmp_path, monkeypatch):
    def failing(*arguments, **settings):
        raise NonFiniteError("the network's values")

    monkeypatch.setattr("fftool.comparison.outcome.render", failing)
    done = run("compare", photo_path, quick_model_path, "--size", 20, "--csv", "a.csv", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["output"], len(report["variants"])) == (None, 1)
    assert report["failed"] == [{"name": "the figures", "error": "the network's values are not finite"}]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def start(folder, *arguments, **streams):
    """The command, left running."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | streams
    return subprocess.Popen([FFTOOL, "compare", *map(str, arguments)], cwd=folder, **pipes)


def interrupt_once_there_is(path, process):
    """Output and messages of a command, after Ctrl-C as soon as a file is there."""
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 130, stderr
    return stdout, stderr


def test_interruption_keeps_finished_variants(photo_path, tmp_path):
    variants = ("--scale", 1, "--scale", 2, "--scale", 3, "--epochs", 25, "--save-models", "kept")
    process = start(tmp_path, photo_path, *variants)
    stdout, stderr = interrupt_once_there_is(tmp_path / "kept" / "gaussian-1.st", process)
    assert "gaussian σ=1 " in stdout
    assert "gaussian σ=3 " not in stdout
    assert "Stopped after 1 of 3 variants." in stderr
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["compare.png", "gaussian-1.st"]


def test_interruption_while_rendering_keeps_the_table(photo_path, model_path, tmp_path):
    process = start(tmp_path, photo_path, model_path, "--size", "8000x8000", "--csv", "a.csv")
    stdout, stderr = interrupt_once_there_is(tmp_path / "a.csv", process)
    assert "PSNR" in stdout
    assert "Stopped before the figures." in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_interruption_before_the_first_variant_is_finished_leaves_nothing(photo_path, tmp_path):
    terminal, screen = pty.openpty()  # where bars show at once that training is under way
    environment = os.environ | {"TERM": "xterm"}
    process = start(tmp_path, photo_path, "--scale", 1, "--epochs", 1_000_000, stderr=screen, env=environment)
    os.close(screen)
    shown = b""
    while b"dB" not in shown:
        shown += os.read(terminal, 4096)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())
    os.close(terminal)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        ((), 2, "nothing to compare"),
        (("--scale", "2", "--scale", "2.0"), 2, "invalid variant gaussian σ=2, given 2 times"),
        (("--encoding", "none", "--encoding", "none"), 2, "invalid variant none, given 2 times"),
        (("--baseline", "cubic", "--baseline", "cubic"), 2, "invalid variant cubic resize, given 2 times"),
        (("--baseline", "box"), 2, "'box', expected one of linear, cubic, lanczos"),
        (("--baseline", "cubic", "--holdout", "0.1"), 2, "--baseline resizes a grid, and --holdout 0.1 leaves none"),
        (("--baseline", "cubic", "--curves", "a.png"), 2, "--curves is for networks to be trained, and there are none"),
        (("--encoding", "magic"), 2, "'magic', expected one of gaussian, positional, basic, none"),
        (("--scale", "0"), 2, "invalid scale 0: expected"),
        (("--scale", "1,2,3"), 2, "invalid scale (1, 2, 3): expected one number, or one for each of 2 axes"),
        (("--scale", "1", "--epochs", "0"), 2, "invalid number of epochs 0: expected"),
        (("--scale", "1", "-o", "a.gif"), 1, ".png"),
        (("--scale", "1", "--curves", "a.xyz"), 1, ".svg"),
        (("--scale", "1", "-o", "a.png", "--curves", "./a.png"), 2, "a.png is named 2 times"),
        (("--scale", "1", "-o", "missing/a.png"), 1, "missing/a.png: no such folder"),
        (("--scale", "1", "--save-models", "a", "--csv", "mine/../a.csv", "-o", "a.csv"), 1, "figure format"),
        (("--scale", "1", "--csv", "b.png", "-o", "mine/../b.png"), 2, "b.png is named 2 times"),
        (("--scale", "1", "--size", "999999999x999999999"), 2, "at most 67,108,864 pixels on a sheet"),
        (("--scale", "1", "--size", "ten"), 2, "invalid size 'ten': expected WIDTHxHEIGHT"),
        (("--scale", "1", "--save-models", "link"), 1, "link"),
        (("--scale", "1", "-o", "mine/file.png"), 1, "mine/file.png already exists"),
        (("--scale", "1", "--csv", "mine/file.png"), 1, "mine/file.png already exists"),
        (("--scale", "1", "--save-models", "mine"), 1, "holds file.png"),
        (("--scale", "1", "--holdout", "1.5"), 2, "1.5: expected a fraction"),
        (("--scale", "1", "--holdout", "some"), 2, "'some'"),
        (("--scale", "1", "--show", "--json"), 2, "standard output"),
        (("missing.st",), 1, "missing.st: no such file"),
        (("mine/file.png",), 1, "not a whole safetensors file"),
    ],
)
def test_wrong_request_is_refused_before_any_work(run, photo_path, tmp_path, arguments, code, expected):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file.png").write_text("precious")
    (tmp_path / "link").symlink_to("nowhere")
    fails(run("compare", photo_path, *arguments), code, expected)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file.png", "link", "mine"]
    assert (tmp_path / "mine" / "file.png").read_text() == "precious"


def test_unsuitable_checkpoints_are_refused(run, photo_path, model_path, tmp_path):
    fails(run("compare", photo_path, model_path, model_path), 2, "model.st is named 2 times")
    for option in ("--curves", "--save-models", "--holdout"):
        value = {"--curves": "a.png", "--save-models": "a", "--holdout": "lattice"}[option]
        fails(run("compare", photo_path, model_path, option, value), 2, f"{option} is for networks to be trained")
    fails(run("compare", photo_path, model_path, "--csv", model_path, "--overwrite"), 1, "is an input")
    (tmp_path / "loop").symlink_to("loop")
    fails(run("compare", photo_path, "loop"), 1, "loop: no such file")
    (tmp_path / "kept").mkdir()
    shutil.copy(model_path, tmp_path / "kept" / "gaussian-8.st")
    replacing = ("--scale", 8, "--save-models", "kept", "--overwrite")
    fails(run("compare", photo_path, "kept/gaussian-8.st", *replacing), 1, "is an input")
    Image.new("L", (9, 9)).save(tmp_path / "grey.png")
    fails(run("compare", "grey.png", model_path), 1, "3 channels", "1 channel")


@pytest.mark.parametrize(("shape", "holdout"), [((1, 9), "lattice"), ((1, 1), "0.5")])
def test_image_too_small_to_hold_pixels_out_of_is_refused(run, tmp_path, shape, holdout):
    Image.new("L", shape).save(tmp_path / "a.png")
    for command in (("compare", "a.png", "--scale", 1), ("train", "a.png")):
        fails(run(*command, "--holdout", holdout), 1, "too small")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
