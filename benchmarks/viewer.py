"""Pages of `fftool view` in Chromium: seconds to a full picture, and frames a second while it is moved.

`python -m benchmarks.viewer one.st tiles.st` measures a panel of 1280×720 pixels that each network fills, with as many
workers as there are cores.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

COLUMNS = ("model", "page (MB)", "first picture (s)", "coarse (ms)", "full (s)", "frames/s", "slowest frame (ms)")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WIDTH, HEIGHT = 1280, 720
REPEATS = 7

# Milliseconds from a new zoom, at which nothing is cached, until all is drawn coarsely and until it is sharp. The first
# is that of the first frame without a hole, which an earlier zoom may fill.
JUMP = """
async hash => {
  const root = document.documentElement, canvas = document.querySelector("canvas");
  const frame = () => new Promise(requestAnimationFrame);
  const start = performance.now();
  location.hash = hash;
  let coarse = null;
  do {
    await frame();
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    coarse ??= pixels.every((value, i) => i % 4 < 3 || value) ? performance.now() - start : null;
  } while (coarse === null);
  const moment = () => new Promise((done) => setTimeout(done, 10));
  while (root.dataset.state !== "sharp" || performance.now() - start < 90) await moment();
  return [coarse, performance.now() - start];
}
"""

# Milliseconds of each frame while the picture is dragged in a circle for some seconds.
DRAG = """
async seconds => {
  const stage = document.getElementById("stage"), box = stage.getBoundingClientRect(), times = [];
  const pointer = (kind, turn) => stage.querySelector("canvas").dispatchEvent(new PointerEvent(kind, {
    bubbles: true, pointerId: 1, button: kind === "pointerdown" ? 0 : -1,
    clientX: box.x + box.width / 2 + 200 * Math.cos(turn), clientY: box.y + box.height / 2 + 120 * Math.sin(turn),
  }));
  HTMLCanvasElement.prototype.setPointerCapture = () => {};
  const start = performance.now();
  let last = start, turn = 0;
  pointer("pointerdown", turn);
  while (last - start < 1000 * seconds) {
    pointer("pointermove", turn += 0.05);
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  pointer("pointerup", turn);
  return times.slice(2);
}
"""


def measure(browser: Browser, model: Path) -> dict[str, Any]:
    """Figures of one network."""
    with tempfile.TemporaryDirectory() as folder:
        page_path = Path(folder) / "page.html"
        command = [sys.executable, "-m", "fftool", "view", str(model), "-o", str(page_path)]
        subprocess.run(command, check=True, capture_output=True)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(page_path.as_uri())
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT + _height_around(page)})
        page.wait_for_selector("html[data-state=sharp]", state="attached")
        first = page.evaluate("performance.now()") / 1000
        x, y = (page.evaluate(f"document.getElementById('position').textContent.split(/ +/)[{i}]") for i in (1, 3))
        start = _covering_zoom(page)
        jumps = []
        for i in range(REPEATS):
            jumps.append(page.evaluate(JUMP, f"#x={x}&y={y}&zoom={start * 1.07**i}"))
        frames = page.evaluate(DRAG, 4)
        size = page_path.stat().st_size / 1e6
        page.close()
    coarse, full = zip(*jumps, strict=True)
    return {
        "size": size,
        "first": first,
        "coarse": median(coarse),
        "full": median(full) / 1000,
        "frames": 1000 * len(frames) / sum(frames),
        "slowest": max(frames),
    }


def _height_around(page: Page) -> int:
    """Pixels above and below the stage."""
    return HEIGHT - int(page.evaluate("document.getElementById('stage').getBoundingClientRect().height"))


def _covering_zoom(page: Page) -> float:
    """A zoom at which the picture is larger than the panel by a half."""
    part = "JSON.parse(document.getElementById('page').textContent).scene.axes"
    lengths = [page.evaluate(f"{part}[{axis}].worldLength") for axis in (0, 1)]
    return 1.5 * max(WIDTH / float(lengths[0]), HEIGHT / float(lengths[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    arguments = parser.parse_args()
    table = Table(*COLUMNS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for model in arguments.models:
            found = measure(browser, model)
            figures = [
                f"{found['size']:.1f}",
                f"{found['first']:.2f}",
                f"{found['coarse']:.0f}",
                f"{found['full']:.2f}",
            ]
            table.add_row(model.name, *figures, f"{found['frames']:.0f}", f"{found['slowest']:.0f}")
        browser.close()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
