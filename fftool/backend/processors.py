"""Processors that this process may use: its affinity mask, and the quota of a container."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

# A line of /proc/self/mountinfo: top, place, kind of file system, its options.
MOUNT = re.compile(r"\S+ \S+ \S+ (\S+) (\S+) .*- (cgroup2?) \S+ (\S+)")


def available_processors(root: Path = Path("/")) -> int | None:
    """Number of processors that the system grants this process, at least 1; None where it sets no limit.

    `root` is the root of the file system, in which Linux describes control groups.
    """
    limits = [max(1, math.ceil(quota)) for quota in _quotas(root)]
    if hasattr(os, "sched_getaffinity"):  # as Linux has it
        limits.append(len(os.sched_getaffinity(0)))
    return min(limits, default=None)


def _quotas(root: Path) -> Iterator[float]:
    """Processors that each control group of this process may use, if it has a quota: its own, and all above it."""
    paths = dict(_controllers(_lines(root / "proc/self/cgroup")))
    for controller, top, mount in _mounts(_lines(root / "proc/self/mountinfo")):
        folder = root / mount.lstrip("/")
        path = Path(paths.get(controller, "/"))
        inner = path.relative_to(top) if path.is_relative_to(top) and ".." not in path.parts else Path()
        for place in (folder / inner, *(folder / parent for parent in inner.parents)):
            limit, period = _unified_quota(place) if controller == "" else _first_quota(place)
            if limit > 0 and period > 0:
                yield limit / period


def _controllers(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Controller and path of each control group that concerns processors; version 2 has one without a controller."""
    for line in lines:
        if found := re.match(r"\d+:([^:]*):(/.*)", line):
            yield from ((name, found[2]) for name in found[1].split(",") if name in ("", "cpu"))


def _mounts(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Controller of each tree of control groups, the group at its top, and where it is mounted."""
    for found in filter(None, map(MOUNT.match, lines)):
        top, mount, version, options = found.groups()
        if version == "cgroup2":
            yield "", top, mount
        elif "cpu" in options.split(","):
            yield "cpu", top, mount


def _unified_quota(folder: Path) -> tuple[float, float]:
    """Microseconds in each period of microseconds, in version 2; 0 where there is no quota."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    return (_number(words[0]), _number(words[1])) if len(words) == 2 else (0, 0)


def _first_quota(folder: Path) -> tuple[float, float]:
    """The same in version 1."""
    limit, period = (" ".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    return _number(limit), _number(period)


def _number(text: str) -> float:
    return float(text) if text.isdecimal() else 0  # "max" or -1: no limit


def _lines(path: Path) -> list[str]:
    """Lines of a file; none where it is missing or cannot be read."""
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
