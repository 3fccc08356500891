"""The interface between an algorithm and the loop that runs it: ask and tell."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Metrics, Problem
from search_space import SearchSpace

Measure = Callable[[Any], Metrics]
"""A function from a genotype to the metrics that are known without training; memoised."""


class Exhausted(Exception):
    """Raised by `ask` if there is nothing left to propose; the message says why."""


class SearchAlgorithm(Protocol):
    """A running algorithm. Its state is a function of the calls of `asked` and `tell` so far."""

    def ask(self, number: int) -> Proposal | None:
        """The proposal for candidate `number`; None to wait for an outcome.

        A pure function of the seed, `number` and the calls of `asked` and `tell` so far: it changes nothing. Raises
        `Exhausted` if there is nothing to propose, unless a later outcome changes that.
        """

    def asked(self, candidate: Candidate) -> None:
        """A proposal became a candidate; `tell` will give its outcome once."""

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Take the outcome of a candidate that was asked. Outcomes come in any order, once each."""


@runtime_checkable
class Continuing(Protocol):
    """A search algorithm whose proposals continue other candidates, or inherit from them."""

    def continuable(self) -> Collection[int]:
        """The candidates whose weights may still be needed; their weights are kept."""


@runtime_checkable
class Watching(Protocol):
    """A search algorithm that follows jobs while they run. Its state is also a function of these calls."""

    def progressed(self, candidate: Candidate, step: int, metrics: Metrics) -> bool:
        """Take a report of a job in flight, and return whether it continues. False ends it with what it has."""


@runtime_checkable
class Revisable(Protocol):
    """A search algorithm that can replace the metrics of completed candidates."""

    def revise(self, metrics: Mapping[int, Metrics]) -> None:
        """Take these metrics in place of those of `tell`, by the candidates' numbers."""


@runtime_checkable
class ReadsPrepared(Protocol):
    """A search algorithm that starts from the result of the job before the search."""

    def prepared(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays; called once, before the first ask. Raises `ProblemError` for arrays that it cannot use."""


@runtime_checkable
class Strategy(Protocol):
    """The settings of an algorithm, as a configuration holds them."""

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> SearchAlgorithm:
        """The algorithm before its first ask. Raises `ProblemError` when it cannot work on `problem`."""


@runtime_checkable
class Scheduling(Protocol):
    """A strategy that decides for how many epochs candidates are trained."""

    def check_epochs(self, epochs: int) -> None:
        """Raise `ProblemError` where it does not fit the `epochs` of the training settings."""
