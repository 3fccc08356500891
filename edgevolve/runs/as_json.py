"""The JSON form of a configuration, for the journal, and the differences of two such forms."""

import dataclasses
import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from edgevolve.runs.config import ConfigError, SearchConfig
from edgevolve.runs.earlier import BEFORE, removed
from edgevolve.runs.task import Task
from predictors import Sheet

_OURS = ("configs", "edgevolve", "predictors", "resource_models", "search_algorithms", "search_space")
_CONFIGURATION = ("__main__", "edgevolve_config")
"""The module names of a configuration file, run as a script or loaded by the command line."""
_DEEPEST = 20
_UNKNOWN = object()


def config_json(config: SearchConfig, task: Task, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The configuration as plain JSON values; an object is its class and parameters.

    The parameters of an object are the result of its method `as_json()`; without one, the fields of a dataclass (those
    with `repr`), or all attributes. A user's own class is named with its module.

    `before` is the configuration of a journal. A parameter that is newer than the journal is left out where it holds
    what was done before it existed (`runs.earlier`), or its default. Raises `ConfigError` for an object without a JSON
    form.
    """
    fields = {name: getattr(config, name) for name in SearchConfig.model_fields}
    start = [config.space.to_json(genotype) for genotype in config.start_genotypes]
    values = {**fields, "task": task, "start": start}
    devices = {device.name: device.device for device in config.device_metrics}
    if devices:
        values["devices"] = devices
    else:
        del values["devices"]  # so that runs from before devices existed can be resumed
    return _entries(values, before, "", 0, _defaults(SearchConfig))


def difference(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[str]:
    """The differences of two JSON configurations, as `path: before → after`."""
    lines = []
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += difference(old, new, f"{path}{name}.")
        elif old != new and (name in before or new is not False):  # what the journal does not name was off
            lines.append(f"{path}{name}: {old!r} → {new!r}")
    return lines


def _plain(value: Any, before: Any, path: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ConfigError(f"{path[:200]}: refers to itself, or is nested too deep; give its class a method as_json()")
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Enum):
        return _plain(value.value, before, path, depth + 1)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytes | np.ndarray):
        return _digest(value)
    if isinstance(value, Mapping):
        return _entries({str(name): entry for name, entry in value.items()}, before, path, depth, lambda name: _UNKNOWN)
    if isinstance(value, list | tuple):
        return [
            _plain(entry, known, f"{path}[]", depth + 1)
            for entry, known in zip(value, _list(before, len(value)), strict=True)
        ]
    if isinstance(value, set | frozenset):
        return sorted((_plain(entry, None, path, depth + 1) for entry in value), key=json.dumps)
    return _object(value, before, path, depth)


def _object(value: Any, before: Any, path: str, depth: int) -> dict[str, Any]:
    """The class, its module if the class is the user's own, and the parameters."""
    named = value if inspect.isroutine(value) or isinstance(value, type) else type(value)
    name, module = getattr(named, "__qualname__", type(value).__qualname__), getattr(named, "__module__", None) or ""
    about = {"type": name}
    if module.partition(".")[0] not in _OURS:
        about["module"] = "" if module in _CONFIGURATION else module
    known = before if isinstance(before, Mapping) and before.get("type") == name else None
    if known is not None and "module" in about and "module" not in known:  # journals of 0.1.0 name only the class
        del about["module"]
        if set(known) == {"type"}:
            return about
    parameters = {} if named is value else _parameters(value, path)
    if isinstance(value, Sheet) and known is not None:
        parameters = {**parameters, "figures": _figures_then(value, known)}
    about |= removed(name, known or {})
    return {**about, **_entries(parameters, known, f"{path}.{name}", depth + 1, _defaults(type(value)))}


def _figures_then(sheet: Sheet, known: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a sheet, without those that the journal lacks and no prediction uses."""
    then = known.get("figures")
    held = then if isinstance(then, Mapping) else {}
    return {name: figure for name, figure in sheet.figures.items() if name in held or sheet.reads(name)}


def _parameters(value: Any, path: str) -> Mapping[str, Any]:
    own = getattr(value, "as_json", None)
    if callable(own):
        return dict(own())
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, functools.partial):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    kinds = type(value).__mro__[:-1]
    slots = [name for kind in kinds for name in _names(vars(kind).get("__slots__", ()))]
    foreign = type(value).__module__.partition(".")[0] in sys.stdlib_module_names
    if foreign or not (hasattr(value, "__dict__") or any("__slots__" in vars(kind) for kind in kinds)):
        raise ConfigError(
            f"{path[:200]}: a {type(value).__qualname__} has no JSON form, so no resume could see whether it changed; "
            "give the class that holds it a method as_json() that returns its parameters"
        )
    kept = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
    return {
        name: entry
        for name, entry in kept.items()
        if name != "__dict__" and not isinstance(getattr(type(value), name, None), functools.cached_property)
    }


def _entries(
    values: Mapping[str, Any], before: Any, path: str, depth: int, default: Callable[[str], Any]
) -> dict[str, Any]:
    known = before if isinstance(before, Mapping) else None
    entries = {}
    for name, value in values.items():
        plain = _plain(value, known.get(name) if known else None, f"{path}.{name}".strip("."), depth + 1)
        if known is not None and name not in known:
            usual = default(name)
            if usual is not _UNKNOWN and _plain(usual, None, path, depth + 1) == plain:
                continue
        entries[name] = plain
    return entries


def _defaults(kind: type) -> Callable[[str], Any]:
    """A function from a parameter of this class to what was done before it existed, or to its default."""

    def default(name: str) -> Any:
        if name in BEFORE.get(kind.__qualname__, {}):
            return BEFORE[kind.__qualname__][name]
        if dataclasses.is_dataclass(kind):
            for field in dataclasses.fields(kind):
                if field.name == name and field.default_factory is not dataclasses.MISSING:
                    return field.default_factory()
                if field.name == name and field.default is not dataclasses.MISSING:
                    return field.default
        if issubclass(kind, BaseModel) and name in kind.model_fields:
            usual = kind.model_fields[name].get_default(call_default_factory=True)
            return _UNKNOWN if usual is PydanticUndefined else usual
        try:
            usual = inspect.signature(kind).parameters[name].default
        except (KeyError, TypeError, ValueError):
            return _UNKNOWN
        return _UNKNOWN if usual is inspect.Parameter.empty else usual

    return default


def _digest(value: bytes | NDArray[Any]) -> dict[str, Any]:
    if isinstance(value, bytes):
        return {"type": "bytes", "sha256": hashlib.sha256(value).hexdigest()}
    content = np.ascontiguousarray(value)
    if content.dtype.hasobject:
        return {"type": "ndarray", "values": [str(entry) for entry in content.ravel()]}
    about = {"type": "ndarray", "dtype": content.dtype.str, "shape": list(value.shape)}
    return {**about, "sha256": hashlib.sha256(content.tobytes()).hexdigest()}


def _list(before: Any, length: int) -> list[Any]:
    return before if isinstance(before, list) and len(before) == length else [None] * length


def _names(slots: str | Iterable[str]) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots
