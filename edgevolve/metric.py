"""Describes metrics: title, unit, and whether higher values are better.

The code that computes a metric describes it by a `Metric`: a task or a provider of metrics in its attribute `metrics`,
this project's own parts by `register`. Tables, charts, axes, directions and messages use the description; nothing
interprets the name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from edgevolve.printable import printable

SHARE = "%"
"""Unit of a share: values from 0 to 1, written as percentages."""

BYTES = "B"
"""Unit of sizes, written in KiB and MiB, powers of 1 024 bytes."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: `name` is used in tables and journals, and `title` is a heading without the unit.

    `unit` is written after a value, such as "ms". `SHARE` and `BYTES` are converted; without a unit, thousands and
    millions are written as k and M. A `learned` metric is known only after training; the first such metric decides the
    best candidate.
    """

    name: str
    title: str
    unit: str = ""
    better: Literal["lower", "higher"] = "lower"
    learned: bool = False

    @property
    def sign(self) -> int:
        """1 if lower values are better, else -1, so that `sign * value` is to be minimised."""
        return -1 if self.better == "higher" else 1

    @property
    def logarithmic(self) -> bool:
        """Whether an axis is logarithmic by default: true for shares where lower is better, as their ratios matter."""
        return self.unit == SHARE and self.better == "lower"


def int8_metric(metric: Metric) -> Metric:
    """The same score of the int8 network: `NAME_int8`."""
    return replace(metric, name=f"{metric.name}_int8", title=f"{metric.title}, int8", learned=True)


CROSS_VALIDATED = "_cross_validated"


def cross_validated(metric: Metric) -> Metric:
    """The mean of the same score over several divisions of the data: `NAME_cross_validated`."""
    name, title = metric.name + CROSS_VALIDATED, f"{metric.title}, cross-validated"
    return replace(metric, name=name, title=title, learned=True)


_DERIVED = {"_int8": int8_metric, CROSS_VALIDATED: cross_validated}

_KNOWN: dict[str, Metric] = {}
_NONE: Mapping[str, Metric] = {}


def register(*metrics: Metric) -> None:
    """Register metrics by name, for runs whose journal does not describe them."""
    _KNOWN.update({metric.name: metric for metric in metrics})


QUANTISATION_DROP = Metric("quantisation_drop", "lost in int8", SHARE, learned=True)
"""How much worse the main score is for the int8 network than for the float network, in the unit of the score."""

register(QUANTISATION_DROP)


def metric(name: str, known: Mapping[str, Metric] = _NONE) -> Metric:
    """The metric of this name, from `known`, else from the registry.

    `NAME@DEVICE` is the metric NAME on that device, `NAME_int8` the metric of the int8 network, `NAME_cross_validated`
    its mean over divisions of the data. A name without a `Metric` stands for a plain number of which lower values are
    better.
    """
    described = known.get(name) or _KNOWN.get(name)
    if described:
        return described
    base, at, device = name.partition("@")
    if at:
        of = metric(base, known)
        return replace(of, name=name, title=f"{of.title}@{printable(device)}")
    for suffix, derived in _DERIVED.items():
        scored = name.removesuffix(suffix)
        if scored != name and (scored in known or scored in _KNOWN):
            return derived(metric(scored, known))
    return Metric(name, printable(name.replace("_", " ")))


def metrics_of(giver: Any) -> tuple[Metric, ...]:
    """The metrics of a task or a provider: its `metrics`, and any other in its `metric_names`, described by name."""
    given = getattr(giver, "metrics", ())
    described = (
        {entry.name: entry for entry in given if isinstance(entry, Metric)} if isinstance(given, tuple | list) else {}
    )
    return tuple(metric(name, described) for name in giver.metric_names)
