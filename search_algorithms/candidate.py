"""Proposals of an algorithm, the candidates that they become, and their outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edgevolve.graph import Graph
from search_algorithms.problem import Metrics


@dataclass(frozen=True, slots=True)
class Inherit:
    """The weights from which a candidate starts.

    `artefact` is the number of a candidate, `"prepared"` for the result of the configuration's `prepare`, or the id of
    an artefact of the run. A space that is `Elastic` turns these weights into the candidate's own. `how` is JSON that
    the task reads from its job.
    """

    artefact: int | str
    how: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an algorithm proposes to evaluate: a genotype, its parents, and the change in words.

    Training lasts `epochs` (None: those of the training settings). It starts from scratch, from the weights of a
    candidate with the same genotype that it `continues`, or from weights that it `inherits`.
    """

    genotype: Any
    parents: tuple[int, ...] = ()
    change: str = ""
    epochs: int | None = None
    continues: int | None = None
    inherits: Inherit | None = None

    def under(self, number: int) -> "Candidate":
        """The candidate with this number that the proposal becomes."""
        return Candidate(number, self.genotype, self.parents, self.epochs, self.continues, self.inherits)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal with its number; numbers count from 0 in the order of asking."""

    number: int
    genotype: Any
    parents: tuple[int, ...] = ()
    epochs: int | None = None
    continues: int | None = None
    inherits: Inherit | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """Every metric of an evaluated candidate, with the curves by epoch and the weights of its training.

    If training changed the network, by pruning for example, `graph` is the new one, to which the weights belong. It is
    measured again and replaces the old one.
    """

    metrics: Metrics
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    weights: Mapping[str, NDArray[Any]] | None = None
    graph: Graph | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not evaluated: a hard bound is broken, or the network was proposed before. `metrics` are those known so far.

    `broken` names the broken bounds and the devices that cannot run the network; `twin` is the candidate with the same
    network.
    """

    metrics: Metrics
    reason: str
    broken: tuple[str, ...] = ()
    twin: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An evaluation that gave no metrics: the kind of failure, one line, and a traceback where there is one."""

    kind: str
    reason: str
    traceback: str = ""

    @property
    def transient(self) -> bool:
        """Whether the same job may succeed another time, so that the failure says nothing about the candidate."""
        return self.kind in TRANSIENT


TRANSIENT = ("deadline", "weights lost", "worker lost")
"""Kinds of failure that do not follow from the job."""

Outcome = Completed | Rejected | Failed
