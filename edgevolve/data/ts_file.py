"""Reads recordings in the `.ts` format of the UEA and UCR archives, without timestamps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.folder import Place
from edgevolve.data.recordings import Piece
from edgevolve.data.unreadable import Unreadable, shown

_LONGEST_LINE = 16 << 20


@dataclass(frozen=True, slots=True)
class TsFile:
    """A file whose header names the classes; each data line holds channels separated by colons, then the class."""

    path: str
    classes: tuple[str, ...]
    channels: int
    header: int = field(repr=False)

    @classmethod
    def opened(cls, path: str) -> "TsFile":
        """Read the header and the first recording. Raises `DataError` with the path."""
        said: dict[str, list[str]] = {}
        number = 0
        for line in _lines(path):
            number += 1
            words = line.strip().split()
            if not words or words[0].startswith("#"):
                continue
            if not words[0].startswith("@"):
                raise DataError(f"{shown(path)}: line {number}: not a .ts file; a header of lines with @ is needed")
            said[words[0].lower()] = words[1:]
            if words[0].lower() == "@data":
                break
        if "@data" not in said:
            raise DataError(f"{shown(path)}: not a .ts file; it has no line @data")
        if said.get("@timestamps", [""])[0].lower() == "true":
            raise DataError(f"{shown(path)}: holds timestamps, which are not read; write values alone")
        has_class, *classes = said.get("@classlabel", ["false"])
        if has_class.lower() != "true" or len(classes) < 2:
            raise DataError(
                f"{shown(path)}: @classLabel names fewer than two classes; a classifier needs at least two classes"
            )
        first = next((line for at, line in enumerate(_lines(path)) if at >= number and line.strip()), "")
        return cls(path, tuple(classes), first.count(":"), number)

    def pieces(self, part: str, unreadable: Unreadable) -> Iterator[Piece]:
        """Each recording; one that cannot be read is refused or left out."""
        for number, line in enumerate(_lines(self.path)):
            if number < self.header or not line.strip():
                continue
            name = f"line {number + 1}"
            try:
                label, values = self._parsed(line)
            except DataError as error:
                unreadable(self.path, f"{name}: {error}")
                continue
            yield Place(self.path, name, label, part, f"{part} {name}".strip()), values

    def _parsed(self, line: str) -> tuple[str, NDArray[np.float32]]:
        *channels, label = line.strip().split(":")
        if len(channels) != self.channels:
            raise DataError(f"has {len(channels)} channels, but the first recording has {self.channels}")
        if label.strip() not in self.classes:
            raise DataError(f"has the class {label.strip()[:40]!r}, none of {', '.join(self.classes)[:100]}")
        try:
            rows = [np.array(channel.split(","), np.float64) for channel in channels]
        except ValueError as error:
            raise DataError(f"holds a value that is not a number ({' '.join(str(error).split())[:60]})") from None
        if len({len(row) for row in rows}) > 1:
            raise DataError("channels are of different length")
        values = np.stack(rows, axis=1).astype(np.float32)
        if not np.isfinite(values).all():
            raise DataError("a value is missing")
        return label.strip(), values


def _lines(path: str) -> Iterator[str]:
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            while line := file.readline(_LONGEST_LINE):
                yield line
    except UnicodeDecodeError:
        raise DataError(f"{shown(path)}: is not UTF-8 text") from None
    except OSError as error:
        raise DataError(f"{shown(path)}: {error.strerror or 'cannot be read'}") from error
