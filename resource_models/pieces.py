"""Pieces of maps along one axis: which pieces operators make of pieces, and where these equal the whole map.

A window at the edge of a piece reads padding where the whole map continues, so its output there is wrong.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

NEVER = 1 << 30
"""A `spare` with which no map is cut within a band, or a step that is never reached."""


class Band(NamedTuple):
    """A piece of a map along one axis: start and size. From `right` to `wrong` (excluded) it equals the whole map."""

    start: int
    size: int
    right: int
    wrong: int


Spans = tuple[tuple[int, int] | None, ...]
"""The range that each band needs of one map, end excluded; None where it needs none."""


class Step(NamedTuple):
    """An operator along one axis: the piece of each map that it reads, None where it needs none, and what it makes."""

    reads: tuple[Band | None, ...]
    made: Band


class Path(NamedTuple):
    """One band along one axis: the pieces of the entries, what each operator does, and the pieces of the exits.

    The step of an operator that the band does not need is None. `reads` gives for each entry the least range, end
    excluded, that holds all that is read of it.
    """

    given: Mapping[str, Band]
    steps: tuple[Step | None, ...]
    wanted: Mapping[str, Band]
    reads: Mapping[str, tuple[int, int]]


class Window(NamedTuple):
    """An operator's window along one axis: its span and stride, and whether maps are padded (SAME).

    A slice begins at `shift` of its map. It does not run in a band: its piece is a piece of its map.
    """

    span: int
    stride: int
    same: bool
    shift: int = 0

    def padding(self, size: int) -> int:
        """Rows of padding before a map of this size."""
        return max((self.made(size) - 1) * self.stride + self.span - size, 0) // 2 if self.same else 0

    def made(self, size: int) -> int:
        """Rows of the output of a map of this size."""
        return -(-(size if self.same else size - self.span + 1) // self.stride)


class Along(NamedTuple):
    """An operator along one axis: its window, the maps of `size` that it reads, and the map that it makes.

    `cuts` says that it is a slice. `starts` is set for a concatenation along this axis: where each map begins.
    """

    window: Window
    maps: tuple[str, ...]
    size: int
    made: str
    made_size: int
    cuts: bool = False
    starts: tuple[int, ...] = ()

    def joined_by(self, made: tuple[int, int]) -> dict[str, tuple[int, int]]:
        """The pieces of maps that a concatenation needs for this piece of its output; ends are excluded."""
        return {
            name: (max(made[0], start) - start, min(made[1], end) - start)
            for name, start, end in zip(self.maps, self.starts, (*self.starts[1:], self.made_size), strict=True)
            if made[0] < end and start < made[1]
        }

    def reach(self, made: Spans) -> Iterator[tuple[str, Spans]]:
        """The least piece of each map that each band needs, for these pieces of the output."""
        if self.starts:
            reads = [self.joined_by(span) if span else {} for span in made]
            yield from ((name, tuple([read.get(name) for read in reads])) for name in self.maps)
        else:
            window, size, made_size = self.window, self.size, self.made_size
            read = tuple([_reach(window, size, made_size, span) if span else None for span in made])
            yield from ((name, read) for name in self.maps)

    def of_all(self, sizes: Mapping[str, int]) -> int:
        """What it makes if it reads pieces of these sizes whole; 0 where sizes differ, since they may overlap less."""
        size = sizes[self.maps[0]]
        alike = len(self.maps) == 1 or all(sizes[name] == size for name in self.maps)
        return self.window.made(size) if alike else 0


class Needs:
    """What each band needs of each map, for all runs of operators that end before `last`.

    It is worked out from the last operator back and only as far as asked. Runs that end alike share it.
    """

    def __init__(self, last: int, along: Mapping[int, Along], exits: Callable[[Along], Spans | None]) -> None:
        """Work nothing out yet; `along` holds the operators by their numbers.

        `exits` gives what each band needs of an operator's output beyond what the run reads of it.
        """
        self._along, self._exits = along, exits
        self._entries: dict[int, dict[str, Spans]] = {last: {}}
        self._made: dict[int, Spans | None] = {}
        self._first = last

    def of_entries(self, first: int) -> Mapping[str, Spans]:
        """What a run from `first` needs of the maps that it does not make."""
        while self._first > first:
            self._step(self._first - 1)
        return self._entries[first]

    def made(self, number: int) -> Spans | None:
        """What is needed of an operator's output, for all runs from it or from an operator before it."""
        self.of_entries(number)
        return self._made[number]

    def in_band(self, first: int, last: int, band: int) -> dict[str, tuple[int, int]]:
        """What a run needs in one band, by the name of the map."""
        needed = dict(self.of_entries(first))
        needed |= {self._along[k].made: spans for k in range(first, last) if (spans := self._made[k])}
        return {name: span for name, spans in needed.items() if (span := spans[band])}

    def _step(self, number: int) -> None:
        along, needed = self._along[number], dict(self._entries[number + 1])
        spans = needed.pop(along.made, None)
        if exits := self._exits(along):
            spans = _hull(spans, exits)
        if spans:
            for name, read in along.reach(spans):
                needed[name] = _hull(needed.get(name), read)
        self._made[number], self._entries[number], self._first = spans, needed, number


def _hull(one: Spans | None, two: Spans) -> Spans:
    """In each band the least range that holds both."""
    return tuple([_hull_of(a, b) for a, b in zip(one, two, strict=True)]) if one else two


def _hull_of(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    if a is None or b is None:
        return a or b
    return a[0] if a[0] < b[0] else b[0], a[1] if a[1] > b[1] else b[1]


def path_of(
    inner: Sequence[Along],
    given: Mapping[str, int],
    need: Mapping[str, tuple[int, int]],
    spans: Mapping[str, tuple[int, int]],
    wanted: Mapping[str, int],
    spare: int,
) -> Path | None:
    """The least pieces of all maps with which the exits are right over `spans`; None where there are none.

    `given` and `wanted` are the sizes of the entries and of the exits, `inner` the operators in order, and `need` what
    `Needs.in_band` gives for them.
    """
    ends = {name: whole_piece(*span) for name, span in spans.items()}
    all_of_it = {name: whole_piece(0, size) for name, size in given.items()}
    if spare == 1:
        least = _least_steps(inner, need)
        reads_of = {name: need[name] for name in given if name in need}
        return Path(all_of_it, least, ends, reads_of) if least else None
    if len(given) > 1 or spare < NEVER:
        steps = _through(inner, all_of_it, need, spare)
        return Path(all_of_it, steps, ends, _reads(inner, steps, given)) if steps else None
    ((entry, total),) = given.items()
    (begin, stop), most = need[entry], 2 * max(1, -(-total // min(wanted.values())))
    for before, after in _around(min(most, begin), min(most, total - stop)):
        lies = {entry: whole_piece(begin - before, stop + after)}
        steps = _through(inner, lies, need, spare)
        if steps:
            return Path(lies, steps, ends, {entry: (lies[entry].start, lies[entry].wrong)})
    return None


def whole_path(inner: Sequence[Along], given: Mapping[str, int], wanted: Mapping[str, int]) -> Path:
    """The only band of an axis that is not cut: every operator on whole maps."""
    steps = []
    for along in inner:
        made = (0, along.made_size)
        if along.starts:
            reads = tuple(whole_piece(*read) for read in along.joined_by(made).values())
        else:
            shift = along.window.shift
            read = whole_piece(shift, shift + along.made_size) if along.cuts else whole_piece(0, along.size)
            reads = (read,) * len(along.maps)
        steps.append(Step(reads, whole_piece(*made)))
    pieces, ends = ({name: whole_piece(0, size) for name, size in maps.items()} for maps in (given, wanted))
    return Path(pieces, tuple(steps), ends, _reads(inner, steps, given))


def _least_steps(inner: Sequence[Along], need: Mapping[str, tuple[int, int]]) -> tuple[Step | None, ...] | None:
    """The steps with which each map is cut to what its next reader needs."""
    steps: list[Step | None] = []
    for along in inner:
        span = need.get(along.made)
        if span is None:
            steps.append(None)
        elif along.starts:
            reached = along.joined_by(span)
            reads = tuple(whole_piece(*reached[name]) if name in reached else None for name in along.maps)
            steps.append(Step(reads, whole_piece(*span)))
        elif step := _least_step(along.window, along.size, along.made_size, span, len(along.maps)):
            steps.append(step)
        else:
            return None
    return tuple(steps)


@lru_cache(maxsize=1 << 16)
def _least_step(window: Window, size: int, made_size: int, need: tuple[int, int], maps: int) -> Step | None:
    """The step of an operator on maps cut to what it needs; None if its output would not lie as in the whole map."""
    read = whole_piece(*_reach(window, size, made_size, need))
    made = _made(window, read, size, made_size)
    return Step((read,) * maps, made) if made and _suffices(made, need) else None


def _reads(
    inner: Sequence[Along], steps: Sequence[Step | None], given: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """The range (start, stop) of each entry that the operators read, by name."""
    reads: dict[str, tuple[int, int]] = {}
    for along, step in zip(inner, steps, strict=True):
        for name, read in zip(along.maps, step.reads, strict=True) if step else ():
            if name in given and read:
                start, stop = read.start, read.start + read.size
                low, high = reads.get(name, (start, stop))
                reads[name] = min(low, start), max(high, stop)
    return reads


def whole_piece(start: int, end: int) -> Band:
    """A piece that equals the whole map everywhere."""
    return Band(start, end - start, start, end)


@cache
def _around(before: int, after: int) -> tuple[tuple[int, int], ...]:
    """Pairs of numbers of rows to add before and after, up to these, the smallest sums first."""
    return tuple(sorted(((a, b) for a in range(before + 1) for b in range(after + 1)), key=sum))


@lru_cache(maxsize=1 << 16)
def _reach(window: Window, size: int, made_size: int, made: tuple[int, int]) -> tuple[int, int]:
    """The least range of a map of `size` from which an operator makes this of its output, placed as in the whole."""
    begin = made[0] * window.stride - window.padding(size) + window.shift
    stop = begin + (made[1] - made[0] - 1) * window.stride + window.span
    begin, stop = max(0, begin), min(size, stop)
    for before, after in _around(min(window.stride, begin), min(window.stride, size - stop)):
        read = whole_piece(begin - before, stop + after)
        if _suffices(_made(window, read, size, made_size), made):
            return read.start, read.wrong
    return 0, size


def _through(
    inner: Sequence[Along], given: Mapping[str, Band], need: Mapping[str, tuple[int, int]], spare: int
) -> tuple[Step | None, ...] | None:
    """The steps of the operators on these pieces; None where a piece would not lie as in the whole, or is too small."""
    places: dict[str, Band] = dict(given)
    steps: list[Step | None] = []
    for along in inner:
        if along.made not in need:
            steps.append(None)
            continue
        step = _joined(along, places, need[along.made]) if along.starts else _done(along, places, need, spare)
        if step is None or not _suffices(step.made, need[along.made]):
            return None
        places[along.made] = step.made
        steps.append(step)
    return tuple(steps)


def _done(along: Along, places: Mapping[str, Band], need: Mapping[str, tuple[int, int]], spare: int) -> Step | None:
    """The step of an operator on the rows that the pieces of all its maps have."""
    lie = [places[name] for name in along.maps]
    read = lie[0]
    if len(lie) > 1:
        start, finish = max(band.start for band in lie), min(band.start + band.size for band in lie)
        read = Band(start, finish - start, max(band.right for band in lie), min(band.wrong for band in lie))
    if along.cuts:
        start = max(read.start, along.window.shift)
        finish = min(read.start + read.size, along.window.shift + along.made_size)
        read = Band(start, finish - start, max(read.right, start), min(read.wrong, finish))
    if spare < NEVER:
        begin, stop = _reach(along.window, along.size, along.made_size, need[along.made])
        if read.size - (stop - begin) >= spare:
            read = Band(begin, stop - begin, max(begin, read.right), min(stop, read.wrong))
    made = _made(along.window, read, along.size, along.made_size)
    return Step((read,) * len(along.maps), made) if made else None


def _joined(along: Along, places: Mapping[str, Band], need: tuple[int, int]) -> Step | None:
    """The step that makes the needed rows of a concatenation from the maps that hold some of them."""
    reads = {name: whole_piece(*read) for name, read in along.joined_by(need).items()}
    if not all(_suffices(places[name], (read.start, read.wrong)) for name, read in reads.items()):
        return None
    return Step(tuple(reads.get(name) for name in along.maps), whole_piece(*need))


def _suffices(made: Band | None, need: tuple[int, int]) -> bool:
    return made is not None and made.right <= need[0] and made.wrong >= need[1]


def _made(window: Window, read: Band, whole: int, whole_made: int) -> Band | None:
    """The piece that an operator makes; None if it would lie elsewhere than in the whole map."""
    size, first = window.made(read.size), window.padding(whole) - window.shift
    shifted = read.start - window.padding(read.size) + first
    start = shifted // window.stride
    if size < 1 or shifted % window.stride or start < 0 or start + size > whole_made:
        return None
    right = start if read.right == 0 else max(start, -(-(read.right + first) // window.stride))
    wrong = (read.wrong + first - window.span) // window.stride + 1 if read.wrong < whole else start + size
    return Band(start, size, right, min(wrong, start + size))
