"""What the page of fftool view draws, in a real browser, from disk."""

import json

import numpy as np
import pytest
import torch
from conftest import QUICK, SMALL
from PIL import Image
from test_checkpoint import rewrite
from viewer import PLANES, WIDTH, assert_alike, error_colours, rendered, shown_part, whole

import fftool
from fftool.signal import Signal


@pytest.mark.parametrize("kind", ["model_path", "tiled_model_path"])
def test_draws_what_render_writes(kind, view, page_of, run, tmp_path, request):
    model = request.getfixturevalue(kind)
    path = page_of(model)
    for zoom in (1, 2.5, 10):
        viewer = view(path, f"#x=32&y=24&zoom={zoom}")
        size = f"{round(64 * zoom)}x{round(48 * zoom)}"
        assert_alike(whole(viewer, (48, 64)), rendered(run, tmp_path, model, "--size", size))


@pytest.mark.parametrize("encoding", ["none", "basic", "positional"])
@pytest.mark.parametrize("layers", [0, 1, 5])
def test_draws_any_network(encoding, layers, view, page_of, run, tmp_path, photo_path):
    options = ("--encoding", encoding, "--layers", layers, "--hidden", 10, "--dimension", 5, "--epochs", 1)
    assert run("train", photo_path, "--tile", "none", *options).returncode == 0
    viewer = view(page_of(tmp_path / "model.st"), "#x=32&y=24&zoom=3")
    assert_alike(whole(viewer, (48, 64)), rendered(run, tmp_path, "model.st", "--size", "192x144"))


@pytest.mark.parametrize("zoom", [100, 12345, 1e7])
def test_deep_zoom_is_exact(zoom, view, page_of, tiled_model_path):
    """Against the network in float64, in a view across the edges of tiles."""
    viewer = view(page_of(tiled_model_path), f"#x=19.9999&y=20.0001&zoom={zoom}")
    pixels, rows, columns = shown_part(viewer, (48, 64))
    rows, columns = rows[::37], columns[::41]
    v = np.stack(np.meshgrid((columns + 0.5) / zoom / 64, (rows + 0.5) / zoom / 48), -1).reshape(-1, 2)
    with torch.no_grad():
        expected = 255 * fftool.load(tiled_model_path).double()(torch.from_numpy(v)).numpy()
    assert np.abs(pixels[::37, ::41, :3].reshape(-1, 3) - expected).max() < 0.51


def test_draws_frames_of_a_clip(view, page_of, run, tmp_path, clip_path):
    path = page_of(clip_path)
    for zoom, frame in ((1, 0), (4, 2), (8, 5)):
        viewer = view(path, f"#x=32&y=24&zoom={zoom}&at-t={frame}")
        expected = rendered(run, tmp_path, clip_path, "--size", f"{64 * zoom}x{48 * zoom}", "--frame", frame)
        assert_alike(whole(viewer, (48, 64)), expected)


@pytest.mark.parametrize("plane", PLANES)
def test_draws_slices_of_a_volume_upright(plane, view, page_of, run, tmp_path, volume_path):
    path, (height, width) = page_of(volume_path), PLANES[plane]
    samples = {"z": 10, "y": 24, "x": 16}[plane]
    for zoom in (1, 3, 10):
        viewer = view(path, f"#x={width / 2}&y={height / 2}&zoom={zoom}&plane={plane}&at-{plane}=4")
        options = ("--size", f"{width * zoom}x{height * zoom}", "--slice", f"{plane}={4.5 / samples}")
        assert_alike(whole(viewer, (height, width)), rendered(run, tmp_path, volume_path, *options))


def test_dense_screen_is_drawn_with_all_its_pixels(view, page_of, run, tmp_path, quick_model_path):
    viewer = view(page_of(quick_model_path), "#x=32&y=24&zoom=4", device_scale_factor=2)
    assert viewer.panel().shape[1] == 2 * WIDTH
    assert_alike(whole(viewer, (48, 64)), rendered(run, tmp_path, quick_model_path, "--size", "256x192"))


@pytest.mark.parametrize("density", [1, 1.25, 3])
def test_pixels_of_panels_are_those_of_the_screen(density, view, page_of, photo_path, quick_model_path):
    """Three panels share a width that is no multiple of three."""
    viewer = view(page_of(quick_model_path, "--source", photo_path), device_scale_factor=density)
    viewer.press("s", "e")
    assert viewer.page.evaluate("devicePixelRatio") == density
    sizes = viewer.page.evaluate(
        """[...document.querySelectorAll("canvas")].map((canvas) => {
             const { width, height } = canvas.getBoundingClientRect();
             return [canvas.width, canvas.height, width * devicePixelRatio, height * devicePixelRatio];
           })"""
    )
    assert len(sizes) == 3
    for *pixels, width, height in sizes:
        assert pixels == pytest.approx([width, height], abs=0.05)  # layout has steps of 1/64


def test_source_is_beside_its_networks_with_their_errors(view, page_of, photo, photo_path, quick_model_path):
    viewer = view(page_of(quick_model_path, "--source", photo_path), "#x=32&y=24&zoom=1")
    assert viewer.names == ["quick"]
    assert viewer.page.locator(".quality").inner_text() == f"{fftool.load(quick_model_path).result.psnr:.2f} dB"
    assert viewer.page.locator(".detail").inner_text() == "gaussian σ=8"
    viewer.press("s")
    assert viewer.names == ["quick", "photo.png"]
    pixels = whole(viewer, (48, 64), 1)
    np.testing.assert_array_equal(pixels[..., :3], photo.samples)
    viewer.press("e")
    assert viewer.names == ["quick", "photo.png", "Error of quick"]
    errors = whole(viewer, (48, 64), 2)
    difference = np.abs(fftool.render(fftool.load(quick_model_path)).astype(int) - photo.samples).mean(axis=-1)
    expected = error_colours(difference)
    assert np.abs(errors[..., :3] - expected).mean() < 2
    assert np.abs(errors[..., :3] - expected).max() < 30
    assert viewer.page.locator("#legend").is_visible()


def test_errors_are_those_of_visible_colours(view, page_of, run, tmp_path):
    """Colours that alpha hides are not trained on."""
    rgba = np.random.default_rng(0).integers(0, 256, (48, 64, 4), np.uint8)
    rgba[..., 3] = np.where(np.arange(64) < 32, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert run("train", "a.png", *QUICK).returncode == 0
    viewer = view(page_of(tmp_path / "model.st", "--source", tmp_path / "a.png"), "#x=32&y=24&zoom=4")
    viewer.press("e")
    before, after = (
        pixels[..., :3].astype(float) * (pixels[..., 3:] / 255)
        for pixels in (rgba, rendered(run, tmp_path, "model.st").astype(float))
    )
    alpha = np.abs(rendered(run, tmp_path, "model.st")[..., 3:].astype(float) - rgba[..., 3:])
    difference = np.concatenate([np.abs(before - after), alpha], axis=-1).mean(axis=-1)
    shown = whole(viewer, (48, 64), 1)[::4, ::4, :3].astype(int)
    expected = error_colours(difference)
    assert np.abs(shown - expected).mean() < 3


def test_source_is_nearest_or_smooth(view, page_of, photo, photo_path, quick_model_path):
    viewer = view(page_of(quick_model_path, "--source", photo_path), "#x=32&y=24&zoom=8")
    viewer.press("s")
    enlarged = photo.samples.repeat(8, axis=0).repeat(8, axis=1)
    pixels, rows, columns = shown_part(viewer, (48, 64), 1)
    np.testing.assert_array_equal(pixels[..., :3], enlarged[rows][:, columns])
    viewer.press("i")
    pixels, rows, columns = shown_part(viewer, (48, 64), 1)
    smooth = np.asarray(Image.fromarray(photo.samples).resize((512, 384), Image.Resampling.BILINEAR))
    assert np.abs(pixels[..., :3] - smooth[rows][:, columns].astype(int)).mean() < 2


def test_page_of_a_hostile_checkpoint_does_no_harm(view, run, tmp_path, quick_model_path, photo):
    """Names become text, wherever they come from."""
    script = "</script><script>document.title='harm'</script><img src=x onerror=\"document.title='harm'\">"
    network = fftool.load(quick_model_path)
    evil = Signal(photo.samples, source=script)
    object.__setattr__(network.config, "signal", evil.config)
    folder = tmp_path / "<img src=x onerror=alert(1)>$parts"
    folder.mkdir()
    name = folder / "a&<script>alert(1)<.st"
    fftool.save(network, name)
    Image.fromarray(photo.samples).save(tmp_path / "<b>$script.png")
    done = run("view", name, "--source", tmp_path / "<b>$script.png", "-o", "page.html")
    assert done.returncode == 0, done.stderr
    viewer = view(tmp_path / "page.html")
    viewer.press("s")
    assert viewer.names == ["a&<script>alert(1)<", "<b>$script.png"]
    assert viewer.page.title() == "a&<script>alert(1)<"
    assert viewer.page.locator("img").count() == 0


def test_weights_that_are_no_numbers_make_no_page(run, tmp_path, quick_model_path):
    bias = fftool.load(quick_model_path).detached_layers[0].bias.numpy()
    rewrite(quick_model_path, tmp_path / "a.st", tensors={"layers.0.bias": bias * np.nan})
    done = run("view", "a.st")
    assert done.returncode == 1
    assert "not finite" in done.stderr
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("size", [(390, 844), (3840, 2160)])
def test_fits_a_phone_and_a_large_screen(size, view, page_of, photo_path, quick_model_path):
    viewer = view(page_of(quick_model_path, "--source", photo_path))
    viewer.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    viewer.press("s", "e")
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert viewer.page.locator("#stage").bounding_box()["height"] > 0.5 * size[1]


def test_browser_without_the_kernel_is_told(browser, page_of, quick_model_path):
    path = page_of(quick_model_path)
    page = browser.new_page()
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(path.as_uri())
    assert "a newer browser, with WebAssembly SIMD" in page.get_by_role("alert").inner_text()
    page.close()


def test_page_without_its_weights_is_small(page_of, quick_model_path):
    path = page_of(quick_model_path)
    network = fftool.load(quick_model_path)
    weights = 4 * (network.config.n_parameters + network.B.numel())
    assert path.stat().st_size - 4 / 3 * weights < 60_000


def test_comparison_makes_a_page(view, run, tmp_path, photo_path):
    arguments = ("--scale", 1, "--scale", 8, "--baseline", "linear", *SMALL, "--tile", "none", "--page", "a.html")
    done = run("compare", photo_path, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["page"] == "a.html"
    viewer = view(tmp_path / "a.html")
    assert viewer.names == ["gaussian σ=1, one network", "gaussian σ=8, one network"]
    viewer.press("s")
    assert viewer.names[-1] == "photo.png"
