"""Geometry of tiles: their sizes, the windows of samples that they train on, and the weights that blend them."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fftool import EncodingConfig, NetworkConfig, TrainingConfig
from fftool.config import SignalConfig
from fftool.errors import SettingError
from fftool.models.capacity import resolve_network
from fftool.models.tiles import covering_tiles, tile_weight
from fftool.tiling import TileGrid, even_tile
from fftool.training.tile_batches import trained_positions, windows

AXES = {1: ("t",), 2: ("y", "x"), 3: ("z", "y", "x")}
GRIDS = {
    "a row": TileGrid((1, 50), (1, 18), 4),
    "a column": TileGrid((50, 1), (18, 1), 4),
    "smaller than a tile": TileGrid((5, 6), (5, 6), 4),
    "one sample more than a tile": TileGrid((17, 9), (10, 6), 3),
    "uneven": TileGrid((120, 10), (8, 6), 2),
    "no margin": TileGrid((20, 30), (8, 16), 0),
    "the largest margin": TileGrid((20, 30), (8, 16), 4),
    "one axis": TileGrid((50,), (10,), 5),
    "three axes": TileGrid((9, 8, 7), (6, 8, 4), 1),
    "a last tile with one sample": TileGrid((9, 13), (8, 6), 4),
}
grids = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


def signal(*shape, channels=3):
    return SignalConfig(axes=AXES[len(shape)], shape=shape, channels=channels, bits=8)


def resolve(config, holdout="none", **network):
    settings, encoding = resolve_network(
        config, EncodingConfig(scale=8.0), NetworkConfig(**network), TrainingConfig(holdout=holdout)
    )
    return settings, encoding.dimension


@st.composite
def tilings(draw):
    """Tiles as a training makes them, for signals with one or two axes."""
    shape = tuple(draw(st.lists(st.integers(2, 60), min_size=1, max_size=2)))
    sides = tuple(draw(st.integers(8, 40)) for _ in shape)
    tile = tuple(even_tile(length, side) for length, side in zip(shape, sides, strict=True))
    most = min((side for side, length in zip(tile, shape, strict=True) if side < length), default=20) // 2
    return TileGrid(shape, tile, draw(st.integers(0, most)))


def row_major(shape):
    """A signal whose samples are their own numbers, with one channel."""
    return np.arange(np.prod(shape)).reshape(*shape, 1)


def continued(length, before, after):
    """Numbers of samples with their reflections on both sides, by numpy."""
    return np.pad(np.arange(length), (before, after), mode="reflect" if length > 1 else "edge")


# sizes


@pytest.mark.parametrize(
    ("length", "side", "expected"),
    [(1, 8, 1), (7, 8, 7), (8, 8, 8), (9, 8, 6), (17, 8, 6), (33, 16, 12), (27, 9, 10), (100, 64, 50), (1200, 64, 64)],
)
def test_tiles_are_even_and_alike(length, side, expected):
    assert even_tile(length, side) == expected


@given(st.integers(1, 5000), st.integers(8, 600))
def test_tiles_cover_any_length(length, side):
    """With no more tiles than asked for, none of which is empty, and with the smallest side that does."""
    found, most = even_tile(length, side), -(-length // side)
    if length <= side:
        assert found == length
        return
    assert found % 2 == 0
    assert found <= side + side % 2
    assert (found - 2) * most < length <= found * most
    count = TileGrid((length,), (found,), 0).n_tiles
    assert (count - 1) * found < length <= count * found


@pytest.mark.parametrize(
    ("name", "counts", "margins", "window"),
    [
        ("a row", (1, 3), (0, 4), (1, 26)),
        ("a column", (3, 1), (4, 0), (26, 1)),
        ("smaller than a tile", (1, 1), (0, 0), (5, 6)),
        ("one sample more than a tile", (2, 2), (3, 3), (16, 12)),
        ("uneven", (15, 2), (2, 2), (12, 10)),
        ("one axis", (5,), (5,), (20,)),
        ("three axes", (2, 1, 2), (1, 0, 1), (8, 8, 6)),
    ],
)
def test_margins_are_where_tiles_have_neighbours(name, counts, margins, window):
    grid = GRIDS[name]
    assert (grid.counts, grid.margins, grid.window) == (counts, margins, window)
    assert grid.n_tiles == np.prod(counts)


@pytest.mark.parametrize(
    ("shape", "request_", "tile", "margin", "hidden", "dimension"),
    [
        ((64, 48), {"tile": 16}, (16, 16), 2, 64, 64),
        ((64, 48), {"tile": (16, 8)}, (16, 8), 2, 64, 64),
        ((1200, 100), {"tile": 64}, (64, 50), 2, 64, 64),
        ((1, 300), {"tile": 8}, (1, 8), 2, 64, 64),
        ((9, 300), {"tile": 8, "margin": 3}, (6, 8), 3, 64, 64),  # half of 6
        ((512, 512), {"tile": 128}, (128, 128), 2, 64, 64),
        ((2048, 2048), {"tile": 256}, (256, 256), 2, 128, 128),
        ((2048, 2048), {"tile": 512}, (512, 512), 2, 256, 128),
        ((30, 40), {"tile": 100}, (30, 40), 2, 64, 64),
        ((64, 48), {"tile": 16, "margin": 0, "hidden": 20}, (16, 16), 0, 20, 64),
        ((64, 48), {"tile": "none"}, (), 0, 256, 128),
        ((100,), {"tile": 30}, (26,), 2, 64, 64),
        ((9, 20, 30), {"tile": 10}, (9, 10, 10), 1, 64, 64),
        ((9, 20, 30), {"tile": 10, "margin": 2}, (9, 10, 10), 2, 64, 64),
    ],
)
def test_tiles_follow_the_request(shape, request_, tile, margin, hidden, dimension):
    settings, m = resolve(signal(*shape), **request_)
    assert (settings.tile, settings.margin, settings.hidden, m) == (tile, margin, hidden, dimension)


@pytest.mark.parametrize(
    ("shape", "holdout", "tile"),
    [
        ((575, 575), "none", ()),  # 330,625 samples, and 2.5 for each of 132,355 parameters are 330,887
        ((576, 576), "none", (32, 32)),
        ((575, 575), "lattice", ()),
        ((576, 576), "lattice", (64, 64)),  # with 32 trained samples along each side
        ((576, 576), 0.2, (32, 32)),
        ((1, 400_000), "none", (1, 1024)),
        ((20, 20_000), "none", (20, 52)),
        ((1000, 1500), "none", (32, 32)),
        ((1000, 1600), "none", (64, 64)),
        ((4096, 8192), "none", (128, 128)),
        ((2**14, 2**14), "none", (512, 512)),  # not 256: 4096 networks of 49,795 parameters
        ((2**17, 2**17), "none", (4096, 4096)),
        ((10**6,), "none", ()),
        ((69, 69, 69), "none", ()),  # 328,509 samples
        ((70, 70, 70), "none", (14, 14, 14)),
        ((150, 150, 150), "none", (16, 16, 16)),
        ((200, 200, 200), "none", (24, 24, 24)),
        ((128, 128, 128), "lattice", (32, 32, 32)),
        ((1, 1000, 1000), "none", (1, 64, 64)),
        ((8, 300, 300), "none", (8, 22, 22)),
        ((250, 272, 640), "none", (24, 24, 24)),
        ((132, 720, 1280), "none", (28, 32, 32)),
        ((1024, 1024, 1024), "none", (128, 128, 128)),  # not 32: 32,768 networks of 12,675 parameters
    ],
)
def test_auto_takes_tiles_where_one_network_has_no_room(shape, holdout, tile):
    assert resolve(signal(*shape), holdout)[0].tile == tile


@pytest.mark.parametrize(
    ("shape", "request_", "problem"),
    [
        ((64, 48), {"tile": (16, 16, 16)}, "expected one side, or one for each axis, y, x"),
        ((64, 48), {"tile": "none", "margin": 4}, "invalid margin 4: expected 0 for a network without tiles"),
        ((64, 48), {"margin": 4}, "invalid margin 4: expected 0 for a network without tiles"),
    ],
)
def test_refuses_tiles_that_do_not_fit(shape, request_, problem):
    with pytest.raises(SettingError, match=problem):
        resolve(signal(*shape), **request_)


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"tile": 7}, "invalid tile 7: expected a whole number of at least 8"),
        ({"tile": (16, 0)}, "invalid tile 0"),
        ({"tile": ()}, "invalid tile"),
        ({"tile": "many"}, "invalid tile 'many'"),
        ({"tile": 16.5}, "invalid tile 16.5"),
        ({"tile": 16, "margin": -1}, "invalid margin -1"),
    ],
)
def test_refuses_tiles_that_nothing_has(request_, problem):
    with pytest.raises(SettingError, match=problem):
        NetworkConfig(**request_)


# windows


def check_windows(grid):
    samples = row_major(grid.shape)
    along = []
    for length, side, margin, count in zip(grid.shape, grid.tile, grid.margins, grid.counts, strict=True):
        whole = continued(length, margin, count * side + margin - length)
        along.append([whole[place * side :][: side + 2 * margin] for place in range(count)])
    expected = [samples[np.ix_(*indices)] for indices in itertools.product(*along)]
    found = windows(grid, samples, slice(None))
    assert found.shape == (grid.n_tiles, *grid.window, 1)
    np.testing.assert_array_equal(found, expected)
    last = slice(grid.n_tiles // 2, None)
    np.testing.assert_array_equal(windows(grid, samples, last), expected[last])


@grids
def test_windows_continue_the_signal_by_its_reflection(grid):
    check_windows(grid)


@given(tilings())
def test_windows_of_any_tiles_continue_the_signal_by_its_reflection(grid):
    check_windows(grid)


@given(tilings())
def test_every_sample_is_in_one_tile(grid):
    inside = tuple(slice(margin, margin + side) for margin, side in zip(grid.margins, grid.tile, strict=True))
    found = windows(grid, row_major(grid.shape), slice(None))[(slice(None), *inside)]
    for number, place in enumerate(np.ndindex(grid.counts)):
        bounds = zip(place, grid.tile, grid.shape, strict=True)
        part = tuple(slice(i * side, min((i + 1) * side, length)) for i, side, length in bounds)
        own = row_major(grid.shape)[part]
        np.testing.assert_array_equal(found[number][tuple(slice(0, n) for n in own.shape[:-1])], own)


@given(tilings())
def test_lattice_trains_on_every_other_sample_alone(grid):
    """All of them in each window, at the same positions in all tiles, and no reflection of another."""
    positions = trained_positions(grid, "lattice").numpy()
    even = np.zeros(grid.shape, bool)
    even[tuple(slice(None, None, 2) for _ in grid.shape)] = True
    found = windows(grid, even[..., None], slice(None)).reshape(grid.n_tiles, -1)
    assert found[:, positions].all()
    assert not np.delete(found, positions, axis=1).any()


@pytest.mark.parametrize("holdout", ["none", 0.2])
def test_other_splits_visit_all_positions(holdout):
    positions = trained_positions(GRIDS["one sample more than a tile"], holdout)
    assert positions.tolist() == list(range(16 * 12))


# weights


def weight_in_numpy(position, place, count, side, margin):
    """Of a tile along an axis: 3t² - 2t³ over both margins at an edge to a neighbour."""

    def rise(edge):
        if margin == 0:
            return np.where(position < edge, 0.0, 1.0)
        t = np.interp(position, [edge - margin, edge + margin], [0, 1])
        return 3 * t**2 - 2 * t**3

    ones = np.ones_like(position)
    return (rise(place * side) if place else ones) - (rise((place + 1) * side) if place < count - 1 else 0)


AXIS = pytest.mark.parametrize(
    ("length", "side", "margin"), [(50, 18, 4), (50, 18, 9), (50, 18, 0), (9, 6, 3), (20, 8, 4), (5, 5, 0), (17, 16, 1)]
)


def positions(length, side, margin):
    """At random, and at the edges and the ends of their margins, and next to these."""
    edges = np.arange(0, length + side, side)
    ends = np.concatenate([edges - margin, edges, edges + margin])
    around = np.concatenate([ends - 1e-6, ends, ends + 1e-6, np.random.default_rng(0).random(200) * length])
    return np.unique(np.clip(around, 0, length))


@AXIS
def test_weights_of_all_tiles_add_up_to_one(length, side, margin):
    count, position = -(-length // side), positions(length, side, margin)
    points = torch.from_numpy(position)
    weights = np.stack([tile_weight(points, place, count, side, margin).numpy() for place in range(count)])
    expected = [weight_in_numpy(position, place, count, side, margin) for place in range(count)]
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-12)
    assert weights.min() >= 0
    found = np.zeros_like(weights)
    for place, weight in covering_tiles(points, count, side, margin):
        np.add.at(found, (place.numpy(), np.arange(len(position))), weight.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-12)


@AXIS
def test_weights_are_continuous(length, side, margin):
    """And so are their slopes: within a millionth of a sample, they change by no more than a millionth."""
    if margin == 0:
        return
    count, points = -(-length // side), torch.from_numpy(positions(length, side, margin))
    for place in range(count):
        before, at, after = (tile_weight(points + 1e-6 * step, place, count, side, margin) for step in (-1, 0, 1))
        assert (after - at).abs().max() < 1e-6
        assert (after - 2 * at + before).abs().max() < 1e-11 / margin**2
