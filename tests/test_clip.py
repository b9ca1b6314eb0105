"""Clips: video, animations and numbered frames, trained and rendered. PyAV and Pillow write and read them here."""

import io
import json
import struct
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import fails, pixels
from PIL import Image
from skimage.metrics import structural_similarity

import fftool
from fftool import Signal, media
from fftool.config import SignalConfig
from fftool.errors import DamagedFileError, FFToolWarning, FormatError, LargeFileError, MediaError, UnsupportedFileError
from fftool.media.clip import decoded
from fftool.media.clip.timing import constant, milliseconds

CLIP = media.get("clip")
TINY = ("--hidden", 8, "--dimension", 8, "--epochs", 1, "--scale", 2, "--tile", "none")
HEIGHT, WIDTH, FRAMES = 24, 32, 10
NTSC = Fraction(30000, 1001)


def wave(shape, channels=3):
    """A wave that travels to the right, a quarter of the width over the clip, from 0 to 1, at any resolution."""
    t, y, x = np.meshgrid(*((np.arange(side) + 0.5) / side for side in shape), indexing="ij")
    value = 0.5 + 0.4 * np.sin(2 * np.pi * (2 * (x - t / 4) + y / 2))
    return np.stack([value, 1 - value, np.full_like(value, 0.5), 0.3 + 0.5 * y][:channels], axis=-1)


def frames(channels=3, dtype=np.uint8, shape=(FRAMES, HEIGHT, WIDTH)):
    return np.rint(np.iinfo(dtype).max * wave(shape, channels)).astype(dtype)


def video(samples, codec="libx264", pixels="yuv444p", container="mp4", rate=NTSC, times=None, sound=False, **tags):
    """Bytes of a video; `times` of the frames are in steps of a hundredth of a second. Made with FFmpeg's defaults."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, options={"crf": "4"} if codec != "ffv1" else {})
        stream.height, stream.width, stream.pix_fmt = *samples.shape[1:3], pixels
        if times:
            stream.codec_context.time_base = Fraction(1, 100)
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        if sound:
            track = output.add_stream("aac", rate=48_000, layout="mono")
        reformatter = av.video.reformatter.VideoReformatter()
        for i, frame in enumerate(samples):
            kind = {(3, 1): "rgb24", (4, 1): "rgba", (3, 2): "rgb48le"}[frame.shape[-1], frame.itemsize]
            made = av.VideoFrame.from_ndarray(frame, format=kind)
            space = {1: "ITU709", 5: "ITU601", 6: "ITU601"}.get(tags.get("colorspace"), "ITU601")
            full = "JPEG" if tags.get("color_range") == 2 else "MPEG"
            made = reformatter.reformat(made, format=pixels, dst_colorspace=space, dst_color_range=full)
            made.pts = times[i] if times else i
            if times:
                made.time_base = Fraction(1, 100)
            for name in ("colorspace", "color_range"):
                if name in tags:
                    setattr(made, name, tags[name])
            output.mux(stream.encode(made))
        output.mux(stream.encode())
        if sound:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 48_000
            output.mux(track.encode(silence))
            output.mux(track.encode())
    return file.getvalue()


def animation(samples, kind, duration=40, **options):
    file = io.BytesIO()
    first, *others = map(Image.fromarray, samples)
    first.save(file, kind, save_all=True, append_images=others, duration=duration, **options)
    return file.getvalue()


def read(path, data):
    path.write_bytes(data)
    return media.open(path)


def error(samples, expected):
    """Root of the mean square of the difference, from 0 to 255."""
    peak = np.iinfo(samples.dtype).max
    return 255 * np.sqrt(np.square(samples / peak - np.asarray(expected, float)).mean())


def rate_of(signal):
    return 1 / signal.spacing[0]


# reading


@pytest.mark.parametrize(
    ("codec", "pixels", "container", "tags"),
    [
        ("libx264", "yuv444p", "mp4", {}),
        ("libx264", "yuv444p", "mov", {"colorspace": 1, "color_range": 1}),
        ("libx264", "yuvj444p", "mp4", {"colorspace": 1, "color_range": 2}),
        ("libx264", "yuv444p10le", "mp4", {"colorspace": 1}),
        ("libvpx-vp9", "yuv444p", "webm", {"colorspace": 6}),
        ("ffv1", "bgr0", "matroska", {}),
        ("mjpeg", "yuvj420p", "avi", {"color_range": 2}),
    ],
)
def test_video_has_the_colours_that_a_player_shows(tmp_path, codec, pixels, container, tags):
    """Of several matrices and ranges: with the wrong one of these, the error is above 4."""
    signal = read(tmp_path / "clip.video", video(frames(), codec, pixels, container, **tags))
    assert (signal.medium, signal.axes, signal.shape) == ("clip", ("t", "y", "x"), (FRAMES, HEIGHT, WIDTH))
    assert signal.bits == (16 if "10" in pixels else 8)
    assert rate_of(signal) == pytest.approx(30000 / 1001)
    assert error(signal.samples, wave(signal.shape)) < (2 if "420" not in pixels else 8)


def test_matrix_of_large_frames_is_that_of_hdtv(tmp_path):
    """Where a file does not say, as players have it: from 720 rows up."""
    shape = (2, 720, 16)
    samples = np.broadcast_to(np.array([250, 20, 20], np.uint8), (*shape, 3))
    data = video(samples, "ffv1", "yuv444p", "matroska", colorspace=1)
    small = video(samples[:, :64], "ffv1", "yuv444p", "matroska", colorspace=6)
    for name, found in (("large", data), ("small", small)):
        unknown = found.replace(b"\x55\xb1\x81\x01", b"\x55\xb1\x81\x02").replace(
            b"\x55\xb1\x81\x06", b"\x55\xb1\x81\x02"
        )
        assert error(read(tmp_path / name, unknown).samples, samples[0, 0, 0] / 255) < 3, name


def test_deep_video_has_16_bits(tmp_path):
    samples = frames(dtype=np.uint16)
    signal = read(tmp_path / "a.mp4", video(samples, pixels="yuv444p10le", colorspace=1))
    assert len(np.unique(signal.samples)) > 500  # more than 8 bits tell apart


def test_transparency_of_vp9_is_kept(tmp_path):
    samples = frames(4)
    signal = read(tmp_path / "a.webm", video(samples, "libvpx-vp9", "yuva420p", "webm"))
    assert signal.channels == 4
    assert error(signal.samples[..., 3], samples[..., 3] / 255) < 3


MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@pytest.mark.parametrize("angle", MATRICES)
def test_video_is_upright(tmp_path, angle):
    """As the matrix in the header of a phone's video says, which turns clockwise."""
    data = bytearray(video(frames()))
    at = data.index(b"tkhd") + 44  # of the matrix: a, b, 0, c, d, 0
    a, b, c, d = (number * 2**16 for number in MATRICES[angle])
    data[at : at + 20] = struct.pack(">5i", a, b, 0, c, d)
    signal = read(tmp_path / "phone.mp4", bytes(data))
    expected = np.rot90(wave((FRAMES, HEIGHT, WIDTH)), -angle // 90, axes=(1, 2))
    assert error(signal.samples, expected) < 2


def test_sound_is_left_out_with_a_note(run, tmp_path):
    (tmp_path / "loud.mp4").write_bytes(video(frames(), sound=True))
    done = run("train", "loud.mp4", *TINY)
    assert done.returncode == 0
    assert "loud.mp4: its sound is left out" in done.stderr


def test_varying_rate_is_made_constant_with_a_note(tmp_path):
    """0, 4, 8, 20, 24, … hundredths of a second: the third frame is shown for three times as long."""
    times = [0, 4, 8, 20, 24, 28, 32, 36, 40, 44]
    (tmp_path / "a.mkv").write_bytes(video(frames(), "ffv1", "bgr0", "matroska", rate=25, times=times))
    with pytest.warns(FFToolWarning, match="its frame rate varies, and is 25 per second here"):
        signal = media.open(tmp_path / "a.mkv")
    assert signal.shape[0] == 12
    shown = [0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9]
    assert np.array_equal(signal.samples, frames()[shown])


@pytest.mark.parametrize(
    ("starts", "end", "likely", "rate", "index"),
    [
        ([0.0, 0.033, 0.067, 0.1], 0.133, 30.0, 30, (0, 1, 2, 3)),  # in whole milliseconds
        ([5.0, 5.04, 5.08], 5.12, None, 25, (0, 1, 2)),  # not from 0
        ([0.0, 0.1, 0.3], 0.4, None, 10, (0, 1, 1, 2)),
        ([0.0, 0.001, 1.0], 2.0, None, 1.5, (1, 2, 2)),  # 2,000 frames otherwise
        ([0.0], 0.5, None, 25, (0,)),
    ],
)
def test_constant_rates(starts, end, likely, rate, index):
    timing = constant(starts, end, likely)
    assert timing.rate == pytest.approx(rate, rel=1e-6)
    assert timing.index == index


def test_gif_keeps_a_rate_that_hundredths_of_a_second_do_not_hold(tmp_path):
    samples = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3)).astype(np.uint8)
    described = SignalConfig(
        axes=("t", "y", "x"), shape=(60, 8, 8), channels=3, bits=8, medium="clip", spacing=(1 / 30, 1, 1)
    )
    media.get("clip").write(tmp_path / "a.gif", samples.shape, iter([samples.reshape(-1, 8, 3)]), signal=described)
    signal = media.open(tmp_path / "a.gif")
    assert len(signal.samples) == 60
    assert 1 / signal.spacing[0] == pytest.approx(30, rel=0.01)


def test_durations_lose_no_time():
    assert sum(milliseconds(30, 30000 / 1001)) == 1001
    assert set(milliseconds(30, 30000 / 1001)) == {33, 34}


@pytest.mark.parametrize(
    ("kind", "options", "channels", "most"),
    [
        ("GIF", {}, 3, 12),
        ("WEBP", {"lossless": True}, 3, 1e-9),
        ("WEBP", {"lossless": True, "exact": True}, 4, 1e-9),
        ("PNG", {}, 3, 1e-9),
        ("PNG", {}, 4, 1e-9),
        ("AVIF", {"quality": 100}, 3, 7),
    ],
)
def test_animation_is_a_clip(tmp_path, kind, options, channels, most):
    samples = frames(channels)
    signal = read(tmp_path / "a.bin", animation(samples, kind, **options))
    assert (signal.medium, signal.samples.shape) == ("clip", samples.shape)
    assert rate_of(signal) == pytest.approx(25)
    assert error(signal.samples, samples / 255) <= most


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_one_image_in_a_format_of_animations_is_an_image(tmp_path, kind):
    file = io.BytesIO()
    Image.fromarray(frames()[0]).save(file, kind)
    assert read(tmp_path / "a.bin", file.getvalue()).medium == "image"


def test_animation_is_refused_as_an_image(run, tmp_path):
    (tmp_path / "a.gif").write_bytes(animation(frames(), "GIF"))
    fails(run("train", "a.gif", "--as", "image", *TINY), 1, "a.gif: holds 10 images, expected one")


def test_numbered_frames_are_a_clip_in_the_order_of_their_numbers(run, tmp_path):
    (tmp_path / "frames").mkdir()
    for t, frame in enumerate(frames(dtype=np.uint16, channels=1)):
        Image.fromarray(frame[..., 0]).save(tmp_path / "frames" / f"{t + 1}.png")
    done = run("train", "frames", "--as", "clip", *TINY)
    assert done.returncode == 0, done.stderr
    assert "32x24 pixels, 10 frames at 25 per second, 1 × 16 bits" in done.stdout
    signal = CLIP.read_series(sorted((tmp_path / "frames").iterdir()))  # 1, 10, 2, …
    assert np.array_equal(signal.samples, frames(dtype=np.uint16, channels=1))
    Image.fromarray(frames()[0]).save(tmp_path / "frames" / "3.png")
    done = run("train", "frames", "--as", "clip", *TINY, "-o", "b.st")
    fails(done, 1, "3.png: has 32x24 pixels, 3 × 8 bits, expected 32x24 pixels, 1 × 16 bits, as 1.png has")


# rendering


@pytest.fixture(scope="module")
def wave_model(tmp_path_factory):
    """A checkpoint of the wave at 24 frames of 32x24 pixels, 12 per second, in tiles."""
    samples = frames(shape=(24, HEIGHT, WIDTH))
    signal = Signal(samples, axes=("t", "y", "x"), medium="clip", spacing=(1 / 12, 1, 1))
    network, training = fftool.NetworkConfig(hidden=32, tile=12), fftool.TrainingConfig(epochs=30)
    for progress in fftool.fit(signal, fftool.EncodingConfig(), network, training):
        pass
    fftool.evaluate(progress, signal)
    path = tmp_path_factory.mktemp("wave") / "wave.st"
    fftool.save(progress.network, path)
    return path


def rendered(run, tmp_path, model, *options, output="out.mkv"):
    done = run("render", model, *options, "-o", output)
    assert done.returncode == 0, done.stderr
    return media.open(tmp_path / output)


@pytest.mark.parametrize(
    ("options", "shape", "rate"),
    [
        ([], (24, 24, 32), 12),
        (["--fps", 24], (48, 24, 32), 24),
        (["--size", "64x48x48"], (48, 48, 64), 24),
        (["--size", "64x48"], (24, 48, 64), 12),
        (["--size", "64x48x48", "--fps", 12], (48, 48, 64), 12),  # at half the speed
        (["--size", "50%"], (24, 12, 16), 12),
        (["--time-range", "0.5s..1s"], (6, 24, 32), 12),
        (["--time-range", "50%..", "--fps", 48], (48, 24, 32), 48),
        (["--time-range", "..3", "--size", 64], (3, 48, 64), 12),
        (["--crop", "0.25,0.5,0.5,0.5", "--size", "32x24"], (24, 24, 32), 12),
    ],
)
def test_views_of_a_clip_keep_its_speed(run, wave_model, tmp_path, options, shape, rate):
    signal = rendered(run, tmp_path, wave_model, *options)
    assert signal.shape == shape
    assert rate_of(signal) == pytest.approx(rate)


def test_frames_between_those_that_were_trained_are_those_of_the_wave(run, wave_model, tmp_path):
    signal = rendered(run, tmp_path, wave_model, "--fps", 24, "--size", "64x48")
    assert error(signal.samples, wave((48, 48, 64))) < 5


def test_time_range_is_that_part(run, wave_model, tmp_path):
    whole = rendered(run, tmp_path, wave_model, output="whole.mkv")
    part = rendered(run, tmp_path, wave_model, "--time-range", "0.5s..1.5s", output="part.mkv")
    assert np.abs(part.samples.astype(int) - whole.samples[6:18]).max() <= 2  # frames are evaluated in other blocks


def test_frame_is_an_image(run, wave_model, tmp_path):
    whole = rendered(run, tmp_path, wave_model)
    assert run("render", wave_model, "--frame", 17, "-o", "still.png").returncode == 0
    assert np.abs(pixels(tmp_path / "still.png").astype(int) - whole.samples[17]).max() <= 2
    assert run("render", wave_model, "--frame", 16.5, "--size", "64x48").returncode == 0
    between = pixels(tmp_path / "wave-frame16.5-64x48.png")
    assert error(between, wave((48, 48, 64))[33:35].mean(axis=0)) < 5


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--frame", 24], "invalid frame 24.0: expected a number from 0 to 23"),
        (["--frame", 3, "--fps", 5], "expected none beside a frame rate or a time range"),
        (["--time-range", "3s..1s"], "invalid time range '3s..1s': expected a part of the clip"),
        (["--time-range", "5"], "invalid time range '5'"),
        (["--time-range", "2s.."], "invalid time range"),
        (["--fps", 0], "invalid fps 0"),
        (["--size", "1x2x3x4"], "WIDTHxHEIGHT, WIDTHxHEIGHTxFRAMES"),
        (["--slice", "z=0.5"], "clips have only these options"),
        (["-o", "a%.png"], "expected a pattern with one number"),
        (["-o", "a.wav"], "no suffix of a known clip format"),
    ],
)
def test_refuses_views_that_make_no_sense(run, wave_model, tmp_path, options, problem):
    done = run("render", wave_model, *options)
    fails(done, 1 if "-o" in options else 2, problem)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "channels", "most"),
    [
        ("a.mp4", 3, 8), ("a.mov", 3, 8), ("a.webm", 4, 8), ("a.mkv", 4, 0), ("a.mkv", 3, 0), ("a.gif", 3, 12),
        ("a.webp", 4, 8), ("a.apng", 4, 0), ("a.png", 3, 0), ("a.avif", 3, 6), ("a.mp4", 1, 3), ("a.mkv", 1, 0),
    ],
)  # fmt: skip
def test_written_clip_is_read_back(tmp_path, name, channels, most):
    """With its frames, its rate, and its alpha."""
    samples = frames(channels)
    signal = Signal(samples, axes=("t", "y", "x"), medium="clip", spacing=(1 / 25, 1, 1))
    CLIP.write(tmp_path / name, samples.shape, iter([samples.reshape(-1, WIDTH, channels)]), signal=signal.config)
    found = media.open(tmp_path / name)
    assert found.shape == signal.shape
    assert rate_of(found) == pytest.approx(25)
    expected = samples if found.channels == channels else np.repeat(samples, 3, axis=-1)
    assert error(found.samples, expected / 255) <= most


def test_written_clip_has_the_sides_of_the_network(tmp_path):
    """Odd ones too, which the usual pixel format of H.264 does not have."""
    samples = frames(shape=(3, 25, 33))
    CLIP.write(tmp_path / "a.mp4", samples.shape, iter([samples.reshape(-1, 33, 3)]))
    assert media.open(tmp_path / "a.mp4").shape == (3, 25, 33)


def test_bands_of_any_height_make_frames(tmp_path):
    samples = frames()
    rows = samples.reshape(-1, WIDTH, 3)
    for size in (1, 7, HEIGHT, 60, 1000):
        bands = (rows[start : start + size] for start in range(0, len(rows), size))
        CLIP.write(tmp_path / "a.mkv", samples.shape, bands)
        assert np.array_equal(media.open(tmp_path / "a.mkv").samples, samples)


def test_transparent_clip_is_refused_by_formats_without_alpha(tmp_path):
    samples = frames(4)
    with pytest.raises(FormatError, match="MP4 has no transparency"):
        CLIP.write(tmp_path / "a.mp4", samples.shape, iter([samples.reshape(-1, WIDTH, 4)]))


def test_numbered_frames_are_written(run, wave_model, tmp_path):
    done = run("render", wave_model, "--size", "32x24x3", "-o", "out/%02d.png")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00.png", "01.png", "02.png"]
    whole = rendered(run, tmp_path, wave_model, "--size", "32x24x3")
    assert all(np.array_equal(pixels(tmp_path / "out" / f"{t:02}.png"), whole.samples[t]) for t in range(3))
    fails(
        run("render", wave_model, "--size", "32x24x3", "-o", "out/%02d.png"), 1, "out/00.png and 2 more already exist"
    )


def test_clip_to_standard_output_is_a_video(run, wave_model, tmp_path):
    done = run("render", wave_model, "-o", "-", text=False)
    assert read(tmp_path / "a.mp4", done.stdout).shape == (24, HEIGHT, WIDTH)


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".gif"])
def test_same_clip_gives_the_same_bytes(run, wave_model, tmp_path, suffix):
    """Not for H.264: about one of two hundred files by x264 differs, even on one thread."""
    for name in ("a", "b"):
        assert run("render", wave_model, "-o", f"{name}{suffix}").returncode == 0
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


# training and comparing


def test_compares_frames(run, tmp_path):
    (tmp_path / "wave.mkv").write_bytes(video(frames(), "ffv1", "bgr0", "matroska"))
    done = run(
        "compare",
        "wave.mkv",
        "--scale",
        1,
        "--scale",
        4,
        *TINY[:6],
        "--json",
        "--curves",
        "curves.png",
        "--save-models",
        "models",
    )
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)["variants"][0]
    assert pixels(tmp_path / "compare.png").shape[0] > 1000
    signal, network = media.open(tmp_path / "wave.mkv"), fftool.load(tmp_path / first["model"])
    samples = fftool.render(network, signal.shape)
    window = {"channel_axis": -1, "data_range": 255, "win_size": 7}
    ssim = [structural_similarity(a, b, **window) for a, b in zip(signal.samples, samples, strict=True)]
    assert first["ssim"] == pytest.approx(np.mean(ssim), abs=1e-4)
    squares = np.square(signal.samples.astype(float) - samples).mean(axis=(1, 2, 3))
    assert first["psnr_of_frames"] == pytest.approx(10 * np.log10(255**2 / squares), abs=0.01)


@pytest.mark.parametrize("holdout", ["lattice", "0.2"])
def test_samples_are_held_out_along_three_axes(run, tmp_path, holdout):
    (tmp_path / "wave.mkv").write_bytes(video(frames(), "ffv1", "bgr0", "matroska"))
    settings = ("--tile", 12, "--hidden", 16, "--dimension", 16, "--holdout", holdout, "--epochs", 20, "--scale", 2)
    done = run("train", "wave.mkv", *settings, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["holdout_psnr"] > 13


def test_unfinished_run_on_a_clip_resumes_with_the_same_bytes(run, tmp_path):
    (tmp_path / "wave.png").write_bytes(animation(frames(), "PNG"))
    settings = fftool.EncodingConfig(scale=2, dimension=8), fftool.NetworkConfig(hidden=8, tile=8)
    course = fftool.fit(media.open(tmp_path / "wave.png"), *settings, fftool.TrainingConfig(epochs=2))
    progress = next(each for each in course if each.step == 5)
    fftool.save_run(progress.snapshot(), tmp_path / "stopped.st", str(tmp_path / "wave.png"))
    assert run("train", "--resume", "stopped.st").returncode == 0
    options = ("--scale", 2, "--dimension", 8, "--hidden", 8, "--tile", 8, "--epochs", 2)
    assert run("train", "wave.png", *options).returncode == 0
    assert (tmp_path / "stopped.st").read_bytes() == (tmp_path / "model.st").read_bytes()


# files that are refused


def hdr_video():
    return video(frames(), pixels="yuv420p10le", colorspace=9, color_trc=16)


def song_with_a_cover():
    """Whose one image is attached to it."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        track = output.add_stream("aac", rate=48_000, layout="mono")
        cover = output.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = HEIGHT, WIDTH, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        output.start_encoding()
        image = av.VideoFrame.from_ndarray(frames()[0], format="rgb24").reformat(format="yuvj420p")
        output.mux(cover.encode(image))
        output.mux(cover.encode())
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 48_000
        output.mux(track.encode(silence))
        output.mux(track.encode())
    return file.getvalue()


def only_sound():
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        track = output.add_stream("aac", rate=48_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 48_000
        output.mux(track.encode(silence))
        output.mux(track.encode())
    return file.getvalue()


def without_frames():
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "bgr0"
        output.start_encoding()
        output.mux(stream.encode())
    return file.getvalue()


BAD = {
    "sound.mp4": (only_sound, UnsupportedFileError, "has no video, expected a stream of frames"),
    "song.mp4": (song_with_a_cover, UnsupportedFileError, "has no video, expected a stream of frames"),
    "hdr.mp4": (hdr_video, UnsupportedFileError, "is HDR video (PQ or HLG), expected one of standard range"),
    "empty.mkv": (without_frames, DamagedFileError, "damaged: it"),
    "short.mp4": (lambda: video(frames())[:600], DamagedFileError, "damaged: it cannot be decoded"),
    "noise.mp4": (lambda: b"\0\0\0\x18ftypisom" + bytes(range(256)) * 9, DamagedFileError, "damaged: it cannot"),
    "short.gif": (lambda: animation(frames(), "GIF")[:-3000], DamagedFileError, "damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused(run, tmp_path, name):
    make, kind, problem = BAD[name]
    (tmp_path / name).write_bytes(make())
    with pytest.raises(kind):
        media.open(tmp_path / name)
    fails(run("train", name, *TINY), 1, f"error: {name}: ", problem)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_video_that_ends_before_its_index_does_is_refused(tmp_path):
    """Its index comes first, as in downloads, and FFmpeg decodes what there is of the rest."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for i in range(60):
            noise = np.random.default_rng(i).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, "rgb24")
            frame.pts = i
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    assert len(media.open(path).samples) == 60
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedFileError, match="damaged: the video is cut short"):
        media.open(path)


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF"])
def test_truncated_animation_is_refused(tmp_path, kind, share):
    data = animation(frames(), kind)
    with pytest.raises(MediaError):
        read(tmp_path / "a.bin", data[: int(share * len(data))])


def test_long_clip_is_refused_before_it_is_decoded(run, tmp_path, monkeypatch):
    (tmp_path / "long.mp4").write_bytes(video(frames()))
    monkeypatch.setattr(decoded, "MAX_BYTES", 10_000)
    done = run("train", "long.mp4", *TINY)
    fails(
        done,
        1,
        "too large: 10 frames of 32x24 pixels take 0.0 GB",
        "ffmpeg -i long.mp4 -t 10 -vf scale=640:-2 part.mp4",
    )
    with pytest.raises(LargeFileError):
        media.open(tmp_path / "long.mp4")


def test_missing_package_is_named_with_its_installation(run, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(video(frames()))
    monkeypatch.setitem(sys.modules, "av", None)
    done = run("train", "a.mp4", *TINY)
    fails(done, 1, "a.mp4: is a video, which takes the package av to read")
    assert done.stderr.endswith('hint: install it: pipx inject fftool av, or pip install "fftool[video]"\n')
