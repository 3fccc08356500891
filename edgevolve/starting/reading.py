"""A way of reading data: the reader with its settings, and the reason of each setting."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgevolve.data import DataError, DataSet
from edgevolve.data.folder import Listing
from edgevolve.data.unreadable import shown


@dataclass(frozen=True, slots=True)
class Reading:
    """A data set, a line on what was seen, and the reason of each setting by its name.

    `raw_bytes` is the RAM that the device needs for raw input, if the arena's metric does not count it (for `Features`
    it does).
    """

    data: DataSet
    seen: str
    why: Mapping[str, str]
    raw_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Wishes:
    """The user's options: the column to predict, and whether unreadable files may be left out."""

    label: str | None = None
    skip_unreadable: bool = False

    @property
    def reading(self) -> dict[str, Any]:
        """The options that are settings of every reader."""
        return {"skip_unreadable": True} if self.skip_unreadable else {}


SKIPPED = "from --skip-unreadable; `edgevolve check` lists what is left out"
_MOST_CLASSES = 0.5
"""With more classes than this share of the files, the names are not taken for classes."""


def check_classes(path: str, listing: Listing) -> None:
    """Raise `DataError` if the names give more than half as many classes as files, and so are no labels."""
    if len(listing.classes) > _MOST_CLASSES * len(listing.files):
        raise DataError(
            f"{shown(path)}: cannot tell the labels of {len(listing.files)} files such as "
            f"{shown(listing.files[0].name)}; make one folder for each class, or name files class.anything.suffix"
        )


def classes_in_words(names: Sequence[str]) -> str:
    """The number of classes and the first names."""
    few = ", ".join(names[:4])
    return f"{len(names)} classes ({few}{', …' if len(names) > 4 else ''})"


@contextmanager
def by_options() -> Iterator[None]:
    """Replace readers' settings in messages of `DataError` by options of the command line."""
    try:
        yield
    except DataError as error:
        line = str(error).replace("skip_unreadable=True leaves", "--skip-unreadable leaves")
        raise DataError(line.replace("label=… names one", "say --label NAME")) from None
