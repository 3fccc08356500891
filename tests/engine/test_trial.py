"""A task of a user's own is tried on a few examples before anything is searched."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pretend import make_config

import configs
from edgevolve import ConfigError, DataError, Split, Splits, search
from edgevolve.configuration import load_configuration
from edgevolve.data import load_splits
from edgevolve.engine import Train, try_task
from edgevolve.training import TrainingSettings
from search_algorithms import Completed


@dataclass(frozen=True)
class Mine:
    """Does as `kind` says."""

    kind: str
    metric_names = ("error",)

    def prepare(self):
        if self.kind == "needs a package":
            import nowhere_to_be_found  # noqa: F401

    def __call__(self, job, splits):
        assert len(splits.train) == 256 and len(splits.test) == 0 and splits.target.outputs == 3
        if self.kind == "raises":
            raise KeyError("label 7")
        if self.kind == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "hangs":
            time.sleep(60)
        print("words of its own")
        return Completed({"error": 0.5})


@dataclass(frozen=True)
class Large:
    """More examples than are tried."""

    input_shape = (8, 8, 1)
    classes = 3
    shape: tuple[int, ...] = (8, 8, 1)

    def load(self):
        rng = np.random.default_rng(0)
        return Splits(*(Split(rng.random((n, *self.shape), np.float32), np.arange(n) % 3) for n in (600, 60, 60)))


REFUSED = {
    "raises": r"Mine failed on a few examples of the data: KeyError: 'label 7' \(test_trial.py, line \d+\)",
    "dies": "Mine ended its worker on the first job: signal 9",
    "needs a package": "Mine ended its worker on the first job: .*No module named 'nowhere_to_be_found'",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_task_that_fails_is_refused_in_one_line(kind):
    config = make_config(data=Large(), task=Mine(kind))
    with pytest.raises(ConfigError, match=REFUSED[kind]) as caught:
        try_task(config, config.task, load_splits(config.data))
    assert "\n" not in str(caught.value)


def test_a_task_that_works_is_tried_without_a_word():
    config = make_config(data=Large(), task=Mine("works"))
    assert try_task(config, config.task, load_splits(config.data)) == ()


@pytest.mark.slow
def test_a_task_that_takes_long_is_not_waited_for():
    config = make_config(data=Large(), task=Mine("hangs"))
    (note,) = try_task(config, config.task, load_splits(config.data), patience_s=8)
    assert note == "task Mine was tried on a few examples for 8 s and did not end"


def test_a_task_that_cannot_be_sent_is_refused():
    task = Mine(threading.Lock())
    config = make_config(data=Large(), task=task)
    with pytest.raises(ConfigError, match="Mine cannot be sent to a worker"):
        try_task(config, task, load_splits(config.data))


def test_training_of_our_own_is_not_tried():
    config = make_config(data=Large(), task=None)
    assert try_task(config, Train(TrainingSettings()), config.data.load(), patience_s=0) == ()


def test_a_search_on_a_data_set_of_another_shape_does_not_begin(tmp_path):
    config = make_config(data=Large((9, 8, 1)))
    with pytest.raises(DataError, match=r"train.x has examples of \(9, 8, 1\), input_shape says \(8, 8, 1\)"):
        search(config, out=tmp_path)
    assert not list(tmp_path.iterdir())


BASE = """
from search_algorithms import Completed

class Given:
    metric_names = ("error",)
    def __init__(self, function): self.function = function
    def prepare(self): pass
    def __call__(self, job, splits): return Completed({"error": self.function(job)})
"""
CONFIGURATION = """
from base_of_tasks import Given
from edgevolve import Digits, MlpSpace, Problem, RandomSearch, SearchConfig, minimise

def half(job):
    return 0.5

data = Digits()
config = SearchConfig(data=data, space=MlpSpace(data.input_shape, data.classes), problem=Problem([minimise("error")]),
    algorithm=RandomSearch(), task=Given(half))
"""


def test_a_class_beside_the_configuration_may_hold_a_function_of_the_configuration(tmp_path, monkeypatch):
    (tmp_path / "base_of_tasks.py").write_text(BASE)
    (tmp_path / "mine.py").write_text(CONFIGURATION)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("edgevolve_config", "base_of_tasks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    config = load_configuration(str(tmp_path / "mine.py"), Path(configs.__file__).parent)
    assert try_task(config, config.task, config.data.load()) == ()
