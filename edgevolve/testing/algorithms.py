"""What a search algorithm promises to the loop. Each check raises `AssertionError` for a broken promise."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from search_algorithms import (
    Candidate,
    Completed,
    Failed,
    Metrics,
    Outcome,
    Problem,
    Proposal,
    Rejected,
    SearchAlgorithm,
    Strategy,
    at_most,
    minimise,
)
from search_space import CnnSpace, MlpSpace, SearchSpace

Space = SearchSpace[Any]
Call = tuple[Candidate, Outcome | None]

PROBLEM = Problem([minimise("error"), minimise("macs")], [at_most("error", 0.1, soft=True), at_most("macs", 10_000)])
"""A problem with two objectives, a soft bound and a hard bound."""

_SPACES: tuple[Space, Space] = (CnnSpace((8, 8, 1), 10), MlpSpace((4, 4, 1), 2))


def check_algorithm(strategy: Strategy) -> None:
    """Run every check."""
    for check in ALGORITHM_CHECKS:
        check(strategy)


def the_same_calls_give_the_same_asks(strategy: Strategy) -> None:
    """Proposals follow from the seed and the calls made, whatever the order of outcomes."""
    for space in _SPACES:
        for order in range(3):
            first, _ = play(_start(strategy, space), space, 60, order)
            again, _ = play(_start(strategy, space), space, 60, order)
            assert first == again


def another_seed_gives_other_asks(strategy: Strategy) -> None:
    """Two seeds give two series of proposals."""
    space = _SPACES[0]
    assert play(_start(strategy, space, 1), space, 20, 0)[0] != play(_start(strategy, space, 2), space, 20, 0)[0]


def an_algorithm_rebuilt_from_the_calls_goes_on_as_if_nothing_had_been(strategy: Strategy) -> None:
    """Calls of `asked` and `tell` are enough to rebuild its state, as when a run is resumed."""
    space = _SPACES[0]
    asks, calls = play(_start(strategy, space), space, 60, 3)
    for cut in (0, 1, 7, 23, len(asks) - 1):
        rebuilt = _start(strategy, space)
        asked = 0
        for candidate, outcome in calls:
            if outcome is not None:
                rebuilt.tell(candidate, outcome)
            elif asked < cut:
                rebuilt.asked(candidate)
                asked += 1
            else:
                break
        assert rebuilt.ask(cut) == asks[cut], f"cut before ask {cut}"


def parents_are_candidates_that_were_asked_before(strategy: Strategy) -> None:
    """Every proposal names its parents, if any, and what changed."""
    asks, _ = play(_start(strategy, _SPACES[0]), _SPACES[0], 80, 2)
    for number, proposal in enumerate(asks):
        assert all(0 <= parent < number for parent in proposal.parents)
        assert proposal.change


def nothing_but_failures_and_rejections_is_survived(strategy: Strategy) -> None:
    """The algorithm goes on proposing when no candidate completes."""
    algorithm = _start(strategy, _SPACES[1], 0)
    for number in range(50):
        proposal = algorithm.ask(number)
        assert proposal is not None
        candidate = proposal.under(number)
        algorithm.asked(candidate)
        algorithm.tell(candidate, Failed("x", "y") if number % 2 else Rejected({}, "z"))


ALGORITHM_CHECKS: tuple[Callable[[Strategy], None], ...] = (
    the_same_calls_give_the_same_asks,
    another_seed_gives_other_asks,
    an_algorithm_rebuilt_from_the_calls_goes_on_as_if_nothing_had_been,
    parents_are_candidates_that_were_asked_before,
    nothing_but_failures_and_rejections_is_survived,
)
"""The checks; each takes a strategy. Set few founders, so that checks also reach the model soon."""


def play(
    algorithm: SearchAlgorithm, space: Space, number_of_asks: int, order_seed: int, lag: int = 4
) -> tuple[list[Proposal], list[Call]]:
    """Ask and tell with up to `lag` candidates in flight and outcomes in a random order; (proposals, calls made)."""
    rng = np.random.default_rng(order_seed)
    asks: list[Proposal] = []
    calls: list[Call] = []
    in_flight: list[Candidate] = []
    while len(asks) < number_of_asks:
        proposal = algorithm.ask(len(asks))
        waits = proposal is None
        if proposal is not None:
            candidate = proposal.under(len(asks))
            asks.append(proposal)
            algorithm.asked(candidate)
            calls.append((candidate, None))
            in_flight.append(candidate)
        while in_flight and (waits or len(in_flight) > rng.integers(lag + 1)):
            candidate = in_flight.pop(int(rng.integers(len(in_flight))))
            outcome = outcome_of(candidate, space)
            algorithm.tell(candidate, outcome)
            calls.append((candidate, outcome))
            waits = False
    return asks, calls


def outcome_of(candidate: Candidate, space: Space) -> Outcome:
    """An outcome of any kind, as a function of the candidate alone."""
    dice = np.random.default_rng([7, candidate.number]).random()
    macs = float(sum(node.macs for node in space.graph(candidate.genotype).nodes))
    if dice < 0.1:
        return Failed("pretended", "on purpose")
    if dice < 0.3:
        return Rejected({"macs": macs}, "on purpose")
    curves: Mapping[str, tuple[float, ...]] = {"validation_loss": (1.0, 1 / (1 + np.log1p(macs)))}
    return Completed({"error": curves["validation_loss"][-1] + 0.1 * dice, "macs": macs}, curves)


def _start(strategy: Strategy, space: Space, seed: int = 1) -> SearchAlgorithm:
    return strategy.start(space, PROBLEM, seed, _unmeasured)


def _unmeasured(genotype: Any) -> Metrics:
    """No metrics: none is known before training."""
    return {}
