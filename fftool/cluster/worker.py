"""A worker process of a Dask cluster, which takes one task at a time."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass

from fftool.cluster.client import LOOPBACK, check_address, load_distributed, threads_of, worker_environment
from fftool.errors import SettingError


@dataclass(frozen=True)
class WorkerOptions:
    """A worker of the scheduler at an address.

    `threads` are those that it computes with; all of this machine unless given. `memory_limit` is a size as Dask reads
    it, above which the worker is started again: 4GB, or auto. `host` is the address that it listens at: the loopback
    for a scheduler there, else the one from which this machine reaches the scheduler.
    """

    address: str
    threads: int | None = None
    memory_limit: str = "auto"
    host: str | None = None


def serve(options: WorkerOptions, ready: Callable[[str], object]) -> None:
    """Work until the scheduler ends, or a stop signal comes. `ready` is called with the address of the worker.

    Raises ClusterError if the scheduler cannot be reached, SettingError for an address or a memory limit that is none,
    and PackageError.
    """
    load_distributed()
    import dask
    from dask.utils import parse_bytes

    if options.memory_limit != "auto":
        try:
            parse_bytes(options.memory_limit)
        except ValueError as error:
            raise SettingError("memory limit", options.memory_limit, "a size such as 4GB, or 'auto'") from error
    with dask.config.set(worker_environment(options.threads or threads_of(1))):
        asyncio.run(_serve(options, ready))


async def _serve(options: WorkerOptions, ready: Callable[[str], object]) -> None:
    from distributed import Nanny

    async with Nanny(
        options.address,
        nthreads=1,  # tasks at once
        memory_limit=options.memory_limit,
        host=options.host or (LOOPBACK if _is_loopback(check_address(options.address)[0]) else None),
        silence_logs=logging.ERROR,
        dashboard=False,
    ) as nanny:
        ready(str(nanny.worker_address))
        await nanny.finished()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
