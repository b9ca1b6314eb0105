"""Features, values and order of batches, each against the plain way to get it."""

from itertools import chain

import numpy as np
import pytest
import torch

import fftool
from fftool import EncodingConfig, NetworkSettings, Signal, TrainingConfig
from fftool.config import Config
from fftool.training import batches
from fftool.training.batches import BatchFeatures, BatchValues, shuffled_batches
from fftool.training.defaults import resolve_defaults


def network_for(signal, kind="gaussian"):
    config = Config(
        signal=signal.config,
        encoding=EncodingConfig(kind=kind, dimension=16, scale=10.0).resolve(),
        network=NetworkSettings(hidden=8),
        training=resolve_defaults(TrainingConfig(), signal.n_samples, "cpu", "float32"),
        version="0",
    )
    return fftool.CoordinateMLP(config)


@pytest.mark.parametrize("kind", ["gaussian", "positional", "basic", "none"])
@pytest.mark.parametrize("shape", [(70, 50), (1, 5000), (5000, 1), (1, 1), (4, 30, 20)])
def test_features_equal_the_encoding(shape, kind):
    """Against float64, as near as phases in float32 are, for all samples in any order."""
    network = network_for(Signal(np.zeros((*shape, 1), np.uint8), axes=("t", "y", "x")[-len(shape) :]), kind)
    index = torch.randperm(int(np.prod(shape)), generator=torch.Generator().manual_seed(0))
    found = BatchFeatures(network, shape, torch.float32)[index]
    v = fftool.coordinates(shape, dtype=torch.float64)[index]
    exact = v if kind == "none" else fftool.fourier_features(v, network.B.double())
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-4)


def test_features_too_large_to_cache_are_computed(monkeypatch):
    """With the same result for a batch, and for another one in the same memory."""
    signal = Signal(np.zeros((40, 30, 3), np.uint8))
    cached = BatchFeatures(network_for(signal), signal.shape, torch.float32)
    assert cached.cache is not None
    monkeypatch.setattr(batches, "CACHE_BYTES", 1000)
    computed = BatchFeatures(network_for(signal), signal.shape, torch.float32)
    assert computed.cache is None
    for index in (torch.tensor([0, 1199, 7, 7]), torch.tensor([5, 600])):
        torch.testing.assert_close(computed[index], cached[index], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cache_bytes", [0, 2**29])
def test_features_are_rounded_once(monkeypatch, cache_bytes):
    """To bfloat16, from float32."""
    monkeypatch.setattr(batches, "CACHE_BYTES", cache_bytes)
    network, index = network_for(Signal(np.zeros((9, 8, 1), np.uint8))), torch.arange(72)
    found = BatchFeatures(network, (9, 8), torch.bfloat16)[index]
    exact = fftool.fourier_features(fftool.coordinates((9, 8)), network.B)
    torch.testing.assert_close(found, exact.bfloat16(), rtol=0.01, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_are_samples_over_their_peak(dtype):
    """All of them, the upper half of 16 bits too; the signal's own memory is not copied where it can be shared."""
    peak = np.iinfo(dtype).max
    samples = np.arange(peak + 1, dtype=dtype).reshape(-1, 64, 1)
    values = BatchValues(samples, torch.device("cpu"))
    index = torch.arange(peak + 1, dtype=torch.int32)
    np.testing.assert_allclose(values[index][:, 0].numpy(), samples.ravel() / peak, rtol=1e-7)
    assert values[index].dtype == torch.float32
    assert np.shares_memory(values.rows.numpy(), samples)


def test_values_of_a_read_only_array_are_copied():
    samples = np.arange(12, dtype=np.uint16).reshape(2, 2, 3)
    samples.setflags(write=False)
    values = BatchValues(samples, torch.device("cpu"))
    np.testing.assert_allclose(values[torch.tensor([3, 0])].numpy() * 65535, [[9, 10, 11], [0, 1, 2]], rtol=1e-6)


def test_each_sample_is_in_one_batch():
    generator, cpu = torch.Generator().manual_seed(3), torch.device("cpu")
    first, second = ([b.tolist() for b in shuffled_batches(100, 30, generator, cpu)] for _ in range(2))
    assert [len(batch) for batch in first] == [30, 30, 30, 10]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(100))
    assert first != second


def test_skipped_batches_leave_the_others_as_they_were():
    whole, rest = (
        [b.tolist() for b in shuffled_batches(100, 30, torch.Generator().manual_seed(3), torch.device("cpu"), skip)]
        for skip in (0, 60)
    )
    assert rest == whole[2:]


def test_large_images_are_numbered_in_32_bits():
    assert fftool.grid.index_dtype(2**31 - 1) == torch.int32
    assert fftool.grid.index_dtype(2**31) == torch.int64
