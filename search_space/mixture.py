"""All networks of a space as one graph, in which some nodes mix the outputs of alternatives (DARTS, arXiv 1806.09055).

Gradient search trains a `Mixture`. Each `Decision` has options. `logits` has one number for each option, and one more
for every group of options that may also carry nothing. A softmax over each group gives the weight of each option. One
option for each decision gives a genotype of the space; its network is the mixture without the other options.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Graph, GraphBuilder, Shape, ShapeError, Tensor, canonical

G = TypeVar("G")

LOGITS = "logits"
"""The name of the logits among the arrays that a gradient search gives."""

OPTIONS, CHANCES = "options", "chances"
"""The names of arrays for reports: the options of all decisions in words, and their probabilities (epochs, options)."""

Selection = tuple[int, ...]
"""The option chosen for each decision."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The operator of a mixture: a weighted sum of its inputs, one for each option of a decision. Never deployed."""

    decision: int

    @property
    def weight(self) -> str:
        """The name of the weights of its options among the values of a mixture."""
        return f"decision {self.decision}"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of every input. Raises `ShapeError` if they differ."""
        if len(set(inputs)) != 1:
            raise ShapeError(f"options of one decision need one shape, got {inputs}")
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Any, ...]:
        """No weights of its own."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """0: only the chosen option costs."""
        return 0


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice among `options`, in words; `groups` are the sizes of consecutive groups that share a softmax.

    With `none`, a group may also carry nothing. `skips` says which options do nothing.
    """

    name: str
    options: tuple[str, ...]
    groups: tuple[int, ...]
    none: bool = False
    skips: tuple[bool, ...] = ()

    @property
    def size(self) -> int:
        """The number of its logits."""
        return sum(self.groups) + len(self.groups) * self.none


@dataclass(frozen=True, slots=True)
class Mixture(Generic[G]):
    """All networks of a space: `graph` has a `Mix` node for each decision; `genotype` maps a selection to the space."""

    graph: Graph
    decisions: tuple[Decision, ...]
    genotype: Callable[[Selection], G]

    @property
    def size(self) -> int:
        """The number of logits. They are ordered by decision, then by group; that of nothing is first in a group."""
        return sum(decision.size for decision in self.decisions)

    @property
    def words(self) -> tuple[str, ...]:
        """Each option of each decision: `normal, node 1: skip_connect(0)`."""
        return tuple(f"{decision.name}: {option}" for decision in self.decisions for option in decision.options)

    def probabilities(self, logits: NDArray[Any]) -> list[NDArray[np.float64]]:
        """The softmax weights of the options of each decision; in a group that may carry nothing they sum to below 1.

        Raises `ValueError` for logits of another mixture.
        """
        if logits.shape != (self.size,):
            raise ValueError(f"these logits are of another space: {logits.shape}, not ({self.size},)")
        shares, begin = [], 0
        for decision in self.decisions:
            parts = []
            for group in decision.groups:
                part = np.asarray(logits[begin : begin + group + decision.none], np.float64)
                weights = np.exp(part - part.max())
                parts.append((weights / weights.sum())[int(decision.none) :])
                begin += len(part)
            shares.append(np.concatenate(parts))
        return shares

    def likely(self, logits: NDArray[Any], threshold: float) -> list[NDArray[np.bool_]]:
        """Whether each option of each decision is the likeliest, or at least as likely as `threshold`."""
        shares = [share / share.sum() for share in self.probabilities(logits)]
        return [(share >= threshold) | (np.arange(len(share)) == share.argmax()) for share in shares]

    def best(self, logits: NDArray[Any], skips: int | None = None, threshold: float = 0.0) -> Iterator[Selection]:
        """Selections in the order of likelihood, the product of their options' weights.

        Of the decisions of one cell (the name up to the comma), only the `skips` that lean most to an option that does
        nothing may take it (the cap of DARTS+, Liang et al. 2019, arXiv 1909.06035). Options that are not `likely` are
        left out, unless a decision has no others.
        """
        scores = [np.log(np.maximum(p, 1e-300)) for p in self.probabilities(logits)]
        if skips is not None:
            scores = self._capped(scores, skips)
        kept = zip(scores, self.likely(logits, threshold), strict=True)
        scores = [np.where(part, s, -np.inf) if np.isfinite(s[part]).any() else s for s, part in kept]
        orders = [np.argsort(-score, kind="stable")[: int(np.isfinite(score).sum())] for score in scores]
        losses = [score[order[0]] - score[order] for score, order in zip(scores, orders, strict=True)]
        for places in _cheapest(losses):
            yield tuple(int(order[place]) for order, place in zip(orders, places, strict=True))

    def _capped(self, scores: list[NDArray[np.float64]], skips: int) -> list[NDArray[np.float64]]:
        """The scores, with minus infinity for options that do nothing in all decisions of a cell but `skips`."""
        others, margins = [], list[tuple[float, str, int]]()
        for place, (decision, score) in enumerate(zip(self.decisions, scores, strict=True)):
            nothing = np.array(decision.skips or (False,) * len(score))
            others.append(np.where(nothing & ~nothing.all(), -np.inf, score))
            margins.append((float(score.max() - others[-1].max()), decision.name.partition(",")[0], place))
        kept: dict[str, list[int]] = {}
        for margin, cell, place in sorted(margins, key=lambda entry: -entry[0]):
            if margin > 0 and len(kept.setdefault(cell, [])) < skips:
                kept[cell].append(place)
        free = {place for places in kept.values() for place in places}
        return [score if place in free else others[place] for place, score in enumerate(scores)]

    def reduced(self, selection: Selection) -> tuple[Graph, dict[str, str]]:
        """The network of a selection, and the name in the mixture of each of its nodes."""
        made = {node.output.name: node for node in self.graph.nodes}
        net = GraphBuilder()
        tensors = {x.name: net.input(x.shape, x.dtype) for x in self.graph.inputs}
        names: dict[str, str] = {}

        def tensor(name: str) -> Tensor:
            if name not in tensors:
                node = made[name]
                if isinstance(node.op, Mix):
                    tensors[name] = tensor(node.inputs[selection[node.op.decision]].name)
                else:
                    tensors[name] = net.add(node.op, *(tensor(x.name) for x in node.inputs))
                    names[tensors[name].name] = node.name
            return tensors[name]

        graph = net.build(*(tensor(y.name) for y in self.graph.outputs))
        return graph, {node.name: names[node.output.name] for node in graph.nodes}

    def inherited(self, selection: Selection, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The weights of the selected network in canonical form, from those of the mixture."""
        graph, mixed = self.reduced(selection)
        _, names = canonical(graph)
        roles: dict[str, list[str]] = {}
        for name in values:
            node, _, role = name.partition("/")
            roles.setdefault(node, []).append(role)
        return {
            f"{names[node]}/{role}": values[f"{source}/{role}"]
            for node, source in mixed.items()
            for role in roles.get(source, ())
        }


@runtime_checkable
class Mixable(Protocol[G]):
    """A space that gradient search can train as one network."""

    def mixture(self) -> Mixture[G]:
        """The mixture of the whole space, or of the part that its decisions span."""


def _cheapest(losses: Sequence[NDArray[np.float64]]) -> Iterator[tuple[int, ...]]:
    """Index tuples into several ascending lists, in the order of the sum of the entries; each combination once."""
    first = (0,) * len(losses)
    heap = [(0.0, first)]
    seen = {first}
    while heap:
        total, places = heapq.heappop(heap)
        yield places
        for i, place in enumerate(places):
            if place + 1 < len(losses[i]):
                following = (*places[:i], place + 1, *places[i + 1 :])
                if following not in seen:
                    seen.add(following)
                    heapq.heappush(heap, (total + float(losses[i][place + 1] - losses[i][place]), following))
