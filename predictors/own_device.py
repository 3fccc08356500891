"""Users' own objects as devices: every result is checked."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from edgevolve.graph import Conv2D, Dense, Graph, GraphBuilder
from predictors.models import roofline_ms
from predictors.values import Estimated, PredictorError


@dataclass(frozen=True, slots=True)
class _RooflineDevice:
    """A user's own object with operations and bytes a second."""

    name: str
    ops_per_second: float
    memory_bandwidth: float
    provenance: str
    metric_names = ("latency_ms",)

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        return {"latency_ms": Estimated(roofline_ms(graph, self.ops_per_second, self.memory_bandwidth))}


@dataclass(frozen=True, slots=True)
class _OwnDevice:
    """A user's own object with `predict` or `predict_latency`; every result is checked."""

    own: Any
    name: str
    metric_names: tuple[str, ...]
    provenance: str

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        answer = _asked(self.own, self.name, graph)
        if set(answer) != set(self.metric_names):
            raise PredictorError(
                f"{self.name}: predict gives {', '.join(sorted(answer)) or 'nothing'}, "
                f"not {', '.join(sorted(self.metric_names))}"
            )
        return answer


OWN = _OwnDevice | _RooflineDevice


def own_device(source: Any) -> _OwnDevice | _RooflineDevice:
    """An object as a device. Raises `PredictorError`, in one line, for one that cannot be a device."""
    kind = type(source).__name__
    name = getattr(source, "name", kind)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][\w.-]*", name):
        raise PredictorError(f"{kind}: a device's name has letters A to Z, digits, '_', '.' and '-', unlike {name!r}")
    provenance = getattr(source, "provenance", "as the configuration has it")
    if not isinstance(provenance, str) or not provenance.isprintable():
        raise PredictorError(f"{name}: provenance must be a line of text, not {provenance!r}")
    if _method(source):
        return _OwnDevice(source, name, _names(source, name), provenance)
    if not hasattr(source, "ops_per_second") or not hasattr(source, "memory_bandwidth"):
        raise PredictorError(
            f"{name} is not a device: it needs ops_per_second and memory_bandwidth, or predict(graph); "
            "a packaged device is given by its name"
        )
    for part in ("ops_per_second", "memory_bandwidth"):
        value = getattr(source, part)
        if not _is_number(value) or value <= 0:
            raise PredictorError(f"{name}: {part} must be a number above 0, not {value!r}")
    return _RooflineDevice(name, float(source.ops_per_second), float(source.memory_bandwidth), provenance)


def _method(source: Any) -> str:
    """The name of the object's function of a graph; "" where it has none."""
    return next((name for name in ("predict", "predict_latency") if callable(getattr(source, name, None))), "")


def _names(source: Any, name: str) -> tuple[str, ...]:
    """The metrics that an object declares, or those that it gives for a small network."""
    declared = getattr(source, "metric_names", None)
    if declared is None:
        try:
            return tuple(_asked(source, name, small_network()))
        except PredictorError as error:
            raise PredictorError(f"{error} (of a small network; or declare metric_names)") from error
    if not isinstance(declared, list | tuple) or not declared or not all(map(_is_name, declared)):
        raise PredictorError(f"{name}: metric_names must be names such as ('latency_ms',), not {declared!r}")
    return tuple(declared)


def _asked(source: Any, name: str, graph: Graph) -> dict[str, Estimated]:
    """The result of the object's `predict` or `predict_latency`, as checked numbers."""
    method = _method(source)
    try:
        answer = getattr(source, method)(graph)
    except PredictorError as error:
        raise PredictorError(f"{name}: {error}") from error
    except Exception as error:
        raise PredictorError(
            f"{name}: {method} fails: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(answer, Mapping):
        answer = {"latency_ms": answer}
    if not answer:
        raise PredictorError(f"{name}: {method} gives no metric")
    odd = [metric for metric in answer if not _is_name(metric)]
    if odd:
        raise PredictorError(f"{name}: {method} gives {odd[0]!r}, which is not a metric name such as latency_ms")
    return {metric: _checked(f"{name}: {method} gives {metric}", value) for metric, value in answer.items()}


def _checked(what: str, given: Any) -> Estimated:
    answer = given if isinstance(given, Estimated) else Estimated(given)
    low, high = answer.low, answer.high
    for value in (answer.value, *(end for end in (low, high) if end is not None)):
        if not _is_number(value) or value < 0:
            raise PredictorError(f"{what} = {value!r}; it must be a finite number of at least 0")
    if (low is None) != (high is None) or (low is not None and high is not None and not low <= answer.value <= high):
        raise PredictorError(f"{what} = {answer.value!r}, not within its interval from {low!r} to {high!r}")
    return Estimated(float(answer.value), None if low is None else float(low), None if high is None else float(high))


def _is_name(metric: Any) -> bool:
    return isinstance(metric, str) and re.fullmatch(r"[A-Za-z]\w*", metric) is not None


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def small_network() -> Graph:
    """A small network to try an object or a predictor on."""
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3)), net.input((1, 8, 8, 1)))
    return net.build(net.add(Dense(3), net.flatten(x)))
