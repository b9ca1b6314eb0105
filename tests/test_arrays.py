"""Arrays and tensors of all kinds in every public function: right results, or a typed error before anything happens."""

import numpy as np
import pytest
import torch

import fftool
from fftool import EncodingConfig, Region, Signal, TrainingConfig, media
from fftool.errors import SettingError, SignalError

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 2**16, (12, 10, 3), np.uint16)


def bytes_at_odd_address(array):
    """The same array, whose numbers do not lie where the processor wants them."""
    return np.frombuffer(b"\0" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


class Subclass(np.ndarray):
    """As imageio's arrays are."""


VIEWS = {
    "rows": lambda a: np.repeat(a, 2, axis=0)[::2],
    "columns": lambda a: np.repeat(a, 3, axis=1)[:, ::3],
    "upside down": lambda a: a[::-1].copy()[::-1],
    "mirrored": lambda a: a[:, ::-1].copy()[:, ::-1],
    "channels": lambda a: a[..., ::-1].copy()[..., ::-1],
    "some channels": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    "transposed": lambda a: a.swapaxes(0, 1).copy().swapaxes(0, 1),
    "Fortran": np.asfortranarray,
    "planar": lambda a: np.moveaxis(np.moveaxis(a, -1, 0).copy(), 0, -1),
    "swapped bytes": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "odd address": bytes_at_odd_address,
    "subclass": lambda a: a.view(Subclass),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_view_is_written_as_its_samples(tmp_path, view, channels, dtype):
    """In all formats that keep them; the others are compared with the file of a plain array."""
    plain = RANDOM.integers(0, np.iinfo(dtype).max, (12, 10, channels), dtype, endpoint=True)
    shown = VIEWS[view](plain)
    assert np.array_equal(shown, plain)
    for suffix in media.get().suffixes:
        path = tmp_path / f"view{suffix}"
        if 8 * plain.itemsize not in media.get().format_of(path).bits:
            continue
        if channels == 4 and suffix in (".jpg", ".jpeg", ".bmp"):
            continue
        fftool.write_image(path, shown)
        if suffix in (".jpg", ".jpeg", ".webp", ".avif"):
            fftool.write_image(tmp_path / f"plain{suffix}", plain)
            assert path.read_bytes() == (tmp_path / f"plain{suffix}").read_bytes()
        else:
            np.testing.assert_array_equal(fftool.read_image(path).samples, plain)


@pytest.mark.parametrize("view", VIEWS)
def test_any_view_is_a_signal(view):
    """The same one: its hash, σ, training and figures."""
    plain, signal = Signal(IMAGE), Signal(VIEWS[view](IMAGE))
    assert (signal.config, signal.bits) == (plain.config, 16)
    assert fftool.search_scale(signal) == fftool.search_scale(plain)
    networks = []
    for each in (plain, signal):
        for progress in fftool.fit(each, EncodingConfig(scale=2.0, dimension=8), training=TrainingConfig(epochs=1)):
            pass
        assert fftool.evaluate(progress, each).psnr == fftool.psnr(IMAGE, fftool.render(progress.network))
        networks.append(progress.network.state_dict())
    for name, tensor in networks[0].items():
        assert torch.equal(networks[1][name], tensor)


@pytest.mark.parametrize("view", VIEWS)
def test_figures_of_any_view_are_those_of_its_samples(view):
    other = RANDOM.integers(0, 2**16, IMAGE.shape, np.uint16)
    for measure in (fftool.psnr, fftool.ssim):
        expected = measure(IMAGE, other)
        assert measure(VIEWS[view](IMAGE), other) == pytest.approx(expected, rel=1e-12)
        assert measure(IMAGE, VIEWS[view](other)) == pytest.approx(expected, rel=1e-12)


WRONG = {
    "a list": (IMAGE.tolist(), "samples are of type list: expected a numpy array"),
    "a tensor": (torch.zeros(12, 10, 3, dtype=torch.uint8), "samples are of type Tensor: expected a numpy array"),
    "none": (None, "samples are of type NoneType"),
    "a number": (np.uint8(3), "samples are of type uint8: expected a numpy array"),
    "a mask": (np.ma.array(IMAGE), "samples are of type MaskedArray: expected a numpy array without a mask"),
    "0-d": (np.array(3, np.uint8), r"samples have shape \(\)"),
    "1-d": (np.zeros(9, np.uint8), r"samples have shape \(9,\)"),
    "empty": (np.zeros((0, 10, 3), np.uint8), r"samples have shape \(0, 10, 3\): expected at least one sample"),
    **{
        dtype: (np.zeros((12, 10, 3), dtype), f"samples are {dtype}: expected uint8 or uint16")
        for dtype in (
            "int8",
            "int16",
            "uint32",
            "int64",
            "float16",
            "float32",
            "float64",
            "bool",
            "complex64",
            "object",
        )
    },
    "text": (np.full((12, 10, 3), "a"), "samples are <U1"),
}
SAMPLES_IN = {
    "Signal": lambda samples, folder: Signal(samples),
    "psnr": lambda samples, folder: fftool.psnr(samples, samples),
    "ssim": lambda samples, folder: fftool.ssim(samples, samples),
    **{
        f"write_image {suffix}": lambda samples, folder, suffix=suffix: fftool.write_image(
            folder / f"a{suffix}", samples
        )
        for suffix in (".png", ".jpg", ".webp", ".avif", ".tif", ".bmp")
    },
}


@pytest.mark.parametrize("function", SAMPLES_IN)
@pytest.mark.parametrize("wrong", WRONG)
def test_refuses_what_is_no_array_of_samples(tmp_path, function, wrong):
    samples, problem = WRONG[wrong]
    with pytest.raises(SignalError, match=problem):
        SAMPLES_IN[function](samples, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", ["Signal", "ssim", "write_image .png", "write_image .tif"])
def test_grey_image_needs_an_axis_for_its_channel(tmp_path, function):
    """(height, width) would otherwise be a row of samples with many channels."""
    grey = RANDOM.integers(0, 256, (20, 30), np.uint8)
    with pytest.raises(
        SignalError, match=r"shape \(20, 30\): expected .*, channels\): add a channel axis with array\[..., "
    ):
        SAMPLES_IN[function](grey, tmp_path)
    SAMPLES_IN[function](grey[..., None], tmp_path)


def test_psnr_is_the_same_wherever_the_channels_are():
    a, b = RANDOM.integers(0, 256, (2, 20, 30), np.uint8)
    assert fftool.psnr(a, b) == fftool.psnr(a[..., None], b[..., None]) == fftool.psnr(a[None], b[None])


def test_signal_without_planes_has_no_ssim():
    """One axis: evaluate leaves it out."""
    signal = Signal(RANDOM.integers(0, 256, (40, 1), np.uint8), axes=("x",))
    training = TrainingConfig(epochs=1, batch_size=64)
    for progress in fftool.fit(signal, EncodingConfig(scale=2.0), training=training):
        pass
    assert fftool.evaluate(progress, signal).ssim is None


def test_psnr_needs_samples_to_compare():
    with pytest.raises(SignalError, match="there are no samples to compare"):
        fftool.psnr(IMAGE, IMAGE, torch.arange(0))


NO_SIGNALS = [IMAGE, None, "photo.png"]


@pytest.mark.parametrize("wrong", NO_SIGNALS, ids=["array", "none", "path"])
def test_refuses_what_is_no_signal(trained, wrong):
    for work in (
        lambda: next(fftool.fit(wrong)),
        lambda: next(fftool.resume(wrong, trained.snapshot())),
        lambda: fftool.search_scale(wrong),
        lambda: fftool.evaluate(trained, wrong),
    ):
        with pytest.raises(SignalError, match=f"the signal is of type {type(wrong).__name__}: expected a Signal"):
            work()


@pytest.mark.parametrize(
    "signal",
    [Signal(IMAGE[..., :1]), Signal(IMAGE[0], axes=("x",)), Signal(IMAGE[None], axes=("t", "y", "x"))],
    ids=["channels", "one axis", "three axes"],
)
def test_refuses_to_evaluate_on_a_signal_of_another_kind(trained, monkeypatch, signal):
    """Before it renders."""
    monkeypatch.setattr("fftool.evaluation.render", lambda *arguments, **options: pytest.fail("rendered"))
    with pytest.raises(SignalError, match="expected 2 axes and 3 channels, as the network has"):
        fftool.evaluate(trained, signal)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([0.5], "values are of type list"),
        (torch.zeros(3), "values are of type Tensor"),
        (np.ma.array([0.5]), "values are of type MaskedArray"),
        (np.array([1], np.uint8), "values are uint8: expected floating-point numbers"),
        (np.array([True]), "values are bool"),
        (np.array([0.5, np.nan]), "some values are not a number"),
        (np.array([0.5j]), "values are complex128"),
    ],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_quantize_refuses_what_are_no_values(values, problem, bits):
    with pytest.raises(SignalError, match=problem):
        fftool.quantize(values, bits)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_quantize_takes_floats_of_any_precision(dtype):
    """16 bits of a float16 too, whose own numbers end at 65504; infinities are clamped."""
    values = np.array([-np.inf, -1, 0, 0.25, 0.5, 1, 2, np.inf], dtype)
    assert fftool.quantize(values, 16).tolist() == [0, 0, 0, 16384, 32768, 65535, 65535, 65535]
    assert fftool.quantize(values, 8).tolist() == [0, 0, 0, 64, 128, 255, 255, 255]


@pytest.mark.parametrize(
    "shape", [[7, 9], np.array([7, 9]), (np.int32(7), np.uint8(9)), (7.0, 9.0), torch.Size([7, 9]), iter((7, 9))]
)
def test_shapes_of_whole_numbers_are_taken(trained, shape):
    assert fftool.render(trained.network, shape).shape == (7, 9, 3)


WRONG_SHAPES = [
    5,
    "ab",
    "57",
    None,
    (),
    (0, 5),
    (-1, 5),
    (5.5, 5),
    (True, 5),
    (np.nan, 5),
    (None, 5),
    ("5", "5"),
    ((5, 5),),
]


@pytest.mark.parametrize("shape", [*WRONG_SHAPES[:3], *WRONG_SHAPES[4:], (5,), (5, 5, 5), 5.0, np.array(5), {"y": 5}])
def test_refuses_to_render_other_shapes(trained, shape):
    with pytest.raises(SettingError, match=r"invalid shape .*: expected a size from 1 up for each of the axes y, x"):
        fftool.render(trained.network, shape)


@pytest.mark.parametrize("shape", WRONG_SHAPES)
def test_refuses_coordinates_of_other_shapes(shape):
    for work in (
        lambda: fftool.coordinates(shape),
        lambda: fftool.sample_coordinates(torch.arange(3), shape),
    ):
        with pytest.raises(SettingError, match=r"invalid shape .*: expected a size from 1 up for each axis"):
            work()


@pytest.mark.parametrize(
    "region", [(0, 0, 1, 1), "all", (), 0, False, Region((0.0,), (1.0,)), Region((0,) * 3, (1,) * 3)]
)
def test_refuses_other_regions(trained, region):
    with pytest.raises(SettingError, match=r"invalid region .*: expected a Region with .* for each of the axes y, x"):
        fftool.render(trained.network, (5, 5), region=region)
    with pytest.raises(SettingError, match=r"invalid region .*: expected a Region with .* for each axis"):
        fftool.coordinates((5, 5), region)


def test_region_takes_numbers_of_any_kind(trained):
    plain = Region((0.25, 0.0), (0.5, 1.0))
    region = Region([np.float32(0.25), 0], np.array([0.5, 1]))
    assert region == plain
    assert hash(region) == hash(plain)


@pytest.mark.parametrize(
    ("origin", "extent"),
    [((0.0,), (1.0, 1.0)), ((0.0, 0.0), (1.0,)), (0.0, 1.0), (("a",), ("b",)), ((), ()), (None, None), ("0", "1"),
     ((0j,), (1j,)), ((None,), (1.0,))],
)  # fmt: skip
def test_region_refuses_what_are_no_numbers_for_each_axis(origin, extent):
    with pytest.raises(SettingError, match=r"invalid (origin|extent) .*: expected "):
        Region(origin, extent)


@pytest.mark.parametrize(
    "index",
    [[0, 1], np.arange(3), torch.arange(3.0), torch.ones(3, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.int64), 3,
     torch.tensor(3)],
)  # fmt: skip
def test_refuses_what_is_no_index(index):
    with pytest.raises(SignalError, match=r"the index is .*: expected a tensor of integers with shape \(n,\)"):
        fftool.sample_coordinates(index, (5, 5))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, "float32", np.float32])
def test_refuses_coordinates_that_are_no_floats(dtype):
    with pytest.raises(SettingError, match=r"invalid dtype .*: expected that of floating-point numbers"):
        fftool.coordinates((5, 5), dtype=dtype)


V, B = torch.zeros(5, 2), torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("v", "frequencies", "problem"),
    [
        (V.numpy(), B, "the coordinates are of type ndarray: expected a torch tensor"),
        (V, B.numpy(), "the frequencies are of type ndarray: expected a torch tensor"),
        (V, None, "the frequencies are of type NoneType"),
        (V.double(), B, "torch.float64 and the frequencies torch.float32: expected both float32 or both float64"),
        (V.half(), B.half(), "the coordinates are torch.float16"),
        (V.bfloat16(), B.bfloat16(), "the coordinates are torch.bfloat16"),
        (V.long(), B.long(), "the coordinates are torch.int64"),
        (V[:, :1], B, r"shape \(5, 1\) and the frequencies \(2, 4\): expected \(n, d\) and \(d, m\)"),
        (V, B.T, r"shape \(5, 2\) and the frequencies \(4, 2\)"),
        (V, B[0], r"shape \(5, 2\) and the frequencies \(4,\)"),
        (V.sum(), B, r"shape \(\) and the frequencies \(2, 4\)"),
    ],
)
def test_features_refuse_other_tensors(v, frequencies, problem):
    with pytest.raises(SignalError, match=problem):
        fftool.fourier_features(v, frequencies)


@pytest.mark.parametrize(
    "out", [torch.empty(5, 7), torch.empty(4, 8), torch.empty(5, 8, dtype=torch.float64), np.zeros((5, 8))]
)
def test_features_refuse_other_memory(out):
    with pytest.raises(
        SignalError, match=r"the memory for the features is .*: expected torch.float32 with shape \(5, 8\)"
    ):
        fftool.fourier_features(V, B, out)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"encoding": EncodingConfig(scale=5.0)}, "invalid encoding .*: expected an Encoding, as .*resolve"),
        ({"n_axes": 0}, "invalid number of axes 0"),
        ({"n_axes": 2.5}, "invalid number of axes 2.5"),
        ({"n_axes": 3}, r"invalid scale \(5, 4\): expected one number, or one for each of 3 axes"),
    ],
)
def test_frequencies_refuse_other_arguments(arguments, problem):
    plain = {"encoding": EncodingConfig(scale=(5.0, 4.0)).resolve(), "n_axes": 2}
    assert fftool.frequency_matrix(**plain, generator=fftool.generator(0, "frequencies")).shape == (2, 128)
    with pytest.raises(SettingError, match=problem):
        fftool.frequency_matrix(**plain | arguments, generator=fftool.generator(0, "frequencies"))


@pytest.mark.parametrize(
    ("seed", "stream"), [(-1, "weights"), (0.5, "weights"), ("a", "weights"), (0, "noise"), (0, 1)]
)
def test_generator_refuses_other_seeds_and_streams(seed, stream):
    with pytest.raises(SettingError, match=r"invalid (seed|stream) .*: expected "):
        fftool.generator(seed, stream)
