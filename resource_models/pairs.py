"""Pairs of runs in bands, the second behind the first: it reads the pieces of the first as they are made."""

from itertools import product
from typing import NamedTuple

from resource_models.bands import Part
from resource_models.outlook import Foreseen, Outlook
from resource_models.pieces import NEVER

_BUSY = 0.4
"""A run is tried in pairs only where more than this share of the uncut network's head is live in it."""

_BANDS = (2, 3, 4, 5, 6, 8)
_ALIKE = 2
"""The best pairs kept of the same two runs."""


class Cut(NamedTuple):
    """Parts to cut one after the other, with the arena in bytes and the multiply-accumulates to expect.

    `macs` is 0 for pairs, whose work is checked before they are made.
    """

    arena: int
    macs: int
    parts: tuple[Part, ...]


_Known = tuple[Foreseen, Part]


def pairs(outlook: Outlook, tail: int, macs: int, most_macs: int) -> list[Cut]:
    """Two runs in bands, the second right behind the first, the most promising first.

    `tail` and `macs` are those of the uncut network. The figures are estimates from both runs alone: results of the
    first are taken to wait as what the second makes of them.
    """
    of_run = _runs(outlook, most_macs)
    best: list[Cut] = []
    for ((first, middle), before), ((begin, last), behind) in product(of_run.items(), repeat=2):
        if begin == middle:
            beside = outlook.beside([(first, last)])
            works = product(before, behind)
            found = [
                _pair(outlook, one, two, beside) for one, two in works if _work(outlook, one, two, macs) <= most_macs
            ]
            best += sorted(found)[:_ALIKE]
    return sorted(cut._replace(arena=tail + cut.arena) for cut in best)


def _runs(outlook: Outlook, most_macs: int) -> dict[tuple[int, int], list[_Known]]:
    """The parts in bands of each busy run, without those that are no better than another in every figure.

    A way that is too much work for a run is too much for longer runs.
    """
    found: dict[tuple[int, int], list[_Known]] = {}
    allowed, uncut = outlook.cutter.cuttable, outlook.beside([])
    for first in range(len(allowed)):
        ways = [*product(_BANDS, (1, NEVER))]
        for last in range(first + 1, len(allowed) + 1):
            if not allowed[last - 1] or not ways:
                break
            if outlook.busiest(first, last) > _BUSY * uncut:
                works = {way: outlook.cutter.macs(Part(first, last, way[0], 1, way[1])) for way in ways}
                ways = [way for way, work in works.items() if work is None or work <= most_macs]
                found[first, last] = _better(
                    outlook, [Part(first, last, way[0], 1, way[1]) for way in ways if works[way]]
                )
    return found


def _better(outlook: Outlook, parts: list[Part]) -> list[_Known]:
    listed: list[_Known] = []
    for part in (part._replace(rest=rest) for part in parts for rest in (False, True)):
        known = outlook.foreseen(part)
        if known and not any(all(a <= b for a, b in zip(one[:4], known[:4], strict=True)) for one, _ in listed):
            listed.append((known, part))
    return listed


def _work(outlook: Outlook, one: _Known, two: _Known, macs: int) -> int:
    return sum(outlook.cutter.macs(part) or 0 for _, part in (one, two)) - macs


def _pair(outlook: Outlook, one: _Known, two: _Known, beside: int) -> Cut:
    (before, part), (behind, after) = one, two
    inputs, outputs = (sum(sizes) for sizes in outlook.sizes(after.first, after.last))
    waits = min(1.0, outputs / inputs)
    making = int(waits * before.bands + (1 - waits) * before.emptied)
    begin, end = part.first + before.before_joins, part.first + before.operators + after.last - after.first
    head = max(making, behind.fed, behind.joins, beside)
    moved = after._replace(first=begin, last=end)
    return Cut(before.tail + behind.tail + head, 0, (part, moved))
