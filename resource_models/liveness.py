"""Which activations are live while a network runs in the order in which its nodes stand."""

from graph import Graph


def live_bytes(graph: Graph) -> list[int]:
    """Bytes of live activations at each node, network inputs counted; liveness as in `peak_memory`."""
    kept = {y.name for y in graph.outputs}
    last = {x.name: step for step, node in enumerate(graph.nodes) for x in node.inputs}
    live = {x.name: x.size_bytes for x in graph.inputs}
    totals = []
    for step, node in enumerate(graph.nodes):
        live |= {y.name: y.size_bytes for y in node.outputs}
        totals.append(sum(live.values()))
        live = {name: size for name, size in live.items() if name in kept or last.get(name, -1) > step}
    return totals
