"""Search algorithms under one ask/tell protocol, and the problems they work on."""

from search_algorithms.aging_evolution import AgingEvolution
from search_algorithms.bayesian_optimisation import BayesianOptimisation
from search_algorithms.candidate import Candidate, Completed, Failed, Inherit, Outcome, Proposal, Rejected
from search_algorithms.curtailed import Curtailed
from search_algorithms.derived import Derived
from search_algorithms.grid_search import GridSearch
from search_algorithms.local_search import LocalSearch
from search_algorithms.nsga3 import NSGA3
from search_algorithms.problem import (
    UNKNOWN,
    Constraint,
    Metrics,
    Objective,
    Problem,
    ProblemError,
    at_least,
    at_most,
    maximise,
    minimise,
    target,
)
from search_algorithms.protocol import (
    Continuing,
    Exhausted,
    Measure,
    ReadsPrepared,
    Scheduling,
    SearchAlgorithm,
    Strategy,
    Watching,
)
from search_algorithms.random_search import RandomSearch
from search_algorithms.reinforce import REINFORCE
from search_algorithms.screened import Screened
from search_algorithms.successive_halving import SuccessiveHalving
from search_algorithms.surrogate_evolution import SurrogateEvolution

STRATEGIES: dict[str, type[Strategy]] = {
    "AgingEvolution": AgingEvolution,
    "BayesianOptimisation": BayesianOptimisation,
    "GridSearch": GridSearch,
    "LocalSearch": LocalSearch,
    "NSGA3": NSGA3,
    "REINFORCE": REINFORCE,
    "RandomSearch": RandomSearch,
    "Screened": Screened,
    "SuccessiveHalving": SuccessiveHalving,
    "SurrogateEvolution": SurrogateEvolution,
}

__all__ = [
    "NSGA3",
    "REINFORCE",
    "STRATEGIES",
    "UNKNOWN",
    "AgingEvolution",
    "BayesianOptimisation",
    "Candidate",
    "Completed",
    "Constraint",
    "Continuing",
    "Curtailed",
    "Derived",
    "Exhausted",
    "Failed",
    "GridSearch",
    "Inherit",
    "LocalSearch",
    "Measure",
    "Metrics",
    "Objective",
    "Outcome",
    "Problem",
    "ProblemError",
    "Proposal",
    "RandomSearch",
    "ReadsPrepared",
    "Rejected",
    "Scheduling",
    "Screened",
    "SearchAlgorithm",
    "Strategy",
    "SuccessiveHalving",
    "SurrogateEvolution",
    "Watching",
    "at_least",
    "at_most",
    "maximise",
    "minimise",
    "target",
]
