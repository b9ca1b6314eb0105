"""Keys, pointers, sliders and dialogs of the page of fftool view, in a real browser."""

import numpy as np
import pytest
import torch
from PIL import Image
from viewer import PLANES, WIDTH, assert_alike, rendered, shown_part, whole

import fftool


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
