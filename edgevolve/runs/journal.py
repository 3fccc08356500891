"""The journal of a run: JSON lines, only ever appended, one writer."""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from pydantic import ValidationError

from edgevolve.runs import disk
from edgevolve.runs.events import EVENT, Event, Started
from edgevolve.spelling import suggestion

ARTIFACTS = Path("artifacts")
"""The default folder of runs."""

_JOURNAL = "journal.jsonl"


class JournalError(ValueError):
    """A journal that cannot be read or written. The message is one line."""


class EmptyJournalError(JournalError):
    """A file without a line: no search has begun in it."""


class RunExistsError(JournalError):
    """A run of this name exists; it is not overwritten."""

    def __init__(self, path: Path) -> None:
        """The error for the journal at `path`."""
        start_over = f"remove the folder {path.parent} to start over"
        super().__init__(f"{path}: exists; add --resume to go on, choose another --name, or {start_over}")


def journal_path(run: str | Path) -> Path:
    """The journal of RUN, which is a folder such as `artifacts/NAME`, the journal itself, or NAME alone.

    Raises `JournalError` where there is neither.
    """
    path = Path(run)
    try:
        for folder in (path, ARTIFACTS / path):
            if folder.is_dir():
                return folder / _JOURNAL
        exists = path.exists()
    except (OSError, ValueError) as error:  # a name that is too long or contains NUL
        raise JournalError(f"{str(run)[:100]}: {getattr(error, 'strerror', None) or error}") from None
    if not exists:
        folder = path.parent if path.parent != Path() else ARTIFACTS
        raise JournalError(f"{path}: No such file or directory{suggestion(path.name, run_names(folder))}")
    return path


def run_names(folder: Path) -> list[str]:
    """The runs in a folder."""
    return sorted(path.parent.name for path in folder.glob(f"*/{_JOURNAL}"))


def read(path: Path) -> Iterator[Event]:
    """Every event in order.

    A last line that was cut off while it was written is left out. Raises `JournalError` for a missing file, for a file
    that is not a journal, and for any other line that cannot be read.
    """
    reader = Reader(path)
    yield from reader.new()
    if reader.offset == 0:
        if path.stat().st_size == 0:
            raise EmptyJournalError(f"{path}: empty, no search has begun")
        raise JournalError(_explain(path, 1))


class Reader:
    """Reads a journal, then again and again what was appended; it neither writes nor locks."""

    def __init__(self, path: Path) -> None:
        """A reader of the journal at `path`, which need not exist until `new` is called."""
        self.path = path
        self.at = 0
        """The offset of the last event, in bytes."""
        self.offset = 0
        """The offset behind the last event, in bytes."""
        self.generation = 0
        """The number of times that another journal has replaced the file."""
        self._inode = 0
        self._line = 0

    def new(self) -> Generator[Event, None, None]:
        """The events written since the last call, in order; an incomplete last line is left for the next call.

        Where another journal has replaced the file, these are its events from the first one on. Raises `JournalError`.
        """
        try:
            disk.require_regular(self.path)
            with self.path.open("rb") as file:
                yield from self._events(file)
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror or error}") from error

    def _events(self, file: IO[bytes]) -> Iterator[Event]:
        state = os.fstat(file.fileno())
        if self._inode and (state.st_ino != self._inode or state.st_size < self.offset):
            self.at = self.offset = self._line = 0
            self.generation += 1
        self._inode = state.st_ino
        file.seek(self.offset)
        line = file.readline()
        while line:
            following = file.readline()
            if not line.endswith(b"\n") or (self._line and not following and _torn(line)):
                return  # torn, or being written
            event = self._event(line)
            self.at, self.offset, self._line = self.offset, self.offset + len(line), self._line + 1
            yield event
            line = following

    def _event(self, line: bytes) -> Event:
        try:
            event = EVENT.validate_json(line)
        except ValidationError as error:
            raise JournalError(_explain(self.path, self._line + 1, error)) from None
        if (self._line == 0) != isinstance(event, Started):
            raise JournalError(f"{self.path}: line {self._line + 1}: a journal has one 'started' event, its first line")
        return event


def create(path: Path, started: Started) -> None:
    """Make a journal with its first line, whole or not at all. Raises `JournalError` where one exists."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        at = error.filename or path.parent
        raise JournalError(
            f"{at}: no folder can be made there ({error.strerror or error}); choose another --out"
        ) from error
    try:
        disk.write_new(path, _line(started))
    except FileExistsError:
        raise RunExistsError(path) from None
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from error


class Journal:
    """The writing end of a journal that `create` made. Hold it in a `with` block.

    Opening locks the file against a second writer and cuts off a torn last line. When `append` returns, the event
    survives the end of this process and a loss of power; with `sync=False` it survives the latter only after the next
    synced event. Raises `JournalError` when the file is not a journal, or another process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        """Lock, check and repair."""
        self._path = path
        next(read(path))
        try:
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror or error}") from error
        try:
            disk.lock(self._file)
        except OSError as error:
            self._file.close()
            raise JournalError(f"{path}: another search is writing to it") from error
        self._size = _sound_bytes(self._file, self._file.seek(0, os.SEEK_END))
        if (
            _sound_bytes(self._file, self._size) != self._size
        ):  # a line that reads as torn at the end would be in the middle
            self._file.close()
            raise JournalError(f"{path}: the line before the last is not an event; restore the file from a copy")
        self._file.truncate(self._size)

    def append(self, event: Event, sync: bool = True) -> None:
        """Write one event. Raises `JournalError` where that fails, or another program changed the file."""
        line = _line(event)
        try:
            if sync:
                self._require_untouched()
            while line:
                written = self._file.write(line) or 0
                self._size += written
                line = line[written:]
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            reason = error.strerror or error
            raise JournalError(f"{self._path}: {reason}; what finished is kept: add --resume to go on") from error

    def _require_untouched(self) -> None:
        mine = os.fstat(self._file.fileno())
        try:
            there = self._path.stat()
        except FileNotFoundError:
            raise JournalError(
                f"{self._path}: was removed while the search wrote to it; the search has ended"
            ) from None
        if (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            raise JournalError(f"{self._path}: was replaced while the search wrote to it; the search has ended")
        if there.st_size != self._size:
            raise JournalError(
                f"{self._path}: another program wrote to it or cut it off: {there.st_size} bytes in place of "
                f"{self._size}; the search has ended"
            )

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def _line(event: Event) -> bytes:
    return event.model_dump_json().encode() + b"\n"


def _torn(line: bytes) -> bool:
    """Whether a last line was cut off: it is the beginning of an event, or a block that the disk did not write."""
    if not line.endswith(b"\n"):
        return True
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return False


def _explain(path: Path, number: int, error: ValidationError | None = None) -> str:
    if number == 1 or error is None:
        return f"{path}: not a journal that this version of edgevolve reads"
    detail = error.errors()[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{path}: line {number}: not an event ({where}: {detail['msg']}); restore the file from a copy"


def _sound_bytes(file: IO[bytes], size: int) -> int:
    """The length of the first `size` bytes of the file without a torn last line; only the end is read."""
    position, tail = size, b""
    while position > 0 and b"\n" not in tail[:-1]:
        position = max(0, position - (1 << 20))
        file.seek(position)
        tail = file.read(size - position)
    last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
    return size - len(last) if _torn(last) else size
