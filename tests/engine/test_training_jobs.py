"""Trainings that are killed go on from their last checkpoint, and end as they would have."""

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edgevolve.data import Digits
from edgevolve.engine import Inline, Train
from edgevolve.engine.ray_pool import RayPool
from edgevolve.graph import Conv2D, Dense, GraphBuilder, from_json, to_json
from edgevolve.runs import Job
from edgevolve.training import TrainingSettings, TrainState
from search_algorithms import Completed

EPOCHS = 4


@dataclass(frozen=True)
class Halve:
    """A stage without training: it halves the weights, in two steps."""

    def __call__(self, state, data, rng, progress):
        half = {name: value / np.float32(2) for name, value in state.weights.items()}
        noise = rng.random()
        if state.checkpoint is not None:
            half = {name: state.checkpoint[name] for name in half}
        progress(1, {}, half)
        curves = {**state.curves, "noise": (noise,)}
        return TrainState(state.graph, half, curves, state.metrics)


def training(optimiser="adamw"):
    settings = TrainingSettings(epochs=EPOCHS, batch_size=256, optimiser=optimiser, learning_rate=0.01)
    return Train(settings, stages=(Halve(),), checkpoint_s=0.0)


def job():
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3), batch_norm=True), net.input((1, 8, 8, 1)))
    return Job(0, None, from_json(to_json(net.build(net.add(Dense(10), net.flatten(x))))), 3, {})


def whole(task):
    evaluator = Inline(task, Digits().load())
    evaluator.submit(job())
    return evaluator.wait(1)[0].outcome


def same(first, second):
    assert isinstance(first, Completed)
    assert (first.metrics, first.curves) == (second.metrics, second.curves)
    for name, value in second.weights.items():
        assert first.weights[name].tobytes() == value.tobytes()


class Killed(Exception):
    """In place of a signal."""


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_training_killed_at_every_checkpoint_ends_with_bit_equal_weights(optimiser):
    task = training(optimiser)
    splits, checkpoint, steps = Digits().load(), None, []

    def progress(step, metrics, given=None):
        if given is not None:
            steps.append(step)
            raise Killed({name: value.copy() for name, value in given.items()})
        return True

    while len(steps) < EPOCHS:
        attempt = Job(**{name: getattr(job(), name) for name in Job.__slots__} | {"checkpoint": checkpoint})
        try:
            task(attempt, splits, progress)
        except Killed as killed:
            (checkpoint,) = killed.args
    assert steps == [1, 2, 3, 1]
    attempt = Job(**{name: getattr(job(), name) for name in Job.__slots__} | {"checkpoint": checkpoint})
    same(task(attempt, splits), whole(task))


def test_a_short_training_leaves_no_checkpoint():
    given = []
    task = Train(TrainingSettings(epochs=2, batch_size=256))
    task(job(), Digits().load(), lambda step, metrics, checkpoint=None: given.append(checkpoint) is None)
    assert given == [None, None]


def test_a_training_ends_with_what_it_has_where_it_is_asked_to():
    task = Train(TrainingSettings(epochs=9, batch_size=256))
    outcome = task(job(), Digits().load(), lambda step, metrics, checkpoint=None: step < 2)
    assert len(outcome.curves["loss"]) == 2
    assert outcome.weights


@dataclass(frozen=True)
class KilledTraining:
    """A training whose process is killed once after each of its checkpoints."""

    folder: str
    train: Train = field(default_factory=training)
    metric_names = ("error",)

    def prepare(self):
        self.train.prepare()

    def __call__(self, job, splits, progress):
        def killed(step, metrics, checkpoint=None):
            going_on = progress(step, metrics, checkpoint)
            if checkpoint is not None:
                once = Path(self.folder, str(len(checkpoint)) + str(step))
                time.sleep(1.5)  # so that the report is fetched
                if not once.exists():
                    once.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            return going_on

        return self.train(job, splits, killed)


@pytest.mark.slow
def test_a_worker_killed_at_every_checkpoint_of_a_training_leaves_bit_equal_weights(tmp_path):
    pool = RayPool(KilledTraining(str(tmp_path)), Digits().load(), workers=1)
    pool.submit(job())
    results = []
    while not results:
        results += pool.wait(1)
    pool.close()
    assert len(list(tmp_path.iterdir())) == EPOCHS == results[0].attempts - 1
    same(results[0].outcome, whole(training()))
