"""The curve of work against memory, for random networks of every space and random shares."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from resource_models import THOROUGH, choices, file_footprint
from resource_models.in_bands import as_file
from resource_models.pieces import NEVER
from search_space import CellSpace, CnnSpace, MlpSpace, MobileSpace, NasBench201Space

SPACES = (
    CnnSpace((24, 20, 3), 4, max_blocks=4),
    CnnSpace((96, 1, 6), 4, max_blocks=4),
    MobileSpace((32, 32, 3), 4, resolutions=(32, 16), max_stages=3),
    NasBench201Space((16, 16, 3), 4, cells=1),
    CellSpace((24, 24, 3), 4),
    MlpSpace((16, 16, 1), 4),
)
FEWER = THOROUGH._replace(
    counts=((2, 1), (4, 1), (2, 2)),
    spares=(NEVER,),
    tapers=(1.0,),
    rests=(False,),
    pairs=0,
    moves=0,
    width=1,
    tries=1,
    alike=1,
    depth=2,
    wide=0,
)
SHARES = st.lists(st.floats(0, 1.5), min_size=2, max_size=3, unique=True).map(sorted)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True, phases=[Phase.generate])
@given(space=st.sampled_from(SPACES), seed=st.integers(0, 1000), shares=SHARES)
def test_more_work_allowed_never_needs_more_memory_and_each_step_costs_more_and_needs_less(space, seed, shares):
    model = as_file(space.graph(space.sample(np.random.default_rng(seed))))
    uncut, before = file_footprint(model), None
    for share in (0.0, *shares):
        curve = choices(model, share, effort=FEWER)
        assert (curve[0].parts, curve[0].slower, curve[0].footprint) == ((), 0.0, uncut)
        assert share or len(curve) == 1
        arenas, works = [one.footprint.arena_bytes for one in curve], [max(one.slower, 0.0) for one in curve]
        assert all(more > less for more, less in pairwise(arenas))
        assert works == sorted(works) and works[-1] <= share
        assert before is None or arenas[-1] <= before
        before = arenas[-1]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
@given(space=st.sampled_from(SPACES[:5]), seed=st.integers(0, 1000), fall=st.floats(0, 1))
def test_an_arena_on_the_curve_is_met_and_no_step_before_meets_it(space, seed, fall):
    model = as_file(space.graph(space.sample(np.random.default_rng(seed))))
    curve = choices(model, 1.0, effort=FEWER)
    most, least = curve[0].footprint.arena_bytes, curve[-1].footprint.arena_bytes
    wanted = round(least + fall * (most - least))
    *steps, last = choices(model, 1.0, wanted, effort=FEWER)
    assert last.footprint.arena_bytes <= wanted
    assert all(one.footprint.arena_bytes > wanted for one in steps)
