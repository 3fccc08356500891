"""Which part of a network to compute in how many bands, so that its arena is the least that some extra work allows."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgevolve.tflite import CORTEX_M, Target, TfliteModel
from resource_models.arena import Footprint, arena_range, file_footprint
from resource_models.bands import Banded, Cutter, Part
from resource_models.liveness import live_bytes
from resource_models.pieces import NEVER

MOST_BANDS = 16

_LEAST_GAIN = 0.005
"""A cut that saves less than this share is the last."""

_SHARES = (0.125, 0.25, 0.5, 1.0)
_SPARE = (1, 3, NEVER)
_COUNTS = (
    (2, 1),
    (1, 2),
    (3, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (8, 1),
    (12, 1),
    (MOST_BANDS, 1),
    (2, 2),
    (2, 3),
    (3, 2),
    (3, 3),
    (4, 2),
    (4, 3),
    (4, 4),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to run a network: the parts that are cut, what it then needs, and the work beside the uncut network's."""

    parts: tuple[Part, ...]
    banded: Banded
    footprint: Footprint
    slower: float


def choices(
    model: TfliteModel, slower: float, most_arena_bytes: int = 0, target: Target = CORTEX_M
) -> Iterator[Choice]:
    """Ever smaller arenas for more work, at most `slower` times the multiply-accumulates more; the uncut network first.

    The part whose bands save the most is cut, then one of the network that has become, until nothing is saved or the
    arena has `most_arena_bytes`, which is tried with little more work first. Parts beside which as much is alive as in
    the best plan so far are left out; every other one is tried with up to `MOST_BANDS` bands of rows, or of rows and
    columns.
    """
    uncut = file_footprint(model, target)
    first = Choice((), Banded(model, tuple(range(len(model.operators))), {}), uncut, 0.0)
    yield first
    shares = _SHARES if most_arena_bytes else (1.0,)
    for share in shares:
        found, best = [], first
        while best.footprint.arena_bytes > most_arena_bytes:
            cut = _best_cut(best, int(uncut.macs * (1 + share * slower)), uncut.macs, target)
            if cut is None:
                break
            small = cut.footprint.arena_bytes > (1 - _LEAST_GAIN) * best.footprint.arena_bytes
            best = cut
            found.append(best)
            if small:
                break
        if best.footprint.arena_bytes <= most_arena_bytes or share == shares[-1]:
            yield from found
            return


def _best_cut(before: Choice, most_macs: int, macs: int, target: Target) -> Choice | None:
    """The cut of a network that needs the least, or None where none saves anything."""
    model, best = before.banded.model, before
    cutter = Cutter(model)
    for bound, part in sorted(_bounds(cutter, before.footprint, most_macs, target)):
        if bound >= best.footprint.arena_bytes:
            break
        cut = cutter.banded(part)
        assert cut
        needs = file_footprint(cut.model, target)
        if needs.arena_bytes < best.footprint.arena_bytes:
            best = Choice((*before.parts, part), _after(before.banded, cut), needs, needs.macs / macs - 1)
    return None if best is before else best


def _bounds(cutter: Cutter, uncut: Footprint, most_macs: int, target: Target) -> Iterator[tuple[int, Part]]:
    """Every cut that may save something, with a bound of the arena that it needs."""
    most = uncut.arena_bytes
    slow: list[tuple[int, int]] = []
    for beside, first, last in sorted(_runs(cutter)):
        if beside + uncut.tail_bytes >= most:
            break
        if any(first <= begin and end <= last for begin, end in slow):
            continue
        too_slow: list[tuple[int, int]] = []
        for rows, columns in _COUNTS:
            if any(rows >= r and columns >= c for r, c in too_slow):
                continue
            for spare in _SPARE:
                part = Part(first, last, rows, columns, spare)
                work = cutter.macs(part)
                if work is None or work > most_macs:
                    if work and spare == min(_SPARE):
                        too_slow.append((rows, columns))
                    continue
                if cutter.least_bytes(part) + uncut.tail_bytes >= most:
                    continue
                cut = cutter.banded(part)
                assert cut
                least, enough = arena_range(cut.model, target)
                if least < most:
                    most = min(most, enough)
                    yield least, part
        if {(2, 1), (1, 2)} <= set(too_slow):
            slow.append((first, last))


def _runs(cutter: Cutter) -> Iterator[tuple[int, int, int]]:
    """Runs of operators that can be cut: the most bytes alive beside one, where it begins, and before what it ends."""
    allowed, live = cutter.cuttable, live_bytes(cutter.model.graph)
    for first in range(len(allowed)):
        for last in range(first + 1, len(allowed)):
            if not allowed[last - 1]:
                break
            yield max((*live[:first], *live[last:]), default=0), first, last


def _after(first: Banded, second: Banded) -> Banded:
    """Both cuts as one."""
    origins = tuple(None if i is None else first.origins[i] for i in second.origins)
    wholes = {name: first.wholes.get(whole, whole) for name, whole in second.wholes.items()}
    return Banded(second.model, origins, {**first.wholes, **wholes})
