"""Pages of fftool view in a browser: what they show, for tests."""

import base64
import io

import numpy as np
from matplotlib import colormaps
from PIL import Image

WIDTH, HEIGHT = 800, 600
PLANES = {"z": (24, 16), "y": (20, 16), "x": (20, 24)}  # of `volume_path`, in voxels as small as their shortest side


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


def rendered(run, tmp_path, model, *options):
    assert run("render", model, *options, "-o", "a.png", "--overwrite").returncode == 0
    return np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))


def assert_alike(pixels, expected):
    """Within 1/255 everywhere, as roundings may fall to the other side of a half."""
    assert pixels.shape == expected.shape
    difference = np.abs(pixels.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def error_colours(difference):
    """Colours that the viewer shows for differences from 0 to 255."""
    return 255 * colormaps["inferno"](np.minimum(difference / 25.5, 1))[..., :3]
