"""Errors of decoders: whatever they raise for a file means that it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fftool.errors import DamagedFileError, FFToolError, LargeFileError


@contextmanager
def decoding(path: Path, what: str) -> Iterator[None]:
    """Section in which a file is decoded: `what` is in it, such as "the image".

    Raises LargeFileError if memory runs out, DamagedFileError for any error of a decoder, and our own errors as they
    are.
    """
    try:
        yield
    except FFToolError:
        raise
    except MemoryError as error:
        raise LargeFileError(path, f"{what} does not fit in memory") from error
    except Exception as error:
        # Decoders, in C and in Python, raise errors of many types for damaged files (struct.error, SyntaxError,
        # KeyError, zlib.error, …): a list of them would miss some. The file is given up whatever the error.
        raise DamagedFileError(path, "damaged: it cannot be decoded") from error
