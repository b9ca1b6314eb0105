"""Settings: refused when they are made, or equal after a way through a checkpoint."""

import json
import math
from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

import fftool
from fftool import Config, CoordinateMLP, Encoding, EncodingConfig, NetworkConfig, TrainingConfig, TrainingSettings
from fftool.checkpoint import format
from fftool.checkpoint.format import from_document, to_document
from fftool.config import ScaleCandidate, ScaleSearch, SignalConfig, ValueRange, variants
from fftool.errors import SettingError, SignalError
from fftool.models.capacity import resolve_network
from fftool.training.defaults import resolve_defaults

SIGNAL = SignalConfig(axes=("y", "x"), shape=(4, 6), channels=3, bits=8, source="a.png", sha256="0" * 64)
SEARCH = ScaleSearch(
    method="mean frequency",
    frequency=3.5,
    rate=24.0,
    n_samples=24,
    candidates=(ScaleCandidate(scale=4.0, score=-0.5), ScaleCandidate(scale=8.0, score=0.0)),
    chosen=8.0,
)
SMALL = {"encoding": EncodingConfig(scale=8.0, dimension=4), "network": NetworkConfig(hidden=4)}


def resolve(encoding=SMALL["encoding"], network=SMALL["network"], training=TrainingConfig(), signal=SIGNAL):
    """Config of a network that `fit` would train, with these requests."""
    sized, encoding = resolve_network(signal, encoding, network, training)
    return Config(
        signal=signal,
        encoding=encoding.resolve(SEARCH if encoding.needs_search else None),
        network=sized,
        training=resolve_defaults(training, 24, "cpu", "float32", sized),
        version="0.1.0",
    )


def through_json(config):
    document = msgspec.json.encode(to_document(config, None))
    return from_document(msgspec.json.decode(document, type=format.ConfigDocument))[0]


def saved(config, path):
    fftool.save(CoordinateMLP(config), path)
    return path.read_bytes()


# Values of all kinds: a setting accepts few of them.

NUMBERS = st.one_of(
    st.integers(-2, 40),
    st.sampled_from([0, 1, 2**31, 2**63 - 1, 2**63, 10**400, -(10**400)]),
    st.floats(),
    st.floats(0.001, 100),
    st.integers(0, 40).map(float),
    st.booleans(),
    st.integers(0, 40).map(np.int64),
    st.integers(0, 40).map(np.uint8),
    st.floats(width=32).map(np.float32),
    st.floats(0.001, 100).map(np.float64),
    st.booleans().map(np.bool_),
    st.complex_numbers(),
)
WORDS = (
    "gaussian", "positional", "basic", "none", "auto", "lattice", "resize", "detail", "bce", "mse", "muon", "adam",
    "linear", "cosine", "constant", "float32", "bfloat16", "cpu", "cuda", "mps",
)  # fmt: skip
ANYTHING = st.one_of(
    NUMBERS,
    st.none(),
    st.text(max_size=5),
    st.sampled_from(WORDS),
    st.sampled_from(WORDS).map(np.str_),
    st.sampled_from(WORDS).map(lambda word: StrEnum("Word", {"NAME": word}).NAME),
    st.sampled_from(["yx", "\udcff", Path("photo.png"), b"photo.png", ("y", "x"), ["t", "y"], ("y", "y"), ("", "x")]),
    st.fractions(0, 40),
    st.decimals(0, 40),
    st.just(np.array(8.0)),
    st.just(torch.tensor(8.0)),
    st.lists(NUMBERS, max_size=4).map(tuple),
    st.lists(st.floats(0.001, 100), min_size=2, max_size=2).map(tuple),
    st.lists(NUMBERS, max_size=3),
    st.just(np.array([8.0, 4.0])),
    st.just(b"auto"),
    st.just(ValueRange(low=-1, high=np.float32(2), dtype="int16")),
    st.dictionaries(st.text(max_size=2), st.one_of(st.binary(max_size=9), st.integers()), max_size=3),
    st.just({}),
    st.just(object()),
)
REQUESTS = {"encoding": EncodingConfig, "network": NetworkConfig, "training": TrainingConfig}
SETTINGS = [(part, field.name) for part, kind in REQUESTS.items() for field in fields(kind)]


@pytest.mark.parametrize(("part", "name"), SETTINGS, ids=[f"{part}-{name}" for part, name in SETTINGS])
@settings(max_examples=30, deadline=None)
@given(value=ANYTHING)
def test_setting_is_refused_or_comes_back_equal(tmp_path_factory, part, name, value):
    """Of any type: a config that can be made can be saved, and is the same when loaded."""
    base = SMALL.get(part, TrainingConfig())
    try:
        config = resolve(**{part: replace(base, **{name: value})})
    except SettingError:
        return
    assert through_json(config) == config
    if config.n_parameters < 1000:
        path = tmp_path_factory.getbasetemp() / "config.st"
        saved(config, path)
        assert fftool.describe(path).config == config
        network = fftool.load(path)
        assert network.config == config
        assert saved(network.config, path) == saved(config, path)


@settings(deadline=None)
@given(scale=ANYTHING)
def test_resolved_scale_is_refused_or_comes_back_equal(scale):
    try:
        config = replace(resolve(), encoding=Encoding(kind="gaussian", dimension=4, scale=scale))
    except SettingError:
        return
    assert through_json(config) == config


def test_signal_keeps_what_its_file_had_besides_samples(tmp_path):
    """In format 2 where it says what the samples stand for; metadata alone leaves it at format 1."""
    values = ValueRange(low=-32768, high=32767, dtype="int16")
    more = {"values": values, "spacing": (0.5, 0.25), "metadata": {"xmp": b"<x/>", "exif": bytes(range(256))}}
    for names, version in ((("metadata",), "1"), (("values",), "2"), (("spacing",), "2"), ((*more,), "2")):
        config = resolve(signal=replace(SIGNAL, **{name: more[name] for name in names}))
        saved(config, tmp_path / "config.st")
        loaded = fftool.load(tmp_path / "config.st").config.signal
        assert loaded == config.signal
        assert {name: getattr(loaded, name) for name in names} == {name: more[name] for name in names}
        with safe_open(tmp_path / "config.st", framework="numpy") as file:
            assert file.metadata()["format_version"] == version


def test_resampled_signal_covers_the_same_length():
    signal = replace(SIGNAL, spacing=(0.5, 0.25))  # 4 × 6 samples
    assert signal.resampled((8, 3)).spacing == (0.25, 0.5)
    assert signal.resampled((4, 6), extent=(0.5, 0.25)).spacing == (0.125, 0.125)
    assert SIGNAL.resampled((8, 3)).spacing == ()


SIGNAL_FIELDS = ["axes", "source", "medium", "values", "spacing", "metadata"]


@pytest.mark.parametrize("name", SIGNAL_FIELDS)
@settings(max_examples=60, deadline=None)
@given(value=ANYTHING)
def test_signal_is_refused_or_comes_back_equal(name, value):
    try:
        signal = fftool.Signal(np.zeros((4, 6, 3), np.uint8), **{name: value})
    except (SettingError, SignalError):
        return
    config = resolve(signal=signal.config)
    assert through_json(config) == config


@pytest.mark.parametrize("kind", [SignalConfig, ValueRange, fftool.TrainingResult, ScaleSearch, ScaleCandidate])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_record_is_refused_or_comes_back_equal(kind, data):
    """What fftool records is checked too, as a program may make its own."""
    result = fftool.TrainingResult(epochs=1, steps=2, loss=0.5, psnr=30.0, ssim=0.9)
    base = {
        SignalConfig: SIGNAL,
        ValueRange: ValueRange(low=0.0, high=2.5, dtype="float32"),
        fftool.TrainingResult: result,
        ScaleSearch: SEARCH,
        ScaleCandidate: SEARCH.candidates[1],
    }
    name = data.draw(st.sampled_from([field.name for field in fields(kind)]))
    try:
        record = replace(base[kind], **{name: data.draw(ANYTHING)})
        if kind is ScaleCandidate:
            record = replace(SEARCH, candidates=(record,))
        signal = record if kind is SignalConfig else SIGNAL
        if kind is ValueRange:
            signal = replace(SIGNAL, values=record)
        config = resolve(signal=signal)
        if isinstance(record, ScaleSearch):
            config = replace(config, encoding=EncodingConfig(dimension=4).resolve(record))
    except SettingError:
        return
    result = record if kind is fftool.TrainingResult else None
    document = msgspec.json.encode(to_document(config, result))
    assert from_document(msgspec.json.decode(document, type=format.ConfigDocument)) == (config, result)


RESOLVED = [field.name for field in fields(TrainingSettings)]


@pytest.mark.parametrize("name", RESOLVED)
@settings(max_examples=30, deadline=None)
@given(value=ANYTHING)
def test_resolved_setting_is_refused_or_comes_back_equal(name, value):
    config = resolve()
    try:
        config = replace(config, training=replace(config.training, **{name: value}))
    except SettingError:
        return
    assert through_json(config) == config


@pytest.mark.parametrize(
    "scale", [8, 8.0, np.int64(8), np.uint8(8), np.float32(8), np.float64(8), (8,), (np.int32(8),)]
)
@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_equal_scales_give_equal_files(tmp_path, kind, scale):
    """Whatever the type of the number."""
    config = resolve(EncodingConfig(kind=kind, dimension=4, scale=scale))
    assert config.encoding.scale == (8.0,)
    assert type(config.encoding.scale[0]) is float
    expected = saved(resolve(EncodingConfig(kind=kind, dimension=4, scale=8.0)), tmp_path / "a.st")
    assert b'\\"scale\\":8.0' in expected
    assert saved(config, tmp_path / "b.st") == expected
    assert saved(fftool.load(tmp_path / "b.st").config, tmp_path / "c.st") == expected


def test_equal_settings_give_equal_files(tmp_path):
    numbers = {"epochs": 9, "batch_size": 7, "seed": 3, "learning_rate": 2, "seconds": 5, "target_psnr": 30}
    files = set()
    for convert in (int, float, np.int64, np.float32):
        training = TrainingConfig(**{name: convert(value) for name, value in numbers.items()})
        network = NetworkConfig(hidden=convert(4), layers=convert(1))
        encoding = EncodingConfig(dimension=convert(4), scale=convert(8))
        files.add(saved(resolve(encoding, network, training), tmp_path / "a.st"))
    assert len(files) == 1


def document(path):
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    return metadata["format_version"], json.loads(metadata["config"])


@pytest.mark.parametrize(
    ("scale", "version", "written"),
    [(25.0, "1", 25.0), ((25,), "1", 25.0), ((25.0, 4.0), "2", [25.0, 4.0]), ((8, 8), "2", [8.0, 8.0])],
)
@pytest.mark.parametrize("kind", ["gaussian", "positional"])
def test_scale_of_each_axis_is_saved_in_format_2(tmp_path, kind, scale, version, written):
    """And one σ for all axes in format 1, which earlier versions read."""
    config = resolve(EncodingConfig(kind=kind, dimension=4, scale=scale))
    network = CoordinateMLP(config)
    fftool.save(network, tmp_path / "a.st")
    found_version, found = document(tmp_path / "a.st")
    assert (found_version, found["encoding"]["scale"]) == (version, written)
    assert ("medium" in found["signal"]) == (version == "2")
    loaded = fftool.load(tmp_path / "a.st")
    assert loaded.config == config
    np.testing.assert_array_equal(fftool.render(loaded), fftool.render(network))


def test_resolved_config_has_nothing_left_to_choose():
    """No resolved setting is None or "auto"; `search` is None where σ was given."""
    config = resolve()
    values = {field.name: getattr(config.training, field.name) for field in fields(TrainingSettings)}
    assert not [name for name, value in values.items() if value is None or value == "auto"]
    assert config.encoding.search is None


def test_search_comes_with_the_scale_it_chose():
    encoding = resolve(EncodingConfig(dimension=4)).encoding
    assert (encoding.scale, encoding.search) == ((8.0,), SEARCH)
    assert encoding.name == "gaussian σ=8 (auto)"
    assert through_json(resolve(EncodingConfig(dimension=4))).encoding == encoding


@pytest.mark.parametrize("axes", [("x",), ("y", "x"), ("t", "y", "x")])
@pytest.mark.parametrize("n_scales", [1, 2, 3, 4])
def test_scale_is_one_number_or_one_for_each_axis(axes, n_scales):
    signal = SignalConfig(axes=axes, shape=(4,) * len(axes), channels=1, bits=8)
    encoding = EncodingConfig(dimension=4, scale=(8.0, 4.0, 2.0, 1.0)[:n_scales])
    if n_scales in (1, len(axes)):
        assert len(resolve(encoding, signal=signal).encoding.scale) == n_scales
    else:
        expected = f"expected one number, or one for each of {len(axes)} axes"
        with pytest.raises(SettingError, match=expected):
            resolve(encoding, signal=signal)


@pytest.mark.parametrize(
    ("scale", "seen"),
    [
        (0, "invalid scale 0:"),
        (-1.5, "invalid scale -1.5:"),
        (math.nan, "invalid scale nan:"),
        (math.inf, "invalid scale inf:"),
        (1e10, r"invalid scale 1e\+10:"),
        (True, "invalid scale True:"),
        (None, "invalid scale None:"),
        ("25", "invalid scale '25':"),
        ("autumn", "invalid scale 'autumn':"),
        ((), r"invalid scale \(\):"),
        ((25.0, 0.0), "invalid scale 0:"),
        ((25.0, "auto"), "invalid scale 'auto':"),
        ((1.0,) * 9, "invalid scale"),
        (np.array([25.0, 4.0]), "invalid scale"),
    ],
)
def test_refuses_an_invalid_scale(scale, seen):
    with pytest.raises(
        SettingError, match=rf"{seen}.*expected a positive number up to 1e\+09, one for each axis, or 'a"
    ):
        EncodingConfig(scale=scale)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (
            EncodingConfig,
            {"kind": "magic"},
            "invalid encoding 'magic': expected one of gaussian, positional, basic, none",
        ),
        (EncodingConfig, {"dimension": 0}, "invalid dimension 0: expected a whole number of at least 1"),
        (EncodingConfig, {"dimension": 2.5}, "invalid dimension 2.5: expected a whole number of at least 1"),
        (EncodingConfig, {"scale_for": "fun"}, "invalid scale for 'fun': expected one of resize, detail"),
        (NetworkConfig, {"hidden": -1}, "invalid number of hidden units -1: expected a whole number"),
        (
            NetworkConfig,
            {"layers": 1001},
            "invalid number of hidden layers 1001: expected at most 1,000",
        ),
        (NetworkConfig, {"hidden": 10**5000}, "invalid number of hidden units with thousands of digits: expected"),
        (TrainingConfig, {"epochs": 0}, "invalid number of epochs 0: expected a whole number of at least 1"),
        (TrainingConfig, {"epochs": None}, "invalid number of epochs None: expected a whole number"),
        (TrainingConfig, {"epochs": True}, "invalid number of epochs True: expected a whole number"),
        (TrainingConfig, {"seconds": 0}, "invalid training time 0: expected a positive number of seconds"),
        (TrainingConfig, {"seconds": math.inf}, "invalid training time inf: expected a positive number of seconds"),
        (TrainingConfig, {"target_psnr": -3}, "invalid target PSNR -3: expected a positive number of decibels"),
        (TrainingConfig, {"learning_rate": "fast"}, "invalid learning rate 'fast': expected a positive number"),
        (TrainingConfig, {"seed": -1}, "invalid seed -1: expected a whole number of at least 0"),
        (TrainingConfig, {"threads": 0}, "invalid number of threads 0: expected a whole number of at least 1"),
        (TrainingConfig, {"device": "tpu"}, "invalid device 'tpu': expected one of auto, cpu, cuda, mps"),
        (TrainingConfig, {"precision": 16}, "invalid precision 16: expected one of auto, float32, bfloat16"),
    ],
)
def test_error_names_the_setting_the_value_and_the_range(kind, values, message):
    with pytest.raises(SettingError) as caught:
        kind(**values)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300


def test_refuses_a_config_whose_parts_do_not_fit():
    with pytest.raises(
        SettingError, match="invalid number of frequencies 1: expected at least 2 for the positional enc"
    ):
        resolve(EncodingConfig(kind="positional", dimension=1, scale=8.0))
    with pytest.raises(SettingError, match="invalid number of parameters 400,260,003: expected at most 268,435,456"):
        resolve(network=NetworkConfig(hidden=20_000))
    assert resolve().n_parameters == (8 + 1) * 4 + (4 + 1) * 4 + (4 + 1) * 3
    assert resolve().widths == [8, 4, 4, 3]


def test_variants_are_each_kind_with_each_scale():
    found = variants(["gaussian", "basic"], [3.0, (3.0, 4.0), "auto"], EncodingConfig(dimension=7))
    assert [each.name for each in found] == ["gaussian σ=3", "gaussian σ=3,4", "gaussian σ=auto", "basic"]
    assert {each.dimension for each in found} == {7}
    assert variants([], []) == []
    assert [each.kind for each in variants(["none"], [])] == ["none"]
    with pytest.raises(SettingError, match="invalid variant gaussian σ=3, given 2 times: expected each variant once"):
        variants([], [3, 3.0])
