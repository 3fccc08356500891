"""What a front end promises. Each check takes it and raw examples, and raises `AssertionError` for a broken promise."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import FrontEnd
from edgevolve.deployment.c_front_end import steps_from_python
from edgevolve.quantisation.litert import Quantisation


def check_front_end(front_end: FrontEnd, raw: NDArray[Any]) -> None:
    """Run every check on `raw` examples, (number, ...)."""
    for check in FRONT_END_CHECKS:
        check(front_end, raw)


def features_are_finite_float32_one_row_an_example(front_end: FrontEnd, raw: NDArray[Any]) -> None:
    """`apply` gives finite float32 features, a row for each example."""
    features = front_end.apply(raw)
    assert features.dtype == np.float32 and len(features) == len(raw)
    assert np.isfinite(features).all()


def an_example_has_the_same_features_alone_and_among_others(front_end: FrontEnd, raw: NDArray[Any]) -> None:
    """Features do not depend on the batch, as a device computes one example at a time."""
    features = front_end.apply(raw)
    alone = np.concatenate([front_end.apply(raw[i : i + 1]) for i in range(len(raw))])
    assert np.array_equal(features, alone)


def its_parameters_are_json(front_end: FrontEnd, raw: NDArray[Any]) -> None:
    """The parameters are JSON, as journal and manifest hold them."""
    assert isinstance(front_end, FrontEnd) and front_end.name
    assert json.loads(json.dumps(dict(front_end.parameters), allow_nan=False)) == dict(front_end.parameters)


def its_c_differs_by_one_step_at_most(front_end: FrontEnd, raw: NDArray[Any]) -> None:
    """If there is a compiler, the C code differs from `apply` by at most one step of int8 over the whole range."""
    features = front_end.apply(raw)
    low, high = min(0.0, float(features.min())), max(1e-6, float(features.max()))
    scale = (high - low) / 255
    steps = steps_from_python(front_end, raw, Quantisation(scale, round(-128 - low / scale)))
    assert steps is None or steps <= 1


FRONT_END_CHECKS: tuple[Callable[[FrontEnd, NDArray[Any]], None], ...] = (
    features_are_finite_float32_one_row_an_example,
    an_example_has_the_same_features_alone_and_among_others,
    its_parameters_are_json,
    its_c_differs_by_one_step_at_most,
)
