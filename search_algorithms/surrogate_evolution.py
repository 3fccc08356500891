"""Evolution with children screened by Gaussian processes: the greatest expected gain in hypervolume is proposed.

Candidates are neighbours and crossovers of the two best fronts, as in an evolutionary algorithm. A share of the asks is
unscreened, since only they show where the surrogate is wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from search_algorithms.candidate import Proposal
from search_algorithms.gain import AddedHypervolume
from search_algorithms.pareto import non_dominated
from search_algorithms.problem import Problem, ProblemError, check_whole
from search_algorithms.protocol import Measure
from search_algorithms.screening import Parts, Screening
from search_algorithms.search_archive import Archive, Entry
from search_algorithms.surrogate import Processes
from search_space import SearchSpace

_NEIGHBOURS = 32
_MEASURED = 20
_FEWER = 4
"""If `measure` gives an objective, it builds each network, which takes a millisecond or two. A pool then has fewer
parents, crossovers and samples by this factor, and is cut to `_MEASURED`."""

_RECENT = 500
"""Parents off the front are the best of this number of latest candidates, so that the cost of an ask is bounded."""

_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class SurrogateEvolution:
    """Settings: after `founders` random candidates, children are screened by a surrogate.

    Each ask takes the neighbours of `parents` candidates of the two best fronts, `crossovers` of pairs of them and
    `samples` random ones. A share `unscreened` of the asks proposes a mutant or a crossover without screening.
    `optimism` is the share of the surrogate's standard deviation with which its predictions are drawn.

    The surrogate is a Gaussian process for each metric that only an evaluation gives. It is fitted again whenever the
    observed candidates have grown by 1 %, to at most 500 of them: the latest half, and the best by non-dominated rank.
    Only gains within all bounds count, soft ones included.
    """

    founders: int = 12
    parents: int = 8
    crossovers: int = 30
    samples: int = 20
    unscreened: float = 0.15
    optimism: float = 0.25

    def __post_init__(self) -> None:
        check_whole(self, founders=2, parents=1, crossovers=0, samples=0)
        if not 0 <= self.unscreened <= 1 or not 0 <= self.optimism < np.inf:
            raise ProblemError("SurrogateEvolution: unscreened must lie in [0, 1] and optimism be at least 0")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> Screening:
        """The search before its first ask."""
        archive = Archive(problem)
        offspring = _Offspring(self, space, measure, archive)
        parts = Parts(offspring, Processes(self.optimism), AddedHypervolume(problem), self.founders)
        return Screening(space, problem, seed, measure, archive, parts)


@dataclass(frozen=True, slots=True)
class _Offspring:
    """Neighbours and crossovers of the two best fronts, and random candidates."""

    settings: SurrogateEvolution
    space: SearchSpace[Any]
    measure: Measure
    archive: Archive

    def children(self, number: int, rng: Generator, is_fitted: bool) -> list[Proposal]:
        front = self.archive.front.items
        if not is_fitted or not front:
            return [self.archive.sample(self.space, rng)]
        parents = self._parents()
        if rng.random() < self.settings.unscreened:
            return [self._child(rng, *_towards(parents, 2, rng))]
        pool = list(self._pool(parents, rng).items())
        if len(pool) > _MEASURED and self._is_measured():
            pool = [pool[int(i)] for i in rng.permutation(len(pool))[:_MEASURED]]
        children = [self._proposal(genotype, of) for genotype, of in pool]
        return children or [self.archive.sample(self.space, rng)]

    def _is_measured(self) -> bool:
        """Whether the choice of a child needs measurements."""
        return bool(self.measure(self.archive.entries[0].candidate.genotype))

    def _parents(self) -> list[Entry]:
        """The two best fronts within all bounds, soft ones included; where too few, also those least beyond."""
        entries, behind = self.archive.entries, np.array(self.archive.behind[-_RECENT:], np.int64)
        second = behind[non_dominated([entries[place].costs for place in behind])]
        parents = [entries[place] for place in (*self.archive.front.items, *second)]
        beyond = np.array([sum(parent.beyond) for parent in parents])
        fewest = max(self.settings.parents, int((beyond == 0).sum()))
        return [parents[place] for place in np.argsort(beyond, kind="stable")[:fewest]]

    def _child(self, rng: Generator, mother: Entry, father: Entry) -> Proposal:
        """A new mutant or crossover of good candidates; a genotype that is not new is mutated further."""
        parents = (mother, father) if rng.random() < 0.5 else (mother,)
        if len(parents) == 2:
            genotype = self.space.crossover(mother.candidate.genotype, father.candidate.genotype, rng)
        else:
            genotype = self.space.mutate(mother.candidate.genotype, rng)
        genotype = self.archive.fresh(genotype, lambda last: self.space.mutate(last, rng), _ATTEMPTS)
        return self._proposal(genotype, parents)

    def _pool(self, parents: list[Entry], rng: Generator) -> dict[Any, tuple[Entry, ...]]:
        """New genotypes, each with its parents."""
        pool: dict[Any, tuple[Entry, ...]] = {}
        wanted = (self.settings.parents, self.settings.crossovers, self.settings.samples)
        number, pairs, samples = (-(-n // _FEWER) for n in wanted) if self._is_measured() else wanted
        chosen = _towards(parents, number + 2 * pairs, rng)
        for turn, parent in enumerate(chosen[:number]):
            children = list(self.space.neighbours(parent.candidate.genotype, rng))
            if children and turn % 3 == 0:
                step = children[int(rng.integers(len(children)))]
                children = list(self.space.neighbours(step, rng))
            kept = rng.permutation(len(children))[:_NEIGHBOURS]
            pool |= {children[int(i)]: (parent,) for i in kept}
        for a, b in zip(chosen[number : number + pairs], chosen[number + pairs :], strict=True):
            pool[self.space.crossover(a.candidate.genotype, b.candidate.genotype, rng)] = (a, b)
        for _ in range(samples):
            pool[self.space.sample(rng)] = ()
        return {genotype: of for genotype, of in pool.items() if genotype not in self.archive.genotypes}

    def _proposal(self, genotype: Any, parents: tuple[Entry, ...]) -> Proposal:
        if not parents:
            return Proposal(genotype, change="random, screened")
        change = self.space.difference(parents[0].candidate.genotype, genotype)
        return Proposal(genotype, tuple(dict.fromkeys(parent.candidate.number for parent in parents)), change)


def _towards(entries: list[Entry], number: int, rng: Generator) -> list[Entry]:
    """`number` draws of the best of a random half in a random direction: even over the front, however crowded it is."""
    costs: NDArray[np.float64] = np.array([entry.costs for entry in entries])
    low, high = costs.min(axis=0), costs.max(axis=0)
    scaled = (costs - low) / np.maximum(high - low, 1e-12)
    weighted = (scaled * rng.dirichlet(np.ones(costs.shape[1]), (number, 1))).max(axis=2)
    left_out = rng.random(weighted.shape) < 0.5
    left_out[np.arange(number), rng.integers(len(costs), size=number)] = False
    return [entries[place] for place in np.where(left_out, np.inf, weighted).argmin(axis=1)]
