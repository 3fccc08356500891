"""One candidate, as recorded in the journal, and what each event makes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgevolve.printable import printable
from edgevolve.runs import events
from search_algorithms import Completed, Inherit, Outcome


@dataclass(frozen=True, slots=True)
class Record:
    """A candidate; `outcome` is None while it is in flight.

    `genotype_json` is text. Times are seconds since 1970. `session` counts the resumes before it ended. `intervals` are
    (low, high) of the metrics whose error is known. `recipe` says how it is trained, apart from `epochs`. `reshaped`
    says that training changed the network. `checkpoint` is the last artefact of a job in flight, written at `step` with
    the metrics `progress`. A record of a rejected candidate has no genotype and description, since there may be very
    many; the journal has them.
    """

    number: int
    genotype_json: str
    description: str
    change: str
    parents: tuple[int, ...]
    metrics: Mapping[str, float]
    outcome: Outcome | None = None
    started: float = 0.0
    ended: float = 0.0
    worker: str = ""
    node: str = ""
    session: int = 0
    epochs: int | None = None
    continues: int | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    inherits: Inherit | None = None
    reshaped: bool = False
    step: int | None = None
    progress: Mapping[str, float] = field(default_factory=dict)
    checkpoint: str | None = None

    @property
    def genotype(self) -> Any:
        """The genotype in its JSON form; None for a rejected candidate."""
        return json.loads(self.genotype_json) if self.genotype_json else None


def proposed(event: events.Asked | events.Rejected, outcome: Outcome | None) -> Record:
    """The record of a candidate that was asked for, or that was rejected with this outcome."""
    return Record(
        number=event.number,
        genotype_json="" if outcome else json.dumps(event.genotype, separators=(",", ":")),
        description="" if outcome else printable(event.description),
        change=printable(event.change),
        parents=event.parents,
        metrics=event.metrics,
        outcome=outcome,
        epochs=event.epochs,
        continues=event.continues,
        intervals=event.intervals,
        recipe=event.recipe,
        inherits=Inherit(event.inherits.artefact, event.inherits.how) if event.inherits else None,
    )


def reported(record: Record, event: events.Progressed) -> Record:
    """The record after a report of its job."""
    checkpoint = event.artefact or record.checkpoint
    return replace(record, step=event.step, progress=event.metrics, checkpoint=checkpoint)


def ended(record: Record, event: events.Finished | events.Failed, outcome: Outcome, session: int) -> Record:
    """The record after the end of its job."""
    if isinstance(event, events.Finished) and event.graph is not None:
        record = replace(record, intervals=event.intervals, reshaped=True)
    return replace(
        record,
        metrics=outcome.metrics if isinstance(outcome, Completed) else record.metrics,
        outcome=outcome,
        started=event.started,
        ended=event.ended,
        worker=printable(event.worker),
        node=printable(event.node),
        session=session,
        step=None,
        progress={},
        checkpoint=None,
    )
