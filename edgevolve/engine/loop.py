"""The loop: ask, check, submit, wait, journal, tell. It knows neither Ray nor TensorFlow."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.engine.evaluator import Evaluator, JobResult
from edgevolve.engine.stopping import reason_to_stop
from edgevolve.engine.weights import keep_weights, write_weights
from edgevolve.graph import json_hash, to_json
from edgevolve.runs import Job, Journal, JournalError, Measurement, Run, SearchConfig, events, measure
from search_algorithms import Candidate, Continuing, Exhausted, Failed, Metrics, Proposal
from search_space import DegenerateSpaceError

Observer = Callable[[Run, events.Event], None]
"""Called after each event of a session."""


class Search:
    """A run at work: its algorithm is the fold of `asked` and `tell` over the run's events.

    `replay` takes in the events of earlier sessions; `drive` makes new ones.
    """

    def __init__(self, config: SearchConfig, run: Run) -> None:
        """The search before its first candidate."""
        self.run = run
        self._config = config
        self._measure = lru_cache(maxsize=512)(
            lambda genotype: measure(config.space, config.providers, genotype, config.problem)
        )
        self._algorithm = config.algorithm.start(config.space, config.problem, config.seed, self._known)
        self._start = config.start_genotypes
        self._in_flight: dict[int, Candidate] = {}

    def replay(self, event: events.Event) -> None:
        """Take in an event that stands in the journal."""
        match event:
            case events.Asked() | events.Rejected():
                genotype = self._config.space.from_json(event.genotype)
                candidate = Candidate(event.number, genotype, event.parents, event.epochs, event.continues)
                self._take(event, candidate)
            case _:
                self._take(event)

    def drive(self, evaluator: Evaluator, journal: Journal, observe: Observer) -> None:
        """Evaluate until a budget is spent or nothing is left to try; the last event is `stopped`.

        An interrupt is journaled and raised again; what is in flight then is evaluated on resume.
        """

        def write(event: events.Event, candidate: Candidate | None = None) -> None:
            journal.append(event, sync=not isinstance(event, events.Asked | events.Rejected))  # they can be asked again
            self._take(event, candidate)
            observe(self.run, event)

        self._keep_weights()
        try:
            for number in self._in_flight:
                evaluator.submit(self._job(number))
            stopped = None
            while stopped is None:
                stopped = self._fill(evaluator, write)
                if self._in_flight:
                    stopped = None
                    for result in evaluator.wait(timeout_s=1.0):
                        self._finish(result, evaluator.now(), write)
            write(stopped)
        except KeyboardInterrupt:
            write(events.Stopped(time=evaluator.now(), cause="interrupted", reason="interrupted"))
            raise

    def _known(self, genotype: Any) -> Metrics:
        """What an algorithm sees before it asks: what no device tells is as bad as can be."""
        known = self._measure(genotype).metrics
        names = {name for provider in self._config.providers for name in provider.metric_names} - known.keys()
        return {**known, **{name: self._config.problem.worst(name) for name in names}}

    def _fill(self, evaluator: Evaluator, write: Callable[..., None]) -> events.Stopped | None:
        """Ask until every worker has a job; gives the reason where asking is over."""
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
            candidate = proposal.under(number)
            event = self._judge(candidate, proposal.change, evaluator.now())
            write(event, candidate)
            if isinstance(event, events.Asked):
                evaluator.submit(self._job(number))

    def _propose(self, number: int) -> Proposal | None:
        if number < len(self._start):
            return Proposal(self._start[number], change="given")
        return self._algorithm.ask(number)

    def _judge(self, candidate: Candidate, change: str, now: float) -> events.Asked | events.Rejected:
        """Measure what is cheap; a candidate that breaks a hard bound, or repeats a network, is rejected."""
        measured: Measurement = self._measure(candidate.genotype)
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
        }
        broken = [str(constraint) for constraint in self._config.problem.broken(measured.metrics)]
        if measured.refused:
            reason = "; ".join(measured.refused.values())
            return events.Rejected(**about, broken=(*broken, *measured.refusals), reason=reason)
        if broken:
            return events.Rejected(**about, broken=tuple(broken), reason=f"breaks {', '.join(broken)}")
        graph = to_json(measured.graph)
        twin = self.run.twin(json_hash(graph)) if candidate.continues is None else None
        if twin:
            about["metrics"] = twin.metrics
            return events.Rejected(**about, twin=twin.number, reason=f"the same network as candidate {twin.number}")
        return events.Asked(**about, graph=graph, graph_hash=json_hash(graph))

    def _job(self, number: int) -> Job:
        record = self.run.records[number]
        seed = int(np.random.SeedSequence([self._config.seed, number]).generate_state(1)[0])
        return Job(
            number,
            record.genotype,
            self.run.graph(number),
            seed,
            record.metrics,
            record.epochs,
            record.continues,
            None if record.continues is None else self._weights(record.continues),
        )

    def _weights(self, number: int) -> Mapping[str, NDArray[Any]] | None:
        try:
            return self.run.weights(number)
        except JournalError:
            return None

    def _finish(self, result: JobResult, now: float, write: Callable[..., None]) -> None:
        """Weights first, then the journal, then the algorithm: what is told is on the disk."""
        ran = {name: getattr(result, name) for name in ("number", "started", "ended", "worker", "node", "attempts")}
        outcome = result.outcome
        if isinstance(outcome, Failed):
            write(events.Failed(time=now, **ran, kind=outcome.kind, reason=outcome.reason, traceback=outcome.traceback))
            return
        wanted = isinstance(self._algorithm, Continuing) or self.run.improves(outcome.metrics)
        if wanted and outcome.weights is not None:
            write_weights(self.run.weights_path(result.number), outcome.weights)
        write(events.Finished(time=now, **ran, metrics=dict(outcome.metrics), curves=dict(outcome.curves)))
        if wanted:
            self._keep_weights()

    def _keep_weights(self) -> None:
        """Of the front, of what is being continued and of what may be: no others."""
        kept = {record.number for record in self.run.front}
        kept |= {c.continues for c in self._in_flight.values() if c.continues is not None}
        if isinstance(self._algorithm, Continuing):
            kept |= set(self._algorithm.continuable())
        keep_weights(self.run.folder / "weights", kept)

    def _take(self, event: events.Event, candidate: Candidate | None = None) -> None:
        """The run takes in the event, and with it the algorithm."""
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
            case events.Finished() | events.Failed():
                self._tell(self._in_flight.pop(event.number))

    def _tell(self, candidate: Candidate) -> None:
        outcome = self.run.records[candidate.number].outcome
        assert outcome is not None
        self._algorithm.tell(candidate, outcome)
