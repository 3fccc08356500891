"""Holds out whole groups: all windows of a person, all frames of a video, all rows of a patient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError

_SWAPPED_GROUPS = 256
"""The most groups for which exchanges of two are also tried; with more, single moves come close enough."""


def held_out_groups(groups: NDArray[Any], classes: NDArray[Any], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Whether each example is held out, (number,), so that no group is divided.

    The distance of a division from the wanted one is Σ (held − fraction · total)² / total over the classes. Groups are
    taken in random order if they lower it. Then single groups change sides, or two are exchanged, as long as that
    lowers it. The rest keeps an example of every class. Raises `DataError` where that is impossible.
    """
    names, of = np.unique(groups, return_inverse=True)
    labels = np.unique(classes, return_inverse=True)[1]
    counts = np.zeros((len(names), labels.max() + 1))
    np.add.at(counts, (of, labels), 1)
    order = np.random.default_rng(seed).permutation(len(names))
    search = _Division(counts[order], fraction)
    if not search.settle():
        raise DataError(
            f"cannot hold out any of {len(names)} groups: each holds all examples of some class; give more groups"
        )
    held = np.zeros(len(names), bool)
    held[order] = search.held
    chosen: NDArray[np.bool_] = held[of]
    return chosen


class _Division:
    """The groups that are held out, and the changes that improve the division."""

    def __init__(self, counts: NDArray[np.float64], fraction: float) -> None:
        self.counts = counts
        self.total = counts.sum(axis=0)
        self.wanted = fraction * self.total
        self.held = np.zeros(len(counts), bool)
        self.now = np.zeros_like(self.total)

    def settle(self) -> bool:
        """Move groups until nothing lowers the distance; return whether any group is held out."""
        for group in range(len(self.counts)):
            change = self.counts[group][np.newaxis]
            if self._distances(change)[0] < self._distance():
                self.held[group] = True
                self.now += change[0]
        while self._improve():
            pass
        return bool(self.held.any())

    def _improve(self) -> bool:
        """Make the best change; return whether there was one."""
        out, rest = np.flatnonzero(self.held), np.flatnonzero(~self.held)
        moves: list[tuple[int, ...]] = [(int(group),) for group in (*(out if len(out) > 1 else ()), *rest)]
        signs = np.where(self.held, -1.0, 1.0)[:, np.newaxis] * self.counts
        changes = [signs[[move[0] for move in moves]]]
        if len(self.counts) <= _SWAPPED_GROUPS and len(out):
            moves += [(int(a), int(b)) for a in out for b in rest]
            changes.append((signs[out][:, np.newaxis] + signs[rest]).reshape(-1, len(self.total)))
        distances = self._distances(np.concatenate(changes))
        best = int(distances.argmin())
        limit = self._distance() * (1 - 1e-9) if self.held.any() else np.inf
        if not distances[best] < limit:
            return False
        for group in moves[best]:
            self.now += signs[group]
            self.held[group] ^= True
        return True

    def _distance(self) -> float:
        return float((((self.now - self.wanted) ** 2) / self.total).sum())

    def _distances(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        """The distance after each change, (number, classes); infinite if a class is lost."""
        after = self.now + changes
        distances = (((after - self.wanted) ** 2) / self.total).sum(axis=1)
        return np.where((after < self.total).all(axis=1), distances, np.inf)
