"""The torch state of a program: under any of it, the same calls give the same bytes, and it stays as it was."""

import ast
import copy
import threading
from contextlib import contextmanager, nullcontext
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import torch

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.backend.isolation import exact_products
from fftool.models.encoding import axis_scales, expected_kernel, kernel
from fftool.models.frequencies import Frequencies


@contextmanager
def setting(set_value, value, before):
    set_value(value)
    try:
        yield
    finally:
        set_value(before)


def default_dtype(dtype):
    return setting(torch.set_default_dtype, dtype, torch.float32)


def set_precision_of_all_backends(precision):
    torch.backends.fp32_precision = precision


# What a program may have set before it calls fftool. Each is a function that gives a context.
STATES = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "meta device": lambda: torch.device("meta"),
    "default device": lambda: setting(torch.set_default_device, "meta", None),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast to half": lambda: torch.autocast("cpu", torch.float16),
    "inference mode": torch.inference_mode,
    "no grad": torch.no_grad,
    "medium products": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "products of all backends": lambda: setting(set_precision_of_all_backends, "bf16", "none"),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "flushed denormals": lambda: setting(torch.set_flush_denormal, True, False),
    "numpy errors": lambda: np.errstate(all="raise"),
}
SIGNAL = Signal(np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8))


def course(kind="gaussian", precision="float32", **settings):
    """A training whose products are large enough for oneDNN."""
    training = TrainingConfig(epochs=2, batch_size=256, holdout=0.1, target_psnr=90, precision=precision, **settings)
    return fftool.fit(SIGNAL, EncodingConfig(kind=kind, dimension=64), NetworkConfig(hidden=64), training)


def results(folder, **settings):
    """Bytes that the library gives for one signal: trained, resumed, saved, loaded, rendered, measured."""
    for progress in course(**settings):
        if progress.step == 3:
            run = progress.snapshot()
    found = {"loss": progress.loss, "quality": fftool.evaluate(progress, SIGNAL)}
    fftool.save_run(run, folder / "run.st")
    run = fftool.load_run(folder / "run.st")
    found["run"] = b"".join(tensor.numpy().tobytes() for tensor in run.optimizer.values())
    for resumed in fftool.resume(SIGNAL, run):
        pass
    fftool.evaluate(resumed, SIGNAL)
    for name, each in {"model": progress.network, "resumed": resumed.network}.items():
        fftool.save(each, folder / name)
        found[name] = (folder / name).read_bytes()
    network = fftool.load(folder / "model")
    found["loaded"] = {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}
    found["rendered"] = fftool.render(network, (20, 70), bits=16).tobytes()
    v = fftool.coordinates((90, 80))
    found["coordinates"] = v.numpy().tobytes()
    if network.B is not None:
        found["features"] = fftool.fourier_features(v, network.B).numpy().tobytes()
        shown = Frequencies(network.config.encoding, network.B, (6, 9))
        found["shown"] = [cos.tobytes() + sin.tobytes() for cos, sin in shown.features()]
        found["kernel"] = shown.half_width
    return found, network


KINDS = [("gaussian", "float32", "muon"), ("positional", "bfloat16", "adam"), ("none", "float32", "adam")]


@pytest.fixture(scope="module", params=KINDS, ids=" ".join)
def expected(request, tmp_path_factory):
    """Settings, and their results in a program that has set nothing."""
    settings = dict(zip(("kind", "precision", "optimizer"), request.param, strict=True))
    return settings, results(tmp_path_factory.mktemp("expected"), **settings)[0]


@pytest.mark.parametrize("state", STATES)
def test_same_bytes_under_any_state(expected, tmp_path, state):
    settings, right = expected
    with STATES[state]():
        found, network = results(tmp_path, **settings)
    for name, value in right.items():
        assert found[name] == value, name
    network(torch.full((3, 2), 0.5)).sum().backward()  # no inference tensor is left in it
    assert network.layers[0].weight.grad is not None


def test_right_under_two_states_at_once(expected, tmp_path):
    settings, right = expected
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), default_dtype(torch.float64):
        assert results(tmp_path, **settings)[0] == right


def state_of_program():
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "autocast": torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu"),
        "inference mode": torch.is_inference_mode_enabled(),
        "gradients": torch.is_grad_enabled(),
        "products": (torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cuda.matmul.fp32_precision),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


@pytest.mark.parametrize("state", ["nothing", *STATES])
def test_caller_has_its_own_state_between_steps(trained, photo, state):
    """In the loop over a training, after leaving it early, in callbacks, and after errors."""
    with {"nothing": nullcontext, **STATES}[state]():
        seen = [state_of_program()]
        for progress in course():
            seen.append(state_of_program())
            progress.snapshot()
            seen.append(state_of_program())
            if progress.step == 2:
                break
        fftool.render(trained.network, (9, 9), callback=lambda n: seen.append(state_of_program()))
        with pytest.raises(fftool.FFToolError):
            list(fftool.fit(photo, network=NetworkConfig(hidden=8), training=TrainingConfig(learning_rate=1e30)))
        seen.append(state_of_program())
    assert all(each == seen[0] for each in seen)
    assert len(seen) == 7


def test_state_that_changes_between_steps_changes_nothing():
    """As in a notebook: each step finds another state than the one before."""
    plain = list(course())[-1].network.state_dict()
    steps = course()
    for state in cycle(STATES.values()):
        with state():
            following = next(steps, None)
        if following is None:
            break
        progress = following
    for name, tensor in progress.network.state_dict().items():
        assert torch.equal(tensor, plain[name]), name


def test_threads_share_full_precision():
    """The first section to begin changes the process's setting, and the last one to end restores it."""
    matmul, order = torch.backends.mkldnn.matmul, []
    entered, leave = threading.Event(), threading.Event()

    def other():
        with exact_products():
            order.append(matmul.fp32_precision)
            entered.set()
            leave.wait(10)
        order.append(matmul.fp32_precision)

    with STATES["medium products"]():
        before = matmul.fp32_precision
        thread = threading.Thread(target=other)
        with exact_products():
            thread.start()
            assert entered.wait(10)
        order.append(matmul.fp32_precision)
        leave.set()
        thread.join(10)
        assert before == "bf16"
        assert order == ["ieee", "ieee", "bf16"]
        assert matmul.fp32_precision == "bf16"


def test_precision_that_was_inherited_stays_inherited():
    """`torch.backends.fp32_precision` still decides for a backend that has no precision of its own."""
    matmul = torch.backends.mkldnn.matmul
    own, matmul.fp32_precision = matmul.fp32_precision, "none"
    try:
        with STATES["products of all backends"]():
            with exact_products():
                assert matmul.fp32_precision == "ieee"
            assert matmul.fp32_precision == "bf16"
        assert matmul.fp32_precision == "none"
    finally:
        matmul.fp32_precision = own


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_renders_and_measures_a_network_of_any_precision(trained, photo, dtype):
    """As float32: the double of a network gives the same samples, one of half precision nearly the same."""
    network = copy.deepcopy(trained.network).to(dtype)
    expected = fftool.render(trained.network, (30, 41), bits=16).astype(int)
    found = fftool.render(network, (30, 41), bits=16).astype(int)
    difference = np.abs(found - expected) / 65535
    assert difference.max() == 0 if dtype == torch.float64 else 0 < difference.mean() < 0.1
    v = fftool.coordinates((30, 41)).to(dtype)
    with torch.no_grad():
        values = network(v)
    assert values.dtype == dtype
    if dtype == torch.float64:
        assert np.abs(values.reshape(30, 41, 3).numpy() * 65535 - found).max() < 1
    assert network.B.dtype == dtype  # as it was


def test_network_under_autocast_has_exact_phases(trained):
    """Rounded to bfloat16, a phase of many turns would be noise."""
    v = fftool.coordinates((48, 64))
    with torch.no_grad():
        exact = trained.network(v)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = trained.network(v)
    assert (rounded.float() - exact).abs().max() < 0.05


def test_features_have_gradients_unless_the_program_says_no(trained):
    """Sections leave the caller's tape alone where users differentiate."""
    v = fftool.coordinates((4, 5)).requires_grad_()
    fftool.fourier_features(v, trained.network.B).sum().backward()
    assert v.grad is not None
    with torch.no_grad():
        assert not fftool.fourier_features(v, trained.network.B).requires_grad


FACTORIES = {
    "arange", "empty", "eye", "full", "linspace", "logspace", "ones", "rand", "randint", "randn", "randperm", "tensor",
    "as_tensor", "zeros",
}  # fmt: skip
SOURCES = sorted(Path(fftool.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_each_new_tensor_names_its_dtype_and_device(path):
    """So that the defaults of a program have no part in it."""
    unnamed = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=name), keywords=options) if (
                name in FACTORIES
            ):
                if not {"dtype", "device"} <= {option.arg for option in options}:
                    unnamed.append(f"line {node.lineno}: torch.{name}")
    assert not unnamed


def test_kernels_of_an_encoding_keep_the_precision_of_their_input(trained):
    B, encoding = trained.network.B, trained.network.config.encoding
    difference = fftool.coordinates((5, 6)) - 0.5
    plain = kernel(difference, B), expected_kernel(difference, axis_scales(encoding, 2))
    with default_dtype(torch.float64), torch.device("meta"):
        again = kernel(difference, B), expected_kernel(difference, axis_scales(encoding, 2))
    assert all(map(torch.equal, plain, again))
