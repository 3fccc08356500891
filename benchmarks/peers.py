"""Other people's algorithms under our ask and tell, each with its own operators: pymoo and Optuna.

Each knows a cell as six categories. A cell that is known already gets its metrics, as an evaluation that cost
nothing. Generational ones wait: `ask` gives None until their generation is evaluated.
"""

import warnings
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UX
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.util.ref_dirs import get_reference_directions
from tabular_runs import METRICS, CellTable

from search_algorithms import Candidate, Completed, Outcome, Proposal, Rejected
from search_space.nasbench201 import EDGES, OPERATORS, Cell

_GENES = len(EDGES)


class _AnotherOperator(Mutation):
    """Each edge, with a chance of one in six, takes an operator at random, as suits categories."""

    def _do(self, problem: Any, X: Any, *args: Any, random_state: Any = None, **kwargs: Any) -> Any:
        drawn = random_state.integers(len(OPERATORS), size=X.shape)
        return np.where(random_state.random(X.shape) < 1 / _GENES, drawn, X)


class PymooSearch:
    """A pymoo algorithm, generation by generation, as its documentation has it."""

    def __init__(self, algorithm: Any, table: CellTable, seed: int) -> None:
        """Set up; pymoo's own duplicate elimination is on."""
        problem = Problem(n_var=_GENES, n_obj=table.objectives, xl=0, xu=len(OPERATORS) - 1, vtype=int)
        algorithm.setup(problem, termination=NoTermination(), seed=seed)
        self._algorithm, self._names = algorithm, METRICS[table.objectives]
        self._infills: Any = []
        self._costs: dict[int, NDArray[np.float64]] = {}
        self._places: dict[int, int] = {}
        self._next = 0

    def ask(self, number: int) -> Proposal | None:
        """The next of the generation, or None while it is being evaluated."""
        if self._next == len(self._infills):
            if len(self._costs) < len(self._infills):
                return None
            self._breed()
        if self._next == len(self._infills):
            return None
        return Proposal(Cell(*(OPERATORS[int(code)] for code in self._infills[self._next].X)), change="pymoo")

    def asked(self, candidate: Candidate) -> None:
        """Go on in the generation."""
        self._places[candidate.number] = self._next
        self._next += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Keep the costs until the generation is complete."""
        assert isinstance(outcome, Completed | Rejected)
        self._costs[self._places[candidate.number]] = np.array([outcome.metrics[name] for name in self._names])

    def _breed(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if len(self._infills):
                self._infills.set("F", np.stack([self._costs[i] for i in range(len(self._infills))]))
                self._algorithm.tell(infills=self._infills)
            infills = self._algorithm.ask()
        self._infills = Population() if infills is None else infills
        self._costs, self._places, self._next = {}, {}, 0


def pymoo_nsga2(table: CellTable, seed: int, population: int = 20) -> PymooSearch:
    """NSGA-II."""
    return PymooSearch(NSGA2(pop_size=population, **_operators()), table, seed)


def pymoo_nsga3(table: CellTable, seed: int, population: int = 20) -> PymooSearch:
    """NSGA-III; as many Das-Dennis directions as the population holds."""
    partitions = {2: population - 1, 3: max(p for p in range(1, 20) if (p + 1) * (p + 2) // 2 <= population)}
    directions = get_reference_directions("das-dennis", table.objectives, n_partitions=partitions[table.objectives])
    return PymooSearch(NSGA3(directions, pop_size=population, **_operators()), table, seed)


def _operators() -> dict[str, Any]:
    return {"sampling": IntegerRandomSampling(), "crossover": UX(), "mutation": _AnotherOperator(prob=1.0)}


class OptunaSearch:
    """An Optuna study of six categorical parameters."""

    def __init__(self, sampler: optuna.samplers.BaseSampler, table: CellTable) -> None:
        """A study in memory."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * table.objectives)
        self._names = METRICS[table.objectives]
        self._trials: dict[int, optuna.trial.Trial] = {}

    def ask(self, number: int) -> Proposal:
        """A trial's parameters."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._trials[number] = self._study.ask()
            names = [trial.suggest_categorical(f"edge_{a}_{b}", OPERATORS) for a, b in EDGES]
        return Proposal(Cell(*map(str, names)), change="optuna")

    def asked(self, candidate: Candidate) -> None:
        """Nothing: Optuna knows its trials."""

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Close the trial."""
        assert isinstance(outcome, Completed | Rejected)
        self._study.tell(self._trials.pop(candidate.number), [outcome.metrics[name] for name in self._names])


def optuna_nsga2(table: CellTable, seed: int, population: int = 20) -> OptunaSearch:
    """Optuna's NSGA-II."""
    return OptunaSearch(optuna.samplers.NSGAIISampler(population_size=population, seed=seed), table)


def optuna_nsga3(table: CellTable, seed: int, population: int = 20) -> OptunaSearch:
    """Optuna's NSGA-III; its three partitions give fewer directions than the population holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.NSGAIIISampler(population_size=population, seed=seed)
    return OptunaSearch(sampler, table)


def optuna_tpe(table: CellTable, seed: int, multivariate: bool = True) -> OptunaSearch:
    """Optuna's multi-objective TPE."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=multivariate)
    return OptunaSearch(sampler, table)
