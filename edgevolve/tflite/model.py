"""What a `.tflite` holds, once it is read: subgraphs, signatures, a memory plan."""

from dataclasses import dataclass

from edgevolve.graph import Graph, Tensor
from edgevolve.tflite.row import Operator


class TfliteError(ValueError):
    """Not a `.tflite`, a damaged one, or one that edgevolve does not read. The message is one line."""


@dataclass(frozen=True, slots=True)
class Subgraph:
    """One network of a file.

    `operators` are those of the graph's nodes as the file has them, one for each. `tensors` are all of the subgraph's,
    at their index there, also those that no operator uses. `variables`, which keep their values from one inference
    to the next, belong to no node. `dynamic_batch` tells that the file leaves the batch open; shapes are those of a
    batch of 1. The graph of a subgraph that others run may have no inputs or no outputs; `outputs` are those of the
    file, also constants, which the graph does not compute.
    """

    graph: Graph
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    variables: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    dynamic_batch: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """A name under which LiteRT runs one of the subgraphs; `inputs` are the names of its inputs and their tensors."""

    name: str
    subgraph: int
    inputs: tuple[tuple[str, Tensor], ...]


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """What a `.tflite` holds: its subgraphs, of which the first is the one that runs.

    `offsets` are those of the memory plan that the file brings, in bytes, one for each tensor of all subgraphs and -1
    for what the runtime shall place; None where it brings none, empty where that is cut short. `constant_bytes` are
    those of all constants, what several share counted once. `weights_outside` tells that constants lie behind the
    FlatBuffer, `without_buffers` that the file has no list of buffers, not even an empty one.
    """

    subgraphs: tuple[Subgraph, ...]
    offsets: tuple[int, ...] | None
    size_bytes: int
    constant_bytes: int
    signatures: tuple[Signature, ...] = ()
    weights_outside: bool = False
    without_buffers: bool = False

    @property
    def graph(self) -> Graph:
        """The first subgraph's."""
        return self.subgraphs[0].graph

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The first subgraph's."""
        return self.subgraphs[0].operators

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The first subgraph's."""
        return self.subgraphs[0].tensors

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The first subgraph's."""
        return self.subgraphs[0].variables

    @property
    def dynamic_batch(self) -> bool:
        """The first subgraph's."""
        return self.subgraphs[0].dynamic_batch

    @property
    def plan_fits(self) -> bool:
        """Whether the plan that the file brings, if any, is for as many tensors as it has, and puts none below 0."""
        tensors = sum(len(part.tensors) for part in self.subgraphs)
        return self.offsets is None or (len(self.offsets) == tensors and min(self.offsets, default=-1) >= -1)

    @property
    def reached(self) -> tuple[int, ...]:
        """The subgraphs that run when the first one does, itself included, in the order of their numbers."""
        reached, waiting = {0}, [0]
        while waiting:
            calls = {called for operator in self.subgraphs[waiting.pop()].operators for called in operator.calls}
            waiting += calls - reached
            reached |= calls
        return tuple(sorted(reached))
