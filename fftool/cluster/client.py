"""A Dask cluster as fftool uses it: workers on this machine or anywhere, and tasks on them."""

from __future__ import annotations

import logging
import os
import re
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from fftool.backend.processors import available_processors
from fftool.cluster.files import Contents
from fftool.cluster.tasks import Versions, run_task, versions
from fftool.errors import ClusterError, FFToolError, PackageError, SettingError, VersionMismatchError, WorkerError
from fftool.interrupts import uninterrupted

if TYPE_CHECKING:
    from distributed import Client, Future

EXTRA = "cluster"  # of fftool, which has the package
CONNECT_SECONDS = 10.0
WAIT_SECONDS = 0.2
AHEAD = 2  # tasks for each worker, so that none waits for its next one
LOOPBACK = "127.0.0.1"
QUIET = dict.fromkeys(("distributed", "distributed.client", "tornado", "bokeh"), "critical")
ADDRESS = re.compile(r"(?:tcp|tls)://(?:\[([0-9a-fA-F:]+)\]|([^\s:/\[\]]+)):(\d{1,5})")
# What glibc comes to by itself, unless it is told anything else.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}
Key = TypeVar("Key")


@dataclass(frozen=True)
class Task:
    """Work for `run_task`, and the contents of the files that it needs."""

    payload: bytes
    contents: Contents


def check_address(address: str) -> tuple[str, int]:
    """Host and port of a scheduler. Raises SettingError for anything else, and ClusterError if nothing listens there.

    Dask itself would try again for a while.
    """
    if not (found := ADDRESS.fullmatch(address)):
        raise SettingError("address of a scheduler", address, "one such as tcp://head:8786 or tls://head:8786")
    host, port = found[1] or found[2], int(found[3])
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such host"
        raise ClusterError(address, f"cannot be reached: {reason}") from error
    return host, port


def load_distributed() -> None:
    """Import Dask without its log on standard error. Raises PackageError if it is not installed."""
    try:
        with uninterrupted():
            import dask

            dask.config.set({"logging": QUIET})  # or distributed would log as it is imported
            import_module("distributed")
    except ImportError as error:
        raise PackageError("work on several processes takes the package distributed", "distributed", EXTRA) from error


def threads_of(n_workers: int) -> int:
    """Threads for each worker of this machine, so that they do not wait for each other's cores."""
    return max(1, (available_processors() or os.cpu_count() or 1) // n_workers)


@contextmanager
def local_cluster(n_workers: int) -> Iterator[Cluster]:
    """Section with so many processes of this machine, which only this machine reaches. Raises PackageError."""
    load_distributed()
    import dask
    from distributed import LocalCluster

    with dask.config.set(worker_settings(threads_of(n_workers))), uninterrupted():
        local = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,  # tasks at once
            host=LOOPBACK,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    try:
        with _client(local.scheduler_address) as client:
            yield Cluster(client, local.scheduler_address)
    finally:
        with uninterrupted():
            local.close(timeout=5)


@contextmanager
def remote_cluster(address: str, on_wait: Callable[[str], object] = lambda address: None) -> Iterator[Cluster]:
    """Section with the workers of a scheduler; `on_wait` is called with its address if tasks wait for the first one.

    Raises ClusterError if there is no scheduler, VersionMismatchError for other versions of its workers than here,
    SettingError for what is no address, and PackageError.
    """
    load_distributed()
    check_address(address)
    with _client(address) as client:
        cluster = Cluster(client, address, on_wait)
        cluster.check_versions()
        yield cluster


def worker_settings(threads: int) -> dict[str, object]:
    """Configuration of Dask by which a worker process computes with so many threads, as fast as another process.

    Dask would have glibc give memory back at once, so that each step asks for it again: tiles took 1.5 times as long.
    Its profiler interrupts the work a hundred times a second.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    variables = dict.fromkeys(names, str(threads)) | MALLOC
    settings = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in variables.items()}
    return settings | {"distributed.worker.profile.enabled": False}


@contextmanager
def _client(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        with uninterrupted():
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(address, "does not answer as one of Dask") from error
    try:
        yield client
    finally:
        with uninterrupted(), suppress(Exception):  # it may be gone
            client.close(timeout=2)


class Cluster:
    """Workers that take tasks."""

    def __init__(self, client: Client, address: str, on_wait: Callable[[str], object] = lambda address: None) -> None:
        self.client, self.address, self.on_wait = client, address, on_wait

    @property
    def n_workers(self) -> int:
        """Number of workers now. Raises ClusterError if the scheduler is gone."""
        self._check_scheduler()
        return len(self.client.scheduler_info().get("workers", {}))

    def _check_scheduler(self) -> None:
        if self.client.status != "running":
            raise ClusterError(self.address, "is gone")

    def check_versions(self) -> None:
        """Raise VersionMismatchError if a worker has other versions than this process, or lacks fftool."""
        wanted = versions()
        for worker, found in self.client.run(versions, on_error="return").items():
            if found != wanted:
                seen = str(found) if isinstance(found, Versions) else "no fftool, or another one"
                raise VersionMismatchError(worker, seen, str(wanted))

    def run(self, tasks: Mapping[Key, Task]) -> Iterator[tuple[Key, Any]]:
        """Results of tasks as they end, or their errors.

        A task whose worker dies runs again on another one. Raises ClusterError if the scheduler is gone; tasks that
        have not ended are cancelled with this section.
        """
        from distributed import as_completed

        sent: dict[int, Future[Any]] = {}
        keys = {self._submit(task, sent): key for key, task in tasks.items()}
        try:
            if not self.n_workers:
                self.on_wait(self.address)
            for future in as_completed(list(keys), loop=self.client.loop):
                yield keys.pop(future), self._result(future)
                future.release()
        finally:
            self._cancel(keys)

    def run_in_order(self, tasks: Iterable[Task]) -> Iterator[Any]:
        """Results of tasks in their order, a few of them at work; None now and then while it waits.

        Raises the error of a task, and ClusterError if the scheduler is gone.
        """
        left = iter(tasks)
        pending: deque[Future[Any]] = deque()
        sent: dict[int, Future[Any]] = {}
        try:
            while True:
                most = AHEAD * max(1, self.n_workers)
                pending.extend(self._submit(task, sent) for task in islice(left, most - len(pending)))
                if not pending:
                    return
                if not self.n_workers:
                    self.on_wait(self.address)
                while not pending[0].done():
                    self._wait(pending[0])
                    yield None
                future = pending.popleft()
                result = self._result(future)
                future.release()
                if isinstance(result, FFToolError):
                    raise result
                yield result
        finally:
            self._cancel(pending)

    def _submit(self, task: Task, sent: dict[int, Future[Any]]) -> Future[Any]:
        """Future of a task; `sent` has those of contents by their identity, which a worker gets again if it dies."""
        contents = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large tasks: they are files
            if task.contents:
                if id(task.contents) not in sent:
                    sent[id(task.contents)] = self.client.submit(dict, task.contents, pure=False)
                contents = [sent[id(task.contents)]]
            return self.client.submit(run_task, versions(), task.payload, *contents, pure=False)

    def _wait(self, future: Future[Any]) -> None:
        """Wait for a future, for a while."""
        with suppress(TimeoutError, CancelledError):
            future.exception(timeout=WAIT_SECONDS)

    def _cancel(self, futures: Iterable[Future[Any]]) -> None:
        with uninterrupted(), suppress(Exception):  # the scheduler may be gone
            self.client.cancel(list(futures), force=True)

    def _result(self, future: Future[Any]) -> Any:
        from distributed import KilledWorker

        self._check_scheduler()
        if future.status == "cancelled":
            raise ClusterError(self.address, "is gone")
        error = future.exception()
        if error is None:
            result = future.result()
            if isinstance(result, VersionMismatchError):
                raise result
            return result
        if isinstance(error, KilledWorker):
            return WorkerError("the workers died that it ran on, one after the other")
        if isinstance(error, FFToolError):
            return error
        return WorkerError(f"a worker reports {type(error).__name__}: {error}")
