"""`--where`: which candidates to show, in words such as `peak_memory_bytes < 32k and error <= 5%`."""

import operator
import re
from collections.abc import Callable, Mapping

from edgevolve.metric import SHARE, Metric
from edgevolve.quantity import NUMBER, UNIT, quantity
from edgevolve.runs import ConfigError
from edgevolve.spelling import suggestion
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
_COMPARISON = re.compile(rf"\s*([A-Za-z_]\S*?)\s*(<=|>=|==|!=|≤|≥|<|>)\s*({NUMBER}\s*(?:{UNIT}))\s*")


def parse(expression: str, known: Mapping[str, Metric]) -> Condition:
    """The condition on a candidate's metrics that `expression` states; an unknown metric meets no comparison.

    A comparison is `METRIC < NUMBER`, with <, <=, >, >=, == or !=; units are those of `edgevolve.quantity`. `and` binds
    closer than `or`; there are no parentheses. Raises `ConfigError` for anything else, for a metric that is not in
    `known`, and for a share above 1.
    """
    choices = [
        [_comparison(part, expression, known) for part in re.split(r"\band\b", choice)]
        for choice in re.split(r"\bor\b", expression)
    ]
    return lambda metrics: any(all(comparison(metrics) for comparison in choice) for choice in choices)


def _comparison(text: str, expression: str, known: Mapping[str, Metric]) -> Condition:
    match = _COMPARISON.fullmatch(text)
    if not match:
        raise ConfigError(f"--where {expression[:200]}: write METRIC < NUMBER, such as peak_memory_bytes < 32k")
    name, sign, number = match.groups()
    value = quantity(number)
    if name not in known:
        near = suggestion(name, known)
        raise ConfigError(f"--where {expression[:200]}: no metric {name}; there are {', '.join(sorted(known))}{near}")
    if known[name].unit == SHARE and abs(value) > 1:
        raise ConfigError(f"--where {expression[:200]}: {name} is a share, such as 0.05 or 5%, not {number.strip()}")
    compare = _SIGNS[sign]
    return lambda metrics: name in metrics and compare(metrics[name], value)
