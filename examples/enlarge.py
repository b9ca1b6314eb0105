"""The photo's face at 400 %, by Lanczos' filter, one network and tiles, for the README."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import fftool
from fftool.resampling import resize

HERE = Path(__file__).parent
FACTOR = 4
BOX = (190, 75, 270, 155)  # left, top, right, bottom of the part shown, in pixels
LABEL_HEIGHT = 30

photo = fftool.read_image(HERE / "astronaut.jpg")
shape = tuple(FACTOR * length for length in photo.shape)
enlarged = {"Lanczos": resize(photo.samples, shape, "lanczos")}
for name, tile in (("one network", "none"), ("tiles of 32x32", 32)):
    for progress in fftool.fit(photo, network=fftool.NetworkConfig(tile=tile)):
        pass
    psnr = fftool.evaluate(progress, photo).psnr
    enlarged[f"{name}: {psnr:.0f} dB, {progress.seconds:.0f} s"] = fftool.render(progress.network, shape)

left, top, right, bottom = (FACTOR * edge for edge in BOX)
width, height = right - left, bottom - top
sheet = Image.new("RGB", (len(enlarged) * (width + 10) - 10, height + LABEL_HEIGHT), "white")
draw = ImageDraw.Draw(sheet)
for i, (label, samples) in enumerate(enlarged.items()):
    x = i * (width + 10)
    sheet.paste(Image.fromarray(np.ascontiguousarray(samples[top:bottom, left:right])), (x, LABEL_HEIGHT))
    draw.text((x, 4), label, "black", ImageFont.load_default(18))
sheet.save(HERE / "astronaut-400.jpg", quality=90)
