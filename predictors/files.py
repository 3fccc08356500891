"""Predictors as JSON files: nothing in them is executed when they are read."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from predictors.features import PredictorError

T = TypeVar("T")


def write_predictor(path: Path | str, payload: Mapping[str, Any]) -> None:
    """Write plain JSON values, on one line."""
    Path(path).write_text(json.dumps(payload, separators=(",", ":")) + "\n")


def read_predictor(path: Path | str, from_json: Callable[[Any], T], kind: str = "predictor") -> T:
    """What `from_json` makes of a file. Raises `PredictorError`, in one line that names the file."""
    try:
        payload = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise PredictorError(f"{path}: cannot be read as a {kind} ({type(error).__name__})") from error
    try:
        return from_json(payload)
    except PredictorError as error:
        raise PredictorError(f"{path}: {error}") from None
