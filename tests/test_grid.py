"""Coordinates against numpy, for grids of one to three axes."""

import math

import numpy as np
import pytest
import torch

from fftool import Region, coordinates, sample_coordinates
from fftool.errors import SettingError

SHAPES = [(1,), (4,), (5,), (1, 1), (1, 7), (6, 1), (4, 6), (5, 3), (1, 1, 1), (2, 3, 4), (3, 1, 5)]


def centres(shape: tuple[int, ...]) -> np.ndarray:
    axes = [(np.arange(size) + 0.5) / size for size in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij")[::-1], axis=-1).reshape(-1, len(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_coordinates_are_sample_centres_with_x_first(shape):
    v = coordinates(shape)
    assert v.shape == (math.prod(shape), len(shape))
    assert v.dtype == torch.float32
    np.testing.assert_array_equal(v.numpy(), centres(shape).astype(np.float32))


def test_x_runs_along_the_last_axis_of_the_array():
    assert coordinates((2, 4))[:4].tolist() == [[0.125, 0.25], [0.375, 0.25], [0.625, 0.25], [0.875, 0.25]]


@pytest.mark.parametrize("shape", [(5,), (4, 6), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_have_their_coordinates_in_any_order(shape, dtype):
    index = torch.randperm(math.prod(shape), generator=torch.Generator().manual_seed(0))
    v = sample_coordinates(index, shape, dtype=dtype)
    assert v.dtype == dtype
    np.testing.assert_allclose(v.numpy(), centres(shape)[index.numpy()], rtol=1e-7 if dtype == torch.float32 else 0)


def test_region_is_a_window_on_a_finer_grid():
    """The middle half of a 12×8 grid is the whole of a 6×4 grid over that region."""
    fine = coordinates((8, 12)).reshape(8, 12, 2)
    region = Region(origin=(0.25, 0.25), extent=(0.5, 0.5))
    np.testing.assert_allclose(coordinates((4, 6), region), fine[2:6, 3:9].reshape(-1, 2), atol=1e-7)


@pytest.mark.parametrize(
    ("origin", "extent"),
    [((-0.1, 0), (0.5, 0.5)), ((0, 0), (0, 1)), ((0.6, 0), (0.5, 1)), ((0, 0), (1, math.nan)), ((0, math.inf), (1, 1))],
)
def test_region_outside_of_the_signal_is_refused(origin, extent):
    with pytest.raises(SettingError, match=r"invalid region from .*: expected fractions that start at 0 or later"):
        Region(origin, extent)


def test_region_may_end_at_the_border_in_spite_of_rounding():
    Region((0.7, 0.9), (0.3, 0.1))
