"""Signals: the arrays they accept, and how values are rounded."""

from pathlib import Path

import numpy as np
import pytest

import fftool
from fftool import NetworkConfig, Signal, quantize
from fftool.errors import SettingError, SignalError
from fftool.signal import assemble


def test_signal_knows_its_shape():
    signal = Signal(np.zeros((3, 5, 2), np.uint16), source="a.png")
    assert (signal.shape, signal.channels, signal.bits, signal.n_samples) == ((3, 5), 2, 16, 15)
    config = signal.config
    assert (config.axes, config.shape, config.channels, config.bits) == (("y", "x"), (3, 5), 2, 16)
    assert (config.source, config.medium, config.sha256) == ("a.png", "image", signal.sha256)


def test_view_of_an_array_is_a_signal():
    samples = np.arange(30, dtype=np.uint8).reshape(2, 5, 3)[::-1, ::-1]
    assert next(fftool.fit(Signal(samples), network=NetworkConfig(hidden=8))).n_samples == 10


def test_signal_may_have_other_axes():
    assert Signal(np.zeros((2, 3, 5, 1), np.uint8), axes=("t", "y", "x")).shape == (2, 3, 5)
    assert Signal(np.zeros((7, 1), np.uint8), axes=["x"]).config.axes == ("x",)


def test_source_may_be_a_path():
    assert Signal(np.zeros((2, 2, 1), np.uint8), source=Path("a.png")).config.source == "a.png"


@pytest.mark.parametrize(
    ("samples", "seen"),
    [
        (np.zeros((3, 5, 2), np.float32), "samples are float32: expected uint8 or uint16"),
        (np.zeros((3, 5, 2), np.int16), "samples are int16"),
        (np.zeros((3, 5, 2), bool), "samples are bool"),
        (
            np.zeros((3, 5), np.uint8),
            r"shape \(3, 5\): expected \(y, x, channels\): add a channel axis with array\[..., None\]",
        ),
        (np.zeros((3, 5, 2, 1), np.uint8), r"samples have shape \(3, 5, 2, 1\)"),
        (np.zeros((0, 5, 3), np.uint8), r"samples have shape \(0, 5, 3\): expected at least one sample"),
        (np.zeros((3, 5, 0), np.uint8), r"samples have shape \(3, 5, 0\)"),
    ],
)
def test_signal_refuses_other_arrays(samples, seen):
    with pytest.raises(SignalError, match=seen):
        Signal(samples)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_each_sample_survives_the_way_to_values_and_back(bits, dtype):
    samples = np.arange(2**bits).astype(dtype)
    values = (samples / (2**bits - 1)).astype(np.float32)
    rounded = quantize(values, bits)
    assert rounded.dtype == dtype
    np.testing.assert_array_equal(rounded, samples)


def test_values_are_clamped_and_rounded_to_the_nearest():
    values = np.array([-0.5, 0, 0.49 / 255, 0.51 / 255, 1, 1.5])
    assert quantize(values, 8).tolist() == [0, 0, 0, 1, 255, 255]


@pytest.mark.parametrize("bits", [0, 1, 12, 32, True])
def test_quantize_refuses_other_depths(bits):
    with pytest.raises(SettingError, match="expected 8 or 16"):
        quantize(np.zeros(3), bits)


def test_hash_is_of_the_samples_row_by_row():
    """Whatever their order in memory; another depth is another signal."""
    samples = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    wide = Signal(samples.astype(">u2").astype(np.uint16))
    assert Signal(np.asfortranarray(wide.samples)).sha256 == wide.sha256 != Signal(samples).sha256


def test_bands_are_assembled_in_their_order():
    whole = np.arange(2 * 5 * 3 * 2, dtype=np.uint16).reshape(2, 5, 3, 2)
    rows = whole.reshape(10, 3, 2)
    assembled = assemble(iter([rows[:4], rows[4:8], rows[8:]]), whole.shape, 16)
    np.testing.assert_array_equal(assembled, whole)
    assert assembled.dtype == np.uint16
