"""Media: a toy medium with one axis in every command, sizes and crops for any number of axes, and the registry."""

import csv
import io
import json

import numpy as np
import pytest
import safetensors
from conftest import fails, pixels
from media_samples import SamplesMedium
from safetensors.numpy import load_file
from test_figures import error_maps, images, texts

import fftool
from fftool import EncodingConfig, FFToolError, NetworkConfig, Region, SignalConfig, TrainingConfig, media
from fftool.errors import DamagedFileError, FormatError, ReadError, SettingError, UnknownFormatError
from fftool.media.base import Format
from fftool.media.image.medium import ImageMedium

N = 240
FAST = ("--hidden", 32, "--dimension", 32, "--scale", 4)
SETTINGS = (
    EncodingConfig(scale=4, dimension=32),
    NetworkConfig(hidden=32),
    TrainingConfig(epochs=40),
)


def wave(n):
    """Two sines at the centres of n samples, from 0 to 1."""
    x = (np.arange(n) + 0.5) / n
    return 0.5 + 0.3 * np.sin(2 * np.pi * 3 * x) + 0.15 * np.cos(2 * np.pi * 8 * x)


WAVE = np.rint(65535 * wave(N)).astype(np.uint16)


def evaluated(path, x):
    """Output of the network in a checkpoint at positions x, from its tensors alone, in float64."""
    tensors = {name: tensor.astype(np.float64) for name, tensor in load_file(path).items()}
    phase = 2 * np.pi * x[:, None] @ tensors["encoding.B"]
    y = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    for i in range(3):
        y = y @ tensors[f"layers.{i}.weight"].T + tensors[f"layers.{i}.bias"]
        y = np.maximum(y, 0) if i < 2 else 1 / (1 + np.exp(-y))
    return y


def rendered(path, n, start=0.0, extent=1.0):
    """The same at the centres of n samples over a part of the axis, in 16 bits."""
    return np.rint(65535 * evaluated(path, start + extent * (np.arange(n) + 0.5) / n))


def decibels(path):
    """PSNR of a checkpoint against the wave."""
    return 10 * np.log10(65535**2 / np.mean((rendered(path, N)[:, 0] - WAVE) ** 2))


def metadata(path):
    with safetensors.safe_open(path, "numpy") as file:
        return file.metadata()


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The toy medium, registered while the tests of this file run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "_MEDIA", dict(media._MEDIA))
        media.register("samples", SamplesMedium)
        yield


@pytest.fixture
def unregistered(monkeypatch):
    others = {name: factory for name, factory in media._MEDIA.items() if name != "samples"}
    monkeypatch.setattr(media, "_MEDIA", others)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def wave_path(folder):
    path = folder / "wave.npy"
    np.save(path, WAVE)
    return path


@pytest.fixture(scope="module")
def model(folder, wave_path):
    """A checkpoint of the wave."""
    signal = media.open(wave_path)
    for progress in fftool.fit(signal, *SETTINGS):
        pass
    fftool.evaluate(progress, signal)
    path = folder / "model.st"
    fftool.save(progress.network, path)
    return path


# The toy medium in the commands


def test_train_fits_a_signal_with_one_axis(run, wave_path, tmp_path):
    done = run("train", wave_path, *FAST, "--epochs", 40, "--json")
    assert done.returncode == 0, done.stderr
    report, path = json.loads(done.stdout), tmp_path / "model.st"
    assert report["psnr"] == pytest.approx(decibels(path), abs=0.01)
    assert report["psnr"] > 30
    assert (report["ssim"], report["holdout_psnr"], report["exact"]) == (None, None, [])
    assert metadata(path)["format_version"] == "2"
    signal = json.loads(metadata(path)["config"])["signal"]
    assert (signal["medium"], signal["axes"], signal["shape"]) == ("samples", ["x"], [N])
    assert (signal["channels"], signal["bits"], signal["source"]) == (1, 16, "wave.npy")
    assert load_file(path)["encoding.B"].shape == (1, 32)


def test_train_speaks_of_samples_and_not_of_pixels(run, wave_path):
    done = run("train", wave_path, *FAST, "--epochs", 2)
    assert " samples/s on " in done.stdout
    assert "fftool render model.st --size 500\n" in done.stderr
    assert "pixel" not in done.stdout + done.stderr


@pytest.mark.parametrize("holdout", ["lattice", 0.25])
def test_samples_are_held_out_along_one_axis(run, wave_path, tmp_path, holdout):
    report = json.loads(run("train", wave_path, *FAST, "--epochs", 40, "--holdout", holdout, "--json").stdout)
    errors = (rendered(tmp_path / "model.st", N)[:, 0] - WAVE) ** 2
    if holdout == "lattice":
        tested = np.arange(N) % 2 == 1
        for name, part in (("psnr", ~tested), ("holdout_psnr", tested)):
            assert report[name] == pytest.approx(10 * np.log10(65535**2 / errors[part].mean()), abs=0.01)
    assert report["holdout_psnr"] > 25


def test_several_channels_and_eight_bits(run, tmp_path):
    samples = np.stack([wave(N), 1 - wave(N), wave(N)[::-1]], axis=1)
    np.save(tmp_path / "three.npy", np.rint(255 * samples).astype(np.uint8))
    report = json.loads(run("train", "three.npy", *FAST, "--epochs", 60, "--json").stdout)
    assert report["psnr"] > 30
    assert run("render", "model.st", "-o", "again.npy").returncode == 0
    again = np.load(tmp_path / "again.npy")
    assert (again.shape, again.dtype) == ((N, 3), np.uint8)
    mean_square = np.mean((again - np.rint(255 * samples)) ** 2)
    assert 10 * np.log10(255**2 / mean_square) == pytest.approx(report["psnr"])


def test_unfinished_run_resumes_to_the_same_bytes(run, wave_path, model, tmp_path):
    for progress in fftool.fit(media.open(wave_path), *SETTINGS):
        if progress.step == 30:  # within an epoch
            break
    fftool.save_run(progress.snapshot(), tmp_path / "run.st", str(wave_path))
    assert metadata(tmp_path / "run.st")["format_version"] == "2"
    assert "unfinished" in run("info", "run.st").stdout
    done = run("train", "--resume", "run.st")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.st").read_bytes() == model.read_bytes()


def test_timed_run_resumes_with_more_epochs(run, wave_path, tmp_path):
    report = json.loads(run("train", wave_path, *FAST, "--time", "0.1s", "--json").stdout)
    epochs = report["epochs"] + 7
    resumed = json.loads(run("train", wave_path, "--resume", "model.st", "--epochs", epochs, "--json").stdout)
    assert resumed["epochs"] == epochs
    assert resumed["config"]["training"]["result"]["steps"] == epochs * -(-N // 64)  # batches of 64
    assert resumed["psnr"] == pytest.approx(decibels(tmp_path / "model.st"), abs=0.01)


def test_run_of_other_samples_is_refused(run, model, photo_path, tmp_path):
    np.save(tmp_path / "other.npy", WAVE[::-1].copy())
    np.save(tmp_path / "short.npy", WAVE[:-1])
    longer = ("--resume", model, "-o", "a.st", "--epochs", 99)
    fails(run("train", "other.npy", *longer), 1, "its samples differ")
    fails(run("train", "short.npy", *longer), 1, "shape (239,), expected (240,)")
    fails(run("train", photo_path, *longer), 1, "photo.png: damaged")


@pytest.mark.parametrize(
    ("options", "n", "start", "extent"),
    [
        ((), 240, 0, 1),
        (("--size", "200"), 200, 0, 1),
        (("--size", "1000"), 1000, 0, 1),
        (("--size", "50%"), 120, 0, 1),
        (("--crop", "0.25,0.5"), 240, 0.25, 0.5),
        (("--crop", "0.75,0.25", "--size", "7"), 7, 0.75, 0.25),
        (("--crop", "0,0.1", "--size", "300%"), 720, 0, 0.1),
    ],
)
def test_render_at_any_size(run, model, tmp_path, options, n, start, extent):
    done = run("render", model, *options, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {name: report[name] for name in ("output", "width", "channels", "bits")} == {
        "output": f"model-{n}.npy",
        "width": n,
        "channels": 1,
        "bits": 16,
    }
    assert "height" not in report
    samples = np.load(tmp_path / f"model-{n}.npy")
    assert (samples.shape, samples.dtype) == ((n, 1), np.uint16)
    np.testing.assert_allclose(samples, rendered(model, n, start, extent), atol=3)


def test_render_between_the_samples_follows_the_wave(run, model, tmp_path):
    assert run("render", model, "--size", 1000, "-o", "fine.npy").returncode == 0
    assert np.abs(np.load(tmp_path / "fine.npy")[:, 0] / 65535 - wave(1000)).max() < 0.05


def test_render_in_bands_longer_than_one_block(run, model, tmp_path):
    n = 600_000  # longer than a band of 2^18 samples
    assert run("render", model, "--size", n, "--bits", 8, "-o", "long.npy").returncode == 0
    samples = np.load(tmp_path / "long.npy")
    assert (samples.shape, samples.dtype) == ((n, 1), np.uint8)
    places = np.array([0, 1, 262_143, 262_144, 524_288, n - 1])
    np.testing.assert_allclose(samples[places], 255 * evaluated(model, (places + 0.5) / n), atol=0.51)


def test_render_to_standard_output(run, model):
    done = run("render", model, "--size", 30, "-o", "-", text=False)
    assert done.returncode == 0
    np.testing.assert_allclose(np.load(io.BytesIO(done.stdout)), rendered(model, 30), atol=3)


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (("--size", "10x10"), 2, "invalid size '10x10': expected a number of samples such as 800, or a percentage"),
        (("--size", "0"), 2, "invalid size '0'"),
        (("--size", "1e3"), 2, "invalid size '1e3'"),
        (("--crop", "0.1,0.1,0.5,0.5"), 2, "invalid crop '0.1,0.1,0.5,0.5': expected X,WIDTH as fractions, such as"),
        (("--crop", "0.5"), 2, "such as 0.25,0.5"),
        (("--crop", "0.75,0.5"), 2, "expected a part of the signal"),
        (("-o", "a.npy", "--quality", "90"), 1, "NPY has no quality: it keeps samples as they are"),
        (("-o", "a.png"), 1, "a.png: no suffix of a known signal format: expected one of .npy"),
    ],
)
def test_render_refuses_requests_for_other_axes_and_formats(run, model, tmp_path, options, code, expected):
    fails(run("render", model, *options), code, expected)
    assert list(tmp_path.iterdir()) == []


def test_one_command_takes_files_of_several_media(run, photo_path, wave_path, tmp_path):
    done = run("train", photo_path, wave_path, *FAST, "--epochs", 2, "-o", "models", "--json")
    assert done.returncode == 0, done.stderr
    photo, samples = tmp_path / "models" / "photo.st", tmp_path / "models" / "wave.st"
    assert [metadata(path)["format_version"] for path in (photo, samples)] == ["1", "2"]
    fails(run("render", photo, samples, "-o", "all.npy"), 2, "all.npy is the name of one file")
    done = run("render", photo, samples, "--size", "50%", "-o", "out")
    assert done.stdout.split() == ["out/photo-32x24.png", "out/wave-120.npy"]
    assert pixels(tmp_path / "out" / "photo-32x24.png").shape == (24, 32, 3)
    assert np.load(tmp_path / "out" / "wave-120.npy").shape == (120, 1)


def test_compare_measures_and_shows_variants(run, pages, wave_path, model, tmp_path):
    files = ("-o", "sheet.png", "--curves", "curves.png", "--explain", "why.png", "--csv", "table.csv")
    variants = (model, "--scale", 2, "--scale", "auto", "--hidden", 32, "--dimension", 32, "--epochs", 5)
    done = run("compare", wave_path, *variants, "--size", 480, *files, "--save-models", "kept", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["variants"]
    assert [each["scale"] for each in found][::2] == [2, 4]
    assert [each["name"] for each in found][::2] == ["gaussian σ=2", str(model)]
    assert found[1]["scale_search"]["chosen"] == found[1]["scale"]
    for each in found:
        assert each["psnr"] == pytest.approx(decibels(tmp_path / each["model"]), abs=0.01)
        assert (each["ssim"], each["holdout_psnr"], each["exact"]) == (None, None, [])
    with (tmp_path / "table.csv").open() as file:
        assert [row["psnr"] for row in csv.DictReader(file)] == [str(each["psnr"]) for each in found]

    assert {"wave.npy: 3 variants, 5 epochs, rendered at 480", "the source, 240 samples"} <= {
        *texts(pages["sheet.png"])
    }
    shown = images(pages["sheet.png"])
    for strip in (WAVE[:, None], rendered(model, 480)):
        expected = np.rint(strip / 257)  # 16 bits as 8
        assert sum(
            array.shape == (len(strip) // 8, len(strip), 3) and np.abs(array - expected).max() <= 1 for array in shown
        )
    errors = np.abs(rendered(model, N)[:, 0] - WAVE) / 257
    np.testing.assert_allclose(error_maps(pages["sheet.png"])[-1], np.tile(errors, (N // 8, 1)), atol=0.02)
    assert [axes.get_xlabel() for axes in pages["curves.png"].figure.axes] == ["epoch", "seconds of training"]
    (summary,) = (text for text in texts(pages["why.png"]) if "cycles per side on average" in text)
    assert "The signal has" in summary
    assert "room for 240 samples per side" in summary
    for name in ("sheet.png", "curves.png", "why.png"):
        assert pixels(tmp_path / name).shape[1] > 800


def test_table_has_no_column_for_a_measure_that_no_variant_has(run, wave_path, model):
    done = run("compare", wave_path, model, "--scale", 2, *FAST[:4], "--epochs", 1)
    assert done.returncode == 0, done.stderr
    assert "PSNR" in done.stdout
    assert "SSIM" not in done.stdout
    assert done.stdout.count("*") == 1


def test_compare_refuses_checkpoints_of_other_axes(run, wave_path, photo_path, model, model_path):
    fails(run("compare", wave_path, model_path), 1, "was trained on 3 channels over x, y", "1 channel over x")
    fails(run("compare", photo_path, model), 1, "was trained on 1 channel over x", "3 channels over x, y")
    fails(run("compare", wave_path, model, "--size", "10x10"), 2, "invalid size '10x10'")


def test_encode_viz_writes_features_in_the_format_of_the_medium(run, pages, model, tmp_path):
    done = run("encode-viz", "--model", model, "--size", 60, "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["width"] == 60
    assert "height" not in report
    (encoding,), B = report["encodings"], load_file(model)["encoding.B"]
    assert [{"x": f["x"]} for f in encoding["frequencies"]] == [{"x": b} for b in B[0].tolist()]
    assert [f["above_nyquist"] for f in encoding["frequencies"]] == (np.abs(B[0]) > 30).tolist()
    x = (np.arange(60) + 0.5) / 60
    for f in encoding["frequencies"]:
        for name, function in (("cos", np.cos), ("sin", np.sin)):
            samples = np.load(tmp_path / f[name])
            assert samples.dtype == np.uint8
            expected = np.rint((function(2 * np.pi * f["x"] * x) + 1) / 2 * 255)
            np.testing.assert_allclose(samples[:, 0], expected, atol=1)  # where it is half-way between two steps
    half = encoding["half_width"]
    assert np.cos(2 * np.pi * B[0] * half).mean() == pytest.approx(0.5, abs=0.01)
    assert "What the encoding does, at 60 samples" in texts(pages["scales.png"])
    assert f"half at {half:.3g} = {60 * half:.3g} samples" in texts(pages["scales.png"])
    assert "gaussian σ = 4: 32 frequencies" in texts(pages["gaussian-4.png"])
    assert len(images(pages["gaussian-4.png"])) == 2 * 32


def test_encode_viz_of_a_model_refuses_other_axes(run, model):
    fails(run("encode-viz", "--model", model, "--size", "10x10"), 2, "invalid size '10x10'")


def test_info_describes_a_signal_with_one_axis(run, model):
    lines = run("info", model).stdout.splitlines()
    rows = dict(line.split(maxsplit=1) for line in lines)
    assert (rows["size"], rows["channels"], rows["encoding.B"]) == ("240 (x)", "1 × 16 bits", "F32 1 x 32")
    assert json.loads(run("info", model, "--json").stdout)["config"]["signal"]["medium"] == "samples"


def test_checkpoint_of_an_unregistered_medium_is_described_and_refused(run, model, wave_path, unregistered):
    unknown = (1, "model.st: unknown medium 'samples': expected one of audio, volume, clip, shape, image")
    fails(run("render", model), *unknown)
    fails(run("render", model, "-o", "-"), *unknown)
    fails(run("encode-viz", "--model", model), *unknown)
    fails(run("train", wave_path, "--resume", model, "--epochs", 99), *unknown)
    fails(run("train", wave_path), 1, "wave.npy: holds an array of 240, expected three axes")
    assert json.loads(run("info", model, "--json").stdout)["config"]["signal"]["medium"] == "samples"


def test_checkpoint_whose_axes_are_not_those_of_its_medium_is_refused(run, model, monkeypatch):
    monkeypatch.setattr(SamplesMedium, "axes", ("t",))
    fails(run("render", model), 1, "the axes are x: expected t for the medium 'samples'")


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (np.zeros((4, 4, 3), np.uint8), "expected uint8 or uint16 over one axis"),
        (np.zeros(9, np.float32), "samples are float32"),
        (np.zeros(0, np.uint8), "expected at least one sample"),
    ],
)
def test_unsuitable_samples_are_refused(run, tmp_path, samples, problem):
    np.save(tmp_path / "a.npy", samples)
    fails(run("train", "a.npy"), 1, problem)


def test_damaged_file_is_refused(run, wave_path, tmp_path):
    (tmp_path / "cut.npy").write_bytes(wave_path.read_bytes()[:200])
    fails(run("train", "cut.npy"), 1, "cut.npy: damaged")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.npy"]


def test_library_serves_a_medium_without_commands(wave_path, model):
    signal = media.open(wave_path)
    assert (signal.axes, signal.shape, signal.channels, signal.medium) == (("x",), (N,), 1, "samples")
    samples = fftool.render(fftool.load(model), (50,), region=Region(origin=(0.5,), extent=(0.5,)))
    np.testing.assert_allclose(samples, rendered(model, 50, 0.5, 0.5), atol=3)


# The registry


def test_files_are_recognized_by_their_content(wave_path, photo_path, tmp_path):
    assert media.recognize(wave_path).name == "samples"
    assert media.recognize(photo_path).name == "image"
    disguised = tmp_path / "photo.png"
    disguised.write_bytes(wave_path.read_bytes())
    assert media.recognize(disguised).name == "samples"
    assert media.open(str(disguised)).source == "photo.png"
    np.testing.assert_array_equal(media.open(photo_path).samples, fftool.read_image(photo_path).samples)


def test_unreadable_files_raise_errors(tmp_path):
    (tmp_path / "text.npy").write_text("neither an image nor samples")
    for path, error in ((tmp_path / "missing.npy", ReadError), (tmp_path, ReadError), (tmp_path / "text.npy", None)):
        with pytest.raises(error or UnknownFormatError):
            media.open(path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(DamagedFileError, match="empty"):
        media.open(tmp_path / "empty.png")


def test_media_are_found_by_name():
    assert media.get().name == media.get("image").name == "image"
    assert media.get("samples").name == "samples"
    with pytest.raises(
        FFToolError, match="unknown medium 'film': expected one of samples, audio, volume, clip, shape, image"
    ):
        media.get("film")


def test_media_are_found_by_the_config_of_a_signal():
    def config(medium, *axes):
        return SignalConfig(axes=axes, shape=(5,) * len(axes), channels=1, bits=8, medium=medium)

    assert media.of(config("samples", "x")).name == "samples"
    assert media.of(config("image", "y", "x")).name == "image"
    with pytest.raises(FFToolError, match="the axes are x: expected y, x for the medium 'image'"):
        media.of(config("image", "x"))
    with pytest.raises(FFToolError, match="unknown medium 'film'"):
        media.of(config("film", "t", "y", "x"))


def test_registered_medium_is_asked_first_and_replaces_one_of_its_name(monkeypatch, photo_path):
    class Grey(ImageMedium):
        name = "grey"

    monkeypatch.setattr(media, "_MEDIA", dict(media._MEDIA))
    media.register("grey", Grey)
    assert media.recognize(photo_path).name == "grey"
    media.register("grey", SamplesMedium)
    assert media.recognize(photo_path).name == "image"
    assert list(media._MEDIA) == ["grey", "samples", "audio", "volume", "clip", "shape", "image"]


def test_suffixes_are_those_of_all_media():
    assert {".npy", ".png", ".tif"} <= set(media.suffixes())


# Sizes and crops for any number of axes


def medium(*axes):
    return type("Medium", (SamplesMedium,), {"axes": axes})()


LINE, IMAGE, CLIP, VOLUME = medium("x"), medium("y", "x"), medium("t", "y", "x"), medium("z", "y", "x")


@pytest.mark.parametrize(
    ("medium", "natural", "text", "shape"),
    [
        (LINE, (30,), "60", (60,)),
        (LINE, (30,), "50%", (15,)),
        (LINE, (30,), "0.1%", (1,)),
        (IMAGE, (20, 30), "7x5", (5, 7)),
        (IMAGE, (20, 30), "7X5", (5, 7)),
        (IMAGE, (20, 30), "7×5", (5, 7)),
        (IMAGE, (20, 30), "60", (40, 60)),
        (IMAGE, (30, 20), "60", (60, 40)),
        (IMAGE, (20, 30), "150%", (30, 45)),
        (IMAGE, (20, 30), "33.3%", (7, 10)),
        (IMAGE, (20, 30), ".5%", (1, 1)),
        (IMAGE, (7.5, 30.0), "100%", (8, 30)),
        (IMAGE, (1, 1000), "10", (1, 10)),
        (CLIP, (10, 20, 30), "7x5x3", (3, 5, 7)),
        (VOLUME, (10, 20, 30), "60", (20, 40, 60)),
        (VOLUME, (10, 20, 30), "10%", (1, 2, 3)),
    ],
)
def test_sizes_are_exact_or_a_longest_side_or_a_percentage(medium, natural, text, shape):
    assert medium.parse_size(text, natural) == shape


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "1e3", "ten", "x", "5x", "x5", "5%x5%", "0%", "-5%", "nan%"])
@pytest.mark.parametrize("medium", [LINE, IMAGE, VOLUME])
def test_rejects_sizes_that_are_none_of_these(medium, text):
    with pytest.raises(SettingError, match="invalid size"):
        medium.parse_size(text, (10,) * len(medium.axes))


@pytest.mark.parametrize(
    ("medium", "texts", "expected"),
    [
        (LINE, ("5x5", "5x5x5"), "a number of samples such as 800, or a percentage such as 200%"),
        (IMAGE, ("5x5x5", "0x5", "5x05"), "WIDTHxHEIGHT, a longest side such as 800, or a percentage such as 200%"),
        (CLIP, ("5x5", "5x5x5x5"), "WIDTHxHEIGHTxFRAMES, a longest side such as 800, or a percentage such as 200%"),
        (VOLUME, ("5x5", "5x5x5x5"), "WIDTHxHEIGHTxDEPTH, a longest side such as 800, or a percentage such as 200%"),
    ],
)
def test_rejects_sizes_with_another_number_of_axes(medium, texts, expected):
    for text in texts:
        with pytest.raises(SettingError) as error:
            medium.parse_size(text, (10,) * len(medium.axes))
        assert str(error.value) == f"invalid size {text!r}: expected {expected}"


@pytest.mark.parametrize(
    ("medium", "text", "origin", "extent"),
    [
        (LINE, "0.25,0.5", (0.25,), (0.5,)),
        (IMAGE, "0,0.5,1,.25", (0, 0.5), (1, 0.25)),
        (VOLUME, "0.1, 0.2, 0.3, 0.4, 0.5, 0.6", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        (LINE, "0.9,0.1", (0.9,), (0.1,)),
    ],
)
def test_crops_are_an_origin_and_an_extent(medium, text, origin, extent):
    assert medium.parse_crop(text) == Region(origin=origin, extent=extent)


@pytest.mark.parametrize(
    ("medium", "expected"),
    [
        (LINE, "X,WIDTH as fractions, such as 0.25,0.5"),
        (IMAGE, "X,Y,WIDTH,HEIGHT as fractions, such as 0.25,0.25,0.5,0.5"),
        (CLIP, "X,Y,T,WIDTH,HEIGHT,FRAMES as fractions, such as 0.25,0.25,0.25,0.5,0.5,0.5"),
        (VOLUME, "X,Y,Z,WIDTH,HEIGHT,DEPTH as fractions, such as 0.25,0.25,0.25,0.5,0.5,0.5"),
    ],
)
def test_rejects_crops_with_another_number_of_parts(medium, expected):
    whole = ",".join(["0"] * len(medium.axes) + ["1"] * len(medium.axes))
    for text in ("", "0", f"{whole},1", whole[2:], f"{whole[:-1]}nan", f"{whole[:-1]}a", whole.replace(",", " ")):
        with pytest.raises(SettingError) as error:
            medium.parse_crop(text)
        assert str(error.value) == f"invalid crop {text!r}: expected {expected}"


@pytest.mark.parametrize("text", ["0.75,0.5", "-0.1,0.5", "0,0", "0,-1", "1,1", "0,1.1"])
def test_rejects_crops_that_leave_the_signal(text):
    with pytest.raises(SettingError, match=f"invalid crop '{text}': expected a part of the signal"):
        LINE.parse_crop(text)


@pytest.mark.parametrize(
    ("medium", "shape", "extent", "natural"),
    [
        (LINE, (240,), (0.5,), (240,)),
        (IMAGE, (20, 30), (0.5, 0.5), (20, 30)),
        (IMAGE, (20, 30), (0.5, 0.25), (10, 30)),  # the extent along x comes first
        (IMAGE, (20, 30), (0.1, 0.2), (20, 15)),
        (VOLUME, (10, 20, 40), (0.5, 0.25, 1.0), (10, 5, 20)),
    ],
)
def test_natural_shape_of_a_crop_is_the_largest_within_the_signal(medium, shape, extent, natural):
    signal = SignalConfig(axes=medium.axes, shape=shape, channels=1, bits=8)
    assert medium.natural_shape(signal, None) == shape
    region = Region(origin=(0.0,) * len(extent), extent=extent)
    assert medium.natural_shape(signal, region) == pytest.approx(natural)


@pytest.mark.parametrize(
    ("medium", "shape", "size", "fields", "example"),
    [
        (LINE, (240,), "240", {"width": 240}, "500"),
        (IMAGE, (20, 30), "30x20", {"width": 30, "height": 20}, "500x500"),
        (CLIP, (9, 20, 30), "30x20x9", {"width": 30, "height": 20, "frames": 9}, "500x500x500"),
        (VOLUME, (9, 20, 30), "30x20x9", {"width": 30, "height": 20, "depth": 9}, "500x500x500"),
    ],
)
def test_sizes_are_written_x_first(medium, shape, size, fields, example):
    assert medium.format_size(shape) == size
    assert medium.describe_size(shape) == f"{size} samples"
    assert list(medium.size_fields(shape).items()) == list(fields.items())
    assert medium.parse_size(medium.format_size(shape), (1,) * len(shape)) == shape or len(shape) == 1
    assert medium.example_size == example
    assert medium.count((1000, 1000)) == "1,000,000 samples"


def test_formats_are_found_by_suffix_and_refuse_bits_that_they_lack(tmp_path):
    class Two(SamplesMedium):
        formats = (Format(name="A", suffixes=(".a", ".aa")), Format(name="B", suffixes=(".b",), bits=(8, 16)))

    found = Two()
    assert (found.suffixes, found.suffix) == ((".a", ".aa", ".b"), ".a")
    assert found.format_of(tmp_path / "x.AA").name == "A"
    found.format_of(tmp_path / "x.b").check((3, 1), 16)
    with pytest.raises(FormatError, match="A holds 8 bits per channel, not 16"):
        found.format_of(tmp_path / "x.a").check((3, 1), 16)
    with pytest.raises(FormatError, match=r"expected one of \.a, \.aa, \.b"):
        found.format_of(tmp_path / "x.c")
