"""Reads and writes predictors as JSON. Nothing in a file that this package reads is executed."""

import json
import stat
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from predictors.workload import PredictorError

T = TypeVar("T")


_MOST_BYTES = 1 << 28


def read_text(path: Path, most: int = _MOST_BYTES) -> str:
    """The text of a regular file of at most `most` bytes, without a last character of which only a part was written.

    Raises `OSError` or `ValueError` for any other file; the message does not name it.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > most:
        raise ValueError(f"{status.st_size} bytes; at most {most} are read")
    return getincrementaldecoder("utf-8-sig")().decode(path.read_bytes())


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def write_predictor(path: Path | str, payload: Mapping[str, Any]) -> None:
    """Write plain JSON values as one line."""
    Path(path).write_text(json.dumps(payload, separators=(",", ":")) + "\n")


def read_predictor(path: Path | str, from_json: Callable[[Any], T], kind: str = "predictor") -> T:
    """The result of `from_json` on a file's content. Raises `PredictorError`, in one line that names the file."""
    try:
        payload = json.loads(read_text(Path(path)), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise PredictorError(f"{path}: cannot be read as a {kind} ({type(error).__name__})") from error
    try:
        return from_json(payload)
    except PredictorError as error:
        raise PredictorError(f"{path}: {error}") from None
