"""A worker process of a Dask cluster, which takes one task at a time."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable

from fftool.cluster.client import LOOPBACK, check_address, load_distributed, threads_of, worker_settings
from fftool.config import WorkerConfig
from fftool.errors import SettingError


def serve(address: str, config: WorkerConfig, ready: Callable[[str], object]) -> None:
    """Work for the scheduler at an address until it ends, or a stop signal comes.

    It listens at the loopback for a scheduler there, and else at the address from which this machine reaches the
    scheduler, unless the config names a host. `ready` is called with the address of the worker. Raises ClusterError if
    the scheduler cannot be reached, SettingError for an address or a memory limit that is none, and PackageError.
    """
    load_distributed()
    import dask
    from dask.utils import parse_bytes

    if config.memory_limit != "auto":
        try:
            parse_bytes(config.memory_limit)
        except ValueError as error:
            raise SettingError("memory limit", config.memory_limit, "a size such as 4GB, or 'auto'") from error
    with dask.config.set(worker_settings(config.threads or threads_of(1))):
        asyncio.run(_serve(address, config, ready))


async def _serve(address: str, config: WorkerConfig, ready: Callable[[str], object]) -> None:
    from distributed import Nanny

    async with Nanny(
        address,
        nthreads=1,  # tasks at once
        memory_limit=config.memory_limit,
        host=config.host or (LOOPBACK if _is_loopback(check_address(address)[0]) else None),
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
