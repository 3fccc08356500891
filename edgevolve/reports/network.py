"""One network, operator by operator, from a run or from a file, as a table and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgevolve.graph import Graph, Node, Opaque, Tensor, reordered
from edgevolve.quantity import size
from edgevolve.reports.arena_words import Measured, arena_facts, arena_json, runtime_facts
from edgevolve.reports.fit import fit_facts, fit_json
from edgevolve.reports.parts_in_bands import PartInBands, parts_in_bands, words_of_parts
from edgevolve.reports.quantities import count
from edgevolve.tflite import TfliteModel, Verdict, compiled_for, runtimes
from predictors import Board
from resource_models import (
    CORTEX_M,
    Footprint,
    PeakMemory,
    Target,
    file_footprint,
    file_macs,
    lifetimes,
    live_bytes,
    macs,
    measure,
    model_size,
    peak_memory,
)

_MOST_SEARCHED_NODES = 1_000
_MOST_PLANNED_NODES = 5_000
_MOST_PLANNED = 8_000
_MOST_STATES = 20_000
_STATES_TIMES_NODES = 250_000
_NAMED_TENSORS = 4
_NAMED_CALLS = 6
_MOST_TABLES = 16


@dataclass(frozen=True, slots=True)
class Inspection:
    """The costs of a network in the order of its nodes; made by `inspect_network` and `inspect_file`.

    For a file with several subgraphs, `graph`, the live bytes and `best` describe the first; `footprint` and weights
    cover all, multiply-accumulates those that run. `peak_step` is the index of the first node at which the most bytes
    are live. `best` is the order of least peak memory, None if there were too many nodes to search. `footprint` is the
    arena on a device, None if it was not planned or the runtime refuses the file. `file` is the model file, `runtimes`
    are verdicts on which runtimes can run it, and `measured` is what the runtime itself needed, if it was run. `board`
    is the board that the network is to fit.
    """

    graph: Graph
    live_bytes: tuple[int, ...]
    peak_step: int
    peak_tensors: tuple[Tensor, ...]
    best: PeakMemory | None
    footprint: Footprint | None
    file: TfliteModel | None = None
    runtimes: tuple[Verdict, ...] = ()
    measured: Measured | None = None
    board: Board | None = None

    @property
    def peak_bytes(self) -> int:
        """The most bytes live at once."""
        return max(self.live_bytes, default=0)

    @property
    def unknown(self) -> tuple[str, ...]:
        """TFLite's names of operators that the graph does not model, once each, over all subgraphs of a file."""
        graphs = [part.graph for part in self.file.subgraphs] if self.file else [self.graph]
        nodes = [node for graph in graphs for node in graph.nodes]
        return tuple(dict.fromkeys(node.op.name for node in nodes if isinstance(node.op, Opaque)))

    @property
    def weight_bytes(self) -> int:
        """Bytes of constants over all subgraphs of a file; a constant that several nodes share counts once."""
        if self.file:
            return self.file.constant_bytes
        return sum({w.name: w.size_bytes for node in self.graph.nodes for w in node.weights}.values())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference; each subgraph of a file that runs counts once."""
        return file_macs(self.file) if self.file else macs(self.graph)


def inspect_network(graph: Graph, target: Target = CORTEX_M) -> Inspection:
    """Inspect a network of a run in the order of least peak memory, in which it is exported."""
    return _inspection(reordered(graph, peak_memory(graph).order), target)


def inspect_file(model: TfliteModel, target: Target = CORTEX_M) -> Inspection:
    """Inspect a file in the order in which it runs its operators."""
    return _inspection(model.graph, target, model)


def _inspection(graph: Graph, target: Target, file: TfliteModel | None = None) -> Inspection:
    live = live_bytes(graph)
    step = live.index(max(live)) if live else 0
    tensors = [lifetime.tensor for lifetime in lifetimes(graph) if lifetime.first_step <= step <= lifetime.last_step]
    verdicts = runtimes(file) if file else ()
    best = footprint = None
    if _can_be_planned(graph, file) and (not verdicts or verdicts[0].runs):
        footprint = file_footprint(file, target) if file else measure(graph, target)
    if len(graph.nodes) <= _MOST_SEARCHED_NODES:
        states = _STATES_TIMES_NODES // max(len(graph.nodes), 1)
        best = peak_memory(graph, max_states=min(states, _MOST_STATES))
    return Inspection(graph, tuple(live), step, tuple(tensors), best, footprint, file, verdicts)


def _can_be_planned(graph: Graph, file: TfliteModel | None) -> bool:
    nodes = sum(len(part.operators) for part in file.subgraphs) if file else len(graph.nodes)
    tensors = sum(not x.constant for part in file.subgraphs for x in part.tensors) if file else nodes
    return nodes <= _MOST_PLANNED_NODES and tensors <= _MOST_PLANNED


OPERATOR_COLUMNS = ("step", "operator", "input", "output", "MACs", "weights", "output bytes", "live")
_WORDS = ("operator", "input", "output")


def operator_rows(inspection: Inspection) -> list[list[str]]:
    """A row an operator, in words, with the columns `OPERATOR_COLUMNS`; the live bytes of the peak are marked."""
    return _rows(inspection.graph, inspection.live_bytes)


def _rows(graph: Graph, live_bytes: Sequence[int]) -> list[list[str]]:
    peak = max(live_bytes, default=0)
    return [
        [
            str(step),
            operator_words(node),
            _shapes(node.inputs),
            _shapes(node.outputs),
            count(node.macs),
            size(_bytes(node.weights)),
            size(_bytes(node.outputs)),
            size(live) + ("  ← peak" if live == peak else ""),
        ]
        for step, (node, live) in enumerate(zip(graph.nodes, live_bytes, strict=True), start=1)
    ]


def network_table(inspection: Inspection) -> RenderableType:
    """The rows of `operator_rows`, and of a file's other subgraphs; then the peak and the totals."""
    parts: list[RenderableType] = [_table(operator_rows(inspection)), Text("")]
    for number, subgraph in list(enumerate(inspection.file.subgraphs if inspection.file else ()))[1:_MOST_TABLES]:
        rows = _rows(subgraph.graph, live_bytes(subgraph.graph))
        parts += [Text(f"subgraph {number}"), _table(rows), Text("")]
    return Group(*parts, _remarks(inspection))


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in OPERATOR_COLUMNS:
        table.add_column(name, justify="left" if name in _WORDS else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def network_json(inspection: Inspection) -> dict[str, Any]:
    """The same as plain values. Steps count from 1, as in the table; `best_order` holds steps."""
    graph, best, file = inspection.graph, inspection.best, inspection.file
    facts: dict[str, Any] = {} if file is None else {"file_bytes": file.size_bytes, "dynamic_batch": file.dynamic_batch}
    if file is not None:
        facts["variables"] = [_tensor_json(tensor) for tensor in file.variables]
        facts["compiled_for"] = compiled_for(file)
        facts["runtimes"] = [asdict(verdict) for verdict in inspection.runtimes]
        facts["parts_in_bands"] = [_part_json(part, graph) for part in parts_in_bands(file)]
        facts["subgraphs"] = [_subgraph_json(file, number) for number in range(len(file.subgraphs))]
        facts["signatures"] = [{"name": each.name, "subgraph": each.subgraph} for each in file.signatures]
    return {
        **facts,
        "inputs": [_tensor_json(x) for x in graph.inputs],
        "outputs": [_tensor_json(y) for y in graph.outputs],
        "operators": _operators_json(graph, inspection.live_bytes),
        "unknown_operators": list(inspection.unknown),
        "macs": inspection.macs,
        "weight_bytes": inspection.weight_bytes,
        "peak": {
            "bytes": inspection.peak_bytes,
            "step": inspection.peak_step + 1,
            "tensors": [_tensor_json(tensor) for tensor in inspection.peak_tensors],
        },
        "peak_memory_bytes": best.peak_bytes if best else None,
        "peak_memory_exact": best.exact if best else False,
        "arena": arena_json(inspection.footprint, inspection.measured) if inspection.footprint else None,
        "best_order": [index + 1 for index in best.order] if best else None,
    } | ({"board": fit_json(inspection.board, graph, inspection.footprint, file)} if inspection.board else {})


def _operators_json(graph: Graph, live_bytes: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {
            "step": step,
            "operator": operator_name(node),
            "inputs": [_tensor_json(x) for x in node.inputs],
            "outputs": [_tensor_json(y) for y in node.outputs],
            "macs": node.macs,
            "weight_bytes": _bytes(node.weights),
            "live_bytes": live,
        }
        for step, (node, live) in enumerate(zip(graph.nodes, live_bytes, strict=True), start=1)
    ]


def _part_json(part: PartInBands, graph: Graph) -> dict[str, Any]:
    """A part that runs in bands; steps count from 1."""
    operators = [
        {"step": index + 1, "operator": operator_name(graph.nodes[index]), "pieces": pieces}
        for index, pieces in part.operators
    ]
    return {**asdict(part), "operators": operators}


def _subgraph_json(file: TfliteModel, number: int) -> dict[str, Any]:
    """A subgraph: whether it runs with the first, which of its steps run others, and, but for the first, operators."""
    part = file.subgraphs[number]
    operators = {} if number == 0 else {"operators": _operators_json(part.graph, live_bytes(part.graph))}
    return {
        "number": number,
        "runs": number in file.reached,
        "calls": {step: list(op.calls) for step, op in enumerate(part.operators, start=1) if op.calls},
        "macs": macs(part.graph),
        **operators,
    }


def operator_name(node: Node) -> str:
    """The name of a node's operator for people: the graph's own, or TFLite's for an operator it does not model."""
    return node.op.name if isinstance(node.op, Opaque) else type(node.op).__name__


def operator_words(node: Node) -> str:
    """The operator with its main attributes: Conv2D 16 3×3 /2 bn relu."""
    words = [operator_name(node)]
    for field in fields(node.op) if not isinstance(node.op, Opaque) else ():  # type: ignore[arg-type]
        value = getattr(node.op, field.name)
        match field.name, value:
            case ("stride", (height, width)):
                words += (
                    [f"/{height}" if height == width else f"/{height}×{width}"] if (height, width) != (1, 1) else []
                )
            case (("kernel" | "size"), (height, width)):
                words.append(f"{height}×{width}")
            case (("filters" | "units"), count):
                words.append(str(count))
            case ("dilation", (height, width)) if (height, width) != (1, 1):
                words.append(f"dilated {height}" if height == width else f"dilated {height}×{width}")
            case ("batch_norm", True):
                words.append("bn")
            case (("activation" | "function"), name) if str(name) != "none":
                words.append(str(name))
    return " ".join(words)


def _remarks(inspection: Inspection) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("figure", overflow="fold")
    for what, figure in facts(inspection).items():
        table.add_row(what, Text(figure))
    return table


def facts(inspection: Inspection) -> dict[str, str]:
    """The tensors that set the peak, the totals, and remarks on how to read them, in words by heading."""
    best, file, facts = inspection.best, inspection.file, {}
    if inspection.graph.nodes:
        largest = sorted(inspection.peak_tensors, key=lambda tensor: -tensor.size_bytes)
        named = [f"{short_name(t.name)} ({size(t.size_bytes)})" for t in largest[:_NAMED_TENSORS]]
        rest = [f"{len(largest) - len(named)} more"] if len(largest) > len(named) else []
        facts["peak"] = f"step {inspection.peak_step + 1}: {', '.join(named + rest)}"
    here = size(inspection.peak_bytes)
    if file is None:
        facts["peak memory"] = here if best and best.exact else f"{here} or less"
        facts["model size"] = size(model_size(inspection.graph))
    else:
        lowest = "not searched" if best is None else size(best.peak_bytes)
        inexact = "" if best is None or best.exact else " or less"
        facts["peak memory"] = f"{here} in the file's order, {lowest}{inexact} in the best order"
        facts["flash"] = f"{size(file.size_bytes)}, of it {size(inspection.weight_bytes)} weights"
    facts |= arena_facts(inspection.footprint, inspection.measured)
    if inspection.footprint and file is None:
        facts["flash"] = size(inspection.footprint.flash_bytes)
    if not _can_be_planned(inspection.graph, file):
        facts["arena"] = f"not worked out for more than {_MOST_PLANNED_NODES} operators or {_MOST_PLANNED} tensors"
    if inspection.board:
        facts |= fit_facts(inspection.board, inspection.graph, inspection.footprint, file)
    if file and len(file.subgraphs) > 1:
        facts |= _subgraph_facts(file)
        facts["MACs"] = f"{count(inspection.macs)}, each subgraph that runs counted once, so are loops"
    else:
        facts["MACs"] = count(inspection.macs)
    parts = parts_in_bands(file) if file else ()
    if parts:
        names = [operator_words(node) for node in inspection.graph.nodes]
        facts["in bands"] = "; ".join(words_of_parts(parts, names))
    if inspection.unknown:
        facts["not known"] = f"{', '.join(inspection.unknown)}: MACs are counted where a formula is known"
    if file and file.dynamic_batch:
        facts["batch"] = "left open by the file, taken as 1"
    if file and file.variables:
        facts["variables"] = f"{size(_bytes(file.variables))} live all the time, counted in the arena"
    if file:
        facts |= runtime_facts(file, inspection.runtimes)
    return facts


def _subgraph_facts(file: TfliteModel) -> dict[str, str]:
    """Which subgraph runs which, and the signatures under which LiteRT runs them."""
    count, calls = len(file.subgraphs), []
    for number, part in enumerate(file.subgraphs):
        where = f" of subgraph {number}" if number else ""
        for step, operator in enumerate(part.operators, start=1):
            if operator.calls:
                calls.append(f"step {step}{where} ({operator.name}) runs {' and '.join(map(str, operator.calls))}")
    more = [f"{len(calls) - _NAMED_CALLS} more calls"] if len(calls) > _NAMED_CALLS else []
    tables = [f"only {_MOST_TABLES} are shown"] if count > _MOST_TABLES else []
    words = "; ".join([f"{count}; peak memory is the first one's", *tables, *calls[:_NAMED_CALLS], *more])
    names = [f"{each.name} ({each.subgraph})" for each in file.signatures[:_NAMED_CALLS]]
    return {"subgraphs": words} | ({"signatures": ", ".join(names)} if len(file.signatures) > 1 else {})


def short_name(name: str, letters: int = 40) -> str:
    """A tensor's name for people: the first of those that the converter joined, cut at its beginning if it is long."""
    first = name.partition(";")[0]
    return first if len(first) <= letters else "…" + first[1 - letters :]


def _shapes(tensors: tuple[Tensor, ...]) -> str:
    """Shapes without the batch of 1; the element type where it is not int8."""
    words = []
    for tensor in tensors:
        shape = tensor.shape[1:] if len(tensor.shape) > 1 and tensor.shape[0] == 1 else tensor.shape
        kind = "" if tensor.dtype == "int8" else f" {tensor.dtype}"
        words.append(("×".join(map(str, shape)) or "scalar") + kind)
    return ", ".join(words if len(words) <= _NAMED_TENSORS else [*words[:_NAMED_TENSORS], "…"])


def _bytes(tensors: tuple[Tensor, ...]) -> int:
    return sum(tensor.size_bytes for tensor in tensors)


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.value,
        "bytes": tensor.size_bytes,
    }
