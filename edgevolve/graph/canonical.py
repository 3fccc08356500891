"""One JSON text and one hash for each network, independent of the names and the order of its nodes.

Nodes are coloured by Weisfeiler-Lehman refinement (operator, depth, inputs, readers), then written in the topological
order that takes the smallest colour first. Equal texts always mean equal networks.
"""

import hashlib
import heapq
import json
from dataclasses import fields
from typing import Any

from edgevolve.graph.attributes import Activation, Padding
from edgevolve.graph.graph import Graph, GraphBuilder
from edgevolve.graph.op import LATER, Op, ShapeError
from edgevolve.graph.opaque import Opaque
from edgevolve.graph.ops import COMMUTATIVE, OPS
from edgevolve.graph.tensor import DType, Tensor


def to_json(graph: Graph) -> dict[str, Any]:
    """The network as plain JSON values, in canonical order.

    Activations are numbered: the inputs first, then the output of each node. Raises `ShapeError` for a network with
    `Opaque` nodes, which no JSON could rebuild.
    """
    for node in graph.nodes:
        if isinstance(node.op, Opaque):
            raise ShapeError(f"{node.name}: {node.op.name} has no canonical form")
    numbers = {x.name: i for i, x in enumerate(graph.inputs)}
    nodes = []
    for index in _canonical_order(graph):
        node = graph.nodes[index]
        inputs = [numbers[x.name] for x in node.inputs]
        if type(node.op) in COMMUTATIVE:
            inputs.sort()
        nodes.append({"op": type(node.op).__name__, "inputs": inputs, **_attributes(node.op)})
        numbers[node.output.name] = len(numbers)
    return {
        "inputs": [{"shape": list(x.shape), "dtype": x.dtype.value} for x in graph.inputs],
        "nodes": nodes,
        "outputs": [numbers[y.name] for y in graph.outputs],
    }


def from_json(payload: dict[str, Any]) -> Graph:
    """Read what `to_json` wrote. Raises `ShapeError` for anything else."""
    try:
        net = GraphBuilder()
        tensors: list[Tensor] = [net.input(tuple(x["shape"]), DType(x["dtype"])) for x in payload["inputs"]]
        for entry in payload["nodes"]:
            attributes = {k: v for k, v in entry.items() if k not in ("op", "inputs")}
            tensors.append(net.add(_op(entry["op"], attributes), *_chosen(tensors, entry["inputs"])))
        return net.build(*_chosen(tensors, payload["outputs"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ShapeError(f"not a network: {type(error).__name__}: {error}") from error


def canonical(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """The network rebuilt from its canonical JSON, and the new name of each node by its old one."""
    copy = from_json(to_json(graph))
    order = _canonical_order(graph)
    return copy, {graph.nodes[i].name: node.name for i, node in zip(order, copy.nodes, strict=True)}


def _chosen(tensors: list[Tensor], numbers: list[int]) -> list[Tensor]:
    if min(numbers, default=0) < 0:
        raise ShapeError("a tensor number is negative")
    return [tensors[number] for number in numbers]


def graph_hash(graph: Graph) -> str:
    """128 bits, in hexadecimal, of the canonical JSON; equal for isomorphic networks."""
    return json_hash(to_json(graph))


def json_hash(payload: dict[str, Any]) -> str:
    """`graph_hash` of a network from its canonical JSON."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _attributes(op: Any) -> dict[str, Any]:
    """The operator's attributes, without later additions that have their default: older hashes stay valid."""
    values = ((field, getattr(op, field.name)) for field in fields(op))
    return {field.name: value for field, value in values if value != field.default or LATER not in field.metadata}


def _op(name: str, attributes: dict[str, Any]) -> Op:
    enums = {"padding": Padding, "activation": Activation, "function": Activation}
    values = {k: enums[k](v) if k in enums else tuple(v) if isinstance(v, list) else v for k, v in attributes.items()}
    op: Op = OPS[name](**values)
    return op


def _canonical_order(graph: Graph) -> list[int]:
    colours = _colours(graph)
    producer = {y.name: i for i, node in enumerate(graph.nodes) for y in node.outputs}
    numbers = {x.name: i for i, x in enumerate(graph.inputs)}
    waiting = [len({x.name for x in node.inputs if x.name in producer}) for node in graph.nodes]
    readers = graph.consumers

    def key(i: int) -> tuple[int, list[int], int]:
        return colours[i], sorted(numbers[x.name] for x in graph.nodes[i].inputs), i

    ready = [key(i) for i, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        index = heapq.heappop(ready)[2]
        order.append(index)
        name = graph.nodes[index].output.name
        numbers[name] = len(numbers)
        for reader in readers[name]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, key(reader))
    return order


def _colours(graph: Graph) -> list[int]:
    """A number for each node, equal for nodes that refinement cannot distinguish, the same for isomorphic graphs."""
    producer = {y.name: i for i, node in enumerate(graph.nodes) for y in node.outputs}
    entry = {x.name: -1 - i for i, x in enumerate(graph.inputs)}
    outputs = {y.name: i for i, y in enumerate(graph.outputs)}
    sources = [[producer.get(x.name, entry.get(x.name, 0)) for x in node.inputs] for node in graph.nodes]
    depths: list[int] = []
    for source in sources:
        depths.append(1 + max((depths[s] for s in source if s >= 0), default=0))
    readers: list[list[tuple[int, int]]] = [[] for _ in graph.nodes]
    for index, source in enumerate(sources):
        ordered = type(graph.nodes[index].op) not in COMMUTATIVE
        for port, s in enumerate(source):
            if s >= 0:
                readers[s].append((index, port if ordered else 0))

    colours = _ranks(
        [(depths[i], repr(node.op), outputs.get(node.output.name, -1)) for i, node in enumerate(graph.nodes)]
    )
    while True:
        signatures = []
        for i, node in enumerate(graph.nodes):
            above = [colours[s] if s >= 0 else s for s in sources[i]]
            if type(node.op) in COMMUTATIVE:
                above.sort()
            signatures.append((colours[i], above, sorted((colours[r], port) for r, port in readers[i])))
        refined = _ranks(signatures)
        if max(refined, default=0) == max(colours, default=0):
            return refined
        colours = refined


def _ranks(signatures: list[Any]) -> list[int]:
    distinct: list[Any] = []
    for signature in sorted(signatures):
        if not distinct or distinct[-1] != signature:
            distinct.append(signature)
    index = {repr(signature): rank for rank, signature in enumerate(distinct)}
    return [index[repr(signature)] for signature in signatures]
