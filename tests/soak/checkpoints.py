"""Read thousands of changed checkpoints: each must be described, rendered and resumed, or refused with an FFToolError.

`python -m tests.soak.checkpoints --count 20000` makes them from real ones, as `tests/checkpoints.py` does, and reports
how far they went, the longest time and the most memory. The first one that ends otherwise ends the trial with its
traceback, and is kept.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.checkpoints import attempt, hostile, originals

ROUND = settings(
    max_examples=1000, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.checkpoints", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, help="different files")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="fftool-checkpoints-"))
    signal, real = originals(folder)
    path, seen, stages, longest = folder / "hostile.st", set[bytes](), Counter[str](), 0.0
    failures: list[str] = []

    def read(data: bytes) -> None:
        nonlocal longest
        digest = sha256(data).digest()
        if digest in seen or len(seen) == options.count or failures:
            return
        seen.add(digest)
        path.write_bytes(data)
        start = perf_counter()
        try:
            stages[attempt(path, signal)] += 1
        except Exception:  # hypothesis would try to reproduce it
            failures.append(traceback.format_exc())
        longest = max(longest, perf_counter() - start)

    number = options.seed
    while len(seen) < options.count and not failures:
        seed(number)(ROUND(given(hostile(real))(lambda data: read(data))))()
        number += 1
        print(f"{len(seen):,} files", end="\r", flush=True)
    if failures:
        sys.exit(f"FAILED: {path}\n{failures[0]}")
    print(f"{len(seen):,} files, each of which was read or refused with an FFToolError:")
    for stage, count in stages.most_common():
        print(f"  {count:,} {stage}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"the longest took {longest:.2f} s; all of them stayed within {peak / 1e6:.0f} MB, with torch and this trial")


if __name__ == "__main__":
    main()
