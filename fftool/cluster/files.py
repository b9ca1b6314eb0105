"""Files of a signal on their way to a worker: they travel with the task where they are small, or are shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from fftool.errors import WorkerFileError
from fftool.files import check_readable, source_name
from fftool.media.source import SignalSource
from fftool.pipes import content
from fftool.signal import Signal

MAX_TRAVELLING = 2**24  # bytes of all files of a signal together

Contents = Mapping[str, bytes]  # of files that travel, by their hash


@dataclass(frozen=True)
class SentFile:
    """A file as a task names it: its path and size here, and the hash of its content if that travels."""

    path: Path
    size: int
    key: str

    @property
    def changed(self) -> int | None:
        """Time of its last change on this worker, of a file that is shared."""
        return None if self.key or not self.path.exists() else self.path.stat().st_mtime_ns


@dataclass(frozen=True)
class SentSource:
    """The files of a signal as a task names them; `name` is that of the signal's source."""

    files: tuple[SentFile, ...]
    kind: str | None
    name: str

    def read(self, contents: Contents) -> Signal:
        """The signal, on a worker that was given those contents. Raises WorkerFileError, and errors as reading does."""
        with received(self.files, contents) as paths:
            return replace(SignalSource(tuple(paths), self.kind).open(), source=self.name)


def send(source: SignalSource) -> tuple[SentSource, dict[str, bytes]]:
    """A source as tasks name it, and the contents of its files if these are small. Raises errors as reading does."""
    files, contents = _send_files(source.files)
    return SentSource(tuple(files), source.kind, source_name(source.path)), contents


def send_file(path: Path) -> tuple[SentFile, dict[str, bytes]]:
    """One file in the same way."""
    (file,), contents = _send_files([path])
    return file, contents


def _send_files(files: Sequence[Path]) -> tuple[list[SentFile], dict[str, bytes]]:
    for file in files:
        check_readable(file)
    paths = [content(file) for file in files]
    sizes = [path.stat().st_size for path in paths]
    if sum(sizes) > MAX_TRAVELLING or any(path.is_dir() for path in paths):
        return [SentFile(path.resolve(), size, "") for path, size in zip(paths, sizes, strict=True)], {}
    data = [path.read_bytes() for path in paths]
    keys = [sha256(each).hexdigest() for each in data]
    sent = [SentFile(path.resolve(), size, key) for path, size, key in zip(paths, sizes, keys, strict=True)]
    return sent, dict(zip(keys, data, strict=True))


@contextmanager
def received(files: Sequence[SentFile], contents: Contents) -> Iterator[list[Path]]:
    """Section with the files on this worker: copies of those that travelled, and the others where they are.

    Raises WorkerFileError.
    """
    with TemporaryDirectory(prefix="fftool-") as folder:
        yield [_received(file, contents, Path(folder)) for file in files]


def _received(file: SentFile, contents: Contents, folder: Path) -> Path:
    if file.key:
        copy = folder / file.path.name
        copy.write_bytes(contents[file.key])
        return copy
    try:
        size = file.path.stat().st_size
    except OSError as error:
        raise WorkerFileError(file.path, f"not found on a worker ({error.strerror})") from error
    if size != file.size and not file.path.is_dir():
        raise WorkerFileError(file.path, f"has {size:,} bytes on a worker, and {file.size:,} here")
    return file.path
