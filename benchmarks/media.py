"""Clips, volumes and shapes: what `fftool train` reaches on files of your own in a given time.

`python -m benchmarks.media clip.mp4 scan.nii.gz bunny.stl --time 60s`
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = ("file", "PSNR (dB)", "IoU", "IoU near", "epochs", "training (s)", "parameters", "memory (GB)")


def measure(file: Path, options: list[str]) -> dict[str, Any]:
    """Report of a training, with the most memory (GB) that it, or one before it, took."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fftool", "train", str(file), "-o", f"{folder}/model.st", "--json", *options]
        report: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return report | {"memory": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--time", default="60s", help="of each command")
    parser.add_argument("--scale-for", default="resize", choices=["resize", "detail"])
    arguments = parser.parse_args()
    table = Table(*COLUMNS)
    for file in arguments.files:
        report = measure(file, ["--time", arguments.time, "--scale-for", arguments.scale_for])
        iou, near = (f"{report[name]:.4f}" if name in report else "" for name in ("iou", "near_iou"))
        figures = f"{report['psnr']:.2f}", iou, near, str(report["epochs"]), f"{report['seconds']:.1f}"
        table.add_row(file.name, *figures, f"{report['parameters']:,}", f"{report['memory']:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
