import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.graph import Conv2D, Graph, Node, Opaque, Pad, Tensor
from resource_models import lifetimes, live_bytes, peak_memory, stacked
from tests.resource_models.test_peak_memory_against_every_order import Liveness, any_graph
from tests.training.random_graphs import random_graph


def opaque_graph(rng: np.random.Generator) -> Graph:
    """Nodes of no to three inputs and one to three outputs, as files of any origin may hold them."""
    pool = [Tensor(f"x{i}", (1, int(rng.integers(1, 30)))) for i in range(int(rng.integers(1, 3)))]
    inputs, nodes = tuple(pool), []
    for number in range(int(rng.integers(1, 8))):
        taken = rng.permutation(len(pool))[: rng.integers(0, 4)]
        made = tuple(Tensor(f"t{number}.{i}", (1, int(rng.integers(1, 30)))) for i in range(int(rng.integers(1, 4))))
        op = Opaque("SPLIT", tuple(y.shape for y in made))
        nodes.append(Node(f"node{number}", op, tuple(pool[i] for i in taken), (), made))
        pool += made
    outputs = tuple(t for t in pool if rng.random() < 0.2) or (pool[-1],)
    return Graph(inputs, tuple(nodes), outputs)


@pytest.mark.parametrize("seed", range(300))
def test_peak_memory_of_opaque_nodes_is_that_of_the_best_of_all_orders(seed):
    graph = opaque_graph(np.random.default_rng(seed))
    best = peak_memory(graph)
    liveness = Liveness(graph)
    assert best.exact
    assert liveness.replay(best.order) == best.peak_bytes == liveness.smallest_peak()


def test_a_search_that_may_visit_one_state_gives_an_order_and_no_promise():
    inexact = 0
    for seed in range(200):
        graph = any_graph(np.random.default_rng(seed))
        quick, best = peak_memory(graph, max_states=0), peak_memory(graph)
        assert Liveness(graph).replay(quick.order) == quick.peak_bytes >= best.peak_bytes
        assert not quick.exact or quick.peak_bytes == best.peak_bytes
        inexact += not quick.exact
    assert inexact


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([opaque_graph, any_graph, lambda rng: random_graph(int(rng.integers(2**32)))]),
)
def test_a_tensor_lives_from_its_making_to_its_last_reader(seed, family):
    graph = family(np.random.default_rng(seed))
    liveness = Liveness(graph)
    for step in range(len(graph.nodes)):
        alive = [life.tensor for life in lifetimes(graph) if life.first_step <= step <= life.last_step]
        ran = frozenset(range(step))
        unread = (
            {x.name for x in graph.inputs if not liveness.readers[x.name]} - liveness.outputs if step == 0 else set()
        )
        expected = liveness.at_step(step, ran) + sum(liveness.bytes[name] for name in unread)
        assert sum(tensor.size_bytes for tensor in alive) == live_bytes(graph)[step] == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([opaque_graph, any_graph]))
def test_the_pile_at_each_step_is_what_is_live_and_has_no_gaps(seed, family):
    graph = family(np.random.default_rng(seed))
    buffers = stacked(graph)
    for step, live in enumerate(live_bytes(graph)):
        here = sorted((b for b in buffers if b.first_step <= step <= b.last_step), key=lambda b: b.offset_bytes)
        heights = np.cumsum([0] + [b.size_bytes for b in here])
        assert [b.offset_bytes for b in here] == list(heights[:-1])
        assert heights[-1] == live
        alive = {life.tensor.name for life in lifetimes(graph) if life.first_step <= step <= life.last_step}
        assert sorted(b.name for b in here) == sorted(alive)


def test_a_tensor_that_stays_where_it_is_has_one_buffer():
    x, y, z = Tensor("x", (1, 4, 4, 1)), Tensor("y", (1, 4, 4, 2)), Tensor("z", (1, 5, 4, 2))
    nodes = (Node("a", Conv2D(2, (1, 1)), (x,), (), (y,)), Node("b", Pad((1, 0), (0, 0)), (y,), (), (z,)))
    graph = Graph((x,), nodes, (z,))
    assert sorted(stacked(graph)) == [("x", 0, 0, 0, 16), ("y", 0, 0, 16, 32), ("y", 1, 1, 0, 32), ("z", 1, 1, 32, 40)]
    kept = Graph((x,), nodes, (x, z))
    assert sorted(stacked(kept)) == [("x", 0, 1, 0, 16), ("y", 0, 1, 16, 32), ("z", 1, 1, 48, 40)]
