"""A drawing of a network: operators from top to bottom with their output shapes, one lane a branch."""

import plotly.graph_objects as go

from edgevolve.graph import Graph, Shape
from edgevolve.reports.charts import Chart, label, plain
from edgevolve.reports.colours import FAINT
from edgevolve.reports.network import operator_words

_LAYER_PIXELS = 62
_LANE_PIXELS = 150


def drawing(graph: Graph) -> Chart:
    """Boxes for operators, lines for tensors.

    A tensor that skips operators has a lane of its own beside them. Lanes are ordered by the barycentre heuristic of
    Sugiyama, Tagawa and Toda (1981). `layout.meta.min_width` is the width in pixels below which boxes would overlap.
    """
    words, layers, edges = _layered(graph)
    at: dict[str, tuple[float, int]] = {}
    for layer, names in enumerate(layers):
        above = {name: [at[start][0] for start, end in edges if end == name] for name in names}
        ordered = sorted(names, key=lambda name: sum(above[name]) / max(len(above[name]), 1))
        at |= {name: (lane - (len(names) - 1) / 2, -layer) for lane, name in enumerate(ordered)}
    figure = go.Figure()
    ends = [(at[start], at[end]) for start, end in edges]
    figure.add_scatter(
        x=[x for (start, _), (end, _) in ends for x in (start, end, None)],
        y=[y for (_, start), (_, end) in ends for y in (start, end, None)],
        mode="lines",
        line={"color": FAINT, "width": 2},
        hoverinfo="skip",
    )
    boxes = [
        {"x": at[name][0], "y": at[name][1], "text": text, "showarrow": False, "borderwidth": 1.5, "borderpad": 5}
        for name, text in words.items()
    ]
    widest = max(len(names) for names in layers)
    hidden = {"visible": False, "fixedrange": True}
    figure.update_layout(
        height=_LAYER_PIXELS * len(layers) + 10,
        xaxis=hidden | {"range": [-widest / 2, widest / 2]},
        yaxis=hidden | {"range": [0.6 - len(layers), 0.6]},
        showlegend=False,
        annotations=boxes,
        meta={"min_width": _LANE_PIXELS * widest, "boxes": True},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
    )
    return plain(figure)


def _shape_words(shape: Shape) -> str:
    """Height × width × channels, without the batch of 1."""
    return "×".join(map(str, shape[1:]))


def _layered(graph: Graph) -> tuple[dict[str, str], list[list[str]], list[tuple[str, str]]]:
    """Words by tensor, tensors by layer, edges from each layer to the next; a tensor that skips layers has no words."""
    words = {x.name: f"<b>input</b><br>{label(_shape_words(x.shape))}" for x in graph.inputs}
    layers = [list(words)]
    depth = dict.fromkeys(words, 0)
    edges = []
    for node in graph.nodes:
        made, reads = node.output.name, dict.fromkeys(x.name for x in node.inputs)
        depth[made] = 1 + max(depth[name] for name in reads)
        words[made] = f"<b>{label(operator_words(node), 28)}</b><br>{label(_shape_words(node.output.shape))}"
        layers += [[] for _ in range(depth[made] + 1 - len(layers))]
        layers[depth[made]].append(made)
        for name in reads:
            before = name
            for between in range(depth[name] + 1, depth[made]):
                passing = f"{name} to {made} at {between}"
                layers[between].append(passing)
                edges.append((before, passing))
                before = passing
            edges.append((before, made))
    return words, layers, edges
