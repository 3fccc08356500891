"""Final training: trains a candidate from scratch again, longer and with several seeds, then tests the best one once.

A search compares networks by short trainings. The network that is shipped deserves a long one. The spread over seeds
shows how much of a difference is luck.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from edgevolve.data import Splits
from edgevolve.data.chosen import features_of
from edgevolve.engine.cluster import cores
from edgevolve.engine.evaluator import JobResult, results_of, steady_clock
from edgevolve.engine.search import EvaluatorFactory, on_ray, task_of, without_test
from edgevolve.engine.shared_tasks import Inherited
from edgevolve.engine.teachers import with_teachers
from edgevolve.engine.train_task import Train
from edgevolve.graph import bits_in, kernel_bits, to_json
from edgevolve.metric import QUANTISATION_DROP, int8_metric
from edgevolve.quantisation import Quantise, ScoreInt8
from edgevolve.runs import ConfigError, Job, Journal, Run, SearchConfig, events
from edgevolve.runs.earlier import parameters
from edgevolve.training import Distil, TrainingSettings, foreseen
from search_algorithms import Failed

_AS_IT_IS: Mapping[str, Any] = {}

_ITS_OWN = 1 << 20
"""Part of the seeds of final trainings, so that none equals a candidate's."""


def final_task(
    run: Run,
    splits: Splits,
    epochs: int,
    config: SearchConfig | None = None,
    *,
    bits: int | None = None,
    distil: str | None = None,
) -> Train:
    """The task of a final training: as in the search, for `epochs`, with every metric of the target, float and int8.

    With `bits` the network is then quantised, and trained further where that loses much. `distil` names a teacher as
    `Distil` does. Candidates that inherited their weights are trained from scratch as well. `config` is the run's
    configuration, needed where its data set or task is the user's own. Raises `ConfigError` for a task other than
    training, or for a teacher that cannot be used.
    """
    if config:
        begun = config.as_begun(run.started.config)
        task, settings = task_of(begun), begun.training
    else:
        task, settings = run.started.config["task"], _settings(run)
    ours = (Train.__name__, Inherited.__name__)
    if not (isinstance(task, Train | Inherited) or (isinstance(task, dict) and task.get("type") in ours)):
        raise ConfigError(f"{run.path}: it was searched with a task of your own, which `train` cannot repeat")
    assert splits.target
    metrics = splits.target.metrics
    given = (*metrics, *map(int8_metric, metrics), QUANTISATION_DROP)
    try:
        teaching = Distil(distil) if distil else None
    except ValueError as error:
        raise ConfigError(f"--distil {distil}: {str(error).rpartition(': ')[2]}") from None
    if bits not in (None, 4, 8):
        raise ConfigError(f"--quantise {bits}: kernels must have 8 or 4 bits")
    last = Quantise(4 if bits == 4 else 8, distil=teaching) if bits else ScoreInt8()
    task = with_teachers(Train(replace(settings, epochs=epochs), given, (last,), distil=teaching), splits)
    assert isinstance(task, Train)
    return task


def how_trained(bits: int | None, distil: str | None) -> dict[str, Any]:
    """The options of a final training, other than its epochs, as the journal holds them."""
    return {name: value for name, value in (("quantise", bits), ("distil", distil)) if value}


def train_again(
    run: Run,
    number: int,
    task: Train,
    splits: Splits,
    seeds: int,
    how: Mapping[str, Any] = _AS_IT_IS,
    *,
    evaluator: EvaluatorFactory | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    observe: Callable[[events.Event], None] = lambda event: None,
) -> None:
    """Train candidate `number` until the journal holds `seeds` such trainings, then test the best one.

    `how` is the result of `how_trained` for the task. Trainings count if their epochs and `how` are the same. Each is
    journaled when it ends: the same call after an interrupt trains those that are missing. The best by the validation
    split is tested, once. Raises `ConfigError` for a network that no runtime runs after the stages, and `JournalError`
    where another process writes to the run.
    """
    graph, epochs = run.graph(number), task.settings.epochs
    try:
        foreseen(graph, task.stages, {})
    except ValueError as error:
        raise ConfigError(f"candidate {number}: {error}") from None
    if task.stages == (ScoreInt8(),) and 4 in kernel_bits(graph).values():
        task = replace(task, stages=(Quantise(None, distil=task.distil),))
    done = {
        trained.seed for trained in run.retrained.get(number, ()) if trained.epochs == epochs and trained.how == how
    }
    wanted = [seed for seed in range(seeds) if seed not in done]
    start = evaluator or on_ray(min(workers or cores(), max(len(wanted), 1)), ray_address)
    with Journal(run.path) as journal:

        def write(event: events.Event) -> None:
            journal.append(event, sync=True)
            run.apply(event)
            observe(event)

        if wanted:
            with closing(start(task, without_test(splits))) as pool:
                recipe = {name: v for name, v in run.records[number].recipe.items() if not bits_in({name: v})}
                jobs = [Job(seed, None, graph, _seed(run, number, seed), {}, recipe=recipe) for seed in wanted]
                for result in results_of(pool, jobs):
                    write(_retrained(run, number, epochs, dict(how), result, pool.now()))
        final = run.final(number)
        if final and final.artefact and all(trained.artefact != final.artefact for trained in run.tested):
            write(_tested(run, number, final.artefact, splits))


def _retrained(
    run: Run, number: int, epochs: int, how: dict[str, Any], result: JobResult, now: float
) -> events.Retrained:
    """The event of a training that ended; its weights are written first."""
    about = result.ran | {"time": now, "number": number, "seed": result.number, "epochs": epochs, "how": how}
    outcome = result.outcome
    if isinstance(outcome, Failed):
        return events.Retrained(**about, failure=events.Failure(kind=outcome.kind, reason=outcome.reason))
    artefact = run.artefacts.put(outcome.weights or {})
    scores: dict[str, Any] = {"metrics": dict(outcome.metrics), "curves": dict(outcome.curves)}
    graph = None if outcome.graph is None else to_json(outcome.graph)
    return events.Retrained(**about, **scores, artefact=artefact, graph=graph)


def _tested(run: Run, number: int, artefact: str, splits: Splits) -> events.Tested:
    from edgevolve.quantisation import calibration_examples, int8_network, int8_scores
    from edgevolve.training.session import configure_tensorflow

    configure_tensorflow(threads=1)
    from edgevolve.training.trainer import evaluate

    graph, weights = run.final_graph(number), run.artefacts.arrays(artefact)
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
