"""Which activations share a scale: operators that only move or choose values keep it."""

from edgevolve.graph import Graph, Opaque
from edgevolve.tflite.operator_rows import row_of


def of_one_scale(graph: Graph) -> list[set[str]]:
    """The names of all activations, in sets that share a scale."""
    groups = {x.name: {x.name} for x in graph.inputs}
    for node in graph.nodes:
        group = {node.output.name}
        if isinstance(node.op, Opaque) or row_of(node.op).keeps_scale:  # an Opaque node is a slice of bands
            group = group.union(*(groups[x.name] for x in node.inputs))
        groups |= dict.fromkeys(group, group)
    return list({id(group): group for group in groups.values()}.values())
