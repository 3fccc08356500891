"""Tries a user's own task on a few examples, as a worker would run it, before a search begins."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgevolve.data import Split, Splits
from edgevolve.engine.evaluation import evaluate
from edgevolve.engine.own_code import ship_by_value
from edgevolve.graph import from_json, to_json
from edgevolve.place import place
from edgevolve.runs import ConfigError, Job, SearchConfig, Task
from edgevolve.runs.measure import measure
from search_algorithms import Failed

EXAMPLES = 256
"""The most examples of each split, evenly spread."""
NETWORKS = 20
"""The number of random genotypes that are drawn; the smallest network within the bounds is tried."""
PATIENCE_S = 60.0


def try_task(config: SearchConfig, task: Task, splits: Splits, patience_s: float = PATIENCE_S) -> tuple[str, ...]:
    """Run `task` once in a process of its own; return a line of text where it did not end within `patience_s`.

    The project's own tasks are not tried, since `edgevolve.data.examine` has checked the data for them; neither are
    tasks that need what a long job prepares. Raises `ConfigError` when the task cannot be sent to a worker, fails, or
    kills its process.
    """
    if type(task).__module__.startswith("edgevolve.") or getattr(config, "prepare", None) is not None:
        return ()
    name = type(task).__name__
    try:
        sent = _by_value((task, _job(config), _few(splits)))
    except Exception as error:  # pickle raises whatever the user's objects raise
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"task: {name} cannot be sent to a worker ({type(error).__name__}: {reason})") from error
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    command = [sys.executable, "-c", "from edgevolve.engine.trial import answer; answer()"]
    try:
        done = subprocess.run(
            command, input=sent, capture_output=True, timeout=patience_s, env={**os.environ, "PYTHONPATH": path}
        )
    except subprocess.TimeoutExpired:
        return (f"task {name} was tried on a few examples for {patience_s:.0f} s and did not end",)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        spoken = said[-1] if said else f"exit status {done.returncode}"
        reason = f"signal {-done.returncode}" if done.returncode < 0 else spoken
        raise ConfigError(f"task: {name} ended its worker on the first job: {reason}")
    reason = done.stdout.decode("utf-8", errors="replace").rpartition(_MARK)[2].strip()
    if reason:
        raise ConfigError(f"task: {name} failed on a few examples of the data: {reason}")
    return ()


_MARK = "\nedgevolve: "


def answer() -> None:
    """The process's main function: run the job from standard input, and print why it failed, or nothing."""
    task, job, splits = pickle.load(sys.stdin.buffer)  # written by `try_task` just now
    task.prepare()
    outcome = evaluate(task, job, splits)
    said = f"{outcome.kind}: {outcome.reason}{place(outcome.traceback)}" if isinstance(outcome, Failed) else ""
    sys.stdout.buffer.write((_MARK + said).encode("utf-8", errors="replace"))


def _by_value(content: Any) -> bytes:
    """The content pickled as by Ray, with the code of modules that are not installed."""
    from ray import cloudpickle

    ship_by_value(content[0])
    sent: bytes = cloudpickle.dumps(content)
    return sent


def _few(splits: Splits) -> Splits:
    """A few examples of each split, in memory; none of the test split, as in a search."""
    nothing = splits.test.take(np.arange(0))
    return replace(splits, train=_some(splits.train), validation=_some(splits.validation), test=nothing, raw=None)


def _some(part: Split) -> Split:
    number = min(len(part), EXAMPLES)
    chosen = part.take(np.linspace(0, len(part) - 1, number).round().astype(np.int64))
    return Split(chosen.x[:], chosen.y[:], chosen.groups)


def _job(config: SearchConfig) -> Job:
    """The job of a small network of the space, as in a search."""
    rng = np.random.default_rng([config.seed])
    genotypes: Sequence[Any] = [config.space.sample(rng) for _ in range(NETWORKS)]
    quick = [provider for provider in config.providers if provider not in config.device_metrics]
    measured = [
        (genotype, measure(config.space, quick, genotype, beside=config.beside).metrics) for genotype in genotypes
    ]
    within = [pair for pair in measured if not config.problem.broken(pair[1])] or measured
    genotype, _ = min(within, key=lambda pair: pair[1]["macs"])
    before = measure(config.space, config.providers, genotype, beside=config.beside)
    return Job(
        0,
        config.space.to_json(genotype),
        from_json(to_json(before.graph)),
        config.seed,
        before.metrics,
        recipe=before.recipe,
    )
