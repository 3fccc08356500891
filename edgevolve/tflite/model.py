"""The content of a `.tflite`: subgraphs, signatures, a memory plan."""

from dataclasses import dataclass

from edgevolve.graph import Graph, Tensor
from edgevolve.tflite.row import Operator


class TfliteError(ValueError):
    """Not a `.tflite`, a damaged one, or one that edgevolve does not read. The message is one line."""


@dataclass(frozen=True, slots=True)
class Subgraph:
    """One network of a file.

    `operators` holds one for each node of the graph, as the file has it. `tensors` are all of the subgraph's, at their
    index in the file, those that no operator uses included. `variables` keep their values from one inference to the
    next and belong to no node. `outputs` are those of the file, constants included, which the graph does not compute.
    `dynamic_batch` says that the file leaves the batch open; shapes are then those of a batch of 1. The graph of a
    called subgraph may have no inputs or no outputs.
    """

    graph: Graph
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    variables: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    dynamic_batch: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """A name by which LiteRT runs one of the subgraphs; `inputs` are pairs of an input's name and its tensor."""

    name: str
    subgraph: int
    inputs: tuple[tuple[str, Tensor], ...]


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """The content of a `.tflite`. Its first subgraph is the one that runs.

    `offsets` is the memory plan stored in the file: bytes for each tensor of all subgraphs, -1 where the runtime places
    it. It is None without a plan, and empty where the plan is cut short. `constant_bytes` counts all constants, shared
    ones once. `weights_outside` says that constants lie behind the FlatBuffer. `without_buffers` says that the file has
    no list of buffers, not even an empty one.
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
        """The graph of the first subgraph."""
        return self.subgraphs[0].graph

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators of the first subgraph."""
        return self.subgraphs[0].operators

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors of the first subgraph."""
        return self.subgraphs[0].tensors

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The variables of the first subgraph."""
        return self.subgraphs[0].variables

    @property
    def dynamic_batch(self) -> bool:
        """Whether the file leaves the batch of the first subgraph open."""
        return self.subgraphs[0].dynamic_batch

    @property
    def plan_fits(self) -> bool:
        """Whether the stored plan, if any, has an offset for each tensor of the file, none of them below -1."""
        tensors = sum(len(part.tensors) for part in self.subgraphs)
        return self.offsets is None or (len(self.offsets) == tensors and min(self.offsets, default=-1) >= -1)

    @property
    def reached(self) -> tuple[int, ...]:
        """The indices, sorted, of the subgraphs that run when the first one does, itself included."""
        reached, waiting = {0}, [0]
        while waiting:
            calls = {called for operator in self.subgraphs[waiting.pop()].operators for called in operator.calls}
            waiting += calls - reached
            reached |= calls
        return tuple(sorted(reached))
