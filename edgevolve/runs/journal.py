"""The journal of a run: JSON lines, only ever appended, one writer."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from pydantic import ValidationError

from edgevolve.runs.events import EVENT, Event, Started


class JournalError(ValueError):
    """A journal that cannot be read or written. The message is one line."""


class EmptyJournalError(JournalError):
    """A file without a line: no search has begun in it."""


def journal_path(run: str | Path) -> Path:
    """The journal of RUN, which is a folder such as `artifacts/NAME` or the journal itself."""
    path = Path(run)
    return path / "journal.jsonl" if path.is_dir() else path


def read(path: Path) -> Iterator[Event]:
    """Every event in order.

    A last line that was cut off while it was being written is left out. Raises `JournalError` for
    a file that is not there, is not a journal, or has a line elsewhere that cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from _events(path, file)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from error


def create(path: Path, started: Started) -> None:
    """Make a journal with its first line, whole or not at all. Raises `JournalError` where one exists."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".journal-") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(_line(started))
            file.flush()
            os.fsync(file.fileno())
            os.link(file.name, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise JournalError(f"{path}: exists; add --resume to go on, or choose another --name") from None
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from error


class Journal:
    """The writing end of a journal that `create` made. Hold it in a `with` block.

    Opening locks the file against a second writer and cuts off a torn last line. An event outlives this process when
    `append` returns, and a loss of power too, unless `sync=False`, which leaves that to the next event that is synced.
    Raises `JournalError` when the file is no journal, or another process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        """Lock, check and repair."""
        self._path = path
        next(read(path))
        try:
            self._file = path.open("ab+")
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror or error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise JournalError(f"{path}: another search is writing to it") from error
        self._file.truncate(_sound_bytes(self._file))

    def append(self, event: Event, sync: bool = True) -> None:
        """Write one event."""
        try:
            self._file.write(_line(event))
            self._file.flush()
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise JournalError(f"{self._path}: {error.strerror or error}") from error

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def _line(event: Event) -> bytes:
    return event.model_dump_json().encode() + b"\n"


def _events(path: Path, file: IO[bytes]) -> Iterator[Event]:
    number = 0
    line = file.readline()
    while line:
        number += 1
        following = file.readline()
        if number > 1 and (not line.endswith(b"\n") or (not following and _torn(line))):
            return  # torn, or being written
        try:
            event = EVENT.validate_json(line)
        except ValidationError as error:
            raise JournalError(_explain(path, number, error)) from None
        if (number == 1) != isinstance(event, Started):
            raise JournalError(f"{path}: line {number}: a journal has one 'started' event, its first line")
        yield event
        line = following
    if number == 0:
        raise EmptyJournalError(f"{path}: empty, no search has begun")


def _torn(line: bytes) -> bool:
    """Whether a last line is the beginning of an event, or a block that the disk never got."""
    if not line.endswith(b"\n"):
        return True
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return False


def _explain(path: Path, number: int, error: ValidationError) -> str:
    if number == 1:
        return f"{path}: not a journal that this version of edgevolve reads"
    detail = error.errors()[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{path}: line {number}: not an event ({where}: {detail['msg']}); restore the file from a copy"


def _sound_bytes(file: IO[bytes]) -> int:
    """How long the file is without a torn last line; only its end is read."""
    size = position = file.seek(0, os.SEEK_END)
    tail = b""
    while position > 0 and b"\n" not in tail[:-1]:
        position = max(0, position - (1 << 20))
        file.seek(position)
        tail = file.read(size - position)
    last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
    return size - len(last) if _torn(last) else size


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
