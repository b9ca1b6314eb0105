"""Choice of the device and of the precision."""

import time

import pytest
import torch
from test_kernels import onednn_disabled

import fftool
from fftool import NetworkConfig, TrainingConfig
from fftool.backend import device, kernels
from fftool.backend.device import select_device, select_precision
from fftool.errors import DeviceError


@pytest.fixture
def with_amx(monkeypatch):
    """A processor with AMX, whatever this one has."""
    monkeypatch.setattr(kernels, "_has_amx", lambda: True)
    if not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")


def test_auto_is_bfloat16_where_the_processor_multiplies_it(with_amx):
    assert kernels.multiplies_bfloat16()
    assert select_precision("auto", "cpu") == "bfloat16"


@pytest.mark.parametrize("has_amx", [None, lambda: False])
def test_auto_is_float32_elsewhere(monkeypatch, has_amx):
    """Without the instructions, or with a torch that cannot tell."""
    monkeypatch.setattr(kernels, "_has_amx", has_amx)
    assert not kernels.multiplies_bfloat16()
    assert select_precision("auto", "cpu") == "float32"
    assert select_precision("auto", "mps") == "float32"


def test_auto_is_float32_where_onednn_is_disabled(with_amx):
    with onednn_disabled():
        assert select_precision("auto", "cpu") == "float32"
    assert select_precision("auto", "cpu") == "bfloat16"


@pytest.mark.parametrize("has_amx", [True, False])
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_precision_asked_for_is_taken(monkeypatch, name, has_amx):
    monkeypatch.setattr(kernels, "_has_amx", lambda: has_amx)
    assert [select_precision(name, kind) for kind in ("cpu", "cuda", "mps")] == [name] * 3


@pytest.mark.parametrize("emulated", [True, False])
def test_auto_on_a_gpu_follows_its_hardware(monkeypatch, emulated):
    """Emulated by torch, bfloat16 is slower than float32."""
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated
    )
    assert select_precision("auto", "cuda") == ("float32" if emulated else "bfloat16")


@pytest.mark.parametrize("has_amx", [True, False])
def test_auto_takes_no_timing(photo, monkeypatch, has_amx):
    """Beside other work, or with a clock of any speed: the same machine always gives the same precision."""
    monkeypatch.setattr(kernels, "_has_amx", lambda: has_amx)
    expected = select_precision("auto", "cpu")
    assert expected == ("bfloat16" if has_amx and torch.backends.mkldnn.is_available() else "float32")
    for name in ("perf_counter", "perf_counter_ns", "monotonic", "time", "process_time"):
        monkeypatch.setattr(time, name, lambda: pytest.fail("a clock was read"))
    multiply = torch.mm

    def slow(*arguments, **options):
        if arguments[0].dtype == torch.bfloat16:
            pytest.fail("a product was tried")
        return multiply(*arguments, **options)

    monkeypatch.setattr(torch, "mm", slow)
    assert {select_precision("auto", "cpu") for _ in range(5)} == {expected}
    monkeypatch.undo()
    monkeypatch.setattr(kernels, "_has_amx", lambda: has_amx)
    training = TrainingConfig(epochs=1, device="cpu")
    network = next(fftool.fit(photo, network=NetworkConfig(hidden=8), training=training)).network
    assert network.config.training.precision == expected


def test_auto_is_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert select_device("auto") == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert select_device("auto") == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert select_device("auto") == "cpu"
    assert select_device("cpu") == "cpu"
    for name in ("cuda", "mps"):
        with pytest.raises(DeviceError, match=f"torch finds no {name} device") as caught:
            select_device(name)
        assert caught.value.device == name


def test_threads_are_set_where_they_are_given(monkeypatch):
    counts = []
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    device.use_threads(0)
    assert counts == []
    device.use_threads(3)
    assert counts == [3]
