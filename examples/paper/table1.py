"""The 2-D image experiment of Tancik et al., 2020 (arXiv 2006.10739, table 1), with `fftool sweep --holdout lattice`.

    python examples/paper/table1.py [--photos FOLDER] [--epochs 63] [--output paper] [--workers 2]

Photographs are 512×512 centre crops of those in a folder, or images of scikit-image without one; images of text are
made here. Complete runs stay in the output folder, and the same command resumes. Other options are those of
`fftool sweep`.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path
from statistics import mean

import matplotlib as mpl
import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

SIDE = 512
TEXTS = 4
PACKAGED = ("astronaut", "camera", "brick", "grass")  # come with scikit-image, at that size
# σ for each kind of image, as the authors chose it on images of their own: 2^6 and 10 for photographs, 2^5 and 14 for
# text.
SCALES = {"natural": {"positional": 64, "gaussian": 10}, "text": {"positional": 32, "gaussian": 14}}
PAPER = {
    "natural": {"none": 19.32, "basic": 21.71, "positional": 24.95, "gaussian": 25.57},
    "text": {"none": 18.40, "basic": 20.48, "positional": 27.57, "gaussian": 30.47},
}
# The paper's network and learning rate. A step takes 2,048 of the 65,536 trained pixels; the paper's takes all.
NETWORK = ["--dimension", "256", "--hidden", "256", "--layers", "3"]
TRAINING = ["--loss", "mse", "--optimizer", "adam", "--learning-rate", "1e-3", "--schedule", "cosine"]
TRAINING += ["--precision", "float32", "--batch-size", "2048"]
WORDS = """
A network learns one picture as a continuous function of position: in goes (x, y), out comes (r, g, b). Fourier features
let it learn high frequencies in low dimensional domains. Once learnt, it can be drawn at any size.
"""


def photos(folder: Path | None) -> dict[str, Image.Image]:
    """Centre crops by name."""
    if folder is None:
        return {name: cropped(name, Image.fromarray(getattr(skimage.data, name)())) for name in PACKAGED}
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    if not files:
        sys.exit(f"{folder} holds no .png and no .jpg files")
    return {path.stem: cropped(path.name, Image.open(path)) for path in files}


def cropped(name: str, image: Image.Image) -> Image.Image:
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    if min(left, top) < 0:
        sys.exit(f"{name} has {image.width}x{image.height} pixels; {SIDE} on each side are needed")
    return image.crop((left, top, left + SIDE, top + SIDE)).convert("RGB")


def texts() -> dict[str, Image.Image]:
    """Words of random size, place, typeface and colour on a ground of one colour."""
    fonts = sorted(Path(mpl.get_data_path(), "fonts", "ttf").glob("DejaVu*.ttf"))
    images = {}
    for i in range(TEXTS):
        random = np.random.default_rng(i)
        image = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(0, 256, 3).tolist()))
        draw = ImageDraw.Draw(image)
        for _ in range(40):
            font = ImageFont.truetype(fonts[random.integers(len(fonts))], int(random.integers(14, 64)))
            x, y = random.integers(-40, SIDE - 20, 2).tolist()
            draw.text(
                (x, y), str(random.choice(WORDS.split())), font=font, fill=tuple(random.integers(0, 256, 3).tolist())
            )
        images[f"text{i + 1}"] = image
    return images


def sweep(images: list[Path], folder: Path, encodings: list[str], scale: int, options: list[str]) -> None:
    """Train the images with each encoding, unless that was done."""
    chosen = [f"--encoding={encoding}" for encoding in encodings] + [f"--scale={scale}", "--holdout=lattice"]
    command = ["sweep", *map(str, images), *chosen, *NETWORK, *TRAINING, *options, "-o", str(folder)]
    if subprocess.run([sys.executable, "-m", "fftool", *command], check=False).returncode:
        sys.exit(1)  # fftool has said why


def held_out(folder: Path) -> dict[str, dict[str, float]]:
    """Held-out PSNR in a folder of runs, by image and by encoding."""
    found: dict[str, dict[str, float]] = {}
    with (folder / "results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(Path(row["file"]).stem, {})[row["encoding"]] = float(row["holdout_psnr"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of photographs")
    parser.add_argument("--epochs", type=int, default=63, help="of 32 steps each: 63 make 2,016 steps")
    parser.add_argument("--output", type=Path, default=Path("paper"))
    arguments, options = parser.parse_known_args()
    for kind, images in (("natural", photos(arguments.photos)), ("text", texts())):
        folder = arguments.output / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in images.items():
            image.save(folder / f"{name}.png")
        paths = [folder / f"{name}.png" for name in images]
        positional, gaussian = SCALES[kind].values()
        for encodings, scale in ((["none", "basic", "positional"], positional), (["gaussian"], gaussian)):
            sweep(paths, folder / "runs", encodings, scale, [f"--epochs={arguments.epochs}", *options])
        rows = held_out(folder / "runs")
        rows["**mean**"] = {encoding: mean(row[encoding] for row in rows.values()) for encoding in PAPER[kind]}
        rows["the paper"] = PAPER[kind]
        print(f"| {kind} | {' | '.join(PAPER[kind])} |")
        print("|---|" + "---:|" * len(PAPER[kind]))
        for name, row in rows.items():
            print(f"| {name} | {' | '.join(f'{row[encoding]:.2f}' for encoding in PAPER[kind])} |")
        print(flush=True)


if __name__ == "__main__":
    main()
