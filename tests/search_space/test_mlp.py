"""The space of multi-layer perceptrons."""

import numpy as np
import pytest

from edgevolve.graph import Activation, Dense, Reshape
from search_space import DegenerateSpaceError, MlpSpace
from search_space.head import Hidden
from search_space.mlp import Mlp

SPACE = MlpSpace((4, 4, 2), 10)


def mlp(*units):
    return Mlp(tuple(map(Hidden, units)))


def test_a_network_is_flatten_hidden_layers_and_linear_logits():
    graph = SPACE.graph(mlp(20, 30))
    relu = Activation.RELU
    assert [node.op for node in graph.nodes] == [Reshape((1, 32)), Dense(20, relu), Dense(30, relu), Dense(10)]
    assert MlpSpace((4, 4, 2), 2).graph(mlp(20)).nodes[-1].op == Dense(1)


def test_a_vector_needs_no_flatten():
    assert [node.op for node in MlpSpace((5,), 3).graph(mlp(10)).nodes] == [Dense(10, Activation.RELU), Dense(3)]


def test_both_bounds_of_layers_and_units_are_sampled():
    rng = np.random.default_rng(0)
    genotypes = [SPACE.sample(rng) for _ in range(3000)]
    assert {len(g.hidden) for g in genotypes} == set(range(1, 8))
    assert {layer.units for g in genotypes for layer in g.hidden} == set(range(10, 257))


def test_morphisms_remove_any_layer_append_one_and_change_units_by_1_or_5():
    children = list(SPACE.neighbours(mlp(10, 100), np.random.default_rng(0)))
    (longer,) = (c for c in children if len(c.hidden) == 3)
    assert longer.hidden[:2] == mlp(10, 100).hidden
    assert [c for c in children if c != longer] == [
        *(mlp(100), mlp(10), mlp(11, 100), mlp(15, 100)),
        *(mlp(10, 99), mlp(10, 101), mlp(10, 95), mlp(10, 105)),
    ]


def test_a_mutation_chooses_evenly_among_the_neighbours():
    rng = np.random.default_rng(0)
    children = [SPACE.mutate(mlp(100), rng) for _ in range(5000)]
    counts = [sum(len(c.hidden) == 2 for c in children), *(children.count(mlp(n)) for n in (95, 99, 101, 105))]
    assert sum(counts) == 5000 and all(abs(count - 1000) < 150 for count in counts)


def test_a_space_of_one_network_says_so():
    space = MlpSpace((4, 4, 2), 10, max_layers=1, max_units=10)
    with pytest.raises(DegenerateSpaceError, match="has only one network: dense 10"):
        space.mutate(space.sample(np.random.default_rng(0)), np.random.default_rng(0))


def test_words():
    assert SPACE.describe(mlp(64, 32)) == "dense 64 → dense 32 → 10 logits"
    assert MlpSpace((4, 4, 2), 2).describe(mlp(64)) == "dense 64 → 1 logit"
    assert SPACE.difference(mlp(64, 32), mlp(64, 37)) == "hidden layer 2: units 32 → 37"
    assert SPACE.difference(mlp(64, 32), mlp(32)) == "hidden layer 1 removed"


def test_a_space_may_have_networks_without_a_hidden_layer():
    space = MlpSpace((4, 4, 2), 10, max_layers=1, min_layers=0)
    linear = mlp()
    assert space.describe(linear) == "10 logits"
    assert [type(node.op).__name__ for node in space.graph(linear).nodes] == ["Reshape", "Dense"]
    drawn = [space.sample(np.random.default_rng(seed)) for seed in range(20)]
    assert linear in drawn and any(net.hidden for net in drawn)


@pytest.mark.parametrize("bounds", [{"max_layers": 0}, {"max_units": 9}])
def test_impossible_bounds_are_refused_when_the_space_is_made(bounds):
    with pytest.raises(ValueError, match=r"high must be|cannot have"):
        MlpSpace((4, 4, 2), 10, **bounds)
