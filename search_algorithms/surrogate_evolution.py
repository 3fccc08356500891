"""Evolution whose children are screened by a surrogate: the greatest expected gain in hypervolume goes first.

Candidates are neighbours and crossovers of the two best fronts, as in an evolutionary algorithm. Of each pool of them
the one is asked for that is expected to add most hypervolume to the front, averaged over draws from what the surrogate
predicts (expected hypervolume improvement, Emmerich et al. 2006, doi 10.1109/TEVC.2005.859463, by sampling, with
evolution in place of a continuous optimiser). A share of the asks goes unscreened: what the surrogate is wrong about is
only found without it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal, fresh
from search_algorithms.problem import Problem, ProblemError, check_whole
from search_algorithms.protocol import Measure
from search_algorithms.surrogate import Prior, Surrogate, best_rows, choose_kernels, fit_processes, fit_trees
from search_space import SearchSpace

Costs = NDArray[np.float64]

_REFIT_GROWTH = {"process": 1.01, "trees": 1.03}
"""The surrogate is fitted again when so many times the candidates of its last fit are observed (at least one more). A
surrogate that waits for longer asks for one candidate after another that resembles the last disappointment."""

_CHOICE_GROWTH = 1.25
"""Likewise for the kernels of a Gaussian process."""

_POINTS = 40_000
_COUNTED = 2000
"""Points in the box between the best and the worst costs, and at most how many of those that a candidate might gain;
by these a gain in hypervolume is measured."""

_AT_ONCE = 8
"""Rows of the front that points are compared with at once."""

_BEYOND = 0.01
"""The box reaches so far, in its own widths, below the best cost seen: what is predicted beyond counts no more."""

_INDIFFERENCE = 0.003
"""What is better than the front by no more than this share of the box is no gain (epsilon-dominance,
Laumanns et al. 2002, doi 10.1162/106365602760234108): a surrogate promises so much beside what is on the front, and
the asks would go there."""

_DRAWS = 8
"""Draws of the predictions, over which a gain is averaged."""

_NEIGHBOURS = 32
_MEASURED = 20
_FEWER = 4
"""Where `measure` knows an objective it builds each network, which takes a millisecond or two: a pool is made of so
many times fewer parents, crossovers and samples there, and cut down to `_MEASURED`."""

_RECENT = 500
"""Of what is not on the front, parents are the best of the latest so many, so that an ask costs the same for ever."""

_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class SurrogateEvolution:
    """Settings: after `founders` random candidates, children are screened by a surrogate.

    Each ask takes the neighbours of `parents` candidates of the two best fronts, `crossovers` of pairs of them and
    `samples` at random; a share `unscreened` of the asks takes a mutant or a crossover as it comes. `optimism` is the
    share of the surrogate's standard deviation that its predictions are drawn with. The surrogate is a Gaussian
    process (`process`) or an XGBoost ensemble (`trees`) over the space's encoding; it is fitted to the first n observed
    candidates, n growing by 1 % a fit (trees: 3 %), and to at most 500 of those: the latest half, and the best by
    non-dominated rank. Objectives that `measure` gives are read, not learned. Only gains within all bounds count, soft
    ones too.
    """

    founders: int = 12
    parents: int = 8
    crossovers: int = 30
    samples: int = 20
    unscreened: float = 0.15
    optimism: float = 0.25
    surrogate: Literal["process", "trees"] = "process"

    def __post_init__(self) -> None:
        check_whole(self, founders=2, parents=1, crossovers=0, samples=0)
        if not 0 <= self.unscreened <= 1 or not 0 <= self.optimism < np.inf:
            raise ProblemError("SurrogateEvolution: unscreened must lie in [0, 1] and optimism be at least 0")
        if self.surrogate not in ("process", "trees"):
            raise ProblemError(f"SurrogateEvolution: surrogate must be 'process' or 'trees', not {self.surrogate!r}")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_SurrogateEvolution":
        """The search before its first ask."""
        return _SurrogateEvolution(self, space, problem, seed, measure)


class _SurrogateEvolution:
    def __init__(
        self, settings: SurrogateEvolution, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure
    ) -> None:
        self._settings, self._space, self._problem = settings, space, problem
        self._seed, self._measure = seed, measure
        self._known: set[Any] = set()
        """Every genotype that was asked, whatever became of it."""
        self._founders = 0
        """Candidates asked and not rejected or failed."""
        self._observed: list[Candidate] = []
        self._encoded: list[NDArray[np.float64]] = []
        self._costs: list[tuple[float, ...]] = []
        self._beyond: list[float] = []
        """How far beyond the bounds, soft ones too."""
        self._limits = np.array(problem.limits())
        self._front: list[int] = []
        """Places among the observed: the feasible that nothing feasible dominates."""
        self._behind: list[int] = []
        self._exact = False
        """Whether `measure` gives metrics before training."""
        self._learned: list[int] = []
        """The objectives that it does not give."""
        self._surrogate: Surrogate | None = None
        self._kernels: tuple[Prior, ...] = ()
        self._next_fit, self._next_choice = settings.founders, settings.founders

    def ask(self, number: int) -> Proposal:
        rng = np.random.default_rng([self._seed, number])
        if self._founders < self._settings.founders or self._surrogate is None or not self._front:
            return self._random(rng)
        costs, front = np.array(self._costs), np.array(self._front)
        rest = np.array(self._behind[-_RECENT:], np.int64)
        parents = self._nearest_the_goal(np.concatenate([front, rest[_non_dominated(costs[rest])]]))
        if rng.random() < self._settings.unscreened:
            return self._child(rng, *_towards(costs[parents], parents, 2, rng).tolist())
        pool = self._pool(rng, costs, parents)
        if not pool:
            return self._random(rng)
        genotypes = self._measurable(list(pool), rng)
        mean, spread = self._predicted(genotypes, self._surrogate)
        best = genotypes[self._choose(costs, mean, spread, rng)]
        return self._proposal(best, pool[best])

    def asked(self, candidate: Candidate) -> None:
        self._known.add(candidate.genotype)
        self._founders += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        if not isinstance(outcome, Completed):
            self._founders -= 1
            return
        self._observed.append(candidate)
        self._encoded.append(self._space.encode(candidate.genotype))
        self._costs.append(self._problem.costs(outcome.metrics))
        self._beyond.append(self._problem.violation(outcome.metrics) + self._problem.shortfall(outcome.metrics))
        self._rank(len(self._observed) - 1, feasible=not self._problem.broken(outcome.metrics))
        if len(self._observed) == self._next_fit:
            self._fit()

    def _fit(self) -> None:
        """By all that is observed; a function of how many that is, so of a prefix of the tells."""
        observed = len(self._observed)
        known = self._measure(self._observed[0].genotype)
        self._exact = bool(known)
        self._learned = [i for i, o in enumerate(self._problem.objectives) if o.metric not in known]
        encoded, costs = np.array(self._encoded), np.array(self._costs)
        rows = best_rows(costs)
        learned = costs[rows][:, self._learned]
        if self._settings.surrogate == "trees":
            self._surrogate = fit_trees(encoded[rows], learned, self._seed)
        else:
            if observed >= self._next_choice:
                self._kernels = choose_kernels(encoded, costs, self._learned)
                self._next_choice = int(observed * _CHOICE_GROWTH) + 1
            self._surrogate = fit_processes(encoded[rows], learned, self._kernels)
        self._next_fit = max(observed + 1, int(observed * _REFIT_GROWTH[self._settings.surrogate]))

    def _rank(self, place: int, feasible: bool) -> None:
        """Put a candidate on the front, and those it dominates behind it."""
        cost, costs = self._costs[place], np.array([self._costs[i] for i in self._front])
        if not feasible or (len(costs) and (costs <= cost).all(axis=1).any()):
            self._behind.append(place)
            return
        beaten = {i for i, other in zip(self._front, costs, strict=True) if (cost <= other).all()}
        self._behind += sorted(beaten)
        self._front = [i for i in self._front if i not in beaten] + [place]

    def _random(self, rng: Generator) -> Proposal:
        genotype = fresh(self._space.sample(rng), lambda _: self._space.sample(rng), self._known, _ATTEMPTS)
        return Proposal(genotype, change="random")

    def _child(self, rng: Generator, mother: int, father: int) -> Proposal:
        """An unknown mutant or crossover of good candidates; each known one met on the way is mutated further."""
        genotype: Any = self._observed[mother].genotype
        places: tuple[int, ...] = (mother,)
        if rng.random() < 0.5:
            genotype, places = self._space.crossover(genotype, self._observed[father].genotype, rng), (mother, father)
        else:
            genotype = self._space.mutate(genotype, rng)
        genotype = fresh(genotype, lambda last: self._space.mutate(last, rng), self._known, _ATTEMPTS)
        return self._proposal(genotype, places)

    def _pool(self, rng: Generator, costs: Costs, parents: NDArray[np.int64]) -> dict[Any, tuple[int, ...]]:
        """Unknown candidates, each with the places of its parents among the observed."""
        pool: dict[Any, tuple[int, ...]] = {}
        wanted = (self._settings.parents, self._settings.crossovers, self._settings.samples)
        number, pairs, samples = (-(-n // _FEWER) for n in wanted) if self._exact else wanted
        chosen = _towards(costs[parents], parents, number + 2 * pairs, rng).tolist()
        for turn, parent in enumerate(chosen[:number]):
            children = list(self._space.neighbours(self._observed[parent].genotype, rng))
            if children and turn % 3 == 0:
                step = children[int(rng.integers(len(children)))]
                children = list(self._space.neighbours(step, rng))
            kept = rng.permutation(len(children))[:_NEIGHBOURS]
            pool |= {children[int(i)]: (parent,) for i in kept}
        for a, b in zip(chosen[number : number + pairs], chosen[number + pairs :], strict=True):
            pool[self._space.crossover(self._observed[a].genotype, self._observed[b].genotype, rng)] = (a, b)
        for _ in range(samples):
            pool[self._space.sample(rng)] = ()
        return {genotype: places for genotype, places in pool.items() if genotype not in self._known}

    def _nearest_the_goal(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those within all bounds, soft ones too; where they are too few, the least beyond."""
        beyond = np.array([self._beyond[place] for place in places])
        fewest = max(self._settings.parents, int((beyond == 0).sum()))
        return places[np.argsort(beyond, kind="stable")[:fewest]]

    def _choose(self, costs: Costs, mean: Costs, spread: Costs, rng: Generator) -> int:
        """The row that is expected to gain most; where none gains in any draw, the best in a random direction."""
        draws = mean + self._settings.optimism * spread * rng.standard_normal((_DRAWS, *mean.shape))
        points = _open_points(costs[self._front], costs.max(axis=0), self._limits, rng)
        points = points[_reached(points, draws.min(axis=0))][:_COUNTED]
        gains = sum(_gains(points, drawn) for drawn in draws)
        if np.any(gains):
            return int(np.argmax(gains))
        return _nearest(costs, mean + np.nan_to_num(np.maximum(mean - self._limits, 0)), rng)

    def _predicted(self, genotypes: list[Any], surrogate: Surrogate) -> tuple[Costs, Costs]:
        """Mean and spread of each genotype's costs; exact where `measure` knows them."""
        measured = [self._measure(genotype) for genotype in genotypes]
        costs = np.zeros((len(genotypes), len(self._problem.objectives)))
        spread = np.zeros_like(costs)
        encoded = np.array([self._space.encode(genotype) for genotype in genotypes])
        costs[:, self._learned], spread[:, self._learned] = surrogate.predict(encoded)
        for column, objective in enumerate(self._problem.objectives):
            if column not in self._learned:
                costs[:, column] = [objective.cost(metrics) for metrics in measured]
        broken = np.array([bool(self._problem.broken(metrics)) for metrics in measured])
        costs[broken] = np.inf
        return costs, spread

    def _measurable(self, genotypes: list[Any], rng: Generator) -> list[Any]:
        """All of the pool, or some of it where each of them has to be measured."""
        if len(genotypes) <= _MEASURED or not self._exact:
            return genotypes
        return [genotypes[int(i)] for i in rng.permutation(len(genotypes))[:_MEASURED]]

    def _proposal(self, genotype: Any, places: tuple[int, ...]) -> Proposal:
        parents = tuple(self._observed[place] for place in places)
        if not parents:
            return Proposal(genotype, change="random, screened")
        change = self._space.difference(parents[0].genotype, genotype)
        return Proposal(genotype, tuple(dict.fromkeys(parent.number for parent in parents)), change)


def _open_points(front: Costs, worst: Costs, limits: Costs, rng: Generator) -> Costs:
    """Points well clear of what the front dominates, of so many drawn evenly between the best and the worst costs.

    What is beyond the `limits` gains nothing; where no cost is within one yet, the box lies just within it.
    """
    high = np.minimum(worst, limits)
    low = np.minimum(front.min(axis=0), high)
    width = np.where(low < high, high, worst) - low
    low = low - _BEYOND * width
    points = low + (high - low) * rng.random((_POINTS, front.shape[1]))
    return np.asarray(points[~_reached(points, front - _INDIFFERENCE * width)])


def _reached(points: Costs, costs: Costs) -> NDArray[np.bool_]:
    """Which points are dominated by a row of costs; those of the rows that dominate most are soon left out."""
    rows = costs[_non_dominated(costs)]
    heavy = rows[np.argsort(-np.prod(np.maximum(points.max(axis=0, initial=-np.inf) - rows, 0), axis=1), kind="stable")]
    left, columns = np.arange(len(points)), np.ascontiguousarray(points.T)
    for some in np.split(heavy, range(_AT_ONCE, len(heavy), _AT_ONCE)):
        open_still = ~_no_worse(some, columns.T).any(axis=0)
        left, columns = left[open_still], columns[:, open_still]
    reached = np.ones(len(points), np.bool_)
    reached[left] = False
    return reached


def _gains(points: Costs, costs: Costs) -> NDArray[np.int64]:
    """The hypervolume that each row of costs would add to the front: how many of its open points it dominates."""
    return np.asarray(_no_worse(costs, points).sum(axis=1))


def _nearest(costs: Costs, drawn: Costs, rng: Generator) -> int:
    """The row of `drawn` that is best in a random direction."""
    low = costs.min(axis=0)
    weights = rng.dirichlet(np.ones(costs.shape[1]))
    return int(np.argmin(((drawn - low) / np.maximum(costs.max(axis=0) - low, 1e-12) * weights).max(axis=1)))


def _towards(costs: Costs, places: NDArray[np.int64], number: int, rng: Generator) -> NDArray[np.int64]:
    """So many draws of the best in a random direction of a random half: even over the front, however it is crowded."""
    low, high = costs.min(axis=0), costs.max(axis=0)
    scaled = (costs - low) / np.maximum(high - low, 1e-12)
    weighted = (scaled * rng.dirichlet(np.ones(costs.shape[1]), (number, 1))).max(axis=2)
    left_out = rng.random(weighted.shape) < 0.5
    left_out[np.arange(number), rng.integers(len(costs), size=number)] = False
    return np.asarray(places[np.where(left_out, np.inf, weighted).argmin(axis=1)])


def _non_dominated(costs: Costs) -> NDArray[np.bool_]:
    """Which rows no other row dominates."""
    no_worse = _no_worse(costs, costs)
    return np.asarray(~(no_worse & ~no_worse.T).any(axis=0))


def _no_worse(costs: Costs, others: Costs) -> NDArray[np.bool_]:
    """Whether each row of `costs` is, in every column, at most each of `others`."""
    return np.asarray(np.logical_and.reduce([a[:, None] <= b for a, b in zip(costs.T, others.T, strict=True)]))
