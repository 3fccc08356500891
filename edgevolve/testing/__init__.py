"""Kits that test an object of your own as the project tests its own.

    from edgevolve.testing import check_space
    def test_my_space(): check_space(MySpace((8, 8, 1), 10))

There are kits for spaces, algorithms, data sets, targets, front ends, stages of training, tasks and evaluators. Each
`check_...` runs a list of checks and raises `AssertionError` for a broken promise. The lists are public, so that a test
can run single checks.
"""

from edgevolve.testing.algorithms import ALGORITHM_CHECKS, check_algorithm
from edgevolve.testing.data_sets import DATA_SET_CHECKS, check_data_set
from edgevolve.testing.data_targets import TARGET_CHECKS, check_target
from edgevolve.testing.evaluators import EVALUATOR_CHECKS, check_evaluator
from edgevolve.testing.front_ends import FRONT_END_CHECKS, check_front_end
from edgevolve.testing.spaces import SPACE_CHECKS, check_space
from edgevolve.testing.stages import STAGE_CHECKS, check_stage
from edgevolve.testing.tasks import TASK_CHECKS, check_task

__all__ = [
    "ALGORITHM_CHECKS",
    "DATA_SET_CHECKS",
    "EVALUATOR_CHECKS",
    "FRONT_END_CHECKS",
    "SPACE_CHECKS",
    "STAGE_CHECKS",
    "TARGET_CHECKS",
    "TASK_CHECKS",
    "check_algorithm",
    "check_data_set",
    "check_evaluator",
    "check_front_end",
    "check_space",
    "check_stage",
    "check_target",
    "check_task",
]
