"""Reads YAML files of figures, which are not trusted: they are checked against a model, and nothing is executed."""

import re
from pathlib import Path
from typing import TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from edgevolve.beside import located, where
from edgevolve.spelling import suggestion
from predictors.files import read_text
from predictors.workload import PredictorError

_MOST_BYTES = 1 << 16
_MOST_KEYS = 1000
_OF_YAML = (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError, LookupError, ArithmeticError)
"""What PyYAML raises for a text that is not YAML, or that its own constructors do not expect."""

_QUOTED = re.compile(r"'(\w+)'")
"""The values that pydantic expects of an enumeration."""

T = TypeVar("T", bound=BaseModel)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """PyYAML's safe loader with at most 1 000 keys a mapping, since merges of merges double at every level."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            raise yaml.constructor.ConstructorError(None, None, f"a mapping of over {_MOST_KEYS} keys", node.start_mark)


def is_yaml(name: str) -> bool:
    """Whether a file name is that of a YAML file."""
    return name.endswith((".yaml", ".yml"))


def read_yaml(path: Path | str, model: type[T], kind: str) -> T:
    """Read a `model` from a file, in the working folder or next to a configuration; `kind` is its name in messages.

    Raises `PredictorError`, in one line that says what and where.
    """
    try:
        payload = yaml.load(read_text(located(path), _MOST_BYTES), _Loader)
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
        inner = next((one for one in get_args(inner) if isinstance(one, type)), inner) if _optional(inner) else inner
    return list(inner.model_fields) if isinstance(inner, type) and issubclass(inner, BaseModel) else []


def _optional(annotation: object) -> bool:
    return type(None) in get_args(annotation)


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
