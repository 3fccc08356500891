"""The settings in which the configurations of several runs differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgevolve.printable import printable
from edgevolve.reports.quantities import short
from edgevolve.runs.events import Started

_MOST_ROWS = 200
_LONGEST = 80
_ABSENT = "–"
_NAMING = ("metric", "sense", "hard", "type")


def differing_settings(runs: Sequence[Started]) -> list[list[str]]:
    """A row for each setting that differs: its name, then its value in each run, `–` if the run has none."""
    settings = [dict(_flat({**run.config, "data": {**_entries(run.config.get("data")), **run.data}})) for run in runs]
    names = sorted({name for each in settings for name in each})
    rows = [[name, *(each.get(name, _ABSENT) for each in settings)] for name in names]
    return [[short(printable(cell), _LONGEST) for cell in row] for row in rows if len(set(row[1:])) > 1][:_MOST_ROWS]


def _entries(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"": value}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Paths and values of the leaves of a nested value; objectives and bounds are named by their metric."""
    if isinstance(value, list) and value and all(isinstance(entry, Mapping) and "metric" in entry for entry in value):
        value = {_named(entry): {key: entry[key] for key in entry if key not in _NAMING} for entry in value}
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        yield path.removesuffix(".type"), text


def _named(bound: Mapping[str, Any]) -> str:
    """The name of an objective or a bound among others, as `error at_most soft`."""
    return " ".join(
        [str(bound["metric"]), str(bound.get("sense", "")), "soft" if bound.get("hard") is False else ""]
    ).strip()
