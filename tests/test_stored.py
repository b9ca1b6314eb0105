"""Signals that stay in their file: tiled TIFF, NumPy arrays and Zarr folders, read part by part."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from conftest import fails
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fftool
from fftool import metrics
from fftool.checkpoint import reading as checkpoints
from fftool.checkpoint.reading import describe
from fftool.errors import DamagedFileError, MissingPackageError, UnsupportedFileError
from fftool.media.image import decoded
from fftool.media.source import SignalSource
from fftool.media.volume import reading as volumes
from fftool.media.zarr_folder import open_zarr
from fftool.metrics import Errors
from fftool.stored import StoredSamples
from fftool.tiling import TileGrid
from fftool.training.tile_batches import windows

TINY = ("--tile", 24, "--hidden", 16, "--dimension", 16, "--epochs", 2, "--scale", 8, "--threads", 1)
LIMIT = 5000  # pixels that are read whole, in these tests


@pytest.fixture(scope="module")
def picture():
    with Image.open("examples/astronaut.jpg") as image:
        return np.asarray(image.resize((150, 107)))


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(decoded, "MAX_PIXELS", LIMIT)


def deflated(path, image):
    tifffile.imwrite(path, image, photometric="rgb", tile=(64, 64), compression="deflate")


def tiles(path, image):
    tifffile.imwrite(path, image, photometric="rgb", tile=(32, 48), bigtiff=True, byteorder=">")


def strips(path, image):
    tifffile.imwrite(path, image, photometric="rgb", rowsperstrip=16)


def compressed_strips(path, image):
    tifffile.imwrite(path, image, photometric="rgb", rowsperstrip=16, compression="lzw")


def planar(path, image):
    planes = np.moveaxis(image, -1, 0)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate", tile=(32, 32))


def plain_zarr(path, image):
    array = zarr.open_array(str(path), mode="w", shape=image.shape, chunks=(50, 70, 3), dtype=image.dtype)
    array[:] = image


def ome_zarr(path, image, version="0.5"):
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    shape = (1, image.shape[2], 1, *image.shape[:2])
    array = group.create_array("large", shape=shape, chunks=(1, 1, 1, 64, 64), dtype=image.dtype)
    array[0, :, 0] = np.moveaxis(image, -1, 0)
    group.create_array("small", shape=(1, image.shape[2], 1, 5, 7), dtype=image.dtype)
    axes = [{"name": name} for name in "tczyx"]
    scales = [{"axes": axes, "datasets": [{"path": "large"}, {"path": "small"}]}]
    group.attrs.update(
        {"ome": {"version": "0.5", "multiscales": scales}} if version == "0.5" else {"multiscales": scales}
    )


def ome_zarr_2(path, image):
    ome_zarr(path, image, version="0.4")


KINDS = {
    "deflated.tif": deflated, "tiles.tif": tiles, "strips.tif": strips, "lzw.tif": compressed_strips,
    "planar.tif": planar, "a.npy": np.save, "plain.zarr": plain_zarr, "ome.zarr": ome_zarr, "ome2.zarr": ome_zarr_2,
}  # fmt: skip


def opened(path):
    return SignalSource((path,), "image" if path.suffix == ".npy" else None).open()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", KINDS)
def test_samples_are_those_of_the_file(small_limit, picture, tmp_path, name, dtype):
    image = picture.astype(dtype) * dtype(257 if dtype is np.uint16 else 1)
    KINDS[name](tmp_path / name, image)
    signal = opened(tmp_path / name)
    assert signal.is_stored
    assert (signal.shape, signal.channels, signal.bits) == ((107, 150), 3, 8 * image.dtype.itemsize)
    for part in ((slice(None),) * 2, (slice(0, 1), slice(149, 150)), (slice(30, 97), slice(45, 101)), (slice(5, 5),)):
        np.testing.assert_array_equal(signal.samples[part], image[part])
    np.testing.assert_array_equal(np.concatenate(list(signal.bands())), image)
    assert signal.sha256 == fftool.Signal(image).sha256
    assert signal.source == name


@pytest.mark.parametrize("name", KINDS)
def test_small_files_are_read_whole(picture, tmp_path, name):
    KINDS[name](tmp_path / name, picture)
    signal = opened(tmp_path / name)
    assert not signal.is_stored
    np.testing.assert_array_equal(signal.samples, picture)


@pytest.mark.parametrize("name", ["deflated.tif", "a.npy", "ome.zarr"])
def test_trains_to_the_bytes_of_a_signal_in_memory(run, monkeypatch, picture, tmp_path, name):
    """But for the mean of SSIM, whose sums have another order."""
    KINDS[name](tmp_path / name, picture)
    kind = ("--as", "image") if name == "a.npy" else ()
    assert run("train", name, *kind, *TINY, "-o", "whole.st").returncode == 0
    monkeypatch.setattr(decoded, "MAX_PIXELS", LIMIT)
    done = run("train", name, *kind, *TINY, "-o", "stored.st")
    assert done.returncode == 0, done.stderr
    whole, stored = (fftool.load(tmp_path / each) for each in ("whole.st", "stored.st"))
    assert stored.config == whole.config
    for before, after in zip(whole.state_dict().values(), stored.state_dict().values(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert stored.result.psnr == whole.result.psnr
    assert stored.result.ssim == pytest.approx(whole.result.ssim, abs=1e-9)


def test_stopped_training_resumes_in_parts(run, small_limit, picture, tmp_path):
    deflated(tmp_path / "a.tif", picture)
    signal = opened(tmp_path / "a.tif")
    encoding, network = fftool.EncodingConfig(scale=8.0, dimension=16), fftool.NetworkConfig(tile=24, hidden=16)
    course = fftool.fit(signal, encoding, network, fftool.TrainingConfig(epochs=2, threads=1))
    for progress in course:
        if progress.done > 0.6:
            fftool.save_run(progress.snapshot(), tmp_path / "model.st", str(tmp_path / "a.tif"))
            break
    assert run("train", "--resume", "model.st").returncode == 0
    assert run("train", "a.tif", *TINY, "-o", "whole.st").returncode == 0
    assert (tmp_path / "model.st").read_bytes() == (tmp_path / "whole.st").read_bytes()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--tile", "none"), "invalid tile 'none': expected tiles, as the signal is too large for memory\n"),
        (
            ("--holdout", "lattice"),
            "invalid share of samples to hold out 'lattice': expected none, as the",
        ),
    ],
)
def test_settings_that_take_the_whole_signal_are_refused(run, small_limit, picture, tmp_path, options, problem):
    deflated(tmp_path / "a.tif", picture)
    done = run("train", "a.tif", *TINY, *options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"a.tif is too large for memory, and is read part by part.\nerror: {problem}")


@pytest.mark.parametrize("command", ["compare", "sweep"])
def test_commands_that_take_the_whole_signal_say_so(run, small_limit, picture, tmp_path, command):
    deflated(tmp_path / "a.tif", picture)
    done = run(command, "a.tif", *TINY)
    assert done.returncode == 1
    assert "too large: 150x107 pixels" in " ".join(done.stderr.split())


@pytest.mark.parametrize("kind", ["palette", "premultiplied", "turned"])
def test_images_that_need_more_than_their_samples_stay_refused(run, small_limit, picture, tmp_path, kind):
    if kind == "palette":
        Image.fromarray(picture).quantize(16).save(tmp_path / "a.tif")
    elif kind == "turned":
        tags = [(274, 3, 1, 6, True)]  # the orientation
        tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb", tile=(64, 64), extratags=tags)
    else:
        image = np.dstack([picture, picture[..., 0]])
        tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(64, 64), extrasamples=["assocalpha"])
    problem = "error: a.tif: too large: 150x107 pixels, expected at most 0 million\n"
    fails(run("train", "a.tif", *TINY), 1, problem, "hint: make a smaller copy")


def test_large_volume_stays_in_its_array(run, monkeypatch, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 18, 22)).astype(np.uint8)
    np.save(tmp_path / "a.npy", values)
    group = zarr.open_array(str(tmp_path / "a.zarr"), mode="w", shape=values.shape, chunks=(8, 8, 8), dtype="u1")
    group[:] = values
    options = ("--tile", 10, "--hidden", 8, "--dimension", 8, "--epochs", 1, "--scale", 4, "--threads", 1)
    assert run("train", "a.npy", *options, "-o", "whole.st").returncode == 0
    monkeypatch.setattr(volumes, "MAX_VOXELS", 1000)
    whole = fftool.load(tmp_path / "whole.st")
    for name in ("a.npy", "a.zarr"):
        done = run("train", name, *options, "-o", f"{name}.st")
        assert done.returncode == 0, done.stderr
        stored = fftool.load(tmp_path / f"{name}.st")
        assert stored.config.signal.sha256 == whole.config.signal.sha256
        assert stored.result.psnr == whole.result.psnr
        assert stored.result.ssim == pytest.approx(whole.result.ssim, abs=1e-9)


@pytest.mark.parametrize("name", ["deflated.tif", "lzw.tif", "a.npy", "plain.zarr"])
def test_damage_that_shows_late_is_an_error_of_the_file(run, small_limit, picture, tmp_path, name):
    """A chunk that cannot be decoded, or the end of an array."""
    KINDS[name](tmp_path / name, picture)
    path = tmp_path / name / "c/0/0/0" if name.endswith(".zarr") else tmp_path / name
    data = bytearray(path.read_bytes())
    if name.endswith(".npy"):
        data = data[: len(data) // 2]
    else:
        data[len(data) // 2 : len(data) // 2 + 2000] = bytes(range(200)) * 10
    path.write_bytes(data)
    kind = ("--as", "image") if name == "a.npy" else ()
    done = run("train", name, *kind, *TINY)
    assert done.returncode == 1
    assert f"error: {name}: damaged: it cannot be decoded\nhint: save or copy the file again\n" in done.stderr
    assert "model.st" not in [each.name for each in tmp_path.iterdir()]


# Zarr folders


def test_renders_into_ome_zarr(run, tiled_model_path, tmp_path):
    assert run("render", tiled_model_path, "--size", "700x600", "-o", "a.zarr").returncode == 0
    assert run("render", tiled_model_path, "--size", "700x600", "-o", "a.png").returncode == 0
    array = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")["0"]
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.moveaxis(array[:], 0, -1), np.asarray(image))
    assert array.chunks == (3, 512, 512)
    assert open_zarr(tmp_path / "a.zarr").axes == ("y", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.zarr"]


def test_zarr_folder_is_replaced_only_if_asked(run, tiled_model_path, tmp_path):
    assert run("render", tiled_model_path, "-o", "a.zarr").returncode == 0
    fails(run("render", tiled_model_path, "--size", 40, "-o", "a.zarr"), 1, "error: a.zarr already exists\n", "hint: ")
    assert open_zarr(tmp_path / "a.zarr").samples.shape == (48, 64, 3)
    assert run("render", tiled_model_path, "--size", 40, "-o", "a.zarr", "--overwrite").returncode == 0
    assert open_zarr(tmp_path / "a.zarr").samples.shape == (30, 40, 3)
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "mine.txt").write_text("mine")
    assert run("render", tiled_model_path, "-o", "b.zarr", "--overwrite").stdout == "b.zarr/tiles-64x48.png\n"
    assert (tmp_path / "b.zarr" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("shape", "names", "problem"),
    [
        ((5, 40, 30), ("c", "y", "x"), "holds axes c 5, y 40, x 30: expected y and x with up to 4 channels"),
        ((3, 40, 30), ("t", "y", "x"), "holds axes t 3, y 40, x 30: expected y and x"),
        ((2, 3, 40, 30), None, "holds an array of 2x3x40x30, expected axes y and x, or z, y and x"),
        ((40,), None, "holds an array of 40, expected axes"),
    ],
)
def test_arrays_of_other_axes_are_refused(run, tmp_path, shape, names, problem):
    zarr.create_array(str(tmp_path / "a.zarr"), shape=shape, dtype="u1", dimension_names=names)
    with pytest.raises(UnsupportedFileError, match=problem.replace("(", r"\(")):
        open_zarr(tmp_path / "a.zarr")
    assert f"error: a.zarr: {problem}" in run("train", "a.zarr", *TINY).stderr


def test_damaged_zarr_folder_is_refused(run, tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    with pytest.raises(DamagedFileError):
        open_zarr(tmp_path / "a.zarr")
    fails(run("train", "a.zarr"), 1, "error: a.zarr: damaged: it cannot be decoded\n", "hint: ")


def test_missing_zarr_is_named_with_its_installation(run, small_limit, picture, tmp_path, monkeypatch):
    plain_zarr(tmp_path / "a.zarr", picture)
    deflated(tmp_path / "a.tif", picture)
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    for name in ("a.zarr", "a.tif"):
        fails(run("train", name, *TINY), 1, f"error: {name}: is ", "takes the package zarr", "hint: install it: ")
        with pytest.raises(MissingPackageError):
            opened(tmp_path / name)


# Reading, and comparing in parts


@given(data=st.data())
def test_any_part_of_chunks_is_that_of_the_array(data):
    shape = data.draw(st.tuples(*[st.integers(1, 9)] * 3))
    chunks = data.draw(st.tuples(*(st.integers(1, length) for length in shape)))
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    stored = StoredSamples(array, Path("a"), chunks)
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    part = tuple(slice(*pair) for pair in ends)
    np.testing.assert_array_equal(stored[part], array[part])


@given(data=st.data())
def test_windows_of_stored_samples_are_those_of_an_array(data):
    shape = data.draw(st.tuples(st.integers(9, 40), st.integers(9, 40)))
    grid = TileGrid(shape, tuple(min(8, length) for length in shape), 2)
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(*shape, 1)
    first = data.draw(st.integers(0, grid.n_tiles - 1))
    group = slice(first, data.draw(st.integers(first + 1, grid.n_tiles)))
    found = windows(grid, StoredSamples(array, Path("a"), (5, 7, 1)), group)
    np.testing.assert_array_equal(found, windows(grid, array, group))


@given(data=st.data())
def test_quality_of_parts_is_that_of_the_whole(data):
    planes, rows, width = data.draw(st.tuples(st.integers(1, 3), st.integers(5, 20), st.integers(5, 12)))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    reference, samples = (random.integers(0, 256, (planes * rows, width, 2)).astype(np.uint8) for _ in range(2))
    more = data.draw(st.lists(st.integers(1, len(samples) - 1), max_size=6))
    edges = sorted({*range(0, len(samples) + 1, rows), *more})
    found = Errors()
    for a, b in pairwise(edges):
        end = min(b + metrics.SSIM_WINDOW - 1, (a // rows + 1) * rows)
        found += metrics.errors(reference[a:end], samples[a:end], b - a)
    found = found.quality(8)
    whole = metrics.compare(*(each.reshape(planes, rows, width, 2) for each in (reference, samples)))
    assert found.psnr == whole.psnr
    assert found.ssim == (None if whole.ssim is None else pytest.approx(whole.ssim, abs=1e-9))


def test_large_checkpoint_is_not_copied_to_memory(run, monkeypatch, tiled_model_path, tmp_path):
    """Its weights are parts of the file: the same numbers, and changing them leaves the file as it is."""
    expected, before = fftool.load(tiled_model_path), tiled_model_path.read_bytes()
    monkeypatch.setattr(checkpoints, "MAPPED_BYTES", 0)
    network = fftool.load(tiled_model_path)
    assert str(tiled_model_path) in Path("/proc/self/maps").read_text()
    for one, other in zip(network.state_dict().values(), expected.state_dict().values(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(fftool.render(network, (60, 80)), fftool.render(expected, (60, 80)))
    network.layers[0].weight.detach().zero_()
    assert tiled_model_path.read_bytes() == before
    assert describe(tiled_model_path).n_parameters == network.config.n_parameters
