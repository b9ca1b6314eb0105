"""What training is fed with: features, values and order, each against the plain way to get it."""

from itertools import chain

import numpy as np
import pytest
import torch

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig, batches
from fftool.batches import Features, Values, shuffled
from fftool.config import Config


def network_for(signal, kind="gaussian"):
    config = Config(
        signal=signal.config,
        encoding=EncodingConfig(kind=kind, dimension=16, scale=10.0),
        network=NetworkConfig(hidden=8),
        training=TrainingConfig(),
        version="0",
    )
    return fftool.CoordinateMLP(config)


@pytest.mark.parametrize("kind", ["gaussian", "positional", "basic", "none"])
@pytest.mark.parametrize("shape", [(70, 50), (1, 5000), (5000, 1), (1, 1), (4, 30, 20)])
def test_kept_features_are_those_of_the_encoding(shape, kind):
    """Against float64, as near as phases in float32 are; all of them, once the memory is used anew."""
    network = network_for(Signal(np.zeros((*shape, 1), np.uint8), axes=("t", "y", "x")[-len(shape) :]), kind)
    cells = torch.randperm(int(np.prod(shape)), generator=torch.Generator().manual_seed(0))
    found = Features(network, shape, torch.float32)[cells]
    v = fftool.coordinates(shape, dtype=torch.float64)[cells]
    exact = v if kind == "none" else fftool.fourier_features(v, network.B.double())
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-4)


def test_features_that_do_not_fit_are_computed(monkeypatch):
    signal = Signal(np.zeros((40, 30, 3), np.uint8))
    kept = Features(network_for(signal), signal.shape, torch.float32)
    monkeypatch.setattr(batches, "KEPT_BYTES", 1000)
    computed = Features(network_for(signal), signal.shape, torch.float32)
    assert kept.kept is not None
    assert computed.kept is None
    index = torch.tensor([0, 1199, 7, 7])
    torch.testing.assert_close(computed[index], kept[index], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_are_samples_over_their_peak(dtype):
    """All of them, the upper half of 16 bits too; the signal's own memory is not copied where it can be shared."""
    peak = np.iinfo(dtype).max
    samples = np.arange(peak + 1, dtype=dtype).reshape(-1, 64, 1)
    values = Values(Signal(samples), torch.device("cpu"))
    index = torch.arange(peak + 1, dtype=torch.int32)
    np.testing.assert_allclose(values[index][:, 0].numpy(), samples.ravel() / peak, rtol=1e-7)
    assert values[index].dtype == torch.float32
    assert np.shares_memory(values.rows.numpy(), samples)


def test_every_cell_is_in_one_batch():
    generator = torch.Generator().manual_seed(3)
    first, second = ([b.tolist() for b in shuffled(100, 30, generator, torch.device("cpu"))] for _ in range(2))
    assert [len(batch) for batch in first] == [30, 30, 30, 10]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(100))
    assert first != second


def test_large_pictures_are_numbered_in_32_bits():
    assert fftool.grid.index_dtype(2**31 - 1) == torch.int32
    assert fftool.grid.index_dtype(2**31) == torch.int64
