"""One part of a network in bands, operator by operator, in the order in which they run.

The same walk writes the operators (`banded`) and adds up what they need (`outlook`).
"""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from edgevolve.graph import Node, Tensor
from resource_models.bands import SLICE, Cutter, Part, Ways, joins
from resource_models.pieces import Band, Path, Step, whole_piece

P = TypeVar("P")
"""The sink's representation of a piece of a map."""

_Lies = tuple[P, Band, Band]
"""A piece, and where its rows and its columns lie in the whole."""


class Sink(Protocol[P]):
    """Receives operators in the order in which they run, and returns its representation of the piece that each makes.

    `sizes` are the rows and columns of that piece, and `whole` is its map.
    """

    def entry(self, x: Tensor) -> P:
        """A map that the part reads."""

    def slice(self, piece: P, whole: Tensor, begin: tuple[int, int], sizes: tuple[int, int]) -> P:
        """A piece of a piece."""

    def operator(self, number: int, given: Sequence[P], sizes: tuple[int, int]) -> P:
        """The network's operator on pieces of the maps that it reads."""

    def join(self, pieces: Sequence[P], axis: int, whole: Tensor, sizes: tuple[int, int], *, final: bool) -> P:
        """Pieces side by side; `final` where they are the whole map."""


def run_in_bands(cutter: Cutter, part: Part, ways: tuple[Ways, Ways], sink: Sink[P]) -> None:
    """Give `sink` the operators of a part, along the paths of `cutter.ways(part)`."""
    given, wanted = cutter.ends(part.first, part.last)
    walk, (down, across) = _Walk(cutter, part, sink), (each.paths for each in ways)
    entries = {x.name: (sink.entry(x), whole_piece(0, x.shape[1]), whole_piece(0, x.shape[2])) for x in given}
    trimmed = [x for x in given if part.rest and cutter.last_reader[x.name] < part.last]
    made: list[list[list[P]]] = []
    for i, row in enumerate(down):
        made.append([])
        for j, column in enumerate(across):
            for x in trimmed if i or j else ():
                left = _left(x.name, down[i:]), _left(x.name, across)
                if left[0] and left[1]:
                    entries[x.name] = walk.cut(entries, x, left[0], left[1]), left[0], left[1]
            made[-1].append(walk.band(given, wanted, entries, row, column))
    for place, y in enumerate(wanted):
        rows = []
        for row, pieces in zip(down, made, strict=True):
            sizes = row.wanted[y.name].size, y.shape[2]
            rows.append(_joined(sink, [each[place] for each in pieces], 2, y, sizes))
        _joined(sink, rows, 1, y, (y.shape[1], y.shape[2]))


def _joined(sink: Sink[P], pieces: Sequence[P], axis: int, whole: Tensor, sizes: tuple[int, int]) -> P:
    return pieces[0] if len(pieces) == 1 else sink.join(pieces, axis, whole, sizes, final=sizes == whole.shape[1:3])


def _left(name: str, paths: Sequence[Path]) -> Band | None:
    """The piece of an entry that these bands read; None if they read none of it."""
    spans = [path.reads[name] for path in paths if name in path.reads]
    return whole_piece(min(start for start, _ in spans), max(stop for _, stop in spans)) if spans else None


class _Walk(Generic[P]):
    """Runs the bands of a part one after the other."""

    def __init__(self, cutter: Cutter, part: Part, sink: Sink[P]) -> None:
        self._part, self._sink = part, sink
        self._nodes, operators = cutter.model.graph.nodes, cutter.model.operators
        self._kinds = [(operator.name == SLICE, joins(operator)) for operator in operators[part.first : part.last]]
        _, wanted = cutter.ends(part.first, part.last)
        readers: dict[str, list[int]] = {x.name: [] for x in wanted}
        for step, node in enumerate(self._nodes[part.first : part.last]):
            for name in dict.fromkeys(x.name for x in node.inputs):
                readers.setdefault(name, []).append(step)
        self._last: list[list[tuple[Tensor, int]]] = [[] for _ in self._kinds]
        for node in self._nodes[part.first : part.last]:
            steps = readers.get(node.output.name, ())
            if len(steps) > 1 and node.output not in wanted:
                self._last[steps[-2]].append((node.output, steps[-1]))

    def band(
        self,
        given: Sequence[Tensor],
        wanted: Sequence[Tensor],
        entries: Mapping[str, _Lies[P]],
        row: Path,
        column: Path,
    ) -> list[P]:
        """Run the part's operators on one band; return the right piece of each output."""
        lies, sink, first, nodes = dict(entries), self._sink, self._part.first, self._nodes
        for x in given:  # cut out once for all readers
            _, a, b = lies[x.name]
            a, b = _both_have(a, row.given[x.name]), _both_have(b, column.given[x.name])
            lies[x.name] = self.cut(lies, x, a, b), a, b
        for number, (slices, joined), waiting, down, across in zip(
            range(first, first + len(self._kinds)), self._kinds, self._last, row.steps, column.steps, strict=True
        ):
            if down is None or across is None:
                continue
            node = nodes[number]
            cuts = {}
            for x, rows, columns in zip(node.inputs, down.reads, across.reads, strict=True):
                if rows and columns and x.name not in cuts:
                    cuts[x.name] = self.cut(lies, x, rows, columns)
            pieces = [cuts[x.name] for x in node.inputs if x.name in cuts]
            sizes, made = (down.made.size, across.made.size), node.output
            if slices or (joined and len(pieces) == 1):
                piece = pieces[0]
            elif joined:
                axis = 1 if node.inputs[0].shape[1] < made.shape[1] else 2
                piece = sink.join(pieces, axis, made, sizes, final=False)
            else:
                piece = sink.operator(number, pieces, sizes)
            lies[made.name] = piece, down.made, across.made
            for x, last in waiting:  # keep no more than the last reader needs
                rows, columns = (_read(path.steps[last], nodes[first + last], x) for path in (row, column))
                if rows and columns:
                    lies[x.name] = self.cut(lies, x, rows, columns), rows, columns
        return [self.cut(lies, y, row.wanted[y.name], column.wanted[y.name]) for y in wanted]

    def cut(self, lies: Mapping[str, _Lies[P]], x: Tensor, rows: Band, columns: Band) -> P:
        """A piece of the available piece of a map, without a slice if both are equal."""
        piece, (top, height, _, _), (left, width, _, _) = lies[x.name]
        if height == rows.size and width == columns.size and top == rows.start and left == columns.start:
            return piece
        return self._sink.slice(piece, x, (rows.start - top, columns.start - left), (rows.size, columns.size))


def _both_have(a: Band, b: Band) -> Band:
    """The range in which both pieces are right."""
    return whole_piece(max(a.right, b.right), min(a.wrong, b.wrong))


def _read(step: Step | None, node: Node, x: Tensor) -> Band | None:
    """The piece of `x` that an operator reads."""
    return step.reads[node.inputs.index(x)] if step else None
