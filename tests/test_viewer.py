"""The page of fftool view in a real browser, from disk. Skips where there is no Chromium."""

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import QUICK, SMALL
from PIL import Image
from test_checkpoint import rewrite

import fftool
from fftool.config import EncodingConfig, NetworkConfig, TrainingConfig
from fftool.signal import Signal

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
ARGUMENTS = [
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH, HEIGHT = 800, 600
README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Viewer:
    """A page of fftool view in a browser, and all that it logged or asked for."""

    def __init__(self, browser, path, view="", **options):
        self.context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.problems, self.requests = [], []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + view)
        self.wait()

    def wait(self):
        """Until all is drawn as sharp as it gets."""
        self.page.wait_for_timeout(200)  # a zoom is settled after 150 ms
        self.page.wait_for_selector("html[data-state=sharp]", state="attached")
        self.page.wait_for_timeout(50)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.wait()

    def panel(self, number=0):
        """Pixels of a panel, RGBA."""
        url = self.page.evaluate(f"document.querySelectorAll('canvas')[{number}].toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))

    def view(self):
        """Middle and zoom, as the address has them."""
        self.page.wait_for_timeout(450)  # it follows after 400 ms
        parts = dict(part.split("=") for part in self.page.url.partition("#")[2].split("&"))
        return {name: float(value) for name, value in parts.items() if name != "plane"}

    def values(self, number=0):
        """Numbers that the caption of a panel shows."""
        self.page.wait_for_timeout(150)
        return [float(text) for text in self.page.locator(".value").nth(number).inner_text().split()]

    @property
    def names(self):
        return self.page.locator(".panel .name").all_inner_texts()


@pytest.fixture
def view(browser):
    """Opens pages; each has to end without a message, and without a request to any host."""
    opened = []

    def open_page(*arguments, **options):
        opened.append(Viewer(browser, *arguments, **options))
        return opened[-1]

    yield open_page
    for viewer in opened:
        assert viewer.problems == []
        assert all(url.startswith(("file:", "blob:", "data:")) for url in viewer.requests)
        viewer.context.close()


def shown_part(viewer, shape, number=0):
    """Pixels of the signal in a panel, and their rows and columns on the whole signal at that zoom."""
    pixels, view = viewer.panel(number), viewer.view()
    parts = []
    for side, middle, length in zip(pixels.shape[:2], (view["y"], view["x"]), shape, strict=True):
        start = int(np.floor(middle * view["zoom"] - side / 2 + 0.5))
        indices = np.arange(start, start + side)
        inside = (indices >= 0) & (indices < round(length * view["zoom"]))
        parts.append((inside, indices[inside]))
    (rows, row_indices), (columns, column_indices) = parts
    return pixels[rows][:, columns], row_indices, column_indices


def whole(viewer, shape, number=0):
    """The whole signal in a panel."""
    pixels, rows, columns = shown_part(viewer, shape, number)
    zoom = viewer.view()["zoom"]
    assert (len(rows), len(columns)) == tuple(round(length * zoom) for length in shape)
    return pixels


def short_fit(signal, path, **options):
    for progress in fftool.fit(signal, **options):
        pass
    fftool.evaluate(progress, signal)
    fftool.save(progress.network, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("viewer")


@pytest.fixture(scope="module")
def clip_path(photo, folder):
    frames = np.stack([np.roll(photo.samples, 4 * t, axis=1) for t in range(6)])
    signal = Signal(frames, axes=("t", "y", "x"), medium="clip", spacing=(0.1, 1.0, 1.0))
    network = NetworkConfig(tile=16, margin=2, hidden=16)
    return short_fit(signal, folder / "clip.st", network=network, training=TrainingConfig(epochs=2))


@pytest.fixture(scope="module")
def volume_path(folder):
    """A volume whose voxels are twice as high, with its rows pointing up in the world."""
    z, y, x = np.mgrid[:10, :24, :16]
    samples = np.rint(255 * (np.sin(x / 3) * np.cos(y / 5) * np.sin(z / 2) + 1) / 2).astype(np.uint8)
    affine = np.diag([1.0, 1.0, 2.0, 1.0]).astype("<f8").tobytes()
    signal = Signal(
        samples[..., None],
        axes=("z", "y", "x"),
        medium="volume",
        spacing=(2.0, 1.0, 1.0),
        metadata={"affine": affine},
    )
    network = NetworkConfig(tile="none", hidden=32)
    encoding = EncodingConfig(scale=2.0, dimension=32)
    return short_fit(signal, folder / "volume.st", encoding=encoding, network=network)


@pytest.fixture
def page_of(run, tmp_path):
    """Path of a new page."""

    def write(*arguments):
        done = run("view", *arguments, "-o", tmp_path / "page.html", "--overwrite")
        assert done.returncode == 0, done.stderr
        return tmp_path / "page.html"

    return write


def rendered(run, tmp_path, model, *options):
    assert run("render", model, *options, "-o", "a.png", "--overwrite").returncode == 0
    return np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))


def assert_alike(pixels, expected):
    """Within 1/255 everywhere, as roundings may fall to the other side of a half."""
    assert pixels.shape == expected.shape
    difference = np.abs(pixels.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


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


@pytest.mark.parametrize("zoom", [100, 12345, 1e6])
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


PLANES = {"z": (24, 16), "y": (20, 16), "x": (20, 24)}  # sizes in voxels as small as their shortest side


@pytest.mark.parametrize("plane", PLANES)
def test_draws_slices_of_a_volume_upright(plane, view, page_of, run, tmp_path, volume_path):
    path, (height, width) = page_of(volume_path), PLANES[plane]
    samples = {"z": 10, "y": 24, "x": 16}[plane]
    for zoom in (1, 3, 10):
        viewer = view(path, f"#x={width / 2}&y={height / 2}&zoom={zoom}&plane={plane}&at-{plane}=4")
        options = ("--size", f"{width * zoom}x{height * zoom}", "--slice", f"{plane}={4.5 / samples}")
        assert_alike(whole(viewer, (height, width)), rendered(run, tmp_path, volume_path, *options))


def test_moves_and_zooms_by_keys_wheel_and_pointer(view, page_of, quick_model_path):
    viewer = view(page_of(quick_model_path), "#x=32&y=24&zoom=20")
    viewer.press("ArrowRight", "ArrowDown")
    moved = viewer.view()
    assert moved["x"] == pytest.approx(32 + WIDTH / 200, abs=0.2)
    assert moved["y"] > 24
    viewer.press("+", "+")
    assert viewer.view()["zoom"] == pytest.approx(40, rel=1e-3)
    viewer.press("1")
    assert viewer.view()["zoom"] == 1
    viewer.press("0")
    fitted = viewer.view()
    assert (fitted["x"], fitted["y"]) == (32, 24)
    height, width = viewer.panel().shape[:2]
    assert fitted["zoom"] == pytest.approx(min(width / 64, height / 48), rel=1e-3)

    box = viewer.page.locator("#stage").bounding_box()
    x, y = box["x"] + 300, box["y"] + 250
    viewer.page.mouse.move(x, y)
    before = viewer.page.locator("#position").inner_text()
    viewer.page.mouse.wheel(0, -500)
    viewer.wait()
    assert viewer.view()["zoom"] > 1.9 * fitted["zoom"]

    def numbers(text):
        return [float(part) for part in text.split() if part not in "xy"]

    np.testing.assert_allclose(
        numbers(viewer.page.locator("#position").inner_text()), numbers(before), atol=0.06
    )  # the position under the pointer stays
    start = viewer.view()
    viewer.page.mouse.down()
    viewer.page.mouse.move(x + 100, y - 50, steps=4)
    viewer.page.mouse.up()
    viewer.wait()
    end = viewer.view()
    assert end["x"] == pytest.approx(start["x"] - 100 / start["zoom"], abs=0.02)
    assert end["y"] == pytest.approx(start["y"] + 50 / start["zoom"], abs=0.02)


def test_pinch_zooms_at_its_middle(view, page_of, quick_model_path):
    viewer = view(page_of(quick_model_path), "#x=32&y=24&zoom=10", has_touch=True)
    touches = viewer.context.new_cdp_session(viewer.page)

    def touch(kind, *points):
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": 300} for x in points]})

    touch("touchStart", 300, 500)
    for spread in (20, 60, 100):
        touch("touchMove", 300 - spread, 500 + spread)
    touch("touchEnd")
    viewer.wait()
    assert viewer.view()["zoom"] == pytest.approx(20, rel=0.01)
    assert viewer.view()["x"] == pytest.approx(32, abs=0.1)


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
    from matplotlib import colormaps

    expected = 255 * colormaps["inferno"](np.minimum(difference / 25.5, 1))[..., :3]
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
    from matplotlib import colormaps

    expected = 255 * colormaps["inferno"](np.minimum(difference / 25.5, 1))[..., :3]
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


def test_pointer_shows_values_and_position(view, page_of, photo, photo_path, quick_model_path):
    viewer = view(page_of(quick_model_path, "--source", photo_path), "#x=32&y=24&zoom=16")
    viewer.press("s")
    width = viewer.panel().shape[1]
    box = viewer.page.locator("#stage").bounding_box()
    viewer.page.mouse.move(box["x"] + width / 2 + 16 * 3.5, box["y"] + box["height"] / 2)
    assert viewer.values(1) == list(photo.samples[24, 35])
    text = viewer.page.locator("#position").inner_text().split()
    assert text[0::2] == ["x", "y"]
    assert float(text[1]) == pytest.approx(35.5, abs=0.1)
    network = fftool.load(quick_model_path)
    expected = 255 * network(torch.tensor([[float(text[1]) / 64, float(text[3]) / 48]]))[0].detach()
    np.testing.assert_allclose(viewer.values(0), expected, atol=1)


LINE = 350  # pixels from the left


def test_two_layers_with_a_line_between(view, page_of, quick_model_path, tiled_model_path):
    viewer = view(page_of(quick_model_path, tiled_model_path), "#x=32&y=24&zoom=8")
    assert viewer.names == ["quick", "tiles"]
    viewer.press("w")
    assert viewer.names == ["quick", "tiles"]
    line = viewer.page.get_by_role("slider", name="Line between the layers")
    box = line.bounding_box()
    viewer.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 200)
    viewer.page.mouse.down()
    viewer.page.mouse.move(LINE, 300, steps=3)
    viewer.page.mouse.up()
    viewer.wait()
    share = int(line.get_attribute("aria-valuenow")) / 100
    assert share == pytest.approx(LINE / WIDTH, abs=0.01)
    pixels, rows, columns = shown_part(viewer, (48, 64))
    one, tiles = (fftool.render(fftool.load(path), (384, 512)) for path in (quick_model_path, tiled_model_path))
    left = columns[0] + LINE - (WIDTH - 512) // 2  # of the signal, at the line
    assert_alike(pixels[:, : left - 2, :3], one[rows][:, columns][:, : left - 2])
    assert_alike(pixels[:, left + 2 :, :3], tiles[rows][:, columns][:, left + 2 :])
    line.focus()
    viewer.press("ArrowRight")
    assert int(line.get_attribute("aria-valuenow")) == round(100 * share) + 2
    viewer.page.get_by_label("Left of the line").select_option("tiles")
    viewer.wait()
    assert viewer.names == ["tiles", "tiles"]


def test_key_shows_the_tiles(view, page_of, tiled_model_path):
    viewer = view(page_of(tiled_model_path), "#x=32&y=24&zoom=8")
    without = viewer.panel().astype(int)
    viewer.press("g")
    with_grid, _, columns = shown_part(viewer, (48, 64))
    tile = fftool.load(tiled_model_path).tiles.tile
    edge = list(columns).index(8 * tile[1])
    assert (with_grid[:, edge, :3].astype(int).mean() > 200) and viewer.page.locator("#grid[aria-pressed=true]").count()
    viewer.press("g")
    np.testing.assert_array_equal(viewer.panel(), without)


def test_clip_has_a_slider_and_plays(view, page_of, run, tmp_path, clip_path):
    viewer = view(page_of(clip_path), "#x=32&y=24&zoom=4")
    slider = viewer.page.get_by_role("slider", name="Frame")
    slider.focus()
    viewer.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert viewer.view()["at-t"] == 3
    expected = rendered(run, tmp_path, clip_path, "--size", "256x192", "--frame", 3)
    assert_alike(whole(viewer, (48, 64)), expected)
    viewer.page.locator("#stage").focus()
    viewer.press(",")
    assert viewer.view()["at-t"] == 2
    seen = set()
    viewer.page.keyboard.press("Space")
    assert viewer.page.locator("#play").inner_text() == "Pause"
    for _ in range(40):
        seen.add(slider.input_value())
        viewer.page.wait_for_timeout(50)
    viewer.press("Space")
    assert seen >= {"0", "1", "2", "3", "4", "5"}


def test_slider_of_a_volume_shows_the_plane_across_its_axis(view, page_of, run, tmp_path, volume_path):
    viewer = view(page_of(volume_path))
    assert viewer.page.get_by_role("slider").count() == 3
    slider = viewer.page.get_by_role("slider", name="y")
    slider.focus()
    slider.fill("10.5")
    viewer.wait()
    height, width = PLANES["y"]
    viewer.press("1")
    expected = rendered(run, tmp_path, volume_path, "--size", f"{width}x{height}", "--slice", f"y={11 / 24}")
    assert_alike(whole(viewer, (height, width)), expected)


def saved(viewer, layer=None, whole=False, width=None):
    viewer.page.keyboard.press("p")
    dialog = viewer.page.get_by_role("dialog")
    dialog.get_by_label("All of it" if whole else "What is shown").check()
    if layer:
        dialog.get_by_label("Layer").select_option(layer)
    if width:
        dialog.get_by_label("Width").fill(str(width))
    with viewer.page.expect_download() as download:
        dialog.get_by_role("button", name="Save PNG").click()
    return download.value.suggested_filename, np.asarray(Image.open(download.value.path()))


def test_saves_pictures_of_any_size(view, page_of, run, tmp_path, photo, photo_path, tiled_model_path):
    viewer = view(page_of(tiled_model_path, "--source", photo_path), "#x=32&y=24&zoom=10")
    name, pixels = saved(viewer, whole=True, width=1000)
    assert name == "tiles-1000x750.png"
    assert_alike(pixels, rendered(run, tmp_path, tiled_model_path, "--size", "1000x750"))
    _, shown = saved(viewer)
    np.testing.assert_array_equal(shown, viewer.panel())
    viewer.press("s")
    _, source = saved(viewer, "photo.png", whole=True, width=64)
    np.testing.assert_array_equal(source[..., :3], photo.samples)


def test_saves_all_panels_side_by_side(view, page_of, photo, photo_path, quick_model_path):
    viewer = view(page_of(quick_model_path, "--source", photo_path))
    viewer.press("s")
    _, pixels = saved(viewer, "All, each of this size", whole=True, width=64)
    line, gap = 16, 8  # of the names, and between the panels
    assert pixels.shape == (48 + line, 2 * 64 + gap, 4)
    assert_alike(pixels[line:, :64, :3], fftool.render(fftool.load(quick_model_path)))
    np.testing.assert_array_equal(pixels[line:, 64 + gap :, :3], photo.samples)
    assert pixels[:line, :64].min() < 100  # a name in black


def test_save_takes_the_line_too(view, page_of, quick_model_path, tiled_model_path):
    viewer = view(page_of(quick_model_path, tiled_model_path), "#x=32&y=24&zoom=8")
    viewer.press("w")
    _, pixels = saved(viewer)
    np.testing.assert_array_equal(pixels, viewer.panel())


@pytest.mark.parametrize(
    "hash", ["#x=NaN&y=1&zoom=1", "#x=1&y=1&zoom=-1", "#x=1e999&y=0&zoom=1", "#<script>", "#zoom=3"]
)
def test_address_without_a_view_shows_all(hash, view, page_of, quick_model_path):
    viewer = view(page_of(quick_model_path), hash)
    fitted = viewer.view()
    assert (fitted["x"], fitted["y"]) == (32, 24)


def test_link_leads_back(view, page_of, quick_model_path):
    path = page_of(quick_model_path)
    viewer = view(path, "#x=10.2571&y=20.4137&zoom=300")
    viewer.press("ArrowLeft", "+")
    viewer.view()  # waits for the address
    again = view(path, "#" + viewer.page.url.partition("#")[2])
    assert_alike(again.panel(), viewer.panel())


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


def test_everything_has_a_name_and_can_be_reached(view, page_of, photo_path, quick_model_path, tiled_model_path):
    viewer = view(page_of(quick_model_path, tiled_model_path, "--source", photo_path))
    for role in ("button", "slider", "combobox", "img"):
        for each in viewer.page.get_by_role(role).all():
            name = each.get_attribute("aria-label") or each.get_attribute("title") or each.inner_text()
            assert name, each
    reached = set()
    for _ in range(30):
        viewer.page.keyboard.press("Tab")
        reached.add(viewer.page.evaluate("document.activeElement.id || document.activeElement.dataset.layer"))
    assert {"stage", "fit", "zoom-in", "source", "error", "wipe", "save", "help", "model-0"} <= reached
    viewer.page.keyboard.press("?")
    assert viewer.page.get_by_role("dialog", name="Keys").is_visible()
    viewer.page.keyboard.press("Escape")
    assert not viewer.page.get_by_role("dialog", name="Keys").is_visible()


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


SHADER_PAGE = """
async source => {
  const gl = new OffscreenCanvas(64, 48).getContext("webgl2");
  const program = gl.createProgram();
  const shaders = [
    [gl.VERTEX_SHADER, `#version 300 es
      in vec2 p; out vec2 v; void main() { v = vec2(p.x + 1.0, 1.0 - p.y) / 2.0; gl_Position = vec4(p, 0.0, 1.0); }`],
    [gl.FRAGMENT_SHADER, source],
  ];
  for (const [kind, text] of shaders) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const pixels = new Uint8Array(64 * 48 * 4);
  gl.readPixels(0, 0, 64, 48, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return [...pixels];
}
"""


@pytest.mark.parametrize("options", [QUICK, (*SMALL, "--encoding", "none"), (*SMALL, "--encoding", "basic")])
def test_exported_shader_compiles_and_draws_the_network(options, browser, run, tmp_path, photo_path):
    assert run("train", photo_path, "--tile", "none", *options).returncode == 0
    assert run("export", "model.st", "-o", "a.glsl").returncode == 0
    (shader,) = re.findall(r"```glsl\n(.*?)```", README.read_text(), re.DOTALL)
    pasted = shader.replace("// paste model.glsl here", (tmp_path / "a.glsl").read_text())
    page = browser.new_page()
    pixels = page.evaluate(SHADER_PAGE, pasted)
    page.close()
    image = np.array(pixels, np.uint8).reshape(48, 64, 4)[::-1]
    assert_alike(image, rendered(run, tmp_path, "model.st"))
