"""Memory over time as a picture: the place of each buffer at each step, and the buffers that set the peak."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgevolve.graph import Graph, reordered
from edgevolve.quantity import SIZES, size, size_unit
from edgevolve.reports.network import operator_name, short_name
from edgevolve.reports.picture_file import plain, write_picture
from edgevolve.runs import ConfigError
from edgevolve.tflite import TfliteModel
from resource_models import PlacedBuffer, Target, deployed, lifetimes, peak_memory, placed_buffers, stacked, timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BOXES = 1_000_000
_MOST_NAMED_STEPS = 80
_MOST_NAMED_BUFFERS = 12
_REST = "#d5dbe3"


def save_live_map(path: Path, graph: Graph, title: str) -> None:
    """Draw the live activations stacked at each step, without a plan: the least memory that this order needs.

    Raises `ConfigError` if the picture cannot be written or would have millions of boxes.
    """
    if sum(life.last_step - life.first_step + 1 for life in lifetimes(graph)) > _MOST_BOXES:
        raise ConfigError(f"{path}: too many tensors live at once to draw them")
    save_memory_map(path, graph, stacked(graph), title)


def save_arena_map(path: Path, network: Graph | TfliteModel, target: Target, title: str) -> None:
    """Draw the best memory plan of a file, in the file's order, or of a network, as it is exported.

    The steps of a subgraph follow the operator that runs it. Raises `ConfigError` if the picture cannot be written.
    """
    if isinstance(network, Graph):
        operators = deployed(network).graph
        network = reordered(operators, peak_memory(operators).order)
    names = _steps(network) if isinstance(network, Graph) else _steps_with_calls(network)
    _save(path, names, placed_buffers(network, target), title)


def save_memory_map(path: Path, graph: Graph, buffers: Sequence[PlacedBuffer], title: str) -> None:
    """Draw `buffers`, as any plan places them, over the nodes of `graph`: steps to the right, bytes upwards.

    Buffers live at the step with the highest top are coloured and named. Raises `ConfigError` if the picture cannot be
    written.
    """
    _save(path, _steps(graph), buffers, title)


def _steps(graph: Graph) -> list[str]:
    return [f"{operator_name(node)}  {step}" for step, node in enumerate(graph.nodes, start=1)]


def _steps_with_calls(model: TfliteModel) -> list[str]:
    """Names of the steps; behind the first subgraph a step's number begins with that of its subgraph."""
    names = []
    for number, index in timeline(model).steps[1:]:
        node = None if index is None else model.subgraphs[number].graph.nodes[index]
        where = f"{number}." if number else ""
        names.append(
            f"subgraph {number}" if node is None or index is None else f"{operator_name(node)}  {where}{index + 1}"
        )
    return names


def _save(path: Path, names: Sequence[str], buffers: Sequence[PlacedBuffer], title: str) -> None:
    from matplotlib.figure import Figure

    tops = _tops(buffers, len(names))
    peak = max(tops, default=0)
    unit = size_unit(peak)
    figure = Figure(figsize=(min(max(8.0, 4 + 0.22 * len(tops)), 20.0), 5.5), layout="constrained")
    axes = figure.subplots()
    _draw(axes, buffers, tops.index(peak) if tops else 0, SIZES[unit])
    axes.axhline(peak / SIZES[unit], color="#333333", linestyle="--", linewidth=0.8)
    axes.set(xlim=(0.5, max(len(tops), 1) + 0.5), ylim=(0, 1.06 * (peak or 1) / SIZES[unit]), ylabel=unit)
    axes.spines[["top", "right"]].set_visible(False)
    if len(tops) <= _MOST_NAMED_STEPS:
        axes.set_xticks(range(1, len(tops) + 1), [plain(name) for name in names], rotation=90, fontsize=7)
    axes.set_xlabel("step")
    where = f" at step {tops.index(peak) + 1} of {len(tops)}" if tops else ""
    axes.set_title(f"{plain(title)}: {size(peak)}{where}", fontsize=11, loc="left")
    write_picture(path, figure)


def _draw(axes: "Axes", buffers: Sequence[PlacedBuffer], peak_step: int, bytes_a_unit: float) -> None:
    """Draw the buffers as boxes: in a colour each if they are live at the peak, else grey."""
    from matplotlib import colormaps
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    at_peak = [b for b in buffers if b.size_bytes and b.first_step <= peak_step <= b.last_step]
    at_peak.sort(key=lambda buffer: -buffer.size_bytes)
    colours = {b.name: colormaps["tab10"](i % 10) for i, b in enumerate(at_peak)}
    boxes = [
        [
            (left, low / bytes_a_unit),
            (left, (low + buffer.size_bytes) / bytes_a_unit),
            (right, (low + buffer.size_bytes) / bytes_a_unit),
            (right, low / bytes_a_unit),
        ]
        for buffer in buffers
        for left, right, low in [(buffer.first_step + 0.5, buffer.last_step + 1.5, buffer.offset_bytes)]
    ]
    shades = [colours.get(buffer.name, _REST) for buffer in buffers]
    axes.add_collection(PolyCollection(boxes, facecolors=shades, edgecolors="white", linewidths=0.6))
    named = [
        Patch(color=colours[b.name], label=f"{size(b.size_bytes)}  {plain(short_name(b.name))}")
        for b in at_peak[:_MOST_NAMED_BUFFERS]
    ]
    if len(at_peak) > _MOST_NAMED_BUFFERS:
        named.append(Patch(alpha=0, label=f"and {len(at_peak) - _MOST_NAMED_BUFFERS} more"))
    axes.legend(
        handles=named,
        title="live at the peak",
        title_fontsize=8,
        fontsize=7,
        alignment="left",
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
    )


def _tops(buffers: Sequence[PlacedBuffer], steps: int) -> list[int]:
    """The end of the highest buffer at each step, in bytes."""
    tops = [0] * steps
    for buffer in buffers:
        for step in range(buffer.first_step, buffer.last_step + 1):
            tops[step] = max(tops[step], buffer.offset_bytes + buffer.size_bytes)
    return tops
