"""Writes a network anew with one part computed in bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgevolve.graph import DType, Graph, Node, Opaque, Tensor, reordered
from edgevolve.tflite import Operator, Target, TfliteModel
from edgevolve.tflite.operator_rows import read_op
from resource_models.bands import SLICE, Cutter, Part
from resource_models.memory import peak_memory
from resource_models.sequence import run_in_bands

_MARK = "~"


@dataclass(frozen=True, slots=True)
class Banded:
    """A network with a part in bands.

    `origins` gives for each operator the index of the original operator that it repeats, None for an added slice or
    concatenation. `wholes` gives for each new activation, by name, the name of the tensor of which it is a piece.
    """

    model: TfliteModel
    origins: tuple[int | None, ...]
    wholes: Mapping[str, str]


def banded(cutter: Cutter, part: Part) -> Banded | None:
    """The network with the part in bands; None where strides or shapes do not allow it."""
    ways = cutter.ways(part)
    if ways is None:
        return None
    writer = _Writer(cutter.model)
    for number in range(part.first):
        writer.keep(number)
    run_in_bands(cutter, part, ways, writer)
    for number in range(part.last, len(cutter.model.operators)):
        writer.keep(number)
    return writer.done()


def best_order(
    network: Banded, target: Target, max_states: int | None = None, below: int | None = None
) -> tuple[int, ...]:
    """The order of least peak memory, which computes each piece only when it is needed.

    It is empty if no order's peak is less than `below` bytes. `max_states` and `below` are passed to `peak_memory`.
    """
    graph = network.model.graph
    best = peak_memory(graph, alignment_bytes=target.alignment_bytes, max_states=max_states, below=below)
    return best.order if below is None or best.peak_bytes < below else ()


def in_order(network: Banded, order: Sequence[int]) -> Banded:
    """The same network with its operators in this order."""
    first, *others = network.model.subgraphs
    operators = tuple(first.operators[i] for i in order)
    changed = replace(first, graph=reordered(first.graph, order), operators=operators)
    model = replace(network.model, subgraphs=(changed, *others))
    return Banded(model, tuple(network.origins[i] for i in order), network.wholes)


class _Writer:
    """Collects the operators of the new network; a `Sink`."""

    def __init__(self, model: TfliteModel) -> None:
        self._model = model
        self._nodes: list[Node] = []
        self._operators: list[Operator] = []
        self._origins: list[int | None] = []
        self._wholes: dict[str, str] = {}
        self._made: dict[str, Tensor] = {}
        self._known = {x.name: x for x in model.tensors}
        self._scales = {x.name: n for op in model.operators for x, n in zip(op.inputs, op.scales, strict=True) if x}
        self._scales |= {y.name: n for op in model.operators for y, n in zip(op.outputs, op.output_scales, strict=True)}

    def keep(self, number: int) -> None:
        """Take over an operator unchanged."""
        self._nodes.append(self._model.graph.nodes[number])
        self._operators.append(self._model.operators[number])
        self._origins.append(number)

    def entry(self, x: Tensor) -> Tensor:
        return x

    def slice(self, piece: Tensor, whole: Tensor, begin: tuple[int, int], sizes: tuple[int, int]) -> Tensor:
        made = self._piece(whole, sizes)
        starts = (0, *begin, 0)
        inputs = (piece, self._numbers(starts), self._numbers(made.shape))
        scales = self._scales.get(whole.name, 0)
        self._add(Operator(SLICE, inputs, (made,), {}, (scales, 0, 0), (scales,), ((), starts, made.shape)), None)
        return made

    def operator(self, number: int, given: Sequence[Tensor], sizes: tuple[int, int]) -> Tensor:
        operator, pieces = self._model.operators[number], iter(given)
        inputs = tuple(next(pieces) if x is not None and not x.constant else x for x in operator.inputs)
        made = self._piece(operator.outputs[0], sizes)
        self._add(replace(operator, inputs=inputs, outputs=(made,)), number)
        return made

    def join(
        self, pieces: Sequence[Tensor], axis: int, whole: Tensor, sizes: tuple[int, int], *, final: bool
    ) -> Tensor:
        out = whole if final else self._piece(whole, sizes)
        scales = (self._scales.get(whole.name, 0),)
        options = {"axis": float(axis), "activation": 0.0}
        nothing: tuple[tuple[int, ...], ...] = ((),) * len(pieces)
        self._add(
            Operator("CONCATENATION", tuple(pieces), (out,), options, scales * len(pieces), scales, nothing), None
        )
        return out

    def done(self) -> Banded:
        """The network of all operators collected."""
        graph = Graph(self._model.graph.inputs, tuple(self._nodes), self._model.graph.outputs)
        first, *others = self._model.subgraphs
        used = {x.name for op in self._operators for x in (*op.inputs, *op.outputs) if x}
        used |= {x.name for x in (*graph.inputs, *graph.outputs)}
        tensors = (*(x for x in first.tensors if x.name in used), *self._made.values())
        changed = replace(first, graph=graph, operators=tuple(self._operators), tensors=tensors)
        model = replace(self._model, subgraphs=(changed, *others), offsets=None)
        return Banded(model, tuple(self._origins), self._wholes)

    def _piece(self, whole: Tensor, sizes: tuple[int, int]) -> Tensor:
        """A new activation for a piece; its name is unique, in networks that are cut again as well."""
        name = f"{whole.name}{_MARK}{len(self._model.operators)}.{len(self._nodes)}"
        while name in self._known or name in self._wholes:  # taken by an earlier cut
            name += _MARK
        self._wholes[name] = whole.name
        return replace(whole, name=name, shape=(1, *sizes, whole.shape[3]))

    def _numbers(self, values: tuple[int, ...]) -> Tensor:
        """A constant of these numbers; equal numbers share one."""
        name = f"{_MARK}{','.join(map(str, values))}"
        if name in self._known:
            return self._known[name]
        return self._made.setdefault(name, Tensor(name, (len(values),), DType.INT32, constant=True))

    def _add(self, operator: Operator, origin: int | None) -> None:
        for y in operator.outputs:
            if y.name in self._wholes:
                self._made[y.name] = y
        given = [x for x in operator.inputs if x is not None]
        name = f"{operator.name.lower()}_{len(self._nodes)}{_MARK}"
        known = self._model.graph.nodes[origin].op if origin is not None else None
        op = known if known and not isinstance(known, Opaque) else read_op(operator)
        inputs, weights = (tuple(x for x in given if x.constant is constant) for constant in (False, True))
        self._nodes.append(Node(name, op, inputs, weights, operator.outputs))
        self._operators.append(operator)
        self._origins.append(origin)
