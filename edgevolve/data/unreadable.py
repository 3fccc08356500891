"""Files that cannot be read: an error, or a line in the notes where the user asks to go on without them."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from edgevolve.data.data_error import DataError

_NAMED = 3
"""The number of left-out files that a note names."""


@dataclass(slots=True)
class Unreadable:
    """Called with a file and the reason why it is unreadable: raises `DataError`, or with `skip` keeps a note."""

    skip: bool
    seen: list[str] = field(default_factory=list)

    def __call__(self, path: str | Path, reason: str) -> None:
        """Refuse `path`, or leave it out."""
        line = f"{shown(path)}: {' '.join(reason.split())}"
        if not self.skip:
            raise DataError(f"{line}; skip_unreadable=True leaves out what cannot be read")
        self.seen.append(line)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line, or none where all files were read."""
        if not self.seen:
            return ()
        more = len(self.seen) - _NAMED
        named = "; ".join(self.seen[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
        return (f"{len(self.seen)} left out as unreadable: {named}",)


def shown(path: str | Path) -> str:
    """A path that can be printed, whatever its bytes are."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
