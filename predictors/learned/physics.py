"""The times of operators on a processor, fitted to measurements: the constants of `models/cpu.py`, then single layers.

Where enough layers were measured one by one, XGBoost learns a correction factor for each layer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Graph
from predictors.learned.learner import TreeCorrection
from predictors.models import Kind
from predictors.models.cpu import (
    MS_PER_PS,
    PARTS,
    inference_ms,
    node_features,
    node_ms,
    node_work,
    timed_nodes,
    work_ms,
)
from predictors.sheets import Figure, Provenance, Sheet
from predictors.values import FloatArray

_BEGIN_GB_PER_S = 100.0
_BEGIN_INFERENCE_US = 0.4
_PRIOR = 0.03
"""The weight of a constant's distance from the start of the fit, in natural logarithms, against a network's error."""
_FARTHEST = 7.0

_FEWEST_LAYERS = 100
"""The fewest measured layers from which a layer model is learned."""

_TREES = {"max_depth": 6, "eta": 0.05, "subsample": 0.7, "colsample_bytree": 0.5}


def fit_sheet(name: str, graphs: Sequence[Graph], measured_ms: Sequence[float] | FloatArray, source: str) -> Sheet:
    """The sheet of a device, fitted to latencies in milliseconds of networks or single operators; robust to outliers.

    A constant that no network depends on keeps its proportion to the others and is marked assumed.
    """
    from scipy.optimize import least_squares

    values = np.asarray(measured_ms, dtype=np.float64)
    nodes = [timed_nodes(graph) for graph in graphs]
    work, moved = node_work([node for group in nodes for node in group])
    network = np.repeat(np.arange(len(graphs)), [len(group) for group in nodes])
    # whole networks count as much as single operators, however many there are of each
    whole = np.array([len(group) > 1 for group in nodes])
    share = np.sqrt(np.where(whole, 1 / max(whole.sum(), 1), 1 / max((~whole).sum(), 1)))

    def predicted(logarithms: FloatArray) -> FloatArray:
        constants = np.exp(logarithms)
        total: FloatArray = constants[-1] + np.bincount(network, work_ms(constants, work, moved), len(graphs))
        return total

    begin = np.log(np.array([*PARTS.values(), 1 / _BEGIN_GB_PER_S * 1e3, _BEGIN_INFERENCE_US * 1e6]) * MS_PER_PS)
    begin += np.median(np.log(values / predicted(begin)))

    def errors(logarithms: FloatArray) -> FloatArray:
        relative = share * np.log(predicted(logarithms) / values) * math.sqrt(len(graphs))
        return np.append(relative, _PRIOR * (logarithms - begin))

    bounds = (begin - _FARTHEST, begin + _FARTHEST)
    nearby = least_squares(errors, begin, bounds=bounds).x  # a robust fit from afar could take whole kinds for outliers
    optimum = least_squares(errors, nearby, bounds=bounds, loss="soft_l1", f_scale=0.05)
    known = work.max(axis=0) > 0
    return _sheet(name, np.exp(optimum.x) / MS_PER_PS, known, source)


def _sheet(name: str, constants: FloatArray, known: NDArray[np.bool_], source: str) -> Sheet:
    figures = {}
    for part, value, bears in zip(PARTS, constants.tolist(), known.tolist(), strict=False):
        figures[part] = Figure(
            value=value,
            provenance=Provenance.MEASURED if bears else Provenance.ASSUMED,
            source=f"fitted to {source}" if bears else "in proportion to the others; no measured network has it",
        )
    for part, value in (("gb_per_s", 1e3 / float(constants[-2])), ("inference_us", float(constants[-1]) / 1e6)):
        figures[part] = Figure(value=value, provenance=Provenance.MEASURED, source=f"fitted to {source}")
    return Sheet(name=name, kind=Kind.HOST, description=f"fitted to {source}", figures=figures)


@dataclass(frozen=True, slots=True)
class Physics:
    """A fitted sheet and, where enough layers were measured one by one, what corrects its estimate of each layer."""

    sheet: Sheet
    layers: TreeCorrection | None

    @classmethod
    def fit(
        cls,
        name: str,
        source: str,
        networks: Sequence[Graph],
        singles: Sequence[Graph],
        network_ms: FloatArray,
        single_ms: FloatArray,
        rng: np.random.Generator,
    ) -> "Physics":
        """Learn from networks, and from networks of a single layer; `source` describes the measurements in words."""
        sheet = fit_sheet(name, [*networks, *singles], np.append(network_ms, single_ms), source)
        if len(singles) < _FEWEST_LAYERS:
            return cls(sheet, None)
        nodes = [single.nodes[0] for single in singles]
        work = node_work(nodes)
        logarithms = np.log(single_ms / (inference_ms(sheet) + node_ms(sheet, work)))
        seed = int(rng.integers(2**31))
        return cls(sheet, TreeCorrection.fit(node_features(nodes, work), logarithms, seed, _TREES))

    def counters(self, graphs: Sequence[Graph]) -> dict[str, FloatArray]:
        """Milliseconds of each network, as estimated by the sheet and by its corrected layers."""
        names = ("fitted", "layers") if self.layers else ("fitted",)
        estimates = np.array([self._estimates(graph) for graph in graphs], dtype=np.float64)
        return dict(zip(names, estimates.reshape(-1, len(names)).T, strict=True))

    def _estimates(self, graph: Graph) -> list[float]:
        nodes = timed_nodes(graph)
        work = node_work(nodes)
        overhead, nodes_ms = inference_ms(self.sheet), node_ms(self.sheet, work)
        fitted = float(nodes_ms.sum()) + overhead
        if not self.layers:
            return [fitted]
        if not nodes:
            return [fitted, overhead]
        times = (overhead + nodes_ms) * np.exp(self.layers(node_features(nodes, work))) - overhead
        return [fitted, overhead + float(np.maximum(times, 0).sum())]
