"""A running cluster: joined from the command line, and losing a node in the middle of a search."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from pretend import make_config
from ray.cluster_utils import Cluster

from edgevolve.engine import search
from edgevolve.runs import Run
from search_algorithms import Completed


@dataclass(frozen=True)
class Slow:
    metric_names = ("error",)

    def prepare(self):
        pass

    def __call__(self, job, splits):
        time.sleep(0.3)
        return Completed({"error": 0.5})


@pytest.fixture
def cluster():
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made, second
    ray.shutdown()
    made.shutdown()


@pytest.mark.slow
def test_a_search_goes_on_without_a_lost_node_and_loses_nothing(cluster, tmp_path):
    made, second = cluster
    lost = []

    def lose(run, event):
        nodes = {record.node for record in run.records.values() if record.node}
        if len(nodes) == 2 and run.evaluations >= 6 and not lost:
            lost.append(nodes)
            made.remove_node(second, allow_graceful=False)

    run = search(make_config(task=Slow(), evaluations=24, workers=2), "run", out=tmp_path, observe=lose)
    assert lost
    assert run.evaluations == 24
    opened = Run.open(run.folder)
    assert all(isinstance(r.outcome, Completed) for r in opened.records.values() if r.ended)
    assert not opened.in_flight


CONFIG = """
from pathlib import Path
import time

from edgevolve.data import Digits
from edgevolve.runs import SearchConfig
from search_algorithms import Completed, Problem, RandomSearch, minimise
from search_space import MlpSpace

def elsewhere(job):
    return (job.seed % 100) / 100

class Mine:
    metric_names = ("error",)
    def prepare(self): pass
    def __call__(self, job, splits):
        time.sleep(0.2)
        return Completed({"error": elsewhere(job)})

data = Digits()
config = SearchConfig(
    data=data, space=MlpSpace(data.input_shape, data.classes), problem=Problem([minimise("error")]),
    algorithm=RandomSearch(), task=Mine(), evaluations=8,
)
"""


def test_the_command_line_joins_a_running_cluster_and_brings_a_task_of_its_own(cluster, tmp_path):
    made, _ = cluster
    (tmp_path / "mine.py").write_text(CONFIG)
    driver = Path(__file__).resolve().parents[2] / "driver.py"
    done = subprocess.run(
        [sys.executable, driver, "mine.py", "--ray-address", made.address],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "artifacts" / "mine")
    assert run.evaluations == 8
    assert run.started.workers == 2
    assert len({record.node for record in run.records.values() if record.ended}) == 2
