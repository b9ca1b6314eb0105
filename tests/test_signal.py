"""Samples: what a signal accepts, and how values are rounded."""

import numpy as np
import pytest

import fftool
from fftool import FFToolError, Signal, quantize


def test_a_signal_knows_its_shape():
    signal = Signal(np.zeros((3, 5, 2), np.uint16), source="a.png")
    assert (signal.shape, signal.channels, signal.bits, signal.cells) == ((3, 5), 2, 16, 15)
    assert (signal.config.axes, signal.config.shape, signal.config.source) == (("y", "x"), (3, 5), "a.png")


def test_a_view_of_an_array_is_a_signal_too():
    samples = np.arange(30, dtype=np.uint8).reshape(2, 5, 3)[::-1, ::-1]
    assert next(fftool.fit(Signal(samples))).cells == 10


def test_a_signal_may_have_other_axes():
    assert Signal(np.zeros((2, 3, 5, 1), np.uint8), axes=("t", "y", "x")).shape == (2, 3, 5)


@pytest.mark.parametrize(
    ("samples", "seen"),
    [
        (np.zeros((3, 5, 2), np.float32), "float32"),
        (np.zeros((3, 5), np.uint8), r"\(3, 5\)"),
        (np.zeros((0, 5, 3), np.uint8), r"\(0, 5, 3\)"),
    ],
)
def test_a_signal_refuses_what_it_cannot_be(samples, seen):
    with pytest.raises(FFToolError, match=seen):
        Signal(samples)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_every_sample_survives_the_way_to_values_and_back(bits, dtype):
    samples = np.arange(2**bits).astype(dtype)
    values = (samples / (2**bits - 1)).astype(np.float32)
    rounded = quantize(values, bits)
    assert rounded.dtype == dtype
    np.testing.assert_array_equal(rounded, samples)


def test_values_are_clamped_and_rounded_to_the_nearest():
    values = np.array([-0.5, 0, 0.49 / 255, 0.51 / 255, 1, 1.5])
    assert quantize(values, 8).tolist() == [0, 0, 0, 1, 255, 255]
