"""Small copies of the pictures that `run.sh` made, for the README beside this file."""

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
    with Image.open(Path("homework") / name) as picture:
        small = picture.convert("RGB").resize(
            (width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS
        )
    small.save(Path(__file__).parent / f"{Path(name).stem}.jpg", quality=82)
