"""A Dask scheduler and its workers on the loopback, each a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from conftest import FFTOOL

BIN = Path(sys.executable).parent
# A worker without a nanny, whose version of fftool is another one.
OLD_WORKER = """
import asyncio, sys
import fftool
fftool.__version__ = "0.0.9"
import fftool.cluster.tasks
from distributed import Worker

async def serve():
    async with Worker(sys.argv[1], nthreads=1, host="127.0.0.1", dashboard=False) as worker:
        print(f"Worker {worker.address}.", file=sys.stderr, flush=True)
        await worker.finished()

asyncio.run(serve())
"""


class Cluster:
    """Processes that are killed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen]()
        self.address = ""

    def start(self, workers: int = 2, protocol: str = "tcp") -> Cluster:
        """Start a scheduler at a free port, and so many workers."""
        command = [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self.scheduler = self._start([*command, "--protocol", protocol])
        self.address = self._shown(self.scheduler, rf"({protocol}://127\.0\.0\.1:\d+)")
        self.add_workers(workers)
        return self

    def add_workers(self, count: int) -> None:
        """Start workers with one thread each, and wait until they are ready."""
        started = [self._start([FFTOOL, "worker", self.address, "--threads", "1"]) for _ in range(count)]
        for process in started:
            self._shown(process, r"Worker (\S+)\. Ctrl-C ends it\.")

    @contextmanager
    def old_worker(self) -> Iterator[str]:
        """Section with the address of one more worker, which has another version of fftool."""
        process = self._start([sys.executable, "-c", OLD_WORKER, self.address])
        try:
            yield self._shown(process, r"Worker (\S+)\.")
        finally:
            process.terminate()
            process.wait()

    def _start(self, command: Sequence[object]) -> subprocess.Popen:
        environment = os.environ | {"DASK_TEMPORARY_DIRECTORY": str(self.folder)}
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def _shown(self, process: subprocess.Popen, pattern: str) -> str:
        """What a process says by that pattern."""
        seen = ""
        for line in process.stderr:
            seen += line
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(seen)

    def close(self) -> None:
        """Kill all processes, and those that they have started."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stderr.close()
