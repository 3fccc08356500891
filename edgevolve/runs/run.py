"""A run, computed from the events of its journal."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgevolve.graph import Graph
from edgevolve.graph import from_json as graph_from_json
from edgevolve.metric import CROSS_VALIDATED, Metric, int8_metric, metric
from edgevolve.printable import printable, printable_lines
from edgevolve.process import many_objects
from edgevolve.runs import events
from edgevolve.runs.artefacts import Artefacts, read_weights
from edgevolve.runs.journal import JournalError, journal_path, read
from edgevolve.runs.phenotype import counted_epochs, identity
from edgevolve.runs.record import Record, ended, proposed, reported
from resource_models import CORTEX_M, MODEL_SIZE, TARGETS, Target
from search_algorithms import Completed, Constraint, Failed, Objective, Outcome, Problem, Rejected
from search_algorithms.pareto import Front, knee


class Run:
    """The state of a run after the events of its journal; `apply` adds the next event while a search is running."""

    def __init__(self, path: Path, started: events.Started) -> None:
        """The run before its first candidate; `path` is its journal."""
        self.path = path
        self.started = started
        self.name = printable(started.name)
        """Printable, like every text below; `started` holds the texts of the journal."""
        self.problem = _problem(started.config["problem"])
        self.devices = tuple(
            events.DeviceUsed(name=printable(d.name), provenance=printable(d.provenance), metrics=d.metrics)
            for d in started.devices
        )
        """The devices that predict metrics of the candidates, each with these metrics and their provenance in words."""
        self.board = started.board and events.BoardUsed(
            name=printable(started.board.name),
            target=printable(started.board.target),
            words=tuple(map(printable, started.board.words)),
        )
        """The board whose bounds apply, in words."""
        self.metrics = {
            metric.name: replace(metric, title=printable(metric.title), unit=printable(metric.unit))
            for metric in started.metrics
        }
        """The metrics by name, those of the task first; empty in older journals."""
        self.records: dict[int, Record] = {}
        self.evaluations = 0
        """Candidates completed or failed."""
        self.failures: list[Failed] = []
        """The latest failures in a row, without a success in between."""
        self.rejections_in_a_row = 0
        self.infeasible = 0
        """Candidates that broke a hard bound before training; `broken` counts them by bound."""
        self.twins = 0
        """Candidates whose network had been proposed before."""
        self.broken: Counter[str] = Counter()
        self.stopped: events.Stopped | None = None
        self.busy_seconds = 0.0
        """Worker-seconds spent in jobs."""
        self.active_seconds = 0.0
        """From the start to the last event, without the time between sessions."""
        self.sessions = [started.workers]
        """The workers of each session: one at the start, one more for each resume."""
        self.idle_seconds = [0.0]
        """For each session, the time between all sessions before it."""
        self.last_time = started.time
        """The time of the last event."""
        self.prepared: events.Prepared | None = None
        """The result of the job before the search, once it ended."""
        self.preparing: events.Progressed | None = None
        """The last report of that job while it runs, with its last checkpoint."""
        self.retrained: dict[int, list[events.Retrained]] = {}
        """Final trainings that gave weights, by candidate."""
        self.standards: dict[str, events.Standard] = {}
        """The last successful training of each standard network, by name."""
        self.tested: list[events.Tested] = []
        """Looks at the test split."""
        self._numbers: dict[str, int] = {}
        self._in_flight: dict[int, events.Asked] = {}  # with their networks; the others' stay on the disk
        self._front: Front[int] = Front()

    @classmethod
    def open(cls, run: str | Path) -> "Run":
        """Read `artifacts/NAME`, or its journal. Raises `JournalError`."""
        path = journal_path(run)
        history = read(path)
        first = next(history)
        assert isinstance(first, events.Started)
        with fitting(path), many_objects():
            opened = cls(path, first)
            for event in history:
                opened.apply(event)
        return opened

    @property
    def target(self) -> Target:
        """The build of TensorFlow Lite Micro whose memory is shown: the board's, else that of `arena_bytes`."""
        return TARGETS.get(self.board.target, CORTEX_M) if self.board else CORTEX_M

    @property
    def folder(self) -> Path:
        """The folder of the run's journal and weights."""
        return self.path.parent

    @property
    def front(self) -> list[Record]:
        """The non-dominated candidates within every hard bound, sorted by the first objective."""
        records = [self.records[number] for number in self._front.items]
        return sorted(records, key=lambda record: (self.problem.costs(record.metrics), record.number))

    def metric(self, name: str) -> Metric:
        """The description of a metric: from the journal, or this version's."""
        return metric(name, self.metrics)

    def cost(self, name: str, value: float) -> float:
        """A metric's value as a cost to minimise: by its objective if it has one, else by the metric's direction."""
        objective = next((aim for aim in self.problem.objectives if aim.metric == name), None)
        return objective.cost({name: value}) if objective else self.metric(name).sign * value

    @property
    def main(self) -> Metric:
        """The metric that decides the best candidate: the first one that training decides, else the first objective."""
        named = [*(o.metric for o in self.problem.objectives), *(c.metric for c in self.problem.constraints)]
        every = map(self.metric, dict.fromkeys([*named, *self.metrics]))
        return next((metric for metric in every if metric.learned), self.metric(named[0]))

    @property
    def score(self) -> Metric:
        """`main` on one division of the data, where `main` is a mean over several; else `main`."""
        return self.metric(self.main.name.removesuffix(CROSS_VALIDATED))

    @property
    def best(self) -> Record | None:
        """The candidate of the front with the best `main` metric, the smaller model on a tie; None if it is empty."""
        main = self.main.name
        return min(
            (self.records[number] for number in self._front.items),
            key=lambda record: (
                self.cost(main, record.metrics[main]) if main in record.metrics else math.inf,
                record.metrics.get(MODEL_SIZE.name, 0),
                record.number,
            ),
            default=None,
        )

    @property
    def knee(self) -> Record | None:
        """The candidate at the knee of the front (`search_algorithms.pareto.knee`); None while the front is empty."""
        front = self.front
        return front[knee([self.problem.costs(record.metrics) for record in front])] if front else None

    @property
    def nearest(self) -> Record | None:
        """The candidate with the least violation among those that break a hard bound; None if there is none."""
        beyond = [record for record in self.records.values() if self.problem.broken(record.metrics)]
        return min(beyond, key=lambda record: self.problem.violation(record.metrics), default=None)

    @property
    def in_flight(self) -> list[Record]:
        """The candidates that were asked and have not ended, by number."""
        return [self.records[number] for number in self._in_flight]

    @property
    def feasible_share(self) -> float:
        """The share of candidates, twins left out, that kept every hard bound known before training."""
        distinct = len(self.records) - self.twins
        return 1.0 - self.infeasible / distinct if distinct else 1.0

    @property
    def utilisation(self) -> float | None:
        """Worker-seconds inside jobs over worker-seconds from each session's first job start to its last job end."""
        available = 0.0
        for session, workers in enumerate(self.sessions):
            done = [record for record in self.records.values() if record.session == session and record.ended]
            if done:
                available += workers * (max(r.ended for r in done) - min(r.started for r in done))
        return self.busy_seconds / available if available > 0 else None

    def improves(self, metrics: Mapping[str, float]) -> bool:
        """Whether a candidate with these metrics enters the front: within hard bounds, not dominated or equalled."""
        return not self.problem.broken(metrics) and self._front.improved_by(self.problem.costs(metrics))

    def twin(self, identity: str) -> Record | None:
        """The candidate with this identity (`runs.phenotype`) that completed, is in flight or failed for good."""
        number = self._numbers.get(identity)
        return None if number is None else self.records[number]

    def front_genotypes(self) -> tuple[Any, ...]:
        """The JSON genotypes of the front, for `SearchConfig(start=...)`."""
        return tuple(record.genotype for record in self.front)

    def record(self, number: int) -> Record:
        """Candidate `number`. Raises `JournalError` when there is none."""
        if number not in self.records:
            raise JournalError(f"{self.path}: no candidate {number}; they go from 0 to {len(self.records) - 1}")
        return self.records[number]

    def graph(self, number: int) -> Graph:
        """The network of a candidate: after training, or as proposed.

        Raises `JournalError` for a rejected candidate, whose network is not kept.
        """
        record = self.record(number)
        if isinstance(record.outcome, Rejected):
            raise JournalError(f"{self.path}: candidate {number} was rejected, so its network was not kept")
        if number in self._in_flight:
            return graph_from_json(self._in_flight[number].graph)
        for event in read(self.path):
            if isinstance(event, events.Finished if record.reshaped else events.Asked) and event.number == number:
                return graph_from_json(event.graph or {})
        raise JournalError(f"{self.path}: the network of candidate {number} is missing; the journal was cut")

    @property
    def artefacts(self) -> Artefacts:
        """The run's artefacts: checkpoints, prepared weights, final weights."""
        return Artefacts(self.folder / "artefacts")

    def weights_path(self, number: int) -> Path:
        """The file of a candidate's weights, which exists if the candidate is on the front or may be continued."""
        return self.folder / "weights" / f"{number}.npz"

    def weights(self, number: int) -> dict[str, NDArray[Any]]:
        """The trained weights of a candidate on the front. Raises `JournalError` when they were not kept."""
        try:
            return read_weights(self.weights_path(number))
        except JournalError as error:
            trained = any(record.number == number for record in self.front)
            reason = "its task gave none" if trained else "only the front's are kept"
            raise JournalError(f"{self.path}: no weights of candidate {number}: {reason}") from error

    def final(self, number: int) -> events.Retrained | None:
        """The best final training of a candidate by `score` on the validation split, in int8 if that was scored.

        Only trainings with the options of the last one count: the same bits, the same teacher.
        """
        name, trained = self.score.name, self.retrained.get(number, [])

        def cost(trained: events.Retrained) -> float:
            scored = int8_metric(self.score).name
            return self.cost(name, trained.metrics.get(scored, trained.metrics.get(name, math.inf)))

        return min((retrained for retrained in trained if retrained.how == trained[-1].how), key=cost, default=None)

    def final_graph(self, number: int) -> Graph:
        """The network of `final_weights`: as its final training left it, or as `graph`."""
        trained = self.final(number)
        return graph_from_json(trained.graph) if trained and trained.graph else self.graph(number)

    def final_weights(self, number: int) -> dict[str, NDArray[Any]]:
        """The weights of a candidate's final training, or of the search without one. Raises `JournalError`."""
        trained = self.final(number)
        return self.artefacts.arrays(trained.artefact) if trained and trained.artefact else self.weights(number)

    def apply(self, event: events.Event) -> None:
        """Take in the next event. Raises `ValueError` for one that cannot come next."""
        passed = max(0.0, event.time - self.last_time)
        if isinstance(event, events.Resumed):
            self.idle_seconds.append(self.idle_seconds[-1] + passed)
        elif not isinstance(event, events.Retrained | events.Tested):
            self.active_seconds += passed
        self.last_time = event.time
        match event:
            case events.Asked():
                self._add(event, None)
                self._numbers.setdefault(_identity(event), event.number)
                self._in_flight[event.number] = event
                self.rejections_in_a_row = 0
            case events.Rejected():
                self._add(event, Rejected(event.metrics, printable(event.reason), event.broken, event.twin))
                self.rejections_in_a_row += 1
                self.twins += event.twin is not None
                self.infeasible += bool(event.broken)
                self.broken.update(event.broken)
            case events.Prepared(failure=None):
                self.prepared, self.preparing = event, None
            case events.Prepared(failure=events.Failure() as failure):
                self.failures.append(_failed(failure))
            case events.Progressed():
                self._progress(event)
            case events.Finished():
                self._end(event, Completed(event.metrics, event.curves))
                self.failures.clear()
                self._offer(event.number)
            case events.Failed():
                failed = _failed(event)
                self._end(event, failed)
                self.failures.append(failed)
            case events.Retrained(failure=None):
                self.retrained.setdefault(self.record(event.number).number, []).append(event)
            case events.Standard(failure=None):
                self.standards[event.name] = event
            case events.Tested():
                self.tested.append(event)
            case events.Resumed():
                self.stopped = None
                self.failures.clear()
                self.rejections_in_a_row = 0
                self.sessions.append(event.workers)
            case events.Stopped():
                self.stopped = event.model_copy(update={"reason": printable(event.reason)})

    def _add(self, event: events.Asked | events.Rejected, outcome: Outcome | None) -> None:
        if event.number != len(self.records):
            raise ValueError(f"candidate {event.number}, expected {len(self.records)}")
        if event.continues is not None and event.continues not in self.records:
            raise ValueError(f"candidate {event.number} continues {event.continues}, which was not asked for")
        self.records[event.number] = proposed(event, outcome)

    def _progress(self, event: events.Progressed) -> None:
        if event.number is None:
            last = self.preparing.artefact if self.preparing else None
            self.preparing = event.model_copy(update={"artefact": event.artefact or last})
            return
        if event.number not in self._in_flight:
            raise ValueError(f"candidate {event.number} reports but is not in flight")
        self.records[event.number] = reported(self.records[event.number], event)

    def _end(self, event: events.Finished | events.Failed, outcome: Outcome) -> None:
        asked = self._in_flight.pop(event.number, None)
        if asked is None:
            raise ValueError(f"candidate {event.number} ends but is not in flight")
        if isinstance(outcome, Failed) and outcome.transient:
            key = _identity(asked)
            if self._numbers.get(key) == event.number:
                del self._numbers[key]
        self.records[event.number] = ended(self.records[event.number], event, outcome, len(self.sessions) - 1)
        self.evaluations += 1
        self.busy_seconds += event.ended - event.started

    def _offer(self, number: int) -> None:
        metrics = self.records[number].metrics
        if not self.problem.broken(metrics):
            self._front.offer(self.problem.costs(metrics), number)


def _identity(asked: events.Asked) -> str:
    how = asked.inherits.how if asked.inherits else None
    return identity(asked.graph_hash, asked.recipe, counted_epochs(asked.epochs, how))


def _failed(event: events.Failed | events.Failure) -> Failed:
    return Failed(printable(event.kind), printable(event.reason), printable_lines(event.traceback))


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Raise `JournalError` if the events of the journal at `path` contradict each other."""
    try:
        yield
    except JournalError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise JournalError(f"{path}: its events contradict each other ({type(error).__name__}: {error})") from error


def _problem(payload: Mapping[str, Any]) -> Problem:
    """The problem, from the configuration in a journal."""

    def fields(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in entry.items() if name != "type"}

    return Problem(
        [Objective(**fields(entry)) for entry in payload["objectives"]],
        [Constraint(**fields(entry)) for entry in payload["constraints"]],
    )
