"""The seam between an algorithm and the loop that runs it: ask and tell."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Metrics, Problem
from search_space import SearchSpace

Measure = Callable[[Any], Metrics]
"""Genotype to the metrics that are known without training; memoised."""


class Exhausted(Exception):
    """Raised by `ask` when there is nothing more to ask, as things stand; the message says why."""


class SearchAlgorithm(Protocol):
    """An algorithm at work. Its state is a function of the calls of `asked` and `tell` so far."""

    def ask(self, number: int) -> Proposal | None:
        """What to evaluate as candidate `number`; None to wait for a tell.

        A pure function of the seed, `number` and the calls of `asked` and `tell` so far: it changes nothing.
        Raises `Exhausted` when the search is over unless a tell still to come changes that.
        """

    def asked(self, candidate: Candidate) -> None:
        """A candidate was taken up; its outcome will come once, by `tell`."""

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """The outcome of a candidate that was asked; in any order, once each."""


@runtime_checkable
class Continuing(Protocol):
    """A search algorithm that asks for candidates which continue others, or inherit from them."""

    def continuable(self) -> Collection[int]:
        """The candidates whose weights may still be asked for, as things stand: they are kept."""


@runtime_checkable
class Watching(Protocol):
    """A search algorithm that follows jobs while they run. Its state is a function of these calls too."""

    def progressed(self, candidate: Candidate, step: int, metrics: Metrics) -> bool:
        """A job in flight reports; gives whether it is to go on, False to have it end with what it has."""


@runtime_checkable
class ReadsPrepared(Protocol):
    """A search algorithm that begins with what the job before the search gave."""

    def prepared(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Called once, before the first ask. Raises `ProblemError` for arrays that it cannot use."""


@runtime_checkable
class Strategy(Protocol):
    """The settings of an algorithm, as a configuration holds them."""

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> SearchAlgorithm:
        """The algorithm before its first ask. Raises `ProblemError` when it cannot work on `problem`."""


@runtime_checkable
class Scheduling(Protocol):
    """A strategy that says for how many epochs candidates are trained."""

    def check_epochs(self, epochs: int) -> None:
        """Raise `ProblemError` where it does not go with the `epochs` of the training settings."""
