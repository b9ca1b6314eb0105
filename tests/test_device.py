"""Choice of the device and of the precision."""

import os
import subprocess
import sys
import time

import pytest
import torch
from test_kernels import onednn_disabled

import fftool
from fftool import NetworkConfig, TrainingConfig
from fftool.backend import device, kernels
from fftool.backend.device import select_device, select_precision
from fftool.backend.processors import available_processors
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
    """Whatever a container grants; without a number, one in the environment is torch's to follow."""
    counts = []
    monkeypatch.setattr(device, "available_processors", lambda: 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    device.use_threads(0)
    assert counts == []
    device.use_threads(3)
    assert counts == [3]


@pytest.mark.parametrize(
    ("granted", "default", "expected"), [(1, 8, [1]), (2, 8, [2]), (8, 8, []), (16, 8, []), (None, 8, [])]
)
def test_default_threads_follow_the_granted_processors(monkeypatch, granted, default, expected):
    counts = []
    for name in device.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device, "available_processors", lambda: granted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: default)
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    device.use_threads(0)
    assert counts == expected


# Files below the root of a system, and the processors that they grant.
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
CGROUPS = {
    "version 2, in a container": (
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "100000 100000\n"},
        1,
    ),
    "a part of a processor": (
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "10000 100000\n"},
        1,
    ),
    "one and a half": (
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "150000 100000\n"},
        2,
    ),
    "no quota": (
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "max 100000\n"},
        None,
    ),
    "of the group itself": (
        {
            "proc/self/cgroup": "0::/user.slice/job.scope\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user.slice/job.scope/cpu.max": "300000 100000\n",
        },
        3,
    ),
    "of a group above it": (
        {
            "proc/self/cgroup": "0::/user.slice/job.scope\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/user.slice/cpu.max": "100000 50000\n",
            "sys/fs/cgroup/user.slice/job.scope/cpu.max": "300000 100000\n",
        },
        2,
    ),
    "of another group": (
        {
            "proc/self/cgroup": "0::/user.slice\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/other.slice/cpu.max": "100000 100000\n",
        },
        None,
    ),
    "version 2, a part of the tree is mounted": (
        {
            "proc/self/cgroup": "0::/docker/abc/deep\n",
            "proc/self/mountinfo": V2.replace(" / ", " /docker/abc ", 1),
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/deep/cpu.max": "max 100000\n",
        },
        2,
    ),
    "a group outside of what is mounted": (
        {
            "proc/self/cgroup": "0::/../../job\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "job/cpu.max": "100000 100000\n",
        },
        2,
    ),
    "version 1, in a container": (
        {
            "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
            "proc/self/mountinfo": V1.replace(" / ", " /docker/abc ", 1),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        3,
    ),
    "version 1, of a group above it": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/a/b\n",
            "proc/self/mountinfo": V1,
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
        },
        1,
    ),
    "version 1, and version 2 beside it": (
        {
            "proc/self/cgroup": "1:cpu:/a\n0::/a\n",
            "proc/self/mountinfo": V1.replace("cpu,cpuacct rw ", "cpu rw ").replace("rw,cpu,cpuacct", "rw,cpu")
            + V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified "),
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    "damaged": (
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "many 0\n"},
        None,
    ),
    "descriptions of an unknown kind": (
        {"proc/self/cgroup": "0\n\n:::", "proc/self/mountinfo": "30 23 - cgroup2\n"},
        None,
    ),
    "a period of zero": (
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "100000 0\n"},
        None,
    ),
    "none": ({}, None),
}


@pytest.mark.parametrize(("files", "expected"), CGROUPS.values(), ids=CGROUPS.keys())
def test_quota_of_a_container_limits_the_processors(tmp_path, monkeypatch, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS and Windows
    assert available_processors(tmp_path) == expected


def test_affinity_mask_limits_the_processors(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 7}, raising=False)
    assert available_processors(tmp_path) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds processes to processors")
def test_process_bound_to_one_processor_computes_with_one_thread():
    """Bound after torch has counted the processors."""
    program = (
        "import os, torch; torch.set_num_threads(4); os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from fftool.backend.device import use_threads; use_threads(0); print(torch.get_num_threads());"
        "use_threads(3); print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name not in device.THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, timeout=100
    )
    assert done.stdout.split() == ["1", "3"]
