"""Says in one line what is wrong with a field of a configuration."""

from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from edgevolve.data import DataSet
from edgevolve.runs.task import MetricProvider, Task
from edgevolve.spelling import suggestion
from edgevolve.training import Stage
from search_algorithms import STRATEGIES, Strategy
from search_space import SearchSpace

_CALLED_ELSEWHERE = {
    "dataset": "data",
    "generations": "evaluations",
    "objectives": "problem",
    "optimizer": "algorithm",
    "search_space": "space",
    "strategy": "algorithm",
    "trials": "evaluations",
}
"""Other programs' names of fields."""


def in_one_line(error: ValidationError, fields: Collection[str]) -> str:
    """What is wrong with the first field that was refused, in words; `fields` are the names of all."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"SearchConfig has no field {name!r}{_near_field(name, fields)}"
    if first["type"] == "missing":
        return f"SearchConfig needs {name!r}"
    if first["type"] in ("is_instance_of", "dataclass_exact_type"):
        context = first.get("ctx", {})
        expected = str(context.get("class", context.get("class_name", ""))).rpartition(".")[2]
        near = suggestion(first["input"], STRATEGIES) if isinstance(first["input"], str) and name == "algorithm" else ""
        lacks = _lacking(first["input"], expected)
        return f"{name} must be a {expected}, not {type(first['input']).__name__}{near or lacks}"
    if first["type"] == "value_error":
        return f"{name}: {first['ctx']['error']}"
    return f"{name}: {first['msg']}, got {first['input']!r}"


def _near_field(name: str, fields: Collection[str]) -> str:
    """The field that is probably meant, or a list of all."""
    return suggestion(_CALLED_ELSEWHERE.get(name, name), fields) or f"; it has {', '.join(fields)}"


def _lacking(value: Any, protocol: str) -> str:
    """The parts of a protocol that a user's own object lacks, in words; empty where it has none of them."""
    kinds = {kind.__name__: kind for kind in (DataSet, MetricProvider, SearchSpace, Stage, Strategy, Task)}
    if protocol not in kinds:
        return ""
    bodies = [{**vars(base), **vars(base).get("__annotations__", {})} for base in kinds[protocol].__mro__[:-1]]
    needed = dict.fromkeys(name for body in bodies for name in body if name == "__call__" or name[0] != "_")
    lacking = [name for name in needed if not hasattr(value, name)]
    return f": it has no {' and no '.join(lacking)}" if len(lacking) < len(needed) else ""
