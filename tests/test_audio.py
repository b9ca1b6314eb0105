"""Sounds: WAV files trained and rendered, at their own rate and others. The standard library and scipy read them."""

import io
import struct
import wave

import numpy as np
import pytest
from conftest import QUICK, fails
from scipy.io import wavfile

import fftool
from fftool import Signal, media
from fftool.config import SignalConfig, ValueRange
from fftool.errors import DamagedFileError, FormatError, LargeFileError, MediaError, UnsupportedFileError
from fftool.media.audio import wav
from fftool.region import Region
from fftool.values import from_samples

RATE, LENGTH = 8000, 800
AUDIO = media.get("audio")
FIT = ("--hidden", 64, "--dimension", 32, "--epochs", 40, "--precision", "float32")
PEAKS = {"uint8": 127, "int16": 2**15 - 1, "int32": 2**31 - 1, "float32": 1, "float64": 1}


def chirp(t: np.ndarray) -> np.ndarray:
    """From 100 to 500 Hz in 0.1 s, louder and softer."""
    return np.sin(2 * np.pi * (100 * t + 2000 * t**2)) * (0.4 + 0.2 * np.cos(60 * t))


def sound(dtype: str = "int16", channels: int = 2, loudness: float = 1.0) -> np.ndarray:
    t = (np.arange(LENGTH) + 0.5) / RATE
    values = loudness * np.stack([chirp(t), -0.5 * chirp(t + 0.003)], -1)[:, :channels]
    scaled = values * PEAKS[dtype] + (128 if dtype == "uint8" else 0)
    return (np.rint(scaled) if dtype[0] in "iu" else scaled).astype(dtype)


def wav_bytes(amplitudes: np.ndarray, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    wavfile.write(file, rate, amplitudes)
    return file.getvalue()


def signal_to_noise(amplitudes: np.ndarray, expected: np.ndarray) -> float:
    expected = expected.astype(float)
    noise = np.square(amplitudes.astype(float) - expected).mean()
    return 10 * np.log10(np.square(expected - expected.mean()).mean() / noise)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A checkpoint of the sound in 16 bits, which is at 3 % of the range of its type."""
    folder = tmp_path_factory.mktemp("audio")
    (folder / "quiet.wav").write_bytes(wav_bytes(sound(loudness=0.03)))
    fitted = fftool.fit(
        media.open(folder / "quiet.wav"),
        fftool.EncodingConfig(dimension=32),
        fftool.NetworkConfig(hidden=64),
        fftool.TrainingConfig(epochs=60, precision="float32"),
    )
    for progress in fitted:
        pass
    fftool.save(progress.network, folder / "model.st")
    return folder / "model.st"


@pytest.mark.parametrize("dtype", PEAKS)
def test_sound_comes_back_in_its_type_and_rate(run, tmp_path, dtype):
    amplitudes = sound(dtype, channels=2 if dtype == "int16" else 1)
    (tmp_path / "sound.wav").write_bytes(wav_bytes(amplitudes))
    done = run("train", "sound.wav", *FIT)
    channels = amplitudes.shape[1]
    assert f"sound       0.1 s at 8,000 Hz, 800 samples, {channels} × 16 bits\n" in done.stdout
    assert "SSIM" not in done.stdout
    done = run("render", "model.st", "-o", "same.wav")
    assert f"800 samples, {channels} × {dtype}, rendered in" in done.stderr
    rate, same = wavfile.read(tmp_path / "same.wav")
    assert (rate, same.dtype, same.reshape(LENGTH, -1).shape) == (RATE, dtype, amplitudes.shape)
    assert signal_to_noise(same.reshape(LENGTH, -1), amplitudes) > 25


def test_quiet_sound_is_fitted_over_its_own_range(run, tmp_path, model):
    assert run("render", model, "-o", "quiet.wav").returncode == 0
    expected = sound(loudness=0.03)
    assert signal_to_noise(wavfile.read(tmp_path / "quiet.wav")[1], expected) > 30
    assert fftool.describe(model).config.signal.values == ValueRange(
        low=expected.min(), high=expected.max(), dtype="int16"
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_integers_are_exact_as_samples(tmp_path, dtype):
    limits = np.iinfo(dtype)
    for low, high in ((limits.min, limits.max), (limits.max - 1, limits.max), (limits.min, limits.min + 300)):
        amplitudes = np.linspace(low, high, 1000).astype(dtype)[:, None]
        (tmp_path / "a.wav").write_bytes(wav_bytes(amplitudes))
        signal = media.open(tmp_path / "a.wav")
        np.testing.assert_array_equal(from_samples(signal.samples, signal.values), amplitudes)


def test_24_bits_are_read(tmp_path):
    """As the standard library writes them, and as 32 bits."""
    integers = (sound("float64", 1)[:, 0] * (2**23 - 1)).astype(int)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, RATE, 0, "NONE", ""))
        file.writeframes(b"".join(int(value).to_bytes(3, "little", signed=True) for value in integers))
    signal = media.open(tmp_path / "a.wav")
    back = from_samples(signal.samples, signal.values)
    assert back.dtype == np.int32
    assert np.abs(back[:, 0] / 2**8 - integers).max() <= (integers.max() - integers.min()) / 65535 / 2 + 1


def test_twice_the_size_is_twice_the_rate(run, tmp_path, model):
    """The values between the samples are those of the function that was sampled."""
    assert run("render", model, "-o", "fine.wav", "--size", "200%").returncode == 0
    rate, fine = wavfile.read(tmp_path / "fine.wav")
    assert (rate, len(fine)) == (2 * RATE, 2 * LENGTH)
    t = (np.arange(2 * LENGTH) + 0.5) / (2 * RATE)
    assert signal_to_noise(fine[:, 0], chirp(t) * 0.03 * 32767) > 25


@pytest.mark.parametrize(
    ("crop", "first", "length"),
    [("0.25,0.5", 200, 400), ("0.3333,0.1234", 267, 98), ("0.99999,0.00001", 799, 1), ("0,1", 0, 800)],
)
def test_part_has_the_rate_and_samples_of_the_whole(run, tmp_path, model, crop, first, length):
    assert run("render", model, "-o", "whole.wav").returncode == 0
    assert run("render", model, "-o", "part.wav", "--crop", crop).returncode == 0
    rate, part = wavfile.read(tmp_path / "part.wav")
    _, whole = wavfile.read(tmp_path / "whole.wav")
    assert (rate, len(part)) == (RATE, length)
    assert np.abs(part.astype(int) - whole[first : first + length]).max() <= 1


@pytest.mark.parametrize(("bits", "width"), [(8, 1), (16, 2)])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_bits_are_those_of_integers(tmp_path, bits, width, dtype):
    """The standard library, which reads no other numbers, finds the same sound."""
    peak = PEAKS[dtype]
    signal = SignalConfig(
        axes=("t",), shape=(4,), channels=1, bits=16, spacing=(1 / 48_000,),
        values=ValueRange(low=-0.5 * peak, high=0.25 * peak, dtype=dtype),
    )  # fmt: skip
    top = 2**bits - 1
    samples = np.array([[0], [top // 3], [round(2 * top / 3)], [top]], f"uint{bits}")
    AUDIO.write(tmp_path / "a.wav", samples.shape, iter([samples]), signal=signal)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, width, 1)
        data = file.readframes(4)
    found = np.frombuffer(data, np.uint8) / 128.0 - 1 if bits == 8 else np.frombuffer(data, "<i2") / 2**15
    np.testing.assert_allclose(found, [-0.5, -0.25, 0, 0.25], atol=2 / top)


def test_samples_without_a_file_have_a_rate_and_full_range(tmp_path):
    fitted = fftool.fit(
        Signal(np.array([[0], [255], [128]], np.uint8), axes=("t",), medium="audio"),
        fftool.EncodingConfig(scale=1.0),
        training=fftool.TrainingConfig(epochs=200),
    )
    for progress in fitted:
        pass
    fftool.save(progress.network, tmp_path / "model.st")
    AUDIO.write(tmp_path / "a.wav", (3, 1), iter([fftool.render(fftool.load(tmp_path / "model.st"))]))
    rate, amplitudes = wavfile.read(tmp_path / "a.wav")
    assert (rate, amplitudes.tolist()) == (44_100, [0, 255, 128])


def test_standard_input_and_output(run_process, run):
    done = run_process("train", "-", *QUICK, stdin=None, input=wav_bytes(sound()), text=False)
    assert done.returncode == 0, done.stderr
    done = run("render", "model.st", "-o", "-", text=False)
    rate, amplitudes = wavfile.read(io.BytesIO(done.stdout))
    assert (rate, amplitudes.shape, amplitudes.dtype) == (RATE, (LENGTH, 2), np.int16)


def test_folder_of_sounds_and_their_training_goes_on(run, tmp_path):
    (tmp_path / "sounds").mkdir()
    for name in ("a.wav", "b.WAV"):
        (tmp_path / "sounds" / name).write_bytes(wav_bytes(sound()))
    assert run("train", "sounds", "-o", "models", *QUICK).returncode == 0
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["a.st", "b.st"]
    assert run("train", "--resume", "models/a.st", "sounds/a.wav", "--epochs", 9).returncode == 0
    assert run("render", "models", "-o", "out").returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-800.wav", "b-800.wav"]


def test_same_samples_at_another_rate_are_another_sound(run, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(sound()))
    assert run("train", "a.wav", *QUICK).returncode == 0
    (tmp_path / "a.wav").write_bytes(wav_bytes(sound(), 2 * RATE))
    done = run("train", "--resume", "model.st", "a.wav", "--epochs", 9)
    fails(done, 1, "is not the signal that the run was trained on: spacing (6.25e-05,), expected (0.000125,)")


def test_comparison_draws_waveform_and_spectrogram(run, tmp_path, model):
    (tmp_path / "quiet.wav").write_bytes(wav_bytes(sound(loudness=0.03)))
    done = run("compare", "quiet.wav", model, "--holdout", "0.1", "--scale", 4, *QUICK, "--size", "50%")
    assert done.returncode == 0, done.stderr
    assert "σ=4" in done.stdout
    assert "model.st" in done.stdout
    assert fftool.read_image(tmp_path / "compare.png").shape[0] > 1000  # two blocks of three rows


def test_spectrogram_shows_a_tone_at_its_frequency():
    tone = np.rint(127.5 + 127 * np.sin(2 * np.pi * 0.125 * np.arange(20_000)))[:, None].astype(np.uint8)
    _, preview = AUDIO.previews(np.concatenate([tone, np.full_like(tone, 128)], axis=1))
    height = len(preview.samples) // 2
    spectrum = preview.samples[:height].mean(axis=(1, 2))
    assert spectrum.argmax() == round(0.75 * (height - 1))  # an eighth of the rate is a quarter of the height
    assert spectrum.max() > 250
    assert preview.samples[height:].max() < 100


def test_waveform_shows_lowest_and_highest_samples():
    samples = np.full((10_000, 1), 2**15, np.uint16)
    samples[5000:] = 2**16 - 1
    preview, _ = AUDIO.previews(samples)
    darkest = preview.samples[..., 0].argmin(axis=0)
    height = len(preview.samples)
    assert set(darkest[:250]) <= {height // 2 - 1, height // 2}
    assert set(darkest[-250:]) == {0}


@pytest.mark.parametrize("length", [1, 2, 3, 7, 600])
@pytest.mark.parametrize("channels", [1, 2, 9])
def test_short_sounds_have_pictures(length, channels):
    for preview in AUDIO.previews(np.full((length, channels), 7, np.uint16)):
        assert preview.samples.shape[2] == 1


def header(tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, size: int | None = None) -> bytes:
    """A WAV with 100 bytes of samples, and any claims on them."""
    frame = channels * bits // 8
    chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * frame, frame, bits)
    return (
        b"RIFF\xff\xff\xff\x7fWAVE" + chunk + struct.pack("<4sI", b"data", 100 if size is None else size) + bytes(100)
    )


REFUSED = {
    "µ-law": (header(tag=7, bits=8), UnsupportedFileError, "its samples are MULAW, expected PCM or float"),
    "ADPCM": (header(tag=2, bits=4), UnsupportedFileError, "its samples are ADPCM, expected PCM or float"),
    "cut": (wav_bytes(sound())[:-100], DamagedFileError, "damaged: the sound is cut short"),
    "header only": (wav_bytes(sound())[:20], DamagedFileError, "damaged: it cannot be decoded"),
    "no samples": (header(size=0)[:44], DamagedFileError, "damaged: "),
    "no rate": (header(rate=0), DamagedFileError, "damaged: the sample rate is 0"),
    "no channels": (header(channels=0), DamagedFileError, "damaged: it cannot be decoded"),
    "not a number": (wav_bytes(np.array([0, np.nan], np.float32)), UnsupportedFileError, "some values are not finite"),
    "infinite": (wav_bytes(np.array([0, np.inf])), UnsupportedFileError, "some values are not finite"),
    "64-bit integers": (header(bits=64, size=96)[:-4], UnsupportedFileError, "values are int64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_sounds_in_a_line(run, tmp_path, name):
    data, kind, problem = REFUSED[name]
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(kind, match=problem):
        media.open(tmp_path / "a.wav")
    hint = "save or copy the file again" if kind is DamagedFileError else "save it as a WAV with 16 bits first"
    fails(run("train", "a.wav", *QUICK), 1, f"error: a.wav: {problem}", f"hint: {hint}\n")


def test_refuses_sounds_that_are_too_long(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(wav_bytes(sound()))
    monkeypatch.setattr(wav, "MAX_SAMPLES", 1599)
    with pytest.raises(LargeFileError, match="too long: 1,600 samples, expected at most 1,599"):
        media.open(tmp_path / "a.wav")
    monkeypatch.setattr(wav, "MAX_BYTES", 3000)
    with pytest.raises(LargeFileError, match="too long: 3,244 bytes"):
        media.open(tmp_path / "a.wav")


def test_stream_of_unknown_length_is_read_to_its_end(tmp_path):
    """What records to a pipe cannot go back to its header."""
    plain = wav_bytes(sound())
    for size in (b"\xff\xff\xff\xff", b"\0\0\xff\x7f"):
        (tmp_path / "a.wav").write_bytes(plain[:4] + size + plain[8:40] + size + plain[44:])
        signal = media.open(tmp_path / "a.wav")
        np.testing.assert_array_equal(from_samples(signal.samples, signal.values), sound())


def test_flipped_bits_are_read_or_refused(tmp_path):
    data = wav_bytes(sound()[:50])
    for position in range(8 * 48):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        (tmp_path / "a.wav").write_bytes(flipped)
        try:
            signal = AUDIO.read(tmp_path / "a.wav")
        except MediaError:
            continue
        assert signal.samples.size


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("-o", "a.png"), "a.png: no suffix of a known sound format: expected one of .wav, .wave"),
        (("--size", "3x4"), "invalid size '3x4': expected a number of samples such as 800, or a percentage"),
        (("--crop", "0,0,1,1"), "invalid crop '0,0,1,1': expected T,FRAMES as fractions, such as 0.25,0.5"),
        (("--quality", 80), "WAV has no quality"),
        (("--bits", 24), "invalid bit depth 24: expected 8, 16 or 32"),
    ],
)
def test_refuses_options_that_no_sound_has(run, model, options, problem):
    done = run("render", model, *options)
    assert done.returncode > 0
    assert problem in done.stderr


def test_wav_has_limits(tmp_path):
    with pytest.raises(FormatError, match="WAV holds up to 8,191 channels, not 8,192"):
        AUDIO.write(tmp_path / "a.wav", (2, 8192), iter([np.zeros((2, 8192), np.uint16)]))
    fast = SignalConfig(axes=("t",), shape=(2,), channels=1, bits=16, spacing=(1e-10,))
    with pytest.raises(FormatError, match="WAV holds up to 4 GiB a second, and the sound has 10,000,000,000 samples"):
        AUDIO.write(tmp_path / "a.wav", (2, 1), iter([np.zeros((2, 1), np.uint16)]), signal=fast)
    assert not list(tmp_path.iterdir())


def test_region_is_aligned_with_samples():
    signal = SignalConfig(axes=("t",), shape=(3,), channels=1, bits=16)
    for origin, extent, first, length in ((0.3, 0.4, 1, 1), (0, 0.001, 0, 1), (0.999, 0.001, 2, 1), (0, 1, 0, 3)):
        region = AUDIO.aligned(Region(origin=(origin,), extent=(extent,)), signal)
        assert region.origin == pytest.approx((first / 3,))
        assert region.extent == pytest.approx((length / 3,))
