"""Small copies of the images of `run.sh`, for the README beside this file."""

from pathlib import Path

from PIL import Image

WIDTHS = {
    "2b/scales.png": 1100,
    "2b/gaussian-1.png": 900,
    "2b/gaussian-10.png": 900,
    "2b/gaussian-100.png": 900,
    "3d.jpg": 1000,
    "3d-curves.png": 900,
    "3e.jpg": 1000,
    "3f.jpg": 800,
}

for name, width in WIDTHS.items():
    with Image.open(Path("homework") / name) as image:
        small = image.convert("RGB").resize(
            (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
        )
    small.save(Path(__file__).parent / f"{Path(name).stem}.jpg", quality=82)
