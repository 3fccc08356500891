"""Compares the field's standard networks with a search: their costs, and their scores after the same training."""

import math
from collections.abc import Callable, Mapping
from contextlib import closing

import numpy as np

from edgevolve.data import Splits
from edgevolve.engine.evaluator import JobResult, results_of
from edgevolve.engine.search import EvaluatorFactory, on_ray, without_test
from edgevolve.engine.train_task import Train
from edgevolve.graph import Graph, canonical
from edgevolve.runs import ConfigError, DeviceMemory, Job, Journal, Resources, Run, events
from edgevolve.runs.measure import measure_graph
from edgevolve.spelling import suggestion
from resource_models import TARGETS
from search_algorithms import Completed, Failed
from search_space.topologies import topologies_for, topology

_ITS_OWN = 1 << 21
"""Part of the seeds of standard networks, so that none equals a candidate's."""


def standards_of(run: Run) -> dict[str, Graph]:
    """The standard networks, by name, that have the run's input and output shapes.

    Raises `ConfigError` for a run in which no candidate completed.
    """
    done = next((r.number for r in run.records.values() if isinstance(r.outcome, Completed)), None)
    if done is None:
        raise ConfigError(f"{run.path}: no candidate completed, so there is no network to compare with")
    graph = run.graph(done)
    shape, outputs = graph.inputs[0].shape[1:], graph.outputs[0].shape[-1]
    names = topologies_for(shape, outputs == math.prod(shape))
    return {name: canonical(topology(name, shape, outputs))[0] for name in names}


def cost_of(run: Run, graph: Graph) -> Mapping[str, float]:
    """The run's metrics that follow from a graph alone, for this graph; devices are not asked."""
    wanted = {name for record in run.records.values() for name in record.metrics}
    memories = (DeviceMemory(), *map(DeviceMemory, TARGETS.values()))
    asked = [memory for memory in memories if wanted & set(memory.metric_names)]
    return measure_graph(graph, (Resources(), *asked)).metrics


def train_standard(
    run: Run,
    name: str,
    task: Train,
    splits: Splits,
    *,
    evaluator: EvaluatorFactory | None = None,
    observe: Callable[[events.Event], None] = lambda event: None,
) -> None:
    """Train a standard network as `task` says, and journal its metrics; a later training replaces an earlier one.

    Raises `ConfigError` for a network that does not fit the data, `JournalError` where another process writes to the
    run.
    """
    known = standards_of(run)
    if name not in known:
        near = suggestion(name, known) or f"; there are {', '.join(known) or 'none'}"
        raise ConfigError(f"no standard network for this input is called {name!r}{near}")
    seed = int(np.random.SeedSequence([run.started.config["seed"], _ITS_OWN]).generate_state(1)[0])
    start = evaluator or on_ray(1, None)
    with Journal(run.path) as journal, closing(start(task, without_test(splits))) as pool:
        (result,) = results_of(pool, [Job(0, None, known[name], seed, cost_of(run, known[name]))])
        event = _event(name, task.settings.epochs, result, pool.now())
        journal.append(event, sync=True)
        run.apply(event)
        observe(event)


def _event(name: str, epochs: int, result: JobResult, now: float) -> events.Standard:
    about = result.ran | {"time": now, "name": name, "epochs": epochs}
    outcome = result.outcome
    if isinstance(outcome, Failed):
        return events.Standard(**about, failure=events.Failure(kind=outcome.kind, reason=outcome.reason))
    return events.Standard(**about, metrics=dict(outcome.metrics), curves=dict(outcome.curves))
