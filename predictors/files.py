"""Reads files that are not trusted, and writes predictors: figures in YAML, predictors in JSON, any text.

Figures are checked against a model. Nothing in a file is executed.
"""

import json
import re
import stat
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from edgevolve.beside import located, where
from edgevolve.spelling import suggestion
from predictors.values import PredictorError

_MOST_BYTES = 1 << 28
_MOST_YAML_BYTES = 1 << 16
_MOST_KEYS = 1000
_OF_YAML = (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError, LookupError, ArithmeticError)
"""What PyYAML raises for a text that is not YAML, or that its own constructors do not expect."""

_QUOTED = re.compile(r"'(\w+)'")
"""The values that pydantic expects of an enumeration."""

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


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


def format_of(payload: Any) -> Any:
    """The `format` that a predictor's JSON names; the name of its type where it is no mapping."""
    return payload.get("format") if isinstance(payload, dict) else type(payload).__name__


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """PyYAML's safe loader with at most 1 000 keys a mapping, since merges of merges double at every level."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            raise yaml.constructor.ConstructorError(None, None, f"a mapping of over {_MOST_KEYS} keys", node.start_mark)


def is_yaml(name: str) -> bool:
    """Whether a file name is that of a YAML file."""
    return name.endswith((".yaml", ".yml"))


def read_yaml(path: Path | str, model: type[M], kind: str) -> M:
    """Read a `model` from a file, in the working folder or next to a configuration; `kind` is its name in messages.

    Raises `PredictorError`, in one line that says what and where.
    """
    try:
        payload = yaml.load(read_text(located(path), _MOST_YAML_BYTES), _Loader)
    except OSError as error:
        raise PredictorError(f"{path}: {error.strerror or error}{where(path)}") from error
    except _OF_YAML as error:
        raise PredictorError(f"{path}: not a {kind} in YAML: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(payload, dict):
        raise PredictorError(f"{path}: a {kind} is a mapping, not {type(payload).__name__}")
    try:
        return model(**payload)
    except (ValidationError, TypeError) as error:
        raise PredictorError(f"{path}: {_first(error, model)[:400]}") from error


def _fields(model: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """The names of the fields at a place in a model; for a mapping, those of its values."""
    inner: object = model
    for part in where:
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            inner = inner.model_fields[str(part)].annotation
        else:
            inner = get_args(inner)[-1]
        if type(None) in get_args(inner):
            inner = next((one for one in get_args(inner) if isinstance(one, type)), inner)
    return list(inner.model_fields) if isinstance(inner, type) and issubclass(inner, BaseModel) else []


def _first(error: Exception, model: type[BaseModel]) -> str:
    """The first error, unknown names before others: place, reason, value and the nearest known name."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part)[:100] for part in first["loc"])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        known = _fields(model, first["loc"][:-1])
        return f"{where}: no such field{suggestion(name, known)}"
    message = str(first.get("ctx", {}).get("error", first["msg"]))
    value = first["input"] if isinstance(first["input"], int | float | str) else None
    shown = f"not {value!r:.60}"
    if not where or value is None or shown in message:
        return f"{where + ': ' if where else ''}{message}"
    near = suggestion(str(value), _QUOTED.findall(str(first.get("ctx", {}).get("expected", ""))))
    return f"{where}: {message}, {shown}{near}"
