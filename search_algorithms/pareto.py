"""Pareto tools: fronts, hypervolume, the knee. Costs are all to be minimised, one row a point."""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Item = TypeVar("Item")


class Front(Generic[Item]):
    """The non-dominated items of those offered, in the order of arrival; of equal costs the first stays."""

    def __init__(self) -> None:
        """An empty front."""
        self.items: list[Item] = []
        self._costs: NDArray[np.float64] = np.empty((0, 0))

    def improved_by(self, costs: ArrayLike) -> bool:
        """Whether no item is as good in all costs: exactly then the hypervolume would grow."""
        return not self.items or not bool((self._costs <= np.asarray(costs)).all(axis=1).any())

    def offer(self, costs: ArrayLike, item: Item) -> bool:
        """Add `item`, and drop what it dominates, if it improves the front; return whether it does."""
        row = np.asarray(costs, dtype=float)
        if not self.improved_by(row):
            return False
        if self.items:
            kept = np.flatnonzero((row > self._costs).any(axis=1))
            self.items = [self.items[i] for i in kept]
            self._costs = self._costs[kept]
        self.items.append(item)
        self._costs = np.vstack([self._costs.reshape(-1, len(row)), row])
        return True


Beyond = TypeVar("Beyond", float, tuple[float, float])


def constraint_dominates(a: NDArray[np.float64], a_beyond: Beyond, b: NDArray[np.float64], b_beyond: Beyond) -> bool:
    """Whether `a` is better: it is less beyond the bounds, hard ones first, or equally so and dominates `b`.

    Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", section VI.
    """
    if a_beyond != b_beyond:
        return a_beyond < b_beyond
    return not np.any(a_beyond) and bool((a <= b).all() and (a < b).any())


def non_dominated_sort(costs: ArrayLike, least: int | None = None) -> list[NDArray[np.int64]]:
    """The row indices of each front, the non-dominated first (pymoo's sort); stops after `least` rows if given."""
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting  # takes long to load, as all of pymoo

    rows = np.asarray(costs, dtype=float)
    fronts = NonDominatedSorting().do(rows, n_stop_if_ranked=least) if len(rows) else []
    return [np.asarray(front) for front in fronts]


def non_dominated(costs: ArrayLike) -> NDArray[np.bool_]:
    """Whether no other row dominates each row, (rows,)."""
    rows = np.asarray(costs, dtype=float)
    mask = np.zeros(len(rows), np.bool_)
    for front in non_dominated_sort(rows, 1)[:1]:
        mask[front] = True
    return mask


def hypervolume(costs: ArrayLike, reference: ArrayLike) -> float:
    """The volume that `costs` dominate below `reference`, in the product of the units (pymoo's, exact)."""
    from pymoo.indicators.hv import HV

    rows = np.asarray(costs, dtype=float)
    return float(HV(ref_point=np.asarray(reference, dtype=float))(rows)) if len(rows) else 0.0


def knee(costs: ArrayLike) -> int:
    """The index of the row of a front that is furthest from the plane through its ends, towards the ideal point.

    Each cost is scaled to [0, 1] over the front; the plane is the one through the unit points, so the knee is the row
    with the lowest sum, the first of equals. Das 1999, "On characterizing the 'knee' of the Pareto curve based on
    normal-boundary intersection"; by the sum, Chiu et al. 2016, "Minimum Manhattan distance".
    """
    rows = np.clip(
        np.asarray(costs, dtype=float), -1e150, 1e150
    )  # differences of what a foreign journal holds stay finite
    spans = np.ptp(rows, axis=0)
    return int(np.argmin(((rows - rows.min(axis=0)) / np.where(spans > 0, spans, 1.0)).sum(axis=1)))
