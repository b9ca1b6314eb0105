"""Volumes: files of each format, trained and rendered; slices, projections, surfaces. Other libraries read them."""

import gzip
import io
import json
import sys

import mrcfile
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import trimesh
from conftest import fails, pixels

import fftool
from fftool import Signal, media
from fftool.config import SignalConfig, ViewOptions
from fftool.errors import DamagedFileError, FormatError, LargeFileError, MediaError, UnsupportedFileError
from fftool.media.volume import reading
from fftool.media.volume.geometry import to_metadata
from fftool.values import from_samples

VOLUME = media.get("volume")
TINY = ("--hidden", 8, "--dimension", 8, "--epochs", 1, "--scale", 2, "--tile", "none")
SHAPE = (6, 8, 10)
SPACING = (2.0, 0.5, 1.5)  # along z, y, x
# Turned by a quarter around z, mirrored along it, moved.
AFFINE = np.array([[0, -0.5, 0, 10], [1.5, 0, 0, -20], [0, 0, -2, 30], [0, 0, 0, 1.0]])


def ramp(dtype="uint8", shape=SHAPE):
    """Values that all differ along each axis, over most of the range of their type."""
    z, y, x = np.ix_(*(np.arange(side) / (side - 1) for side in shape))
    values = 0.5 * z + 0.3 * y**2 + 0.2 * x
    if dtype[0] == "f":
        return (7 * values - 3).astype(dtype)
    low, high = (0, 255) if dtype == "uint8" else (-900, 3000) if dtype == "int16" else (0, 60_000)
    return np.rint(low + (high - low) * values).astype(dtype)


def write_npy(path, values):
    np.save(path, values)


def write_tiff(path, values):
    options = {"resolution": (1 / SPACING[2], 1 / SPACING[1]), "metadata": {"axes": "ZYX", "spacing": SPACING[0]}}
    is_imagej = values.dtype.name in ("uint8", "uint16", "float32")
    tifffile.imwrite(path, values, photometric="minisblack", imagej=is_imagej, **options)


def write_nifti(path, values):
    nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), AFFINE), path)


def write_nrrd(path, values):
    directions = {"space": "left-posterior-superior", "space directions": (AFFINE[:3, :3] * [[-1], [-1], [1]]).T}
    nrrd.write(str(path), values.transpose(2, 1, 0), directions | {"space origin": AFFINE[:3, 3] * [-1, -1, 1]})


def write_mrc(path, values):
    with mrcfile.new(path) as file:
        file.set_data(values)
        file.voxel_size = SPACING[::-1]


def read_tiff(path):
    with tifffile.TiffFile(path) as file:
        described = file.imagej_metadata or file.shaped_metadata[0]
        x, y = (den / num for num, den in (file.pages[0].tags[f"{axis}Resolution"].value for axis in "XY"))
        return file.asarray(), (described["spacing"], y, x)


def read_nifti(path):
    image = nibabel.load(path)
    return np.asarray(image.dataobj).transpose(2, 1, 0), image.affine


def read_nrrd(path):
    values, header = nrrd.read(str(path))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = header["space directions"].T, header["space origin"]
    assert header["space"] == "right-anterior-superior"
    return values.transpose(2, 1, 0), affine


def read_mrc(path):
    with mrcfile.open(path) as file:
        return file.data.copy(), tuple(float(file.voxel_size[axis]) for axis in "zyx")


FORMATS = {
    ".npy": (write_npy, lambda path: (np.load(path), None), None, ("uint8", "uint16", "int16", "float32", "float64")),
    ".tif": (write_tiff, read_tiff, SPACING, ("uint8", "uint16", "int16", "float32", "float64")),
    ".nii": (write_nifti, read_nifti, AFFINE, ("uint8", "int16", "float32", "float64")),
    ".nii.gz": (write_nifti, read_nifti, AFFINE, ("uint16",)),
    ".nrrd": (write_nrrd, read_nrrd, AFFINE, ("uint8", "uint16", "int16", "float32")),
    ".mrc": (write_mrc, read_mrc, SPACING, ("int16", "uint16", "float32")),
}
CASES = [(suffix, dtype) for suffix, (*_, dtypes) in FORMATS.items() for dtype in dtypes]


@pytest.mark.parametrize(("suffix", "dtype"), CASES)
def test_values_and_place_come_back(tmp_path, suffix, dtype):
    """Exact for integers; to the precision of 16 bits for others, as samples are."""
    write, read, place, _ = FORMATS[suffix]
    source, copy, values = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", ramp(dtype)
    write(source, values)
    signal = media.open(source)
    assert (signal.medium, signal.axes, signal.samples.shape) == ("volume", ("z", "y", "x"), (*SHAPE, 1))
    assert (signal.values is None) == (dtype in ("uint8", "uint16"))
    samples = signal.samples if signal.values is None else signal.samples.astype(np.float32) / 65535
    VOLUME.write(copy, samples.shape, iter([samples.reshape(-1, SHAPE[2], 1)]), signal=signal.config)
    found, found_place = read(copy)
    assert found.dtype == dtype
    if dtype[0] == "f":
        np.testing.assert_allclose(found, values, rtol=0, atol=7 / 65535)
    else:
        assert np.array_equal(found, values)
    if place is not None:
        np.testing.assert_allclose(found_place, place, rtol=1e-5)
        np.testing.assert_allclose(signal.spacing, SPACING, rtol=1e-5)
    assert media.open(copy).sha256 == signal.sha256 or dtype[0] == "f"


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".tif", ".mrc"])
def test_rendering_has_the_type_of_the_file(run, tmp_path, suffix):
    write, read, place, _ = FORMATS[suffix]
    write(tmp_path / f"scan{suffix}", ramp("int16"))
    done = run("train", f"scan{suffix}", *TINY)
    assert done.returncode == 0, done.stderr
    size = "10x8x6 voxels of 1.5 × 0.5 × 2, 1 × 16 bits"
    assert f"volume      {size}" in done.stdout
    done = run("render", "model.st", "-o", f"copy{suffix}", "--json")
    assert json.loads(done.stdout) | {"seconds": 0} == {
        "output": f"copy{suffix}", "width": 10, "height": 8, "depth": 6, "channels": 1, "bits": 32, "seconds": 0,
    }  # fmt: skip
    values, found = read(tmp_path / f"copy{suffix}")
    assert (values.dtype, values.shape) == (np.int16, SHAPE)
    np.testing.assert_allclose(found, place, rtol=1e-5)


def test_voxels_of_another_size_stay_in_their_place(run, tmp_path):
    """By the coordinates of their centres in the world, which half a voxel more or less would move."""
    write_nifti(tmp_path / "scan.nii", ramp())
    run("train", "scan.nii", *TINY)
    done = run("render", "model.st", "--crop", "0.2,0.5,0.5,0.4,0.5,0.5", "--size", "8x2x6", "-o", "part.nii")
    assert done.returncode == 0, done.stderr
    _, affine = read_nifti(tmp_path / "part.nii")
    for index in np.ndindex(8, 2, 6):
        at = (np.array(index) + 0.5) / (8, 2, 6) * (0.4, 0.5, 0.5) + (0.2, 0.5, 0.5)  # from 0 to 1
        voxel = at * SHAPE[::-1] - 0.5
        np.testing.assert_allclose(affine @ [*index, 1], AFFINE @ [*voxel, 1], atol=1e-5)


def test_slices_in_files_are_a_volume(run, tmp_path):
    from PIL import Image

    for z, values in enumerate(ramp("uint16")):
        Image.fromarray(values).save(tmp_path / f"{z:02}.png")
    done = run("train", *sorted(tmp_path.glob("*.png")), "--as", "volume", *TINY)
    assert done.returncode == 0, done.stderr
    assert "10x8x6 voxels, 1 × 16 bits" in done.stdout
    assert np.array_equal(VOLUME.read_series(sorted(tmp_path.glob("*.png"))).samples[..., 0], ramp("uint16"))
    Image.fromarray(ramp("uint16")[0, 1:]).save(tmp_path / "03.png")
    fails(
        run("train", ".", "--as", "volume", *TINY, "-o", "b.st"),
        1,
        "03.png: has 10x7 pixels",
        "expected 10x8",
        "as 00.png has",
    )
    Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(tmp_path / "03.png")
    fails(run("train", ".", "--as", "volume", *TINY, "-o", "b.st"), 1, "03.png: is not a grey image")


@pytest.mark.parametrize("values", [ramp() // 80, ramp("uint16") // 15, ramp() > 120])
def test_integers_in_a_part_of_their_range_are_stored_with_it(tmp_path, values):
    """Such as 12 bits in 16, or labels: their samples would be dark otherwise."""
    np.save(tmp_path / "a.npy", values)
    signal = media.open(tmp_path / "a.npy")
    assert signal.samples.dtype == np.uint16
    assert (signal.samples.min(), signal.samples.max()) == (0, 65535)
    assert np.array_equal(from_samples(signal.samples, signal.values)[..., 0], values)


def test_scaled_nifti_has_its_scaled_values(tmp_path):
    image = nibabel.Nifti1Image(ramp("float32").transpose(2, 1, 0), AFFINE)
    image.set_data_dtype(np.int16)  # which nibabel scales
    nibabel.save(image, tmp_path / "a.nii")
    signal = media.open(tmp_path / "a.nii")
    assert (signal.values.dtype, signal.samples.dtype) == ("float32", np.uint16)
    np.testing.assert_allclose([signal.values.low, signal.values.high], [-3, 4], atol=1e-3)


# between the voxels


def ball(shape, radius=0.3, centre=(0.5, 0.45, 0.55)):
    """A ball with a soft edge, with values from 0 to 1, at any resolution."""
    grid = np.meshgrid(*((np.arange(side) + 0.5) / side for side in shape), indexing="ij")
    distance = np.sqrt(sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)))
    return 1 / (1 + np.exp((distance - radius) / 0.025))


@pytest.fixture(scope="module")
def ball_model(tmp_path_factory):
    """A checkpoint of the ball at 24×24×24 voxels of 2×2×1, in tiles."""
    folder = tmp_path_factory.mktemp("ball")
    values = np.rint(255 * ball((24, 24, 24))).astype(np.uint8)
    affine = np.diag([2, 2, 1, 1.0])
    affine[:3, 3] = (100, 0, -5)
    signal = Signal(
        values[..., None], axes=("z", "y", "x"), medium="volume", spacing=(1, 2, 2), metadata=to_metadata(affine)
    )
    network, training = fftool.NetworkConfig(hidden=32, tile=12), fftool.TrainingConfig(epochs=30)
    for progress in fftool.fit(signal, fftool.EncodingConfig(), network, training):
        pass
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, folder / "ball.st")
    return folder / "ball.st"


def test_ball_has_its_values_between_the_voxels(run, ball_model, tmp_path):
    done = run("render", ball_model, "--size", "200%", "-o", "ball.npy")
    assert done.returncode == 0, done.stderr
    found, expected = np.load(tmp_path / "ball.npy") / 255, ball((48, 48, 48))
    assert 10 * np.log10(1 / np.square(found - expected).mean()) > 36


@pytest.mark.parametrize("suffix", [".glb", ".stl", ".ply", ".obj"])
def test_isosurface_is_a_closed_mesh_in_its_place(run, ball_model, tmp_path, suffix):
    """The centre in the world, and the volume inside, are those of the ball."""
    done = run("render", ball_model, "--isosurface", 0.5, "--size", "36", "-o", f"ball{suffix}")
    assert done.returncode == 0, done.stderr
    mesh = trimesh.load(tmp_path / f"ball{suffix}", force="mesh")
    mesh.merge_vertices()
    assert mesh.is_watertight
    sides = np.array([48, 48, 24])  # x, y, z
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.3**3 * sides.prod(), rel=0.02)
    corner = np.array([100, 0, -5]) - np.array([2, 2, 1]) / 2
    np.testing.assert_allclose(mesh.center_mass, corner + sides * (0.55, 0.45, 0.5), atol=0.1)


def test_isosurface_is_closed_at_the_sides_of_the_box(tmp_path):
    """A box that is full, and one that is full up to half of its height."""
    from fftool.media.shape.surface import isosurface

    full = isosurface(np.ones((4, 5, 6)), 0.5, np.eye(4))
    mesh = trimesh.Trimesh(full.vertices, full.faces)
    assert mesh.is_watertight
    np.testing.assert_allclose(mesh.bounds, [[-0.5] * 3, [5.5, 4.5, 3.5]], atol=1e-6)
    half = np.zeros((4, 5, 6))
    half[:2] = 1
    mirrored = isosurface(half, 0.5, np.diag([-1.0, 1, 1, 1]))
    mesh = trimesh.Trimesh(mirrored.vertices, mirrored.faces)
    assert mesh.volume > 0  # the outer side in front, though the map is a mirror
    np.testing.assert_allclose(mesh.bounds, [[-5.5, -0.5, -0.5], [0.5, 4.5, 1.5]], atol=1e-6)


def test_level_without_a_surface_is_refused(run, ball_model, tmp_path):
    fails(run("render", ball_model, "--isosurface", 1.5, "-o", "a.glb"), 2, "invalid isosurface 1.5", "such as 0.5")
    fails(run("render", ball_model, "--isosurface", 0.999999, "-o", "a.glb"), 2, "a level below")
    assert not list(tmp_path.iterdir())


def image_of(run, tmp_path, model, *options):
    done = run("render", model, *options, "-o", "image.png", "--overwrite")
    assert done.returncode == 0, done.stderr
    return pixels(tmp_path / "image.png").astype(float)


def test_slice_is_that_of_the_volume_with_square_pixels(run, ball_model, tmp_path):
    """Voxels are twice as wide as high: an image across x or y is so too. Its rows go up, as the axes do."""
    run("render", ball_model, "--size", "48x48x24", "-o", "whole.npy")
    whole = np.load(tmp_path / "whole.npy").astype(float)
    middle = whole[11:13].mean(axis=0)  # z = 0.5 is between both
    assert np.abs(image_of(run, tmp_path, ball_model, "--slice", "z=0.5") - middle[::-1]).max() < 12
    side = whole[:, :, 20:22].mean(axis=2)
    assert np.abs(image_of(run, tmp_path, ball_model, "--slice", f"x={21 / 48}") - side[::-1]).max() < 12
    across = image_of(run, tmp_path, ball_model, "--slice", "y=0.5", "--size", "300%")
    assert across.shape == (72, 144)
    part = image_of(run, tmp_path, ball_model, "--slice", "z=0.5", "--crop", "0.25,0.5,0,0.5,0.25,1", "--size", "24x12")
    assert np.abs(part - middle[24:36, 12:36][::-1]).max() < 12


def test_mip_has_the_highest_values(run, ball_model, tmp_path):
    run("render", ball_model, "--size", "48x48x24", "-o", "whole.npy")
    whole = np.load(tmp_path / "whole.npy")
    assert np.abs(image_of(run, tmp_path, ball_model, "--mip", "z") - whole.max(axis=0)[::-1]).max() <= 1  # rounding
    run("render", ball_model, "--size", "48x24x24", "-o", "other.npy")
    whole = np.load(tmp_path / "other.npy")
    found = image_of(run, tmp_path, ball_model, "--mip", "y", "--size", "48x24")
    assert np.abs(found - whole.max(axis=1)[::-1]).max() <= 1


def test_planes_are_side_by_side(run, ball_model, tmp_path):
    planes = image_of(run, tmp_path, ball_model, "--planes")
    assert planes.shape == (48, 48 + 4 + 48 + 4 + 48)
    first = image_of(run, tmp_path, ball_model, "--slice", "z=0.5")
    second = image_of(run, tmp_path, ball_model, "--slice", "y=0.5")
    assert np.array_equal(planes[:, :48], first)
    assert np.array_equal(planes[12:36, 52:100], second)
    assert not planes[:12, 52:100].any()
    assert image_of(run, tmp_path, ball_model, "--planes", "--size", "400x200").shape == (200, 400)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--slice", "z"], "invalid slice 'z': expected an axis and a place from 0 to 1, such as z=0.5"),
        (["--slice", "t=0.5"], "invalid slice 't=0.5'"),
        (["--slice", "z=1.5"], "invalid slice"),
        (["--mip", "w"], "invalid mip 'w': expected an axis: x, y or z"),
        (["--slice", "z=0.5", "--mip", "z"], "expected none beside --slice"),
        (["--size", "20x20"], "WIDTHxHEIGHTxDEPTH"),
        (["--crop", "0,0,1,1"], "invalid crop '0,0,1,1'"),
    ],
)
def test_refuses_views_that_make_no_sense(run, ball_model, tmp_path, options, problem):
    fails(run("render", ball_model, *options), 2, problem)
    assert not list(tmp_path.iterdir())


def test_images_have_no_slices(run, quick_model_path):
    fails(run("render", quick_model_path, "--slice", "z=0.5"), 2, "images have only these options: size, crop")


def test_default_names_tell_views_apart(run, ball_model, tmp_path):
    for options in ([], ["--slice", "z=0.5"], ["--planes"], ["--mip", "x"], ["--isosurface", 0.5]):
        assert run("render", ball_model, *options).returncode == 0
    names = {"24x24x24.tif", "z0.5-48x48.png", "planes-152x48.png", "mip-x-48x24.png", "surface-24x24x24.glb"}
    assert {path.name for path in tmp_path.iterdir()} == {f"ball-{name}" for name in names}


def test_compares_by_the_middle_slices(run, tmp_path):
    np.save(tmp_path / "ball.npy", np.rint(255 * ball((16, 16, 16))).astype(np.uint8))
    done = run("compare", "ball.npy", "--scale", 1, "--scale", 4, *TINY[:6], "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["variants"]
    assert all(0 < each["ssim"] < 1 for each in found)
    assert pixels(tmp_path / "compare.png").shape[0] > 1000


@pytest.mark.parametrize("holdout", ["lattice", "0.2"])
def test_samples_are_held_out_along_three_axes(run, tmp_path, holdout):
    np.save(tmp_path / "ball.npy", np.rint(255 * ball((16, 16, 16))).astype(np.uint8))
    settings = ("--tile", 8, "--hidden", 16, "--dimension", 16, "--holdout", holdout, "--epochs", 30, "--scale", 1)
    done = run("train", "ball.npy", *settings, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["holdout_psnr"] > 15


# files that are refused


def nifti_bytes(values, kind=nibabel.Nifti1Image):
    return kind(values, AFFINE).to_bytes()


def npy_bytes(values):
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


def huge_nifti():
    data = bytearray(nifti_bytes(np.zeros((2, 2, 2), np.uint8)))
    data[42:48] = np.array([30_000] * 3, "<i2").tobytes()
    return bytes(data)


WITH_NAN = np.where(ramp("float32") > 3.5, np.nan, ramp("float32"))
BAD = {
    "nan.npy": (npy_bytes(WITH_NAN), UnsupportedFileError, f"{np.isnan(WITH_NAN).sum()} of its voxels are not finite"),
    "complex.npy": (npy_bytes(ramp().astype(np.complex64)), UnsupportedFileError, "its voxels are complex numbers"),
    "objects.npy": (npy_bytes(np.full(SHAPE, None)), UnsupportedFileError, "its voxels are of type object"),
    "flat.npy": (npy_bytes(ramp()[0]), UnsupportedFileError, "holds an array of 8x10, expected three axes"),
    "clip.npy": (npy_bytes(np.zeros((*SHAPE, 3), np.uint8)), UnsupportedFileError, "holds an array of 6x8x10x3"),
    "empty.npy": (npy_bytes(np.zeros((0, 3, 3), np.uint8)), DamagedFileError, "has no voxels"),
    "short.npy": (npy_bytes(ramp())[:-1], DamagedFileError, "some voxels are missing"),
    "long.npy": (npy_bytes(ramp("float32"))[:6] + bytes(50), DamagedFileError, "cannot be decoded"),
    "int64.npy": (npy_bytes(ramp().astype(np.int64)), UnsupportedFileError, "values are int64: expected one of"),
    "complex.nii": (nifti_bytes(ramp().astype(np.complex64)), UnsupportedFileError, "complex numbers"),
    "time.nii": (nifti_bytes(np.zeros((4, 4, 4, 5), np.uint8)), UnsupportedFileError, "holds an array of 4x4x4x5"),
    "short.nii": (nifti_bytes(ramp("float32"))[:-9], DamagedFileError, "cannot be decoded"),
    "short.nii.gz": (gzip.compress(nifti_bytes(ramp("float32")))[:-40], DamagedFileError, "cannot be decoded"),
    "huge.nii": (huge_nifti(), LargeFileError, "27,000,000,000,000 voxels, expected at most"),
    "analyze.nii": (nifti_bytes(ramp())[:344] + b"ni1\0" + bytes(99), UnsupportedFileError, "expected a .nii file"),
    "colours.nii": (
        nifti_bytes(np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])), UnsupportedFileError, "are colours",
    ),
    "detached.nrrd": (
        b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\ndata file: /etc/passwd\n\n",
        UnsupportedFileError,
        "keeps its voxels in another file",
    ),
    "bomb.nrrd": (
        b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: gzip\n\n" + gzip.compress(bytes(10**7)),
        DamagedFileError,
        "its voxels take 9 bytes or more, expected 8",
    ),
    "short.nrrd": (
        b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n\n1234567", DamagedFileError, "decoded",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused(run, tmp_path, name):
    data, kind, problem = BAD[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(kind):
        media.open(tmp_path / name)
    done = run("train", name, *TINY)
    fails(done, 1, f"error: {name}: ", problem)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_colour_slices_are_refused(tmp_path, run):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 8, 8, 3), np.uint8), photometric="rgb")
    fails(run("train", "a.tif", "--as", "volume", *TINY), 1, "its slices have colours, expected one channel")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix != ".npy"])
def test_truncated_file_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    FORMATS[suffix][0](path, ramp("int16", (20, 20, 20)))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(MediaError):
        VOLUME.read(path)


MODULES = {".nii": ("nibabel", "nibabel"), ".nrrd": ("nrrd", "pynrrd"), ".mrc": ("mrcfile", "mrcfile")}


@pytest.mark.parametrize("suffix", MODULES)
def test_missing_package_is_named_with_its_installation(run, tmp_path, monkeypatch, suffix):
    module, package = MODULES[suffix]
    FORMATS[suffix][0](tmp_path / f"a{suffix}", ramp("int16"))
    monkeypatch.setitem(sys.modules, module, None)
    done = run("train", f"a{suffix}", *TINY)
    fails(done, 1, f"which takes the package {package} to read")
    assert done.stderr.endswith(f'hint: install it: pipx inject fftool {package}, or pip install "fftool[volume]"\n')


def test_format_without_the_type_is_refused(tmp_path):
    values = ramp("float64")
    np.save(tmp_path / "a.npy", values)
    signal = media.open(tmp_path / "a.npy")
    bands = iter([(signal.samples / np.float32(65535)).astype(np.float32).reshape(-1, SHAPE[2], 1)])
    with pytest.raises(FormatError, match="MRC holds no values of type float64"):
        VOLUME.write(tmp_path / "a.mrc", (*SHAPE, 1), bands, signal=signal.config)


def test_place_of_a_strangers_checkpoint_is_left_out_if_it_is_none():
    for data in (b"short", np.full(16, np.nan).tobytes(), bytes(128)):
        signal = SignalConfig(axes=("z", "y", "x"), shape=SHAPE, channels=1, bits=8, metadata={"affine": data})
        view = VOLUME.view(signal, ViewOptions(size="200%"))
        assert view.signal.spacing == ()


def test_large_volume_is_refused_before_it_is_read(run, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", ramp().astype(np.float32))
    monkeypatch.setattr(reading, "MAX_VOXELS", 100)
    fails(run("train", "a.npy", *TINY), 1, "too large: 480 voxels, expected at most 100", "make a smaller copy")
