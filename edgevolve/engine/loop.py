"""The loop: ask, check, submit, wait, journal, tell. It knows neither Ray nor TensorFlow."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from edgevolve.engine.evaluation import JobProgress
from edgevolve.engine.evaluator import Evaluator, JobResult, results_of
from edgevolve.engine.kept import artefacts_to_keep, weights_to_keep
from edgevolve.engine.stopping import reason_to_stop, time_spent
from edgevolve.graph import GraphBuilder, json_hash, to_json
from edgevolve.runs import Job, Journal, JournalError, Measurement, Run, SearchConfig, events, measure
from edgevolve.runs.artefacts import Arrays, keep_weights, write_weights
from edgevolve.runs.measure import measure_graph
from edgevolve.runs.phenotype import FITTED, counted_epochs, identity
from edgevolve.training import foreseen
from edgevolve.training.inheritance import inherited
from search_algorithms import (
    UNKNOWN,
    Candidate,
    Completed,
    Continuing,
    Exhausted,
    Failed,
    Inherit,
    Metrics,
    ProblemError,
    Proposal,
    ReadsPrepared,
    Watching,
)
from search_space import DegenerateSpaceError, Elastic, WithFrontEnd, inherited_by, networks_of

_REPORT_EVERY_S = 10.0

_PARENTS = 200
"""If children inherit, the weights of this number of last completed candidates are kept, in addition to the front's."""

Observer = Callable[[Run, events.Event], None]
"""Called after each event of a session."""


class Search:
    """A running search. Its algorithm's state is the fold of `asked` and `tell` over the run's events.

    `replay` takes in the events of earlier sessions; `drive` makes new ones.
    """

    def __init__(self, config: SearchConfig, run: Run) -> None:
        """The search before its first candidate."""
        self.run = run
        self._config = config
        self._measure = lru_cache(maxsize=512)(
            lambda chosen: measure(config.space, config.providers, chosen, config.problem, config.beside, config.stages)
        )
        self._algorithm = config.algorithm.start(config.space, config.problem, config.seed, self._known)
        self._keeping = isinstance(self._algorithm, Continuing) or bool(config.training.inherited_epochs)
        elastic = isinstance(networks_of(config.space), Elastic) and not getattr(config.prepare, "teaches", False)
        self._elastic = elastic and not isinstance(self._algorithm, ReadsPrepared)
        self._start = config.start_genotypes
        self._in_flight: dict[int, Candidate] = {}
        self._parents: deque[int] = deque(maxlen=_PARENTS)
        self._submitted: set[int] = set()
        self._going_on: dict[int, bool] = {}
        self._heard: dict[int, float] = {}
        self._arrays = lru_cache(maxsize=1)(run.artefacts.arrays)

    def replay(self, event: events.Event) -> None:
        """Take in an event of the journal."""
        match event:
            case events.Asked() | events.Rejected():
                genotype = self._config.space.from_json(event.genotype)
                inherits = Inherit(event.inherits.artefact, event.inherits.how) if event.inherits else None
                about = event.number, genotype, event.parents, event.epochs, event.continues, inherits
                self._take(event, Candidate(*about))
            case _:
                self._take(event)

    def resume(self, resumed: events.Resumed, journal: Journal, observe: Observer) -> None:
        """Begin a new session after those of earlier events."""
        self._writer(journal, observe)(resumed)

    def drive(self, evaluator: Evaluator, journal: Journal, observe: Observer) -> None:
        """Evaluate until a budget is spent or nothing is left to try; the last event is `stopped`.

        An interrupt is journaled and raised again. Jobs that are then in flight, or wait for a worker when the time is
        spent, are evaluated on resume.
        """
        write = self._writer(journal, observe)
        self._keep_weights()
        self._keep_artefacts()
        heard = partial(self._hear, evaluator, write)
        try:
            stopped = None
            while stopped is None:
                if time_spent(self._config, self.run, evaluator.now()):
                    self._submitted.difference_update(evaluator.withdraw())
                else:
                    self._submit(evaluator)
                stopped = self._fill(evaluator, write)
                if self._submitted:
                    stopped = None
                    for result in evaluator.wait(1.0, heard):
                        self._finish(result, evaluator.now(), write)
            write(stopped)
        except KeyboardInterrupt:
            write(events.Stopped(time=evaluator.now(), cause="interrupted", reason="interrupted"))
            raise

    def prepare(self, evaluator: Evaluator, journal: Journal, observe: Observer) -> None:
        """Run the job before the search, from its last checkpoint; where it fails, the last event is `stopped`."""
        write = self._writer(journal, observe)
        last = self.run.preparing.artefact if self.run.preparing else None
        shape = (1, *self._config.space.input_shape)
        net = GraphBuilder()
        graph = net.build(net.input(shape))
        try:
            job = Job(-1, None, graph, self._config.seed, {}, checkpoint=self._artefact(last))
            (result,) = results_of(evaluator, [job], partial(self._hear, evaluator, write))
        except KeyboardInterrupt:
            write(events.Stopped(time=evaluator.now(), cause="interrupted", reason="interrupted"))
            raise
        outcome, now, ran = result.outcome, evaluator.now(), result.ran
        if isinstance(outcome, Failed):
            failure = events.Failure(kind=outcome.kind, reason=outcome.reason, traceback=outcome.traceback)
            write(events.Prepared(time=now, **ran, failure=failure))
            reason = f"prepare failed: {outcome.kind}: {outcome.reason}"
            write(events.Stopped(time=now, cause="failures", reason=reason))
            return
        artefact = None if outcome.weights is None else self.run.artefacts.put(outcome.weights)
        about = {"metrics": dict(outcome.metrics), "curves": dict(outcome.curves), "artefact": artefact}
        write(events.Prepared(time=now, **ran, **about))
        self._keep_artefacts()

    @property
    def prepared(self) -> Arrays | None:
        """The weights that the job before the search gave. Raises `JournalError` where their file is gone."""
        name = self.run.prepared.artefact if self.run.prepared else None
        return None if name is None else self._arrays(name)

    def _writer(self, journal: Journal, observe: Observer) -> Callable[..., None]:
        def write(event: events.Event, candidate: Candidate | None = None) -> None:
            journal.append(event, sync=events.is_lasting(event))
            self._take(event, candidate)
            observe(self.run, event)

        return write

    def _submit(self, evaluator: Evaluator) -> None:
        """Submit jobs that are in flight, those of earlier sessions included, as far as the workers go."""
        if len(self._submitted) == len(self._in_flight):
            return
        for number in self._in_flight:
            if len(self._submitted) >= evaluator.capacity:
                return
            if number not in self._submitted:
                self._submitted.add(number)
                evaluator.submit(self._job(number))

    def _known(self, genotype: Any) -> Metrics:
        """The metrics that an algorithm sees before it asks; those that a device refuses are `UNKNOWN`."""
        names = (name for provider in self._config.providers for name in provider.metric_names)
        return {**dict.fromkeys(names, UNKNOWN), **self._measure(genotype).metrics}

    def _fill(self, evaluator: Evaluator, write: Callable[..., None]) -> events.Stopped | None:
        """Ask until every worker has a job; return the last event where nothing more is to be asked."""
        while True:
            stopped = reason_to_stop(self._config, self.run, evaluator.now())
            if stopped or len(self._in_flight) >= evaluator.capacity:
                return stopped
            number = len(self.run.records)
            try:
                proposal = self._propose(number)
            except (DegenerateSpaceError, Exhausted) as error:
                return events.Stopped(time=evaluator.now(), cause="exhausted", reason=str(error))
            if proposal is None:
                if self._in_flight:
                    return None
                return events.Stopped(time=evaluator.now(), cause="exhausted", reason="the algorithm asks no more")
            candidate = self._inheriting(proposal.under(number))
            event = self._judge(candidate, proposal.change, evaluator.now())
            write(event, candidate)
            self._submit(evaluator)

    def _propose(self, number: int) -> Proposal | None:
        if number < len(self._start):
            return Proposal(self._start[number], change="given")
        return self._algorithm.ask(number)

    def _judge(self, candidate: Candidate, change: str, now: float) -> events.Asked | events.Rejected:
        """Measure the cheap metrics; reject a candidate that breaks a hard bound or repeats a network."""
        measured: Measurement = self._measure(candidate.genotype)
        heir = candidate.inherits
        about: dict[str, Any] = {
            "time": now,
            "number": candidate.number,
            "genotype": self._config.space.to_json(candidate.genotype),
            "description": self._config.space.describe(candidate.genotype),
            "change": change,
            "parents": candidate.parents,
            "metrics": measured.metrics,
            "intervals": measured.intervals,
            "epochs": candidate.epochs,
            "continues": candidate.continues,
            "recipe": measured.recipe,
            "inherits": events.Inherited(artefact=heir.artefact, how=dict(heir.how)) if heir else None,
        }
        broken = [str(constraint) for constraint in self._config.problem.broken(measured.metrics)]
        if measured.refused:
            reason = "; ".join(measured.refused.values())
            return events.Rejected(**about, broken=(*broken, *measured.refusals), reason=reason)
        if broken:
            return events.Rejected(**about, broken=tuple(broken), reason=f"breaks {', '.join(broken)}")
        graph = to_json(measured.graph)
        name = json_hash(graph)
        epochs = counted_epochs(candidate.epochs, heir.how if heir else None)
        twin = self.run.twin(identity(name, measured.recipe, epochs)) if candidate.continues is None else None
        if twin:
            about["metrics"] = twin.metrics
            return events.Rejected(**about, twin=twin.number, reason=f"the same network as candidate {twin.number}")
        return events.Asked(**about, graph=graph, graph_hash=name)

    def _job(self, number: int) -> Job:
        record = self.run.records[number]
        return Job(
            number,
            record.genotype,
            self.run.graph(number),
            self._seed(number),
            record.metrics,
            record.epochs,
            record.continues,
            self._first_weights(self._in_flight[number]),
            record.recipe,
            record.inherits,
            self._artefact(record.checkpoint),
        )

    def _seed(self, number: int) -> int:
        return int(np.random.SeedSequence([self._config.seed, number]).generate_state(1)[0])

    def _inheriting(self, candidate: Candidate) -> Candidate:
        """Let a candidate inherit what was prepared, if the space can, unless that is a teacher's or the algorithm's.

        Else a child inherits from its first parent, if the configuration says so and the parent's weights were kept.
        """
        if candidate.continues is not None or candidate.inherits is not None:
            return candidate
        if self._elastic and self.run.prepared and self.run.prepared.artefact:
            return replace(candidate, inherits=Inherit("prepared"))
        epochs, parent = self._config.training.inherited_epochs, next(iter(candidate.parents), None)
        if epochs and parent is not None and candidate.epochs is None and self.run.weights_path(parent).exists():
            return replace(candidate, epochs=epochs, inherits=Inherit(parent, {FITTED: True}))
        return candidate

    def _first_weights(self, candidate: Candidate) -> Arrays | None:
        """The weights of the continued candidate or of the artefact, converted by the space where it can."""
        source = candidate.inherits.artefact if candidate.inherits else candidate.continues
        if source == "prepared":
            source = self.run.prepared.artefact if self.run.prepared else None
        given = self._artefact(source) if isinstance(source, str) else self._weights(source)
        if given is None or candidate.inherits is None:
            return given
        try:
            if isinstance(source, int) and candidate.inherits.how.get(FITTED):
                graphs = self.run.graph(source), self.run.graph(candidate.number)
                return inherited(graphs[0], given, graphs[1], self._seed(candidate.number)).weights
            return inherited_by(self._config.space, candidate.genotype, given)
        except ValueError:
            return None

    def _weights(self, number: int | None) -> Arrays | None:
        try:
            return None if number is None else self.run.weights(number)
        except JournalError:
            return None

    def _artefact(self, name: str | None) -> Arrays | None:
        try:
            return None if name is None else self._arrays(name)
        except JournalError:
            return None

    def _hear(self, evaluator: Evaluator, write: Callable[..., None], progress: JobProgress) -> bool:
        """Journal what a job reports, after its checkpoint is written; return whether the job goes on.

        Reports without a checkpoint are journaled every ten seconds at most, so that short jobs leave none.
        """
        now, heard = evaluator.now(), self._heard.setdefault(progress.number, evaluator.now())
        if progress.checkpoint is None and now - heard < _REPORT_EVERY_S:
            return self._going_on.get(progress.number, True)
        self._heard[progress.number] = now
        artefact = None if progress.checkpoint is None else self.run.artefacts.put(progress.checkpoint)
        number = progress.number if progress.number >= 0 else None
        about = {"number": number, "step": progress.step, "metrics": dict(progress.metrics)}
        write(events.Progressed(time=now, artefact=artefact, **about))
        if artefact:
            self._keep_artefacts()
        return self._going_on.get(progress.number, True)

    def _finish(self, result: JobResult, now: float, write: Callable[..., None]) -> None:
        """Write weights, then the journal, then tell the algorithm: it never knows more than the disk."""
        self._submitted.discard(result.number)
        self._heard.pop(result.number, None)
        ran = {"number": result.number, **result.ran}
        checkpoint = self.run.records[result.number].checkpoint
        outcome, changed = self._remeasured(result.outcome, self._in_flight[result.number])
        if isinstance(outcome, Failed):
            write(events.Failed(time=now, **ran, kind=outcome.kind, reason=outcome.reason, traceback=outcome.traceback))
        else:
            wanted = self._keeping or self.run.improves(outcome.metrics)
            if wanted and outcome.weights is not None:
                write_weights(self.run.weights_path(result.number), outcome.weights)
            about = {"metrics": dict(outcome.metrics), "curves": dict(outcome.curves), **changed}
            write(events.Finished(time=now, **ran, **about))
            if wanted:
                self._keep_weights()
        if checkpoint:
            self._keep_artefacts()

    def _beside(self, genotype: Any) -> Mapping[str, float]:
        """The costs of a candidate's front end, or of the data's, beside the network."""
        space = self._config.space
        return (space.beside(genotype) if isinstance(space, WithFrontEnd) else {}) or self._config.beside

    def _remeasured(self, outcome: Completed | Failed, of: Candidate) -> tuple[Completed | Failed, dict[str, Any]]:
        """The outcome with the metrics of the network that training made, if any, and its fields for the journal."""
        if isinstance(outcome, Failed):
            return outcome, {}
        graph, stages = outcome.graph, self._config.stages
        if not graph and not stages:
            return outcome, {}
        made = graph or self.run.graph(of.number)
        if not graph and foreseen(made, stages, self.run.records[of.number].recipe) == made:
            return outcome, {}
        try:
            measured = measure_graph(made, self._config.providers, beside=self._beside(of.genotype))
        except ProblemError as error:
            return Failed("MetricError", f"of the network that training made: {error}"), {}
        if measured.refused:
            return Failed("refused", "; ".join(measured.refused.values())), {}
        changed = {"graph": to_json(graph), "intervals": measured.intervals} if graph else {}
        return replace(outcome, metrics={**outcome.metrics, **measured.metrics}), changed

    def _keep_weights(self) -> None:
        begun = set(self._algorithm.continuable()) if isinstance(self._algorithm, Continuing) else set()
        kept = weights_to_keep(self.run, self._in_flight.values()) | set(self._parents) | begun
        keep_weights(self.run.folder / "weights", kept)

    def _keep_artefacts(self) -> None:
        self.run.artefacts.keep(artefacts_to_keep(self.run, self._in_flight.values()))

    def _take(self, event: events.Event, candidate: Candidate | None = None) -> None:
        """Let the run take in the event, then the algorithm."""
        self.run.apply(event)
        match event:
            case events.Asked():
                assert candidate
                self._in_flight[event.number] = candidate
                self._algorithm.asked(candidate)
            case events.Rejected():
                assert candidate
                self._algorithm.asked(candidate)
                self._tell(candidate)
            case events.Prepared(artefact=str(name)) if isinstance(self._algorithm, ReadsPrepared):
                self._algorithm.prepared(self._arrays(name))
            case events.Progressed() if event.number is not None and isinstance(self._algorithm, Watching):
                going_on = self._algorithm.progressed(self._in_flight[event.number], event.step, event.metrics)
                self._going_on[event.number] = going_on
            case events.Finished() | events.Failed():
                if isinstance(event, events.Finished) and self._config.training.inherited_epochs:
                    self._parents.append(event.number)
                self._going_on.pop(event.number, None)
                self._tell(self._in_flight.pop(event.number))

    def _tell(self, candidate: Candidate) -> None:
        outcome = self.run.records[candidate.number].outcome
        assert outcome is not None
        self._algorithm.tell(candidate, outcome)
