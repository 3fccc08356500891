"""Tasks, a strategy and spaces of which tests of jobs see every call."""

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from search_algorithms import Completed
from search_space import MlpSpace
from search_space.mlp import Mlp

STEPS = 6


@dataclass(frozen=True)
class Stepwise:
    """A training in six steps of a random walk, with a checkpoint after each; `then` is called after each report."""

    then: object = None
    metric_names = ("error",)

    def prepare(self):
        pass

    def __call__(self, job, splits, progress):
        rng = np.random.default_rng(job.seed)
        walk, start = np.zeros(4), 0
        if job.checkpoint is not None:
            walk, start = job.checkpoint["walk"], int(job.checkpoint["step"])
        steps = rng.standard_normal((STEPS, 4))
        for step in range(start, STEPS):
            walk = walk + steps[step]
            going_on = progress(step + 1, {"loss": float(walk[0])}, {"walk": walk, "step": np.array(step + 1)})
            if self.then:
                self.then(job, step + 1)
            if not going_on:
                break
        return Completed({"error": float(abs(walk[0]))}, weights={"walk": walk})


@dataclass(frozen=True)
class Killed:
    """Kills its process once after each step of a job; `folder` remembers when."""

    folder: str
    wait_s: float = 1.5

    def __call__(self, job, step):
        time.sleep(self.wait_s)  # so that the report is fetched
        once = Path(self.folder, f"{job.number}-{step}")
        if not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class SparseSpace(MlpSpace):
    """The first hidden layer is the network, the second one a recipe."""

    def graph(self, genotype):
        return super().graph(Mlp(genotype.hidden[:1]))

    def recipe(self, genotype):
        return {"sparsity": genotype.hidden[1].units / 100} if len(genotype.hidden) > 1 else {}


class ElasticSpace(MlpSpace):
    """Its shared weights are one vector, of which a genotype takes the beginning."""

    def inherit(self, genotype, weights):
        return {"w": weights["w"][: genotype.hidden[0].units]}


@dataclass(frozen=True)
class Proposing:
    """A strategy that asks for these, one after another; `watch` gives whether a job is to go on."""

    proposals: tuple
    watch: object = field(default=None, repr=False)

    def start(self, space, problem, seed, measure):
        return _Watching(self) if self.watch else _Proposed(self)


class _Proposed:
    def __init__(self, settings):
        self.settings, self.told = settings, []

    def ask(self, number):
        return self.settings.proposals[number] if number < len(self.settings.proposals) else None

    def asked(self, candidate):
        pass

    def tell(self, candidate, outcome):
        self.told.append(candidate.number)

    def continuable(self):
        return self.told


class _Watching(_Proposed):
    def progressed(self, candidate, step, metrics):
        return self.settings.watch(candidate, step, metrics)
