"""Reads columns of a CSV file from any source: commas, semicolons or tabs, decimal commas, with or without a header."""

import csv
import io
import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.beside import located, where
from edgevolve.data.data_error import DataError, not_read
from edgevolve.data.unreadable import shown

_SEEN_BYTES = 64 << 10
_ROWS_AT_ONCE = 50_000
_MOST_COLUMNS = 100_000
_MISSING = frozenset(("", "?", "na", "n/a", "nan", "null", "none"))
"""Cells that mean a missing value, in lower case."""
_POINT, _COMMA = re.compile(r"\d\.\d"), re.compile(r"\d,\d")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file and its format. Columns without a name are `column 1` and so on."""

    path: str
    names: tuple[str, ...]
    has_header: bool
    delimiter: str
    decimal: str

    def cells(self, columns: Sequence[str]) -> Iterator[NDArray[np.object_]]:
        """The text of these columns, (rows, columns), about 50 000 rows at a time. Raises `DataError`."""
        import pandas as pd

        wanted = [self.names.index(name) for name in columns]
        try:
            with warnings.catch_warnings(), open(self.path, encoding="utf-8-sig", newline="") as file:
                warnings.simplefilter("error", pd.errors.ParserWarning)
                reader = pd.read_csv(
                    file,
                    sep=self.delimiter,
                    header=None,
                    names=range(len(self.names)),
                    skiprows=int(self.has_header),
                    index_col=False,
                    dtype=str,
                    na_filter=False,
                    skipinitialspace=True,
                    chunksize=_ROWS_AT_ONCE,
                )
                with reader:
                    for frame in reader:
                        if len(frame):
                            yield frame.fillna("").to_numpy(object)[:, wanted]
        except UnicodeDecodeError as error:
            raise DataError("is not UTF-8 text") from error
        except OSError as error:
            raise DataError(error.strerror or "cannot be read") from error
        except pd.errors.EmptyDataError:
            return
        except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
            reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
            raise DataError(f"not a table of {len(self.names)} columns ({reason[:150]})") from error

    def numbers(self, cells: NDArray[np.object_]) -> NDArray[np.float64]:
        """The cells as numbers; NaN for a cell that is not a number."""
        import pandas as pd

        text = pd.Series(cells.reshape(-1))
        if self.decimal == ",":
            text = text.str.replace(",", ".", regex=False)
        numbers: NDArray[np.float64] = pd.to_numeric(text, errors="coerce").to_numpy(np.float64, copy=True)
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers.reshape(cells.shape)

    def array(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """All rows of these columns as numbers. Raises `DataError` for the first cell that is not a number."""
        pieces, row = [np.empty((0, len(columns)))], 0
        for cells in self.cells(columns):
            pieces.append(numbers := self.numbers(cells))
            bad = np.argwhere(np.isnan(numbers))
            if len(bad):
                raise DataError(self.complaint(row + int(bad[0, 0]), columns[bad[0, 1]], cells[tuple(bad[0])]))
            row += len(cells)
        return np.concatenate(pieces)

    def complaint(self, row: int, column: str, cell: str) -> str:
        """The message that this cell is not a number."""
        what = "is missing" if is_missing(cell) else f"holds {cell[:40]!r}, not a number"
        return f"row {row + 1}: {column} {what}"


def is_missing(cell: str) -> bool:
    """Whether a cell means a missing value."""
    return cell.strip().lower() in _MISSING


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a point or a comma."""
    try:
        float(cell.strip().replace(",", ".", 1))
    except ValueError:
        return False
    return True


def opened(path: str) -> CsvFile:
    """Recognise the format from the first lines of a file. Raises `DataError`, with the path, for other files."""
    try:
        place = str(located(Path(path).expanduser()).absolute())
        if stat.S_ISFIFO(os.stat(place).st_mode):
            raise DataError(f"{shown(path)}: not a regular file")
        with open(place, "rb") as file:
            start = file.read(_SEEN_BYTES)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise not_read(shown(path), error, where(path)) from error
    try:
        return sniffed(place, start)
    except DataError as error:
        raise DataError(f"{shown(path)}: {error}") from None


def sniffed(path: str, start: bytes) -> CsvFile:
    """The format of a file that begins with `start`. Raises `DataError`, without the path."""
    lines = _lines(start)
    delimiter = next((sign for sign in ";\t," if sign in lines[0]), r"\s+" if " " in lines[0].strip() else ",")
    rest = "\n".join(lines[:50] if len(lines) == 1 else lines[1:50])
    decimal = "," if delimiter != "," and _COMMA.search(rest) and not _POINT.search(rest) else "."
    first = lines[0].split() if delimiter == r"\s+" else next(csv.reader(io.StringIO(lines[0]), delimiter=delimiter))
    has_header = not all(is_number(cell) or is_missing(cell) for cell in first)
    if len(first) > _MOST_COLUMNS:
        raise DataError(f"has {len(first)} columns; up to {_MOST_COLUMNS} are read")
    plain = [cell.strip() if has_header else "" for cell in first]
    twice = [name for name, count in Counter(plain).items() if name and count > 1]
    if twice:
        raise DataError(f"two columns are named {twice[0][:100]}; remove or rename one")
    names = tuple(name or f"column {number}" for number, name in enumerate(plain, 1))
    return CsvFile(path, names, has_header, delimiter, decimal)


def _lines(start: bytes) -> list[str]:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("is UTF-16 text; save it as UTF-8")
    if start.startswith(b"PK"):
        raise DataError("is a workbook or an archive; save the table as CSV")
    if b"\0" in start:
        raise DataError("is not text")
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4 or len(start) < _SEEN_BYTES:
            raise DataError(f"is not UTF-8 text (byte {error.start})") from None
        text = start[: error.start].decode("utf-8-sig")  # cut within a character
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError("is empty")
    return lines


def whole(cell: Any) -> str:
    """The name of a label: 1.0 becomes 1."""
    text = str(cell).strip()
    return text[:-2] if text.endswith(".0") and text[:-2].lstrip("-").isdecimal() else text
