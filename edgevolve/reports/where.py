"""`--where`: which candidates to show, in words such as `peak_memory_bytes < 32k and error <= 5%`."""

import operator
import re
from collections.abc import Callable

from edgevolve.runs import ConfigError
from search_algorithms import Metrics

Condition = Callable[[Metrics], bool]

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "≤": operator.le,
    "≥": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_UNITS = {"": 1.0, "%": 0.01, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_SUFFIXES = _UNITS | {f"{unit}B": size for unit, size in _UNITS.items() if unit != "%"}
_COMPARISON = re.compile(
    r"\s*([A-Za-z_]\S*?)\s*(<=|>=|==|!=|≤|≥|<|>)\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*(%|(?:[kMG]|[KMG]i)B?|B)?\s*"
)


def parse(expression: str, known: set[str]) -> Condition:
    """The condition that `expression` states of a candidate's metrics; one that is not known meets none.

    A comparison is `METRIC < NUMBER`, with <, <=, >, >=, == or !=; k, M and G are powers of 1 000, Ki, Mi and Gi of
    1 024, B may follow, % is a hundredth. `and` binds closer than `or`; there are no parentheses.
    Raises `ConfigError` for anything else, or a metric that is not in `known`.
    """
    choices = [
        [_comparison(part, expression, known) for part in re.split(r"\band\b", choice)]
        for choice in re.split(r"\bor\b", expression)
    ]
    return lambda metrics: any(all(comparison(metrics) for comparison in choice) for choice in choices)


def _comparison(text: str, expression: str, known: set[str]) -> Condition:
    found = _COMPARISON.fullmatch(text)
    try:
        if not found:
            raise ValueError
        name, sign, number, unit = found.groups()
        value = float(number) * _SUFFIXES[unit or ""]
    except (ValueError, KeyError):
        raise ConfigError(f"--where {expression}: write METRIC < NUMBER, such as peak_memory_bytes < 32k") from None
    if name not in known:
        raise ConfigError(f"--where {expression}: no metric {name}; there are {', '.join(sorted(known))}")
    compare = _SIGNS[sign]
    return lambda metrics: name in metrics and compare(metrics[name], value)
