"""Shapes: closed meshes as occupancy, trained, tested at points and drawn as meshes. trimesh makes them here."""

import json
import re
import sys

import numpy as np
import pytest
import trimesh
from conftest import fails, pixels

import fftool
from fftool import media
from fftool.errors import MediaError, OpenMeshError
from fftool.media.shape import medium as shapes
from fftool.media.shape import solid
from fftool.media.shape.surface import Mesh

TINY = ("--hidden", 8, "--dimension", 8, "--epochs", 1, "--scale", 2, "--tile", "none")


def mesh_of(made):
    return Mesh(np.asarray(made.vertices, float), np.asarray(made.faces, np.int64))


def turned(made):
    """By angles at which no face, edge or line of the grid is parallel to another."""
    made.apply_transform(trimesh.transformations.euler_matrix(0.3, 0.5, 0.7))
    return made


def torus():
    return trimesh.creation.torus(3, 1, major_sections=64, minor_sections=48)


def hollow_sphere():
    """With a cavity, whose surface faces inwards."""
    outer, inner = trimesh.creation.icosphere(4, 2.0), trimesh.creation.icosphere(4, 1.0)
    inner.invert()
    return trimesh.util.concatenate([outer, inner])


def two_boxes():
    """That overlap: their common part counts once."""
    first, second = trimesh.creation.box((2, 2, 2)), trimesh.creation.box((2, 2, 2))
    second.apply_translation((1, 1, 1))
    return trimesh.util.concatenate([first, second])


SOLIDS = {
    "box": (lambda: trimesh.creation.box((3, 2, 1)), 6),
    "turned box": (lambda: turned(trimesh.creation.box((3, 2, 1))), 6),
    "sphere": (lambda: trimesh.creation.icosphere(5, 2.0), 4 / 3 * np.pi * 8),
    "torus": (torus, torus().volume),
    "hollow sphere": (hollow_sphere, 4 / 3 * np.pi * 7),
    "two boxes": (two_boxes, 15),
    "inside out": (lambda: (lambda made: (made.invert(), made)[1])(trimesh.creation.box((3, 2, 1))), 6),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_coverage_has_the_volume_of_the_solid(name):
    make, volume = SOLIDS[name]
    mesh = mesh_of(make())
    box = solid.surrounding_box(mesh, 64, 4)
    covered = solid.coverage(mesh, box)
    assert covered.shape == box.shape[::-1]
    assert covered.sum() * box.edge**3 == pytest.approx(volume, rel=0.004)
    assert not covered[:3].any() and not covered[:, :, -3:].any()


def test_coverage_of_a_box_is_exact_between_the_planes_of_cubes():
    """The planes across z are where they are, and those across x and y within a 16th of a cube."""
    made = trimesh.creation.box((4.3, 5.6, 2.25))
    made.apply_translation((5, 5, 5))
    covered = solid.coverage(mesh_of(made), solid.Box((10, 10, 10), 1.0, np.zeros(3)))
    expected = [
        np.clip(np.minimum(np.arange(10) + 1, 5 + side / 2) - np.maximum(np.arange(10), 5 - side / 2), 0, 1)
        for side in (2.25, 5.6, 4.3)
    ]
    z, y, x = np.ix_(*expected)
    np.testing.assert_allclose(covered.sum(axis=(1, 2)), (z * y * x).sum(axis=(1, 2)), rtol=0.03)
    assert np.abs(covered - z * y * x).max() < 0.07
    np.testing.assert_allclose(covered[:, 5, 5], expected[0], atol=1e-12)


def test_points_inside_and_outside_are_told_apart():
    """By their distance from the ring in the middle of a torus of polygons, which is a little thinner."""
    points = np.random.default_rng(0).uniform(-4.5, 4.5, (20_000, 3)) * (1, 1, 0.3)
    distance = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 3, points[:, 2])
    clear = np.abs(distance - 1) > 0.01
    assert np.array_equal(solid.contains(mesh_of(torus()), points)[clear], (distance < 1)[clear])


def test_lines_through_corners_and_edges_count_once():
    """Points straight above corners, edges and faces of a box, whose faces are of two triangles each."""
    mesh = mesh_of(trimesh.creation.box((2, 2, 2)))
    x, y = (side.ravel() for side in np.meshgrid(np.linspace(-1.5, 1.5, 25), np.linspace(-1.5, 1.5, 25)))
    outside = np.maximum(np.abs(x), np.abs(y)) > 1
    for z, expected in ((-2, False), (0, True), (2, False)):
        found = solid.contains(mesh, np.stack([x, y, np.full_like(x, z)], axis=1))
        interior = np.maximum(np.abs(x), np.abs(y)) < 1
        assert not found[outside].any()
        assert (found[interior] == expected).all()


def test_points_near_the_surface_lie_evenly_on_it():
    points, normals = solid.surface_points(
        mesh_of(trimesh.creation.icosphere(5, 2.0)), 30_000, np.random.default_rng(0)
    )
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 2, atol=0.005)
    np.testing.assert_allclose((normals * points).sum(axis=1), 2, atol=0.01)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.03)


# files


@pytest.fixture(autouse=True)
def small_grid(monkeypatch):
    """A coarse grid and fewer points, for speed."""
    monkeypatch.setattr(shapes, "LONGEST", 32)
    monkeypatch.setattr(shapes, "BOX_MARGIN", 2)
    monkeypatch.setattr(shapes, "N_POINTS", 2**13)


def placed_sphere():
    """A sphere of radius 3 around (10, 20, 30)."""
    made = trimesh.creation.icosphere(4, 3.0)
    made.apply_translation((10, 20, 30))
    return made


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj", ".glb"])
def test_mesh_is_read_in_its_place(tmp_path, suffix):
    placed_sphere().export(tmp_path / f"a{suffix}")
    signal = media.open(tmp_path / f"a{suffix}")
    assert (signal.medium, signal.axes, signal.shape, signal.bits) == ("shape", ("z", "y", "x"), (32, 32, 32), 8)
    assert signal.spacing[0] == pytest.approx(6 / 28, rel=1e-3)
    assert (signal.samples / 255).sum() * signal.spacing[0] ** 3 == pytest.approx(4 / 3 * np.pi * 27, rel=0.02)
    points = signal.test_points
    centred = (points.coordinates - 0.5) * 32 * signal.spacing[0]
    distance = np.linalg.norm(centred, axis=1)
    clear = np.abs(distance - 3) > 0.02  # it is a polyhedron
    assert np.array_equal(points.inside[clear], (distance < 3)[clear])
    assert np.std(distance[points.near] - 3) == pytest.approx(0.01 * 32 * signal.spacing[0], rel=0.1)


def test_ascii_stl_and_scenes_are_read(tmp_path):
    (tmp_path / "a.stl").write_text(trimesh.exchange.stl.export_stl_ascii(placed_sphere()))
    assert media.open(tmp_path / "a.stl").medium == "shape"
    scene = trimesh.Scene()
    for i in range(2):
        scene.add_geometry(
            trimesh.creation.box((1, 1, 1)), transform=trimesh.transformations.translation_matrix((3 * i, 0, 0))
        )
    scene.export(tmp_path / "scene.glb")
    assert media.open(tmp_path / "scene.glb").shape[2] == 32  # along x, where the second one stands
    assert media.open(tmp_path / "scene.glb").shape[0] < 16


def test_reading_twice_gives_the_same_samples_and_points(tmp_path):
    placed_sphere().export(tmp_path / "a.stl")
    first, second = media.open(tmp_path / "a.stl"), media.open(tmp_path / "a.stl")
    assert first.sha256 == second.sha256
    assert np.array_equal(first.test_points.coordinates, second.test_points.coordinates)


# training and rendering


@pytest.fixture(scope="module")
def sphere_model(tmp_path_factory):
    """A checkpoint of the sphere, in tiles, and its figures."""
    folder = tmp_path_factory.mktemp("sphere")
    placed_sphere().export(folder / "sphere.stl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "LONGEST", 32)
        patch.setattr(shapes, "BOX_MARGIN", 2)
        signal = media.open(folder / "sphere.stl")
    network, training = fftool.NetworkConfig(hidden=32, tile=16), fftool.TrainingConfig(epochs=30)
    for progress in fftool.fit(signal, fftool.EncodingConfig(scale=3), network, training):
        pass
    result = fftool.evaluate(progress, signal)
    fftool.save(progress.network, folder / "sphere.st")
    return folder / "sphere.st", result


def test_points_that_were_not_trained_test_a_network(sphere_model):
    model, result = sphere_model
    assert result.iou > 0.98
    assert 0.9 < result.near_iou < result.iou
    assert fftool.describe(model).result == result


def test_page_of_a_shape_has_its_planes_and_iou(run, sphere_model, tmp_path):
    model, result = sphere_model
    (shown,) = json.loads(run("view", model, "-o", "a.html", "--json").stdout)["models"]
    assert (shown["iou"], shown["near_iou"]) == (result.iou, result.near_iou)
    page = json.loads(re.search(r'id="page">(.*?)</script>', (tmp_path / "a.html").read_text())[1])
    assert page["models"][0]["quality"] == f"IoU {result.iou:.4f}"
    assert [plane["name"] for plane in page["scene"]["planes"]] == ["z", "y", "x"]


@pytest.mark.parametrize("suffix", [".glb", ".stl", ".ply", ".obj"])
def test_rendering_is_a_closed_mesh_in_its_place(run, sphere_model, tmp_path, suffix):
    done = run("render", sphere_model[0], "--size", 48, "-o", f"a{suffix}")
    assert done.returncode == 0, done.stderr
    mesh = trimesh.load(tmp_path / f"a{suffix}", force="mesh")
    mesh.merge_vertices()
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 27, rel=0.01)
    np.testing.assert_allclose(mesh.center_mass, (10, 20, 30), atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - (10, 20, 30), axis=1), 3, atol=0.1)


def test_simplified_mesh_has_a_tenth_of_the_triangles(run, sphere_model, tmp_path):
    for name, options in (("all.stl", ()), ("few.stl", ("--simplify", 0.1))):
        assert run("render", sphere_model[0], *options, "-o", name).returncode == 0
    whole, simple = (trimesh.load(tmp_path / name, force="mesh") for name in ("all.stl", "few.stl"))
    assert len(simple.faces) == pytest.approx(0.1 * len(whole.faces), rel=0.1)
    assert simple.volume == pytest.approx(whole.volume, rel=0.02)
    fails(run("render", sphere_model[0], "--simplify", 1.5, "-o", "a.stl"), 2, "invalid simplify 1.5")


def test_largest_piece_is_kept(run, tmp_path):
    small = trimesh.creation.icosphere(3, 1.0)
    small.apply_translation((5, 0, 0))
    trimesh.util.concatenate([trimesh.creation.icosphere(3, 2.0), small]).export(tmp_path / "two.stl")
    settings = ("--hidden", 16, "--dimension", 16, "--epochs", 20, "--scale", 3, "--tile", 16)
    assert run("train", "two.stl", *settings).returncode == 0
    for name, options in (("both.stl", ()), ("one.stl", ("--largest",))):
        assert run("render", "model.st", *options, "-o", name).returncode == 0
    both, one = (trimesh.load(tmp_path / name, force="mesh") for name in ("both.stl", "one.stl"))
    assert both.bounds[1, 0] == pytest.approx(6, abs=0.3)
    assert one.bounds[1, 0] == pytest.approx(2, abs=0.3)
    assert one.volume == pytest.approx(4 / 3 * np.pi * 8, rel=0.12)  # of few triangles


def test_slices_of_a_shape_are_images(run, sphere_model, tmp_path):
    assert run("render", sphere_model[0], "--slice", "z=0.5", "--size", 64, "-o", "a.png").returncode == 0
    image = pixels(tmp_path / "a.png")
    assert image.shape == (64, 64)
    assert (image > 127).mean() == pytest.approx(np.pi * (14 / 32) ** 2, rel=0.02)


def test_command_reports_intersection_over_union(run, tmp_path):
    placed_sphere().export(tmp_path / "ball.stl")
    done = run("train", "ball.stl", *TINY)
    assert done.returncode == 0, done.stderr
    assert "IoU         0." in done.stdout
    assert "near the surface" in done.stdout
    assert "PSNR" not in done.stdout
    assert '"iou": 0.' in run("info", "model.st", "--json").stdout
    done = run("compare", "ball.stl", "--scale", 1, "--scale", 3, *TINY[:6], "--csv", "table.csv", "--json")
    assert done.returncode == 0, done.stderr
    for variant in json.loads(done.stdout)["variants"]:
        assert 0 <= variant["near_iou"] < variant["iou"] < 1
    assert "iou,near_iou" in (tmp_path / "table.csv").read_text()
    assert pixels(tmp_path / "compare.png").shape[0] > 1000


def test_unfinished_run_on_a_shape_resumes_with_the_same_bytes(run, tmp_path):
    placed_sphere().export(tmp_path / "ball.stl")
    settings = fftool.EncodingConfig(scale=2, dimension=8), fftool.NetworkConfig(hidden=8, tile=16)
    course = fftool.fit(media.open(tmp_path / "ball.stl"), *settings, fftool.TrainingConfig(epochs=2))
    progress = next(each for each in course if each.step == 9)
    fftool.save_run(progress.snapshot(), tmp_path / "stopped.st", str(tmp_path / "ball.stl"))
    assert run("train", "--resume", "stopped.st").returncode == 0
    options = ("--scale", 2, "--dimension", 8, "--hidden", 8, "--tile", 16, "--epochs", 2)
    assert run("train", "ball.stl", *options).returncode == 0
    assert (tmp_path / "stopped.st").read_bytes() == (tmp_path / "model.st").read_bytes()


# files that are refused


def with_a_hole():
    made = trimesh.creation.box((1, 1, 1))
    made.update_faces(np.arange(12) != 5)
    return made


def turned_face():
    made = trimesh.creation.box((1, 1, 1))
    made.faces[5] = made.faces[5][::-1]
    return made


def test_open_mesh_is_refused_with_what_to_do(run, tmp_path):
    with_a_hole().export(tmp_path / "open.stl")
    with pytest.raises(OpenMeshError) as caught:
        media.open(tmp_path / "open.stl")
    assert caught.value.n_edges == 3
    fails(run("train", "open.stl", *TINY), 1, "open.stl: is open: 3 of its edges", "close its holes first")


BAD = {
    "turned.stl": (lambda: turned_face().export(file_type="stl"), "face in, and others that face out"),
    "flat.obj": (lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf 1 3 2\n", "is flat, expected a solid"),
    "points.ply": (lambda: trimesh.PointCloud(np.eye(3)).export(file_type="ply"), "has no triangles"),
    "empty.stl": (lambda: bytes(84), "has no triangles"),
    "nan.obj": (lambda: b"v nan 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n", "is open: 3"),
    "short.glb": (lambda: placed_sphere().export(file_type="glb")[:500], "damaged: it cannot be decoded"),
    "short.ply": (lambda: placed_sphere().export(file_type="ply")[:900], "damaged: it cannot be decoded"),
    "noise.stl": (lambda: bytes(range(256)) * 8, "damaged: it cannot be decoded"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused(run, tmp_path, name):
    make, problem = BAD[name]
    data = make()
    (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(MediaError):
        media.open(tmp_path / name)
    fails(run("train", name, *TINY), 1, f"error: {name}: ", problem)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_missing_package_is_named_with_its_installation(run, tmp_path, monkeypatch):
    placed_sphere().export(tmp_path / "a.stl")
    monkeypatch.setitem(sys.modules, "trimesh", None)
    done = run("train", "a.stl", *TINY)
    fails(done, 1, "a.stl: is a mesh, which takes the package trimesh to read")
    assert done.stderr.endswith('hint: install it: pipx inject fftool trimesh, or pip install "fftool[mesh]"\n')
