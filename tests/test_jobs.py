"""Several files in one command: failures are listed at the end, and do not stop the rest."""

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import EXAMPLES, QUICK, fails

import fftool
from fftool import media
from fftool.cli.train import Fitting


@pytest.fixture
def folder(photo_path, tmp_path):
    shutil.copy(photo_path, tmp_path / "a.png")
    shutil.copy(photo_path, tmp_path / "b.png")
    shutil.copy(EXAMPLES / "mushroom.png", tmp_path / "b.bmp")  # its content decides
    (tmp_path / "bad [red].jpg").write_text("not an image")
    return tmp_path


def test_trains_all_images_and_lists_failures(run, folder):
    done = run("train", "a.png", "bad [red].jpg", "gone.png", "b.png", "b.bmp", *QUICK, "-o", "models")
    assert done.returncode == 1
    assert done.stdout.split() == ["models/a.st", "models/b.png.st", "models/b.bmp.st"]
    assert re.search(r"^ bad \[red\]\.jpg +not an image of a known format$", done.stderr, re.MULTILINE)
    assert re.search(r"^ gone\.png +no such file$", done.stderr, re.MULTILINE)
    hints = "hint: save it as a PNG, JPEG, WebP, TIFF or BMP first\nhint: check the path and its permissions\n"
    assert done.stderr.endswith(f"\n2 of 5 failed.\n{hints}")
    assert "Traceback" not in done.stderr
    assert fftool.describe(folder / "models" / "b.bmp.st").config.signal.source == "b.bmp"


def test_keeps_what_exists_and_makes_the_rest(run, folder):
    (folder / "a.st").write_text("precious")
    done = run("train", "a.png", "b.png", *QUICK, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report.keys() == {"done", "failed", "skipped"}
    assert [document["model"] for document in report["done"]] == ["b.st"]
    assert report["failed"] == [{"name": "a.png", "error": "a.st already exists"}]
    assert "hint: use --overwrite to replace it, or name another path with -o; --skip-existing leaves" in done.stderr
    assert (folder / "a.st").read_text() == "precious"
    assert run("train", "a.png", "b.png", *QUICK, "--overwrite").returncode == 0
    fftool.load(folder / "a.st")


def test_renders_all_checkpoints(run, model_path, tmp_path):
    for name in ("a.st", "b.st"):
        shutil.copy(model_path, tmp_path / name)
    (tmp_path / "c.st").write_text("not a checkpoint")
    done = run("render", "a.st", "b.st", "c.st", "--size", "200%", "-o", "out/deep")
    assert done.returncode == 1
    assert done.stdout.split() == ["out/deep/a-128x96.png", "out/deep/b-128x96.png"]
    assert "1 of 3 failed." in done.stderr
    assert re.search(r"^ c\.st +not a whole safetensors file", done.stderr, re.MULTILINE)


def test_same_file_twice_is_one_job(run, model_path, tmp_path):
    shutil.copy(model_path, tmp_path / "a.st")
    done = run("render", "a.st", "a.st", "-o", "out")
    assert (done.returncode, done.stdout) == (0, "out/a-64x48.png\n")
    assert "1 of 1: a.st" in done.stderr


def test_renders_one_file_into_a_folder(run, model_path, tmp_path):
    (tmp_path / "out.d").mkdir()
    assert run("render", model_path, "-o", "out.d").stdout == "out.d/model-64x48.png\n"
    assert run("render", model_path, "-o", "new/images/").stdout == "new/images/model-64x48.png\n"


def test_trains_one_file_into_a_folder(run, folder):
    (folder / "out.d").mkdir()
    assert run("train", "a.png", *QUICK, "-o", "out.d").returncode == 0
    assert (folder / "out.d" / "a.st").exists()
    assert run("train", "a.png", *QUICK, "-o", "new/models").returncode == 0
    assert (folder / "new" / "models" / "a.st").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("train", "a.png", "b.png", "-o", "one.st"), "one.st is the name of one file"),
        (("render", "a.st", "b.st", "-o", "one.png"), "one.png is the name of one file"),
        (("train", "a.png", "deep/a.png"), "2 of these files are named a.png"),
        (("render", "a.st", "b.st", "-o", "-"), "several files cannot be written to standard output"),
        (("train", "a.png", "-o", "-"), "a checkpoint cannot be written to standard output"),
        (("train",), "no file to train on"),
    ],
)
def test_rejects_requests_that_make_no_sense(run, tmp_path, arguments, problem):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {problem}")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def failing(photo_path, model_path, tmp_path):
    """Inputs that fail at each stage: not found, not read, not trained, not loaded."""
    shutil.copy(photo_path, tmp_path / "photo.png")
    (tmp_path / "damaged.png").write_bytes(photo_path.read_bytes()[:1000])
    shutil.copy(model_path, tmp_path / "model.st")
    network = fftool.load(model_path)
    for layer in network.layers:
        layer.weight.data *= 1e30  # finite, so that it is saved; what the network computes is not
    fftool.save(network, tmp_path / "infinite.st")
    return tmp_path


# Problem, and a command with an option last that takes a folder.
FAILURES = [
    ("gone.png: no such file", ("train", "gone.png", "-o")),
    ("damaged.png: damaged", ("train", "damaged.png", "-o")),
    ("2 of 2 failed", ("train", "gone.png", "damaged.png", "-o")),
    ("the loss is not finite", ("train", "photo.png", *QUICK, "--learning-rate", "1e30", "-o")),
    ("invalid number of parameters", ("train", "photo.png", "--hidden", "1000000", "-o")),
    ("gone.st: no such file", ("render", "gone.st", "-o")),
    ("the network's values are not finite", ("render", "infinite.st", "-o")),
    ("2 of 2 failed", ("render", "gone.st", "infinite.st", "-o")),
    ("invalid crop", ("render", "model.st", "--crop", "0,0,2,2", "-o")),
    ("the loss is not finite", ("compare", "photo.png", *QUICK, "--learning-rate", "1e30", "--save-models")),
    ("gone.st: no such file", ("compare", "photo.png", "gone.st", *QUICK, "--save-models")),
    ("gone.st: no such file", ("encode-viz", "--model", "gone.st", "-o")),
    ("invalid scale 0", ("encode-viz", "--scale", "0", "-o")),
]


@pytest.mark.parametrize(("problem", "arguments"), FAILURES, ids=lambda value: value if isinstance(value, str) else "")
def test_failure_leaves_no_folder(run, failing, problem, arguments):
    before = sorted(failing.rglob("*"))
    for folder in ("new", "new/deep/"):
        done = run(*arguments, folder)
        assert done.returncode in (1, 2)
        assert problem in done.stderr
        assert sorted(failing.rglob("*")) == before
    (failing / "new").mkdir()
    for folder in ("new", "new/deep"):
        assert run(*arguments, folder).returncode in (1, 2)
        assert sorted(failing.rglob("*")) == sorted([*before, failing / "new"])  # a folder that existed stays


# Folders


@pytest.fixture
def photos(photo_path, tmp_path):
    """A folder with two images among other files and folders."""
    (tmp_path / "photos" / "deep.png").mkdir(parents=True)
    for name in ("b.PNG", "a.jpeg", ".hidden.png", "deep.png/c.png", "model.st", "notes.txt"):
        shutil.copy(photo_path, tmp_path / "photos" / name)
    return tmp_path


def test_folder_stands_for_the_images_in_it(run, photos):
    """By their suffixes; by name, neither hidden nor in folders below."""
    done = run("train", "photos/", *QUICK, "-o", "models")
    assert (done.returncode, done.stdout.split()) == (0, ["models/a.st", "models/b.st"])
    done = run("render", "models", "-o", "images", "--json")
    report = json.loads(done.stdout)
    assert [document["output"] for document in report["done"]] == ["images/a-64x48.png", "images/b-64x48.png"]
    assert (report["failed"], report["skipped"]) == ([], [])


def test_folders_and_files_mix(run, photos, photo_path, model_path):
    (photos / "more").mkdir()
    shutil.copy(photo_path, photos / "more" / "c.png")
    done = run("train", "more", photo_path, "photos", "photos/a.jpeg", *QUICK)
    assert (done.returncode, done.stdout.split()) == (0, ["c.st", "photo.st", "a.st", "b.st"])
    assert run("compare", photo_path, ".", model_path, "-o", "sheet.png", "--csv", "table.csv").returncode == 0
    rows = (photos / "table.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["a.st", "b.st", "c.st", "photo.st", str(model_path)]


def test_folder_of_one_file_is_a_batch(run, photo_path, tmp_path):
    """So that what comes out does not depend on their number."""
    (tmp_path / "photos").mkdir()
    shutil.copy(photo_path, tmp_path / "photos" / "a.png")
    done = run("train", "photos", *QUICK, "--json")
    assert [document["model"] for document in json.loads(done.stdout)["done"]] == ["a.st"]


def test_folder_without_inputs_is_an_error(run, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    listed = ", looked for .png, .jpg, .jpeg, .webp, "
    fails(run("train", "empty"), 1, f"error: empty: holds no signal{listed}", ".jxl and 64")
    fails(run("render", "empty"), 1, "error: empty: holds no checkpoint, looked for .st, .safetensors\n")
    done = run("train", "empty", "photos", *QUICK, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [document["model"] for document in report["done"]] == ["a.st", "b.st"]  # it does not stop the others
    assert [failure["name"] for failure in report["failed"]] == ["empty"]
    assert "1 of 3 failed." in done.stderr


def test_every_readable_suffix_is_looked_for(run, tmp_path):
    """Of formats that are read, and of others, which are better reported than passed over."""
    names = [f"{suffix[1:]}{suffix}" for suffix in media.get().suffixes] + [
        "a.heic",
        "a.jxl",
        "a.gif",
        "a.jp2",
        "a.dng",
    ]
    (tmp_path / "photos").mkdir()
    for name in names:
        (tmp_path / "photos" / name).write_text("no image")
    failed = json.loads(run("train", "photos", "--json").stdout)["failed"]
    assert [Path(failure["name"]).name for failure in failed] == sorted(names)


# Outputs that exist


def test_skips_what_exists(run, photos):
    (photos / "models").mkdir()
    (photos / "models" / "a.st").write_text("precious")
    done = run("train", "photos", *QUICK, "-o", "models", "--skip-existing")
    assert (done.returncode, done.stdout) == (0, "models/b.st\n")
    assert done.stderr.endswith("\n1 of 2 skipped: it exists.\n")
    done = run("train", "photos", "gone.png", *QUICK, "-o", "models", "--skip-existing", "--json")
    assert (done.returncode, (photos / "models" / "a.st").read_text()) == (1, "precious")
    assert json.loads(done.stdout) == {
        "done": [],
        "failed": [{"name": "gone.png", "error": "gone.png: no such file"}],
        "skipped": [
            {"name": "photos/a.jpeg", "output": "models/a.st"},
            {"name": "photos/b.PNG", "output": "models/b.st"},
        ],
    }
    assert "2 of 3 skipped: they exist.\n" in done.stderr


def test_rendering_skips_what_exists(run, model_path, tmp_path):
    for name in ("a.st", "b.st"):
        shutil.copy(model_path, tmp_path / name)
    assert run("render", "a.st", "-o", "images").returncode == 0
    done = run("render", ".", "-o", "images", "--skip-existing")
    assert (done.returncode, done.stdout) == (0, "images/b-64x48.png\n")
    assert "1 of 2 skipped: it exists.\n" in done.stderr
    done = run("render", "a.st", "-o", "images", "--skip-existing", "--json")
    assert (done.returncode, done.stderr) == (0, "Skipped: images/a-64x48.png exists.\n")
    skipped = [{"name": "a.st", "output": "images/a-64x48.png"}]
    assert json.loads(done.stdout) == {"done": [], "failed": [], "skipped": skipped}


def test_existing_output_is_skipped_before_its_input_is_read(run, photo_path, tmp_path):
    """It may be gone, and the folder may be closed."""
    (tmp_path / "model.st").write_text("precious")
    done = run("train", "gone.png", "--skip-existing")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Skipped: model.st exists.\n")
    assert run("train", photo_path, *QUICK, "-o", "other.st", "--skip-existing").returncode == 0
    fftool.load(tmp_path / "other.st")


def test_skipping_names_an_unfinished_run(run, photo_path, tmp_path):
    for progress in fftool.fit(fftool.read_image(photo_path)):
        break
    fftool.save_run(progress.snapshot(), tmp_path / "model.st", "photo.png")
    done = run("train", photo_path, "--skip-existing")
    how = "model.st is unfinished. To resume: fftool train --resume model.st\n"
    assert (done.returncode, done.stderr) == (0, f"{how}Skipped: model.st exists.\n")
    (tmp_path / "model.st").rename(tmp_path / "photo.st")
    done = run("train", photo_path, photo_path, "--skip-existing")
    assert (done.returncode, done.stderr) == (0, f"{how.replace('model', 'photo')}1 of 1 skipped: it exists.\n")


def test_output_that_another_process_makes_meanwhile_is_skipped(run, photos, monkeypatch):
    """Several processes may share a batch."""
    run_training = Fitting._run

    def run_beside_another(fitting, *arguments):
        (photos / "b.st").write_text("of another process")
        return run_training(fitting, *arguments)

    monkeypatch.setattr(Fitting, "_run", run_beside_another)
    done = run("train", "photos", *QUICK, "--skip-existing")
    assert (done.returncode, done.stdout) == (0, "a.st\n")
    assert (photos / "b.st").read_text() == "of another process"
    assert "1 of 2 skipped" in done.stderr


@pytest.mark.parametrize("command", ["train", "render"])
def test_rejects_two_answers_to_what_exists(run, command):
    done = run(command, "a", "--skip-existing", "--overwrite")
    fails(done, 2, "--overwrite replaces what exists, and --skip-existing leaves it")
    fails(run("train", "--resume", "a.st", "--skip-existing"), 2, "leave --skip-existing out")
