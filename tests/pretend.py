"""What several tests share: a data set without a download, a task without training, a search of a second."""

from dataclasses import dataclass

import numpy as np

from edgevolve.data import Split, Splits
from edgevolve.engine import VirtualTime
from edgevolve.runs import SearchConfig
from search_algorithms import AgingEvolution, Completed, Failed, Problem, at_most, minimise
from search_space import CnnSpace


def unmeasured(genotype):
    """Nothing is known of it before training."""
    return {}


@dataclass(frozen=True)
class Noise:
    """Random 8×8 images in three classes."""

    seed: int = 0
    input_shape = (8, 8, 1)
    classes = 3

    def load(self):
        rng = np.random.default_rng(self.seed)
        return Splits(*(Split(rng.random((n, 8, 8, 1), np.float32), np.arange(n) % 3) for n in (12, 6, 6)))


@dataclass(frozen=True)
class Pretend:
    """An error that follows from seed and size, in no time; every `fails_every`-th candidate fails.

    One that continues another improves on the error that stands in its weights.
    """

    fails_every: int = 0
    metric_names = ("error",)

    def prepare(self):
        pass

    def __call__(self, job, splits):
        if self.fails_every and job.number % self.fails_every == self.fails_every - 1:
            return Failed("pretended", "on purpose")
        noise = np.random.default_rng(job.seed).random()
        error = (1 + noise) / (2 + np.log1p(job.metrics["macs"]))
        if job.continues is not None:
            if job.weights is None:
                return Failed("weights lost", "nothing to go on from")
            error = (0.5 + 0.5 * noise) * job.weights["w"][0]
        curves = {"loss": (1.0, 0.5), "validation_loss": (1.0, 2 / (2 + np.log1p(job.metrics["macs"])))}
        return Completed({"error": float(error)}, curves, {"w": np.array([error])})


def make_config(**fields):
    data = Noise()
    defaults = {
        "data": data,
        "space": CnnSpace(input_shape=data.input_shape, classes=data.classes),
        "problem": Problem(
            [minimise("error"), minimise("peak_memory_bytes"), minimise("model_size_bytes")],
            [at_most("error", 0.2, soft=True), at_most("peak_memory_bytes", 3000), at_most("model_size_bytes", 50_000)],
        ),
        "algorithm": AgingEvolution(population=6, sample_size=3),
        "task": Pretend(),
        "evaluations": 25,
    }
    return SearchConfig(**{**defaults, **fields})


def virtual(workers=1):
    """An evaluator factory whose jobs take between one and two virtual minutes."""
    return lambda task, splits: VirtualTime(task, splits, workers, lambda job: 60 + job.seed % 60)
