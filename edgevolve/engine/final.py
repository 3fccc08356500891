"""Final training: a candidate of a search from scratch again, longer and with several seeds, and one look at the test.

The search compares networks by short trainings; what is shipped deserves a long one, and the spread over seeds says how
much of a difference is luck.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from edgevolve.data import Splits
from edgevolve.data.chosen import features_of
from edgevolve.engine.cluster import cores
from edgevolve.engine.evaluator import JobResult, steady_clock
from edgevolve.engine.search import EvaluatorFactory, on_ray, task_of, without_test
from edgevolve.engine.shared_tasks import Inherited
from edgevolve.engine.train_task import Train
from edgevolve.metric import int8_metric
from edgevolve.quantisation import ScoreInt8
from edgevolve.runs import ConfigError, Job, Journal, Run, SearchConfig, events
from edgevolve.runs.earlier import parameters
from edgevolve.training import TrainingSettings
from search_algorithms import Failed

_ITS_OWN = 1 << 20
"""Begins the seeds of final trainings, so that none is that of a candidate."""


def final_task(run: Run, splits: Splits, epochs: int, config: SearchConfig | None = None) -> Train:
    """Training as in the search, for `epochs`, scored by every metric of the target as float and as int8.

    Candidates that inherited their weights are trained from scratch all the same. `config` is the run's own where its
    data set or task is the user's. Raises `ConfigError` for a task that is not
    training alone.
    """
    if config:
        begun = config.as_begun(run.started.config)
        task, settings = task_of(begun), begun.training
    else:
        task, settings = run.started.config["task"], _settings(run)
    ours = (Train.__name__, Inherited.__name__)
    if not (isinstance(task, Train | Inherited) or (isinstance(task, dict) and task.get("type") in ours)):
        raise ConfigError(f"{run.path}: its task is the user's own; what it trains for how long is not known here")
    assert splits.target
    metrics = splits.target.metrics
    return Train(replace(settings, epochs=epochs), (*metrics, *map(int8_metric, metrics)), (ScoreInt8(),))


def train_again(
    run: Run,
    number: int,
    task: Train,
    splits: Splits,
    seeds: int,
    *,
    evaluator: EvaluatorFactory | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    observe: Callable[[events.Event], None] = lambda event: None,
) -> None:
    """Train candidate `number` until `seeds` trainings of as many epochs stand in the journal, then look at the test.

    Each is journaled when it ends: the same call after an interrupt trains those that are missing. The best by the
    validation split is tested, once. Raises `JournalError` where another process writes to the run.
    """
    graph, epochs = run.graph(number), task.settings.epochs
    done = {one.seed for one in run.retrained.get(number, ()) if one.epochs == epochs}
    wanted = [seed for seed in range(seeds) if seed not in done]
    start = evaluator or on_ray(min(workers or cores(), max(len(wanted), 1)), ray_address)
    with Journal(run.path) as journal:

        def write(event: events.Event) -> None:
            journal.append(event, sync=True)
            run.apply(event)
            observe(event)

        if wanted:
            with closing(start(task, without_test(splits))) as pool:
                recipe = run.records[number].recipe
                waiting = [Job(seed, None, graph, _seed(run, number, seed), {}, recipe=recipe) for seed in wanted]
                running = 0
                while waiting or running:
                    while waiting and running < pool.capacity:
                        pool.submit(waiting.pop(0))
                        running += 1
                    for result in pool.wait(1.0):
                        running -= 1
                        write(_retrained(run, number, epochs, result, pool.now()))
        final = run.final(number)
        if final and final.artefact and all(one.artefact != final.artefact for one in run.tested):
            write(_tested(run, number, final.artefact, splits))


def _retrained(run: Run, number: int, epochs: int, result: JobResult, now: float) -> events.Retrained:
    """The event of a training that ended; its weights are on the disk before."""
    about: dict[str, Any] = {name: getattr(result, name) for name in ("started", "ended", "worker", "node", "attempts")}
    about |= {"time": now, "number": number, "seed": result.number, "epochs": epochs}
    outcome = result.outcome
    if isinstance(outcome, Failed):
        return events.Retrained(**about, failure=events.Failure(kind=outcome.kind, reason=outcome.reason))
    artefact = run.artefacts.put(outcome.weights or {})
    scores: dict[str, Any] = {"metrics": dict(outcome.metrics), "curves": dict(outcome.curves)}
    return events.Retrained(**about, **scores, artefact=artefact)


def _tested(run: Run, number: int, artefact: str, splits: Splits) -> events.Tested:
    from edgevolve.quantisation import calibration_examples, int8_network, int8_scores
    from edgevolve.training.session import configure_tensorflow

    configure_tensorflow(threads=1)
    from edgevolve.training.trainer import evaluate

    graph, weights = run.graph(number), run.artefacts.arrays(artefact)
    splits = features_of(run.records[number].recipe, splits)
    assert splits.target
    int8 = int8_network(graph, weights, calibration_examples(splits.train)).tflite()
    scores = {
        "float": evaluate(graph, weights, splits.test, splits.target).metrics,
        "int8": int8_scores(int8, splits.test, splits.target),
    }
    return events.Tested(time=steady_clock()(), number=number, artefact=artefact, scores=scores)


def _settings(run: Run) -> TrainingSettings:
    known = parameters(TrainingSettings.__name__, run.started.config["training"])
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in known.items()}
    try:
        return TrainingSettings(**fields)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{run.path}: not training settings of this version ({error})") from error


def _seed(run: Run, number: int, seed: int) -> int:
    return int(np.random.SeedSequence([run.started.config["seed"], number, _ITS_OWN + seed]).generate_state(1)[0])
