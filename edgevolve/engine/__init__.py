"""Makes a run happen: the loop, the evaluators, the worker pool. Only `ray_pool` loads Ray."""

from edgevolve.engine.by_gradient import DARTS, ProxylessNAS
from edgevolve.engine.calibration import Measure, calibrate
from edgevolve.engine.cluster import ClusterError
from edgevolve.engine.evaluator import Evaluator, Inline, JobResult, VirtualTime, WorkersLostError
from edgevolve.engine.family import Relative, family
from edgevolve.engine.final import final_task, how_trained, train_again
from edgevolve.engine.search import search, task_of
from edgevolve.engine.shared_tasks import Inherited, Supernet
from edgevolve.engine.specialise import SharedFrom, specialised, specialised_name
from edgevolve.engine.tabular import TableError, Tabular
from edgevolve.engine.teachers import Teach
from edgevolve.engine.train_task import Train
from edgevolve.engine.trial import try_task

__all__ = [
    "DARTS",
    "ClusterError",
    "Evaluator",
    "Inherited",
    "Inline",
    "JobResult",
    "Measure",
    "ProxylessNAS",
    "Relative",
    "SharedFrom",
    "Supernet",
    "TableError",
    "Tabular",
    "Teach",
    "Train",
    "VirtualTime",
    "WorkersLostError",
    "calibrate",
    "family",
    "final_task",
    "how_trained",
    "search",
    "specialised",
    "specialised_name",
    "task_of",
    "train_again",
    "try_task",
]
