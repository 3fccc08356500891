"""One candidate, as recorded in the journal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search_algorithms import Inherit, Outcome


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
