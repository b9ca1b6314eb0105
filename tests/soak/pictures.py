"""Give thousands of image files, whole and broken, to `fftool train --epochs 1`: each must be trained on or refused.

`python -m tests.soak.pictures --flips 400` goes through the files of `tests/pictures.py`, hundreds at a time: each must
give a checkpoint, or a line in the table of failures. The first group that ends otherwise, or with any other output,
ends the trial with exit code 1, and its folder is kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from tests import pictures

AT_ONCE = 500  # files in each process


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.pictures", description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=400, help="files with flipped bits, of each kind of image")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    files = {picture.name: picture.data for picture in pictures.whole()}
    files |= {name: data for name, data, _ in pictures.refused()}
    files |= dict(pictures.broken(options.flips, options.seed))
    n_trained = n_failed = 0
    names = list(files)
    for start in track(range(0, len(names), AT_ONCE), f"{len(names)} files"):
        folder = Path(tempfile.mkdtemp(prefix="fftool-pictures-"))
        part = {name: files[name] for name in names[start : start + AT_ONCE]}
        try:
            trained, failed = pictures.go_through(part, folder)
        except AssertionError as error:
            sys.exit(f"FAILED: in {folder}: {error}")
        n_trained, n_failed = n_trained + len(trained), n_failed + len(failed)
        shutil.rmtree(folder)
    print(f"{len(files)} files: {n_trained} trained on, {n_failed} refused with a line, and no other output")


if __name__ == "__main__":
    main()
