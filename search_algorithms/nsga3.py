"""NSGA-III (Deb and Jain 2014), steady state and asynchronous, on pymoo's directions and survival."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.pareto import constraint_dominates
from search_algorithms.problem import Metrics, Problem, ProblemError, check_whole
from search_algorithms.protocol import Exhausted, Measure
from search_algorithms.search_archive import Archive, Entry
from search_space import SearchSpace

_GROWTH = 10
"""Completed evaluations for each member of the population, which is at least as large as the founders."""

_SPARE = 20
"""The population is cut to its size only when it exceeds it by more than one part in `_SPARE`. A cut costs as much as
the rest of a tell, so most tells go without."""

_CLIP = 10.0
"""Costs this many times their median distance from the ideal, or more, are equally bad."""

_RIVALS = 4
"""If there is a goal, the best of this number of random members becomes a parent."""

_STEPS = 10
"""The most mutations, one after the other, that lead away from a genotype that was asked before."""


@dataclass(frozen=True, slots=True)
class NSGA3:
    """Settings; the defaults are those of TPUv6-ZeroNAS.

    Parents are crossed with probability `crossover`. The child is mutated with probability `mutation`, and whenever it
    was proposed before. The search ends after `stop_after` times `population` evaluations in a row that add no
    hypervolume (None: never).

    A candidate enters the population as soon as it is evaluated, so that no worker waits. Candidates are random until
    the first population is evaluated.

    Soft bounds are a goal: among candidates within the hard bounds, those within the soft bounds survive first, then
    those least beyond them. With a goal and a scale for every objective, a parent is the best of four members under
    random weights (the fitness of `AgingEvolution`); otherwise it is the one of two that dominates.

    The first `founders` candidates, at most `population`, are random. The population starts with that size, then grows
    to a tenth of the number of evaluations, up to `population`. The reference directions follow its size, so that small
    budgets need no other settings.
    """

    population: int = 100
    crossover: float = 0.9
    mutation: float = 0.1
    stop_after: int | None = 50
    founders: int = 10

    def __post_init__(self) -> None:
        check_whole(self, population=2, founders=2)
        if self.stop_after is not None:
            check_whole(self, stop_after=1)
        for name in ("crossover", "mutation"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ProblemError(f"NSGA3: {name} must be a probability, not {value!r}")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_NSGA3":
        """The search before its first ask."""
        return _NSGA3(self, space, problem, seed)


class _NSGA3:
    def __init__(self, settings: NSGA3, space: SearchSpace[Any], problem: Problem, seed: int) -> None:
        self._settings, self._space, self._seed = settings, space, seed
        self._problem, self._has_goal = problem, _has_goal(problem)
        self._archive = Archive(problem)
        self._members: list[Entry] = []
        self._founders = self._size = min(settings.founders, settings.population)
        self._ideal = np.full(len(problem.objectives), np.inf)
        """The least value of each cost within all bounds."""

    def ask(self, number: int) -> Proposal:
        patience = self._settings.stop_after
        if patience is not None and self._archive.since_gain >= patience * self._settings.population:
            raise Exhausted(f"no hypervolume gained in {patience} generations of {self._settings.population}")
        rng = np.random.default_rng([self._seed, number])
        if len(self._archive.entries) < self._founders:
            return Proposal(self._fresh(self._space.sample(rng), rng), change="random")
        return self._mate(rng)

    def asked(self, candidate: Candidate) -> None:
        self._archive.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        if self._archive.tell(candidate, outcome):
            self._join(self._archive.entries[-1])
            if len(self._members) > self._size + self._size // _SPARE:
                self._survive()

    def revise(self, metrics: Mapping[int, Metrics]) -> None:
        """Revise the archive; the population becomes the survivors of all completed candidates."""
        self._archive.revise(metrics)
        self._members, self._ideal = [], np.full_like(self._ideal, np.inf)
        for entry in self._archive.entries:
            self._join(entry)
        self._survive()

    def _join(self, entry: Entry) -> None:
        self._members.append(entry)
        if entry.beyond == (0, 0):
            self._ideal = np.minimum(self._ideal, entry.costs)

    def _survive(self) -> None:
        """Keep the fittest: those within all bounds by NSGA-III, then those least beyond them."""
        completed = len(self._archive.entries)
        self._size = min(self._settings.population, max(self._founders, completed // _GROWTH))
        feasible = [member for member in self._members if member.beyond == (0, 0)]
        if len(feasible) > self._size:
            rng = np.random.default_rng([self._seed, completed])
            costs = np.stack([member.costs for member in feasible])
            self._members = [feasible[i] for i in survivors(costs, self._ideal, self._size, rng)]
        else:
            others = sorted((m for m in self._members if m.beyond > (0, 0)), key=lambda m: m.beyond)
            self._members = feasible + others[: self._size - len(feasible)]

    def _mate(self, rng: np.random.Generator) -> Proposal:
        mother, father = self._tournament(rng), self._tournament(rng)
        child: Any = mother.genotype
        parents: tuple[int, ...] = (mother.number,)
        if mother is not father and rng.random() < self._settings.crossover:
            child = self._space.crossover(child, father.genotype, rng)
            parents = (mother.number, father.number)
        if rng.random() < self._settings.mutation:
            child = self._space.mutate(child, rng)
        child = self._fresh(child, rng)
        return Proposal(child, parents, self._space.difference(mother.genotype, child))

    def _tournament(self, rng: np.random.Generator) -> Candidate:
        """The best of some members under random weights; without a goal the one of two that dominates, or the first."""
        if self._has_goal:
            rivals = [self._members[int(i)] for i in rng.integers(len(self._members), size=_RIVALS)]
            shares = self._problem.shares_of(np.stack([rival.costs for rival in rivals]))
            worst = (shares * (1.0 - rng.random(shares.shape[1]))).max(axis=1)  # weights in (0, 1]
            return min(zip(rivals, worst, strict=True), key=lambda one: (one[0].violation, one[1]))[0].candidate
        a, b = (self._members[int(i)] for i in rng.integers(len(self._members), size=2))
        return b.candidate if constraint_dominates(b.costs, b.beyond, a.costs, a.beyond) else a.candidate

    def _fresh(self, genotype: Any, rng: np.random.Generator) -> Any:
        """The genotype, mutated until it is new or the steps are spent."""
        return self._archive.fresh(genotype, lambda last: self._space.mutate(last, rng), _STEPS)


def _has_goal(problem: Problem) -> bool:
    """Whether there are soft bounds, and a scale for each objective."""
    try:
        problem.scales()
    except ProblemError:
        return False
    return not all(constraint.hard for constraint in problem.constraints)


def survivors(
    costs: NDArray[np.float64], ideal: NDArray[np.float64], size: int, rng: np.random.Generator
) -> Sequence[int]:
    """The `size` rows of feasible `costs` that NSGA-III keeps, by index; `ideal` is the lowest of each cost so far.

    pymoo drops differences below a thousandth and never forgets a huge value. Costs are therefore measured from the
    ideal in units of their median distance, and clipped; pymoo's normalisation starts afresh with every call.
    """
    from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival  # takes long to load, as all of pymoo
    from pymoo.core.population import Population

    distances = costs - ideal
    typical = np.median(distances, axis=0)
    typical = np.where(typical > 0, typical, distances.max(axis=0))
    scaled = np.minimum(distances / np.where(typical > 0, typical, 1.0), _CLIP)
    survival = ReferenceDirectionSurvival(directions(costs.shape[1], size))
    survival.filter_infeasible = False
    survival.norm.ideal_point = np.zeros(len(ideal))
    with warnings.catch_warnings():  # pymoo silences warnings for the whole process
        kept = survival.do(None, Population.new("F", scaled), n_survive=size, random_state=rng, return_indices=True)
    return [int(i) for i in kept]


def directions(objectives: int, size: int) -> NDArray[np.float64]:
    """At most `size` reference directions, but at least one for each objective: Das and Dennis's lattice.

    Where the lattice is too coarse to have inner points, a second one at half the distance from the centre is added
    (Deb and Jain 2014, section IV-A).
    """
    outer = _partitions(objectives, size)
    left = size - _points(objectives, outer)
    inner = _partitions(objectives, left) if outer < objectives and left >= objectives else 0
    return _lattice(objectives, outer, inner)


def _points(objectives: int, partitions: int) -> int:
    return comb(objectives + partitions - 1, partitions)


def _partitions(objectives: int, size: int) -> int:
    """The finest lattice of at most `size` points."""
    partitions = 1
    while objectives > 1 and _points(objectives, partitions + 1) <= size:
        partitions += 1
    return partitions


@cache
def _lattice(objectives: int, outer: int, inner: int) -> NDArray[np.float64]:
    from pymoo.util.reference_direction import UniformReferenceDirectionFactory as Lattice

    layers = [Lattice(objectives, n_partitions=outer).do()]
    if inner:
        layers.append(Lattice(objectives, n_partitions=inner, scaling=0.5).do())
    return np.vstack(layers)
