"""The limits of the search for plans in bands."""

from itertools import product
from typing import NamedTuple

from resource_models.packing import MAX_PLACED
from resource_models.pieces import NEVER

_ROWS = tuple((rows, 1) for rows in (2, 3, 4, 5, 6, 8, 12, 16))
_AGAIN = ((2, 1), (1, 2), (3, 1), (4, 1))
_TILES = ((1, 2), (2, 2), (2, 3), (3, 2), (3, 3), (4, 2), (4, 3), (4, 4))


class Effort(NamedTuple):
    """The limits of the search.

    Cuts of a run of operators: `counts` are pairs of numbers of bands, of rows and of columns; `again` are those for a
    network already in bands, of which the `runs` shortest runs are tried. `spares`, `tapers` and `rests` are values of
    `Part`. Every run is cut with the first value of each; the best cuts, `refined` for each try, also with the others.

    The beam: at each depth the `tries` most promising cuts of all kept networks are made, at most `alike` of one run.
    The `width` best networks are cut again, up to `depth` times. Below `wide` operators `width` and `tries` grow, up to
    4 times. The first depth also tries `pairs` pairs of cuts. `rungs` is the index of the first budget tried. In
    networks of at most `small` operators, remaining tries go to cuts that promise nothing band by band.

    Afterwards the ends of bands of the best network are moved, with `moves` networks kept (0: no end is moved).
    `packings` is `max_placed` of `packing.packed` for the networks that need least memory. `orders` is `max_states` of
    `peak_memory`.
    """

    counts: tuple[tuple[int, int], ...]
    again: tuple[tuple[int, int], ...]
    runs: int
    spares: tuple[int, ...]
    tapers: tuple[float, ...]
    rests: tuple[bool, ...]
    pairs: int
    moves: int
    packings: int
    width: int
    tries: int
    alike: int
    depth: int
    refined: int = 1
    orders: int = 200
    wide: int = 0
    rungs: int = 0
    small: int = 0

    def ways(self, *, again: bool) -> list[tuple[int, float, bool]]:
        """The ways to cut a run in given counts, as (spare, taper, rest); `again` in a network that is in bands."""
        return [*product(self.spares, self.tapers, self.rests[:1] if again else self.rests)]

    def of(self, operators: int) -> "Effort":
        """The effort for a network with this number of operators: wider for a small one."""
        times = max(1, min(4, self.wide // max(operators, 1)))
        return self._replace(width=self.width * times, tries=self.tries * times)


THOROUGH = Effort(
    counts=_ROWS + _TILES,
    again=_AGAIN,
    runs=80,
    spares=(1, 3, NEVER),
    tapers=(1.0, 0.75),
    rests=(False, True),
    pairs=4,
    moves=12,
    packings=40_000,
    width=2,
    tries=6,
    alike=2,
    depth=4,
    refined=4,
    wide=45,
    small=8,
)
QUICK = Effort(
    counts=_ROWS[:3] + _ROWS[4:5],
    again=_AGAIN[:1],
    runs=20,
    spares=(NEVER,),
    tapers=(1.0,),
    rests=(False,),
    pairs=0,
    moves=0,
    packings=MAX_PLACED,
    width=1,
    tries=1,
    alike=1,
    depth=2,
    rungs=-1,
)
"""The effort for each candidate of a search."""
