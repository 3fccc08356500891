"""The lifetimes of tensors and operators across calls: a subgraph runs within the operator that calls it.

TensorFlow Lite Micro counts steps along one pass over the first subgraph: one for each operator, then, within an
operator that runs others, one for entering each subgraph and one for each of its operators. Tensors of a subgraph that
is called again live from its first call to its last. Inputs and outputs of an operator live until its calls end.
Source: `micro_allocation_info.cc`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edgevolve.graph import Graph, Tensor
from edgevolve.tflite import Operator

NEVER = (-1, -1)
"""The span of unreachable tensors and operators; the runtime still plans such tensors, as live at one time."""

Span = tuple[int, int]
"""First and last step."""


class Place(NamedTuple):
    """A step: an operator of a subgraph, by index, or None for entering the subgraph."""

    subgraph: int
    operator: int | None


class Timeline:
    """The spans of each subgraph: `tensors` by name, `operators` by index.

    `steps` are the places from step 0, which enters the first subgraph. Calls must end (`edgevolve.tflite` reads no
    others).
    """

    def __init__(self, subgraphs: Sequence[tuple[Graph, Sequence[Operator]]]) -> None:
        """Follow one pass over the first subgraph; each has its graph, and an operator for each node."""
        self.tensors: list[dict[str, Span]] = [{} for _ in subgraphs]
        self.operators: list[dict[int, Span]] = [{} for _ in subgraphs]
        self.steps: list[Place] = []
        self._subgraphs = subgraphs
        self._run(0)

    def _run(self, number: int) -> None:
        graph, operators = self._subgraphs[number]
        tensors = self.tensors[number]
        self.steps.append(Place(number, None))
        self._use(tensors, graph.inputs)
        for index, (node, operator) in enumerate(zip(graph.nodes, operators, strict=True)):
            self.steps.append(Place(number, index))
            begun = len(self.steps) - 1
            self._use(tensors, node.outputs)
            for called in operator.calls:
                self._run(called)
            self._use(tensors, node.inputs)
            self._use(tensors, node.outputs)
            first, _ = self.operators[number].get(index, (begun, begun))
            self.operators[number][index] = first, len(self.steps) - 1
        self._use(tensors, graph.outputs)

    def _use(self, spans: dict[str, Span], tensors: Iterable[Tensor]) -> None:
        now = len(self.steps) - 1
        for tensor in tensors:
            spans[tensor.name] = spans[tensor.name][0] if tensor.name in spans else now, now
