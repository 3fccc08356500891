from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resource_models.arena_plan import plan
from resource_models.packing import packed
from resource_models.planner import Buffer, greedy_offsets, height, live_peak


def buffer_lists(most):
    sizes = st.integers(1, 12)
    spans = st.tuples(st.integers(0, 7), st.integers(0, 4))
    return st.lists(st.builds(lambda size, s: Buffer(16 * size, s[0], s[0] + s[1]), sizes, spans), max_size=most)


def overlaps(buffers, offsets):
    """Pairs of buffers that share a byte at the same time."""
    both = list(zip(buffers, offsets, strict=True))
    return [
        (a, b)
        for i, (a, x) in enumerate(both)
        for b, y in both[:i]
        if a.first <= b.last and b.first <= a.last and x < y + b.size_bytes and y < x + a.size_bytes
    ]


def least_height(buffers):
    """Over every order of first fit, one of which gives the least."""

    def first_fit(order):
        placed = []
        for buffer in order:
            rivals = sorted(
                (o, o + b.size_bytes) for o, b in placed if b.first <= buffer.last and buffer.first <= b.last
            )
            offset = 0
            for start, end in rivals:
                if start - offset >= buffer.size_bytes:
                    break
                offset = max(offset, end)
            placed.append((offset, buffer))
        return max((o + b.size_bytes for o, b in placed), default=0)

    return min(first_fit(order) for order in permutations(buffers))


def test_equal_buffers_are_placed_last_first():
    assert greedy_offsets([Buffer(32, 0, 1), Buffer(32, 0, 1), Buffer(48, 1, 1)]) == [80, 48, 0]


def test_the_largest_goes_first_and_the_others_into_the_lowest_gap():
    assert greedy_offsets([Buffer(16, 0, 0), Buffer(64, 1, 2), Buffer(48, 0, 1), Buffer(16, 2, 3)]) == [0, 0, 64, 64]
    assert greedy_offsets([Buffer(32, 0, 1), Buffer(96, 1, 2), Buffer(32, 2, 3), Buffer(16, 0, 3)]) == [96, 0, 96, 128]


def test_what_an_offline_plan_fixes_stays_and_the_rest_is_placed_around_it():
    buffers = [Buffer(64, 0, 2), Buffer(32, 1, 3), Buffer(32, 2, 2)]
    assert greedy_offsets(buffers, [32, None]) == [32, 96, 0]


@given(buffer_lists(14))
def test_the_runtimes_plan_never_overlaps(buffers):
    offsets = greedy_offsets(buffers)
    assert not overlaps(buffers, offsets)
    assert height(buffers, offsets) >= live_peak(buffers)


@settings(deadline=None)
@given(buffer_lists(16))
def test_a_packing_never_overlaps_and_is_never_worse_than_the_runtimes_plan(buffers):
    packing = packed(buffers)
    assert not overlaps(buffers, packing.offsets)
    assert packing.height_bytes == height(buffers, packing.offsets)
    assert live_peak(buffers) <= packing.height_bytes <= height(buffers, greedy_offsets(buffers))


@settings(deadline=None, max_examples=60)
@given(buffer_lists(6))
def test_an_exact_packing_is_the_least_of_all(buffers):
    packing = packed(buffers)
    assert packing.exact
    assert packing.height_bytes == least_height(buffers)


@settings(deadline=None)
@given(buffer_lists(20))
def test_a_search_that_was_cut_short_still_gives_a_plan(buffers):
    packing = packed(buffers, max_states=2, max_placed=1)
    assert not overlaps(buffers, packing.offsets)
    assert packing.exact or packing.height_bytes > live_peak(buffers)


def test_a_plan_is_written_only_where_it_saves_something():
    """A chain of five maps, of which the runtime puts two wide ones at the bottom and a third above what they leave."""
    buffers = [Buffer(size, step, step + 1) for step, size in enumerate((176, 160, 160, 208, 48))]
    layout = plan(buffers)
    assert (layout.peak_bytes, layout.head_bytes, layout.greedy_bytes) == (368, 368, 528)
    assert layout.offsets == (0, 176, 0, 160, 0)
    assert layout.exact
    assert plan(buffers[:2]).offsets is None


@settings(deadline=None)
@given(buffer_lists(10), buffer_lists(3))
def test_the_head_of_a_plan_is_what_the_runtime_makes_of_it_with_scratch_in_the_gaps(tensors, scratch):
    layout = plan(tensors, scratch)
    together = [*tensors, *scratch]
    offsets = greedy_offsets(together, layout.offsets or ())
    assert not overlaps(together, offsets)
    assert height(together, offsets) == layout.head_bytes
    assert layout.peak_bytes <= layout.head_bytes <= layout.greedy_bytes


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_and_one_buffer_need_no_search(number):
    packing = packed([Buffer(48, 0, 0)] * number)
    assert (packing.height_bytes, packing.exact) == (48 * number, True)


@settings(deadline=None, max_examples=30)
@given(buffer_lists(9))
def test_better_orders_never_need_more_and_give_the_same_again(buffers):
    before, after = packed(buffers, max_states=1, max_placed=0), packed(buffers, max_states=1)
    assert after == packed(buffers, max_states=1)
    assert live_peak(buffers) <= after.height_bytes <= before.height_bytes
    assert height(buffers, after.offsets) == after.height_bytes
    assert not overlaps(buffers, after.offsets)
