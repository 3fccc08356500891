"""Finds the parts of a file that run in bands, from its operators alone.

Slicing rows and columns and joining pieces change no value. So two operators of equal kind, options and constants that
read pieces of the same maps are one operator on two pieces, and a concatenation of pieces of one map is that map.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgevolve.tflite import Operator, TfliteModel

_AXES = (1, 2)
_NAMED = 8

_Key = tuple[object, ...]
"""The map of which a tensor is a piece: a name, or a key of the operator that makes it."""


@dataclass(frozen=True, slots=True)
class PartInBands:
    """Operators whose output is joined from `rows` × `columns` pieces; `times` counts repetitions of the part.

    `first` and `last` are its steps in the file, from 1, with its slices and joins. `operators` are pairs in the order
    in which they run: the index of one operator of each kind, and the number of pieces on which it runs.
    """

    first: int
    last: int
    rows: int
    columns: int
    times: int
    operators: tuple[tuple[int, int], ...]


def parts_in_bands(model: TfliteModel) -> tuple[PartInBands, ...]:
    """The parts in bands of the first subgraph, in the order in which they end."""
    operators = model.operators
    keys = _Keys(operators)
    joins = defaultdict(list)
    for number, key in enumerate(keys.made):
        if keys.joins[number]:
            joins[key].append(number)
    copies = Counter(keys.runs)
    first_run = {key: number for number, key in reversed(list(enumerate(keys.runs)))}
    in_bands = []
    for key, numbers in joins.items():
        inner = _inner(key, keys, copies)
        if not inner or _kept(key, numbers, operators, keys, copies):
            continue
        rows, columns = _grid(operators, keys, numbers)
        shown = sorted((first_run[each], copies[each]) for each in inner)
        steps = [number for number, each in enumerate(keys.made) if each in inner and copies[each] > 1]
        times = copies[key] // (rows * columns) or 1
        in_bands.append(PartInBands(min(steps) + 1, max(numbers) + 1, rows, columns, times, tuple(shown)))
    return tuple(sorted(in_bands, key=lambda part: (part.last, part.first)))


class _Keys:
    """For each operator: the map of which its output is a piece, whether it joins pieces, its key if it computes."""

    def __init__(self, operators: Sequence[Operator]) -> None:
        self.made: list[_Key] = []
        self.joins: list[bool] = []
        self.runs: list[_Key | None] = []
        self.reads: dict[_Key, tuple[_Key, ...]] = {}
        numbers: dict[_Key, _Key] = {}
        of: dict[str, _Key] = {}
        for operator in operators:
            given = tuple(of.get(x.name, (x.name,)) if x is not None else () for x in operator.inputs)
            computed = [key for x, key in zip(operator.inputs, given, strict=True) if x is not None and not x.constant]
            joins = _joins(operator, computed)
            if joins or _slices(operator):
                key: _Key = computed[0]
                self.runs.append(None)
            else:
                options = tuple(sorted((name, str(value)) for name, value in operator.options.items()))
                long: _Key = (operator.name, options, given)
                key = numbers.setdefault(long, (len(numbers),))  # short, so that keys of keys stay short
                self.reads[key] = tuple(computed)
                self.runs.append(key)
            self.made.append(key)
            self.joins.append(joins)
            of |= {y.name: (*key, place) if place else key for place, y in enumerate(operator.outputs)}


def _joins(operator: Operator, given: Sequence[_Key]) -> bool:
    """Whether the operator joins pieces of one map along rows or columns."""
    joins = operator.name == "CONCATENATION" and operator.options.get("axis") in _AXES
    return joins and len(given) == len(operator.inputs) > 1 and len(set(given)) == 1


def _slices(operator: Operator) -> bool:
    """Whether the operator cuts rows or columns out of a map."""
    given = operator.inputs[0] if operator.inputs else None
    if operator.name != "SLICE" or given is None or given.constant or len(given.shape) != 4:
        return False
    made = operator.outputs[0].shape if operator.outputs else ()
    return len(made) == 4 and (made[0], made[3]) == (given.shape[0], given.shape[3])


def _inner(end: _Key, keys: _Keys, copies: Counter[_Key | None]) -> set[_Key]:
    """The operators on pieces from which the map `end` is computed without a whole map in between."""
    inner, waiting = set(), [end]
    while waiting:
        key = waiting.pop()
        if key in inner or copies[key] < 2 or key not in keys.reads:
            continue
        inner.add(key)
        waiting += keys.reads[key]
    return inner


def _kept(
    key: _Key, joins: Sequence[int], operators: Sequence[Operator], keys: _Keys, copies: Counter[_Key | None]
) -> bool:
    """Whether these joins, within a part, join rows kept from the previous band and new rows."""
    readers = [each for each, given in keys.reads.items() if key in given]
    within = bool(readers) and all(copies[each] > 1 for each in readers)
    return within and copies[key] == len(joins) + 1 and all(len(operators[join].inputs) == 2 for join in joins)


def _grid(operators: Sequence[Operator], keys: _Keys, joins: Sequence[int]) -> tuple[int, int]:
    """Numbers of pieces down and across that the last of the joins of a map puts together."""
    by_name = {operators[number].outputs[0].name: operators[number] for number in joins}
    last = operators[joins[-1]]
    pieces = len(last.inputs)
    if int(last.options["axis"]) != 1:
        return 1, pieces
    across = by_name.get(last.inputs[0].name) if last.inputs[0] else None
    return pieces, len(across.inputs) if across and int(across.options["axis"]) != 1 else 1


def words_of_parts(parts: Sequence[PartInBands], names: Sequence[str]) -> Iterator[str]:
    """Yield a line a part; `names` are the operators of the file in words, by index."""
    for part in parts:
        most = part.rows * part.columns * part.times
        listed = [
            names[number] + (f" ({count} pieces)" if count != most else "") for number, count in part.operators[:_NAMED]
        ]
        if len(part.operators) > _NAMED:
            listed.append(f"{len(part.operators) - _NAMED} more")
        bands = f"{part.rows} bands of rows" if part.columns == 1 else f"{part.columns} bands of columns"
        if min(part.rows, part.columns) > 1:
            bands = f"{part.rows} × {part.columns} bands of rows and columns"
        again = f", {part.times} times" if part.times > 1 else ""
        yield f"steps {part.first} to {part.last} in {bands}{again}: {', '.join(listed)}"
