"""The values of parameters that the journal of an earlier version lacks."""

import dataclasses
from collections.abc import Mapping
from typing import Any

BEFORE: Mapping[str, Mapping[str, Any]] = {
    "NpzImages": {"normalise": False, "channels_first": False},
    "TrainingSettings": {"clip_norm": None},
}
"""For each class, parameters whose default differs from what runs did before they existed, with the earlier value."""

REMOVED: Mapping[str, Mapping[str, Any]] = {
    "AgingEvolution": {"weights": "multiply"},
    "NSGA3": {"barrier": False},
    "SurrogateEvolution": {"surrogate": "process"},
}
"""For each class, the parameters that no longer exist, with the only value that is still supported."""


def removed(kind: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `known`, the JSON form of a `kind` in a journal, that no longer exist and changed nothing."""
    return {name: only for name, only in REMOVED.get(kind, {}).items() if known.get(name) == only}


def parameters(kind: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a class from its JSON form in a journal; missing ones are what was done before they existed."""
    return {**BEFORE.get(kind, {}), **{name: value for name, value in known.items() if name != "type"}}


def as_begun(value: Any, known: Any) -> Any:
    """A part of a configuration as it was when its run began; `known` is its JSON form in the run's journal.

    A parameter that `known` lacks and that has its default becomes what was done before the parameter existed.
    """
    if isinstance(value, tuple) and isinstance(known, list) and len(value) == len(known):
        parts = tuple(map(as_begun, value, known))
        return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
    named = isinstance(known, Mapping) and known.get("type") == type(value).__qualname__
    if not named or not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    before, changes = BEFORE.get(type(value).__qualname__, {}), {}
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if field.name in known:
            then = as_begun(held, known[field.name])
        else:
            then = before[field.name] if field.name in before and held == field.default else held
        if field.init and then is not held:
            changes[field.name] = then
    return dataclasses.replace(value, **changes) if changes else value
