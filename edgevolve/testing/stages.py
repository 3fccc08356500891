"""What a stage of training promises. Each check takes it, a state and splits; a broken promise is an `AssertionError`.

The stage gets a test split without examples, as in a search.
"""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits
from edgevolve.training import Progress, Stage, TrainState, unreported

Check = Callable[[Stage, TrainState, Splits], None]

_SEED = 5


def check_stage(stage: Stage, state: TrainState, splits: Splits) -> None:
    """Run every check; the stage runs a few times, and once more for each of its checkpoints."""
    for check in STAGE_CHECKS:
        check(stage, state, splits)


def it_travels_to_workers(stage: Stage, state: TrainState, splits: Splits) -> None:
    """The stage can be pickled."""
    pickle.loads(pickle.dumps(stage))


def it_leaves_what_it_was_given_as_it_was(stage: Stage, state: TrainState, splits: Splits) -> None:
    """The stage does not write to the weights that it was given."""
    before = {name: np.array(value) for name, value in (state.weights or {}).items()}
    _run(stage, state, splits)
    _assert_equal(before, state.weights or {})


def equal_random_numbers_give_equal_states(stage: Stage, state: TrainState, splits: Splits) -> None:
    """Two runs with equal random numbers give states equal to the last bit."""
    _assert_same(_run(stage, state, splits), _run(stage, state, splits))


def its_weights_are_those_of_its_network(stage: Stage, state: TrainState, splits: Splits) -> None:
    """The weights are all parameters of the network that the stage returns, in their shapes."""
    from edgevolve.training.weights import check_weights

    done = _run(stage, state, splits)
    assert done.weights is not None
    check_weights(done.graph, done.weights)


def its_scores_are_those_of_its_weights(stage: Stage, state: TrainState, splits: Splits) -> None:
    """The state has the target's metrics of its float network on the validation split."""
    from edgevolve.training.trainer import evaluate

    done = _run(stage, state, splits)
    assert done.weights is not None
    measured = evaluate(done.graph, done.weights, splits.validation, splits.target).metrics
    for name, value in measured.items():
        assert np.isclose(done.metrics[name], value, rtol=1e-3, atol=1.5 / len(splits.validation)), name


def it_ends_where_it_is_asked_to(stage: Stage, state: TrainState, splits: Splits) -> None:
    """The stage ends at the first report that returns False, with weights."""
    reports: list[int] = []

    def progress(step: int, metrics: Mapping[str, float], checkpoint: Mapping[str, NDArray[Any]] | None = None) -> bool:
        reports.append(step)
        return False

    done = _run(stage, state, splits, progress)
    assert len(reports) <= 1 and done.weights is not None


def killed_at_any_checkpoint_it_ends_as_if_undisturbed(stage: Stage, state: TrainState, splits: Splits) -> None:
    """Run again from any of its checkpoints, the stage gives the same state to the last bit."""
    kept: list[dict[str, NDArray[Any]]] = []

    def progress(step: int, metrics: Mapping[str, float], checkpoint: Mapping[str, NDArray[Any]] | None = None) -> bool:
        if checkpoint is not None:
            kept.append({name: np.array(value) for name, value in checkpoint.items()})
        return True

    whole = _run(stage, state, splits, progress)
    for checkpoint in kept:
        _assert_same(whole, _run(stage, replace(state, checkpoint=checkpoint), splits))


STAGE_CHECKS: tuple[Check, ...] = (
    it_travels_to_workers,
    it_leaves_what_it_was_given_as_it_was,
    equal_random_numbers_give_equal_states,
    its_weights_are_those_of_its_network,
    its_scores_are_those_of_its_weights,
    it_ends_where_it_is_asked_to,
    killed_at_any_checkpoint_it_ends_as_if_undisturbed,
)


def _run(stage: Stage, state: TrainState, splits: Splits, progress: Progress = unreported) -> TrainState:
    seen = replace(splits, test=splits.test.take(np.arange(0)), raw=None)
    return stage(state, seen, np.random.default_rng(_SEED), progress)


def _assert_same(first: TrainState, second: TrainState) -> None:
    assert first.graph == second.graph
    assert dict(first.metrics) == dict(second.metrics)
    _assert_equal(first.weights or {}, second.weights or {})


def _assert_equal(first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.array_equal(value, second[name]), name
