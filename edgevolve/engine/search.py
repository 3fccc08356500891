"""Runs a search from a configuration, for Python and the command line alike."""

import os
import re
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edgevolve.data import Split, Splits, examine, fingerprint, load_splits, target_of
from edgevolve.engine.cluster import require_cluster, require_loopback
from edgevolve.engine.evaluator import Evaluator
from edgevolve.engine.loop import Observer, Search
from edgevolve.engine.teachers import with_teachers
from edgevolve.engine.train_task import Train
from edgevolve.engine.trial import try_task
from edgevolve.engine.versions import installed_versions
from edgevolve.metric import QUANTISATION_DROP, int8_metric
from edgevolve.quantisation import Quantise, ScoreInt8
from edgevolve.runs import (
    ON_RESUME,
    ConfigError,
    Journal,
    JournalError,
    Run,
    SearchConfig,
    Task,
    config_json,
    create,
    events,
)
from edgevolve.runs import difference as config_difference
from edgevolve.runs.feasibility import require_feasible
from edgevolve.runs.journal import RunExistsError, read
from edgevolve.runs.run import fitting

PREPARE_DEADLINE_MINUTES = 20.0
"""The longest silence of the job before the search until it fails; compiling a large function takes minutes."""

EvaluatorFactory = Callable[[Task, Splits], Evaluator]


def search(
    config: SearchConfig,
    name: str = "search",
    *,
    out: str | Path = "artifacts",
    resume: bool = False,
    ray_address: str | None = None,
    evaluator: EvaluatorFactory | None = None,
    observe: Observer = lambda run, event: None,
) -> Run:
    """Run `config` as `out/name` until its budget is spent, and return the run.

    Jobs run on Ray (a cluster at `ray_address`, or one of its own) unless `evaluator` is given; `observe` is called
    after each event. With `resume`, the search continues where the journal ends; nothing that finished is repeated.

    Before anything is written it raises `ConfigError`, `ProblemError` or `DataError` for bad input, and `JournalError`
    for a run that exists (or, with `resume`, does not). It raises `ClusterError` when there is no cluster, and
    `WorkersLostError` when no worker starts.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(f"{name!r} is not a valid name for a run: use letters, digits, '.', '_' and '-'")
    config.check(task_of(config))
    path = Path(out) / name / "journal.jsonl"
    if path.exists() != resume:
        raise JournalError(f"{path}: there is no run to resume") if resume else RunExistsError(path)
    if resume:
        config = config.as_begun(_begun(path).config)
    task = task_of(config)
    about: dict[str, Any] = {"config": config_json(config, task), "versions": installed_versions()}
    splits = load_splits(config.data)
    task = with_teachers(task, splits)
    seen = _seen(config, splits)
    if evaluator is None and not resume:
        try_task(config, task, splits)
    if config.prepare and not resume:
        require_feasible(config)
    data = {"fingerprint": fingerprint(splits), "train": len(splits.train), "validation": len(splits.validation)}
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(path)) if resume else None
        work = _restore(config, task, path, data) if resume else None
        about |= {"data": data | seen, "devices": config.devices_used, "board": config.board_used}
        about |= {"name": name, "metrics": config.described(task)}
        first = None if work and work.run.prepared else config.preparing
        for doing in [*([first] if first else []), task]:
            deadline = config.deadline_minutes or (PREPARE_DEADLINE_MINUTES if doing is first else None)
            start = evaluator or on_ray(
                1 if doing is first else config.workers,
                ray_address,
                config.gpus_per_worker,
                deadline and 60 * deadline,
            )
            with closing(start(doing, without_test(splits))) as pool:
                about |= {"time": pool.now(), "workers": pool.workers}
                if journal is None or work is None:
                    create(path, begun := events.Started(**about))
                    journal, work = stack.enter_context(Journal(path)), Search(config, Run(path, begun))
                    observe(work.run, begun)
                else:
                    work.resume(events.Resumed(**about), journal, observe)
                if doing is first:
                    work.prepare(pool, journal, observe)
                else:
                    pool.share(work.prepared)
                    work.drive(pool, journal, observe)
            if work.run.stopped:
                break
    assert work
    return work.run


def task_of(config: SearchConfig) -> Task:
    """The configuration's task, or training with its stages, scored by the main metric and those of the problem.

    `NAME_int8` is the target's score NAME for the int8 network, and `quantisation_drop` its loss against float; the
    stage `Quantise` gives them itself.
    """
    main, *others = target_of(config.data).metrics
    in_int8 = [*(int8_metric(metric) for metric in (main, *others)), QUANTISATION_DROP]
    asked = [metric for metric in (*others, *in_int8) if metric.name in config.problem.metrics]
    own = [metric for stage in config.stages for metric in getattr(stage, "metrics", ())]
    is_scored = isinstance(config.stages[-1] if config.stages else None, Quantise)
    scored = (ScoreInt8(),) if any(metric in in_int8 for metric in asked) and not is_scored else ()
    given = tuple(dict.fromkeys((main, *asked, *own)))
    return config.task or Train(config.training, given, (*config.stages, *scored))


def _seen(config: SearchConfig, splits: Splits) -> dict[str, Any]:
    """What the journal holds about the data beside their fingerprint: notes and front end, if any."""
    notes = examine(config.data, splits).notes
    seen: dict[str, Any] = {"notes": list(notes)} if notes else {}
    if splits.front_end is not None:
        seen["front_end"] = {"name": splits.front_end.name, "parameters": dict(splits.front_end.parameters)}
    return seen


def _restore(config: SearchConfig, task: Task, path: Path, data: dict[str, Any]) -> Search:
    started = _begun(path)
    before, now = (
        {key: value for key, value in config_as_json.items() if key not in ON_RESUME}
        for config_as_json in (started.config, config_json(config, task, started.config))
    )
    changes = config_difference(before, now)
    changes += config_difference({name: started.data.get(name) for name in data}, data, "data.")
    if changes:
        raise ConfigError(
            f"{path}: the configuration changed since the run began: {'; '.join(changes)}; "
            "undo that, or choose another --name"
        )
    with fitting(path):
        work = Search(config, Run(path, started))
        for event in islice(read(path), 1, None):
            work.replay(event)
    return work


def _begun(path: Path) -> events.Started:
    """The first event of a journal. Raises `JournalError`."""
    first = next(read(path))
    assert isinstance(first, events.Started)
    return first


def on_ray(
    workers: int | None, address: str | None, gpus_per_worker: float | None = None, deadline_s: float | None = None
) -> EvaluatorFactory:
    """A factory of worker pools on the cluster at `address` or $RAY_ADDRESS, or on one of its own.

    `workers` is by default the number of cores.
    """
    address = address or os.environ.get("RAY_ADDRESS")

    def start(task: Task, splits: Splits) -> Evaluator:
        if address:
            require_cluster(address)
        else:
            require_loopback()
        from edgevolve.engine.ray_pool import RayPool

        return RayPool(
            task, splits, workers=workers, gpus_per_worker=gpus_per_worker, deadline_s=deadline_s, address=address
        )

    return start


def without_test(splits: Splits) -> Splits:
    """The splits that workers see: the test split has no examples."""
    nothing = Split(splits.test.x[:0], np.empty(0, np.int64))
    train, validation = (replace(part, names=None) for part in (splits.train, splits.validation))  # for messages alone
    return replace(splits, train=train, validation=validation, test=nothing, raw=None)
