"""Reading a journal while another process writes it, on this machine or on a shared disk."""

import json
import os
from pathlib import Path

from pydantic import ValidationError

from edgevolve.graph import Graph, from_json
from edgevolve.runs import JournalError, Run
from edgevolve.runs.events import EVENT, Asked, Event, Finished, Rejected, Started
from edgevolve.runs.events import Failed as FailedEvent


class Follower:
    """A run that grows with its journal. Nothing is ever written or locked."""

    def __init__(self, path: Path) -> None:
        """Follow the journal at `path`, which need not exist yet."""
        self.path = path
        self.run: Run | None = None
        """None until the first line is there."""
        self.changes: list[int] = []
        """The numbers of the candidates that were asked for, ended or rejected, in that order; only appended to."""
        self.generation = 0
        """Counts the times that another journal took the place of the one before."""
        self._offset = 0
        self._inode = 0
        self._asked_at: dict[int, int] = {}

    def poll(self) -> bool:
        """Take in the whole lines written since; gives whether there were any. Raises `JournalError`."""
        try:
            with self.path.open("rb") as file:
                state = os.fstat(file.fileno())
                if self._inode and (state.st_ino != self._inode or state.st_size < self._offset):
                    self._begin_again()
                self._inode = state.st_ino
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror or error}") from error
        lines = text[: text.rfind(b"\n") + 1].splitlines(keepends=True)
        for place, line in enumerate(lines):
            event = self._event(line, last=place == len(lines) - 1)
            if event is None:
                return place > 0
            self._take(event)
            self._offset += len(line)
        return bool(lines)

    def graph(self, number: int) -> Graph | None:
        """The network of a candidate that was asked for; None of any other."""
        if number not in self._asked_at:
            return None
        with self.path.open("rb") as file:
            file.seek(self._asked_at[number])
            event = EVENT.validate_json(file.readline())
        return from_json(event.graph) if isinstance(event, Asked) and event.number == number else None

    def _event(self, line: bytes, last: bool) -> Event | None:
        """The event of a line; None of a last line that the disk has not got as a whole yet."""
        try:
            return EVENT.validate_json(line)
        except ValidationError as error:
            if last and _half_written(line):
                return None
            raise JournalError(f"{self.path}: not an event at byte {self._offset}") from error

    def _take(self, event: Event) -> None:
        if self.run is None:
            if not isinstance(event, Started):
                raise JournalError(f"{self.path}: not a journal that this version of edgevolve reads")
            try:
                self.run = Run(self.path, event)
            except (KeyError, TypeError, ValueError) as error:
                raise JournalError(f"{self.path}: not the configuration of a search ({error})") from error
            return
        try:
            self.run.apply(event)
        except (KeyError, TypeError, ValueError) as error:
            raise JournalError(f"{self.path}: its events do not fit together ({error})") from error
        if isinstance(event, Asked):
            self._asked_at[event.number] = self._offset
        if isinstance(event, Asked | Rejected | Finished | FailedEvent):
            self.changes.append(event.number)

    def _begin_again(self) -> None:
        self.run, self.changes, self._offset, self._asked_at = None, [], 0, {}
        self.generation += 1


def _half_written(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return False
