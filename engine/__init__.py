"""Making a run happen: the loop, the evaluators, the worker pool. Ray is loaded in `ray_pool` alone."""

from engine.calibration import Measure, calibrate
from engine.cluster import ClusterError
from engine.evaluator import Evaluator, Inline, JobResult, VirtualTime, WorkersLostError
from engine.search import search, task_of
from engine.tabular import TableError, Tabular
from engine.train_task import Train

__all__ = [
    "ClusterError",
    "Evaluator",
    "Inline",
    "JobResult",
    "Measure",
    "TableError",
    "Tabular",
    "Train",
    "VirtualTime",
    "WorkersLostError",
    "calibrate",
    "search",
    "task_of",
]
