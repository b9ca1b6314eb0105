"""Views, series and --as: a toy medium whose signals come from several files, and are written to several."""

import json
import shutil
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from conftest import fails
from media_samples import SamplesMedium

import fftool
from fftool import media
from fftool.config import ViewOptions
from fftool.errors import SettingError
from fftool.media.base import Grid, View
from fftool.media.image.medium import ImageMedium
from fftool.region import Region

FAST = ("--hidden", 16, "--dimension", 16, "--scale", 4, "--epochs", 2)


class SeriesMedium(SamplesMedium):
    """Samples from one file after the other. A crop draws two of them, one behind the other, at two sizes."""

    name = "series"

    def recognizes(self, path, start):
        return False

    def is_series(self, paths):
        return len(paths) > 1 and all(path.suffix == ".npy" for path in paths)

    def read_series(self, paths):
        parts = [self.read(path) for path in paths]
        return replace(parts[0], samples=np.concatenate([part.samples for part in parts]), source=paths[0].parent.name)

    def outputs(self, path, shape):
        return [path.with_name(path.name % i) for i in range(shape[0])] if "%" in path.name else [path]

    def write(self, path, shape, bands, *, signal=None, quality=None):
        samples = next(bands)
        for each, sample in zip(self.outputs(path, shape), samples[0], strict=False):
            np.save(each, sample if "%" in path.name else samples[0])

    def view(self, signal, options):
        view = super().view(signal, options)
        if not options.crop:
            return view
        (first,) = view.grids
        grids = (first, Grid((2 * first.shape[0],), first.region))
        written = signal.resampled((3 * first.shape[0],), first.extent)
        return View(self, written, grids, lambda bands: iter([np.concatenate([*chain(*bands)], axis=1)]), "twice")


@pytest.fixture(scope="module", autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "_MEDIA", dict(media._MEDIA))
        media.register("series", SeriesMedium)
        yield


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A folder with three files of 40 samples each."""
    folder = tmp_path_factory.mktemp("parts")
    wave = np.rint(65535 * (0.5 + 0.4 * np.sin(np.linspace(0, 9, 120)))).astype(np.uint16)
    for i in range(3):
        np.save(folder / f"{i}.npy", wave[40 * i : 40 * i + 40])
    return folder


@pytest.fixture
def model(run, parts, tmp_path):
    done = run("train", parts, "--as", "series", *FAST)
    assert done.returncode == 0, done.stderr
    return tmp_path / "model.st"


def shape_of(run, model):
    return json.loads(run("info", model, "--json").stdout)["config"]["signal"]["shape"]


@pytest.mark.parametrize("names", [["."], ["0.npy", "1.npy", "2.npy"]])
def test_files_of_a_series_are_one_signal(run, parts, tmp_path, names):
    done = run("train", *(parts / name for name in names), "--as", "series", *FAST)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*.st")] == ["model.st"]
    assert shape_of(run, "model.st") == [120]


def test_file_is_read_as_the_medium_that_is_named(run, parts):
    fails(run("train", parts / "0.npy"), 1, "0.npy: holds an array of 40, expected three axes")
    done = run("train", parts / "0.npy", "--as", "series", *FAST)
    assert done.returncode == 0, done.stderr
    assert shape_of(run, "model.st") == [40]


def test_refuses_a_file_of_another_medium_than_named(run, photo_path, tmp_path):
    fails(run("train", photo_path, "--as", "audio"), 1, "error")
    fails(run("train", photo_path, "--as", "film"), 2, "'film', expected one of image")
    assert not list(tmp_path.glob("*.st"))


def test_several_files_that_are_no_series_are_trained_one_by_one(run, photo_path, tmp_path):
    shutil.copy(photo_path, tmp_path / "copy.png")
    assert run("train", photo_path, "copy.png", "--as", "image", *FAST).returncode == 0
    assert sorted(path.name for path in tmp_path.glob("*.st")) == sorted([f"{photo_path.stem}.st", "copy.st"])


def test_compares_networks_on_a_series(run, parts, tmp_path):
    done = run("compare", parts, "--as", "series", *FAST, "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "compare.png").exists()
    fails(run("compare", parts, "--as", "image", *FAST), 2, "stands for 3 signals, expected one")


@pytest.mark.parametrize("named", [False, True])
def test_unfinished_run_on_a_series_resumes_with_the_same_bytes(run, parts, tmp_path, named):
    """From the folder, which the checkpoint knows by its old path, or from files that are named."""
    files = sorted(parts.glob("*.npy"))
    signal = SeriesMedium().read_series(files)
    settings = fftool.EncodingConfig(scale=4, dimension=16), fftool.NetworkConfig(hidden=16)
    course = fftool.fit(signal, *settings, fftool.TrainingConfig(epochs=2))
    progress = next(each for each in course if each.step == 2)
    fftool.save_run(progress.snapshot(), tmp_path / "stopped.st", "" if named else str(parts))
    done = run("train", *(files if named else []), "--resume", "stopped.st")
    assert done.returncode == 0, done.stderr
    assert run("train", parts, "--as", "series", *FAST).returncode == 0
    assert (tmp_path / "stopped.st").read_bytes() == (tmp_path / "model.st").read_bytes()


def test_pattern_is_written_to_a_file_for_each_part(run, model, tmp_path):
    done = run("render", model, "--size", 4, "-o", "out/%02d.npy")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00.npy", "01.npy", "02.npy", "03.npy"]
    run("render", model, "--size", 4, "-o", "all.npy")
    written = [np.load(tmp_path / "out" / f"{i:02}.npy") for i in range(4)]
    assert np.array_equal(np.stack(written), np.load(tmp_path / "all.npy"))


def test_files_of_a_pattern_are_not_overwritten_unasked(run, model, tmp_path):
    (tmp_path / "02.npy").write_bytes(b"mine")
    fails(run("render", model, "--size", 4, "-o", "%02d.npy"), 1, "02.npy already exists")
    done = run("render", model, "--size", 4, "-o", "%02d.npy", "--skip-existing")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "02.npy").read_bytes() == b"mine"
    assert not (tmp_path / "01.npy").exists()
    assert run("render", model, "--size", 4, "-o", "%02d.npy", "--overwrite").returncode == 0
    assert np.load(tmp_path / "02.npy").shape == (1,)


def test_view_of_several_grids_is_written_as_one_signal(run, model, tmp_path):
    done = run("render", model, "--crop", "0.25,0.5", "--size", 10, "-o", tmp_path / "views")
    assert done.returncode == 0, done.stderr
    name = "model-twice-30.npy"
    assert [path.name for path in (tmp_path / "views").iterdir()] == [name]
    network = fftool.load(model)
    region = Region(origin=(0.25,), extent=(0.5,))
    expected = [fftool.render(network, (n,), region=region) for n in (10, 20)]
    assert np.array_equal(np.load(tmp_path / "views" / name), np.concatenate(expected))


def test_refuses_options_that_a_medium_does_not_have():
    class Whole(ImageMedium):
        view_options = ("size",)

    signal = fftool.Signal(np.zeros((4, 6, 3), np.uint8)).config
    assert Whole().view(signal, ViewOptions(size="12")).shape == (8, 12)
    expected = "invalid crop 0,0,1,1: expected none, as images have only these options: size"
    with pytest.raises(SettingError, match=expected):
        Whole().view(signal, ViewOptions(crop="0,0,1,1"))
