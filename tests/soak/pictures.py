"""Feed thousands of picture files, whole and broken, to `fftool train --epochs 1`, and see that it says what is wrong.

`python -m tests.soak.pictures --flips 400` goes through the files of `tests/pictures.py`, some hundreds at a time: each
is to be learnt, or named in the table of failures with a line. The first that ends otherwise, or says anything else, is
the last, with exit code 1, and its folder is kept.
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
    parser.add_argument("--flips", type=int, default=400, help="files with turned bits, of each kind of picture")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    files = {picture.name: picture.data for picture in pictures.whole()}
    files |= {name: data for name, data, _ in pictures.refused()}
    files |= dict(pictures.broken(options.flips, options.seed))
    learnt = failed = 0
    names = list(files)
    for start in track(range(0, len(names), AT_ONCE), f"{len(names)} files"):
        folder = Path(tempfile.mkdtemp(prefix="fftool-pictures-"))
        part = {name: files[name] for name in names[start : start + AT_ONCE]}
        try:
            ours, theirs = pictures.go_through(part, folder)
        except AssertionError as error:
            sys.exit(f"in {folder}: {error}")
        learnt, failed = learnt + len(ours), failed + len(theirs)
        shutil.rmtree(folder)
    print(f"{len(files)} files: {learnt} learnt, {failed} refused with a line, and nothing else said")


if __name__ == "__main__":
    main()
