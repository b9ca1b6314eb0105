"""Where memory is short: smaller blocks, then a typed error."""

import sys

import numpy as np
import pytest
import torch
from conftest import EXAMPLES, pixels

import fftool
from fftool import TrainingConfig
from fftool.backend.cuda_graph import GRAPHS, EagerGraph
from fftool.backend.memory import (
    ALLOCATION_MESSAGES,
    Buffers,
    block_size,
    enough_memory,
    in_blocks,
    is_out_of_memory,
    memory_errors,
)
from fftool.errors import OutOfMemoryError
from fftool.rendering import _Renderer
from fftool.training.batches import BatchFeatures
from fftool.training.gradient import Gradient

CPU_ON_LINUX = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4503599627370496 bytes. Error code 12 (Cannot allocate memory)"
)
OUT_OF_MEMORY = {
    "Linux": CPU_ON_LINUX,
    "Windows": "[enforce fail at alloc_cpu.cpp:116] data. DefaultCPUAllocator: not enough memory: you tried to "
    "allocate 4503599627370496 bytes.",
    "MPS": "MPS backend out of memory (MPS allocated: 17.12 GB, other allocations: 384.00 KB, max allowed: 18.13 GB). "
    "Tried to allocate 1.50 GB on private pool. Use PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0 to disable upper limit for "
    "memory allocations (may cause system failure).",
    "mmap": "unable to mmap 4096 bytes from file <model.st>: Cannot allocate memory (12)",
    "CUDA": "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB of which "
    "3.25 MiB is free. Including non-PyTorch memory, this process has 79.10 GiB memory in use.",
    "CUDA driver": "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other call",
    "cuBLAS": "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
}


@pytest.mark.parametrize("text", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)
def test_recognizes_each_allocators_message(text):
    assert is_out_of_memory(RuntimeError(text))
    with pytest.raises(MemoryError), memory_errors():
        raise RuntimeError(text)
    with (
        pytest.raises(OutOfMemoryError, match=r"^not enough memory for training$") as caught,
        enough_memory("training"),
    ):
        raise RuntimeError(text)
    assert caught.value.work == "training"


def test_each_message_has_a_text_that_it_comes_from():
    for message in ALLOCATION_MESSAGES:
        assert any(message in text for text in OUT_OF_MEMORY.values()), message


def test_recognizes_what_this_torch_raises():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("whatever it says"))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("the memory format option is only supported by strided tensors"),
        RuntimeError(""),
        ValueError(CPU_ON_LINUX),
    ],
)
def test_other_errors_are_no_lack_of_memory(error):
    def work(block):
        raise error

    for section in (memory_errors(), enough_memory("rendering")):
        with pytest.raises(type(error)) as caught, section:
            raise error
        assert caught.value is error
    with pytest.raises(type(error)):
        in_blocks(work, 8, 1)


def test_blocks_are_halved_until_one_fits():
    tried = []

    def work(block):
        tried.append(block)
        if block > 30:
            raise RuntimeError(CPU_ON_LINUX)
        return torch.ones(block).sum().item()

    assert in_blocks(work, 100, 8) == (25.0, 25)
    assert tried == [100, 50, 25]
    assert in_blocks(lambda block: block, 8, 1) == (8, 8)


def test_smallest_block_is_tried_before_giving_up():
    tried = []

    def work(block):
        tried.append(block)
        raise MemoryError

    with pytest.raises(MemoryError):
        in_blocks(work, 100, 30)
    assert tried == [100, 50, 30]


def test_block_size_is_bounded_by_memory():
    """2³⁰ bytes, between the least and the most."""
    assert block_size(4096, 1000, 64) == 4096
    assert block_size(10**7, 1024, 64) == 2**20
    assert block_size(4096, 2**30, 64) == 64


def test_buffers_are_reused_and_grow():
    buffers = Buffers(torch.device("cpu"), torch.float64)
    first = buffers("a", 5, 3)
    assert (first.shape, first.dtype) == ((5, 3), torch.float64)
    assert buffers("a", 2, 3).data_ptr() == first.data_ptr()
    assert buffers("b", 5, 3).data_ptr() != first.data_ptr()
    assert buffers("a", 9, 3).shape == (9, 3)
    buffers.clear()
    assert not buffers.memory


def limit(monkeypatch, owner, name, argument, most):
    """Have a method run out of memory for more samples than that; returns the sizes that were asked for."""
    method, sizes = getattr(owner, name), []

    def limited(self, *arguments):
        sizes.append(argument(*arguments))
        if sizes[-1] > most:
            raise RuntimeError(CPU_ON_LINUX)
        return method(self, *arguments)

    monkeypatch.setattr(owner, name, limited)
    return sizes


def train(photo):
    training = TrainingConfig(epochs=2, batch_size=1000, precision="float32", device="cpu")
    encoding, network = fftool.EncodingConfig(scale=8.0, dimension=32), fftool.NetworkConfig(hidden=32)
    for progress in fftool.fit(photo, encoding, network, training):
        pass
    return progress


@pytest.fixture(scope="module")
def undisturbed(photo):
    return train(photo)


def assert_alike(progress, other):
    """The same network, but for rounding."""
    assert (progress.step, progress.loss) == (other.step, pytest.approx(other.loss, rel=1e-4))
    for name, tensor in other.network.state_dict().items():
        difference = (progress.network.state_dict()[name] - tensor).norm()
        assert difference <= 0.01 * tensor.norm(), name


def test_training_takes_smaller_blocks(photo, undisturbed, monkeypatch):
    """The same gradient: 1000 samples do not fit, nor 500, but 250 do."""
    sizes = limit(monkeypatch, Gradient, "__call__", lambda features, values: len(features), 300)
    parts = train(photo)
    assert sizes[:3] == [1000, 500, 250]
    assert max(sizes[2:]) == 250
    assert_alike(parts, undisturbed)


def test_features_too_large_to_cache_are_computed_for_each_batch(photo, undisturbed, monkeypatch):
    monkeypatch.setattr(BatchFeatures, "_compute_all", lambda self: (_ for _ in ()).throw(MemoryError()))
    assert train(photo).loss == undisturbed.loss


class CheckedGraph(EagerGraph):
    """Graph that knows the memory that it addresses, as a captured one does."""

    recorded = 0

    def __init__(self, function, input):
        super().__init__(function, input)
        CheckedGraph.recorded += 1
        self.buffers = function.__self__.gradient.buffers
        self.memory = self.addressed()

    def addressed(self):
        return {name: tensor.data_ptr() for name, tensor in self.buffers.memory.items()}

    def replay(self):
        assert self.memory == self.addressed(), "memory of a recorded graph was freed"
        return super().replay()


@pytest.mark.parametrize("failing", [1, 6])
def test_graph_is_recorded_again_after_a_rest_ran_out_of_memory(photo, monkeypatch, failing):
    """An epoch is eight batches of 350 and a rest of 272, whose gradient runs out of memory in one epoch.

    The graph is recorded in the fourth step. Its memory is given back with the graph itself, and training continues to
    the same network.
    """
    encoding, network = fftool.EncodingConfig(scale=8.0, dimension=32), fftool.NetworkConfig(hidden=32)
    training = TrainingConfig(epochs=8, batch_size=350, precision="float32", learning_rate=0.01, device="cpu")

    def trained():
        for progress in fftool.fit(photo, encoding, network, training):
            pass
        return progress

    expected = trained()
    monkeypatch.setitem(GRAPHS, "cpu", CheckedGraph)
    monkeypatch.setattr(CheckedGraph, "recorded", 0)
    gradient, rests = Gradient.__call__, []

    def limited(self, features, values):
        if len(features) == 272:
            rests.append(CheckedGraph.recorded)
            if len(rests) == failing:
                raise RuntimeError(CPU_ON_LINUX)
        return gradient(self, features, values)

    monkeypatch.setattr(Gradient, "__call__", limited)
    progress = trained()
    assert rests == [1] * failing  # from then on, the rest is computed in two parts
    assert CheckedGraph.recorded == 2
    assert_alike(progress, expected)


def test_rendering_takes_smaller_blocks(model_path, monkeypatch):
    network = fftool.load(model_path)
    whole = fftool.render(network, (96, 128))
    sizes = limit(monkeypatch, _Renderer, "values", lambda row, column, shape: shape[0] * shape[1], 1500)
    parts = fftool.render(network, (96, 128))
    assert sizes[:2] == [8192, 4096]
    assert np.abs(whole.astype(int) - parts).max() <= 1


def test_error_names_the_work_where_no_block_is_small_enough(model_path, photo, monkeypatch):
    network = fftool.load(model_path)
    sizes = limit(monkeypatch, _Renderer, "values", lambda row, column, shape: shape[0] * shape[1], 0)
    with pytest.raises(OutOfMemoryError, match=r"^not enough memory for rendering$") as caught:
        fftool.render(network)
    assert (caught.value.work, min(sizes)) == ("rendering", 256)
    sizes = limit(monkeypatch, Gradient, "__call__", lambda features, values: len(features), 0)
    with pytest.raises(OutOfMemoryError, match=r"^not enough memory for training$") as caught:
        train(photo)
    assert (caught.value.work, sizes) == ("training", [1000, 500, 250, 125, 64])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to RLIMIT_AS")
def test_commands_stay_within_2_gb(run_process, photo_path, quick_model_path, tmp_path):
    """A batch and a rendering that would take more at once are done in blocks; a network is refused."""
    import resource

    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))}
    whole_image = ("--epochs", 1, "--scale", 8, "--batch-size", 262_144, "--precision", "float32")  # 6 kB a sample
    done = run_process("train", EXAMPLES / "astronaut.jpg", *whole_image, **limit)
    assert done.returncode == 0, done.stderr
    done = run_process("render", quick_model_path, "--size", "2000x2000", "-o", "a.png", **limit)  # 524 bytes a sample
    assert done.returncode == 0, done.stderr
    assert pixels(tmp_path / "a.png").shape == (2000, 2000, 3)
    before = (tmp_path / "model.st").read_bytes()
    done = run_process("train", photo_path, "--hidden", 10_000, "--epochs", 1, "--overwrite", **limit)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: not enough memory for training",
        "hint: use a smaller --batch-size, --hidden or --dimension",
    ]
    assert (tmp_path / "model.st").read_bytes() == before
