"""Kits that try an object of your own as the project tries its own: spaces, algorithms, evaluators.

    from edgevolve.testing import check_space
    def test_my_space(): check_space(MySpace((8, 8, 1), 10))

Each `check_...` runs a list of checks, and raises `AssertionError` where a promise is broken. The lists are public, so
that a test can run check by check.
"""

from edgevolve.testing.algorithms import ALGORITHM_CHECKS, check_algorithm
from edgevolve.testing.evaluators import EVALUATOR_CHECKS, check_evaluator
from edgevolve.testing.spaces import SPACE_CHECKS, check_space

__all__ = [
    "ALGORITHM_CHECKS",
    "EVALUATOR_CHECKS",
    "SPACE_CHECKS",
    "check_algorithm",
    "check_evaluator",
    "check_space",
]
