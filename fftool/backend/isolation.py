"""fftool's arithmetic, kept apart from the torch state of a program: a call gives the same bytes whatever that is.

Dtypes and devices are named wherever a tensor is made. What names cannot settle is switched off in sections: autocast,
inference mode, gradients, and float32 products of lower precision. `torch.set_flush_denormal` stays as it is, as torch
cannot say what it was: it changes numbers below 1e-38 in the optimizer of a run, and no network that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import wraps
from threading import Lock
from typing import ParamSpec, Protocol, TypeVar, get_args

import torch

from fftool.config import ResolvedDevice

P = ParamSpec("P")
Item = TypeVar("Item")


class _Products(Protocol):
    """Matrix products of a backend, and the precision in which float32 ones are computed."""

    fp32_precision: str


class _FullFloat32:
    """Section in which float32 products keep all their bits, whatever `torch.set_float32_matmul_precision` says.

    That setting is the whole process's, so sections of several threads share one change of it: it begins with the
    first section and ends with the last.
    """

    FULL = ("none", "ieee")

    def __init__(self, *backends: _Products) -> None:
        self.backends, self.lock = backends, Lock()
        self.n_sections = 0
        self.changed: list[tuple[_Products, str]] = []

    def __enter__(self) -> None:
        with self.lock:
            if self.n_sections == 0:
                precisions = [(each, each.fp32_precision) for each in self.backends]
                self.changed = [(each, precision) for each, precision in precisions if precision not in self.FULL]
                for each, _ in self.changed:
                    each.fp32_precision = "ieee"
            self.n_sections += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.n_sections -= 1
            if self.n_sections == 0:
                for each, precision in self.changed:
                    each.fp32_precision = "none"  # where it comes from torch.backends.fp32_precision, it is back
                    if each.fp32_precision != precision:
                        each.fp32_precision = precision


# torch's types lack mkldnn.matmul.
_full_float32 = _FullFloat32(torch.backends.mkldnn.matmul, torch.backends.cuda.matmul)  # type: ignore[attr-defined]


@contextmanager
def exact_products() -> Iterator[None]:
    """Section in which products have the precision of their operands: no autocast, and all bits of float32."""
    with ExitStack() as stack:
        for kind in get_args(ResolvedDevice):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(_full_float32)
        yield


@contextmanager
def isolated() -> Iterator[None]:
    """Section, or decorator of a function, with exact products, whose tensors are ordinary ones without gradients."""
    with torch.inference_mode(False), torch.no_grad(), exact_products():
        yield


def isolated_steps(function: Callable[P, Generator[Item]]) -> Callable[P, Iterator[Item]]:
    """Decorator of a generator: its steps are isolated, and between them its caller has its own state."""

    @wraps(function)
    def steps(*arguments: P.args, **options: P.kwargs) -> Iterator[Item]:
        with closing(function(*arguments, **options)) as items:
            while True:
                with isolated():
                    item = next(items, None)
                if item is None:
                    return
                yield item

    return steps
