from itertools import islice, product

import numpy as np
import pytest

from edgevolve.graph import graph_hash
from search_space import CellSpace
from search_space.mixture import Decision, Mixable, Mixture

SPACES = [
    CellSpace((64, 1, 3), 4, layers=4, channels=2),
    CellSpace((12, 12, 1), 10, layers=3, channels=2),
    CellSpace((32, 1, 2), 2, layers=3, channels=2, nodes=3, concat=1, primitives=("skip_connect", "dil_conv_3x1")),
]


def selections(mixture, number, seed=0):
    rng = np.random.default_rng(seed)
    return [tuple(int(rng.integers(len(d.options))) for d in mixture.decisions) for _ in range(number)]


@pytest.mark.parametrize("space", SPACES, ids=["signal", "image", "last node alone"])
def test_a_mixture_with_one_option_a_decision_is_the_network_of_the_genotype(space):
    assert isinstance(space, Mixable)
    mixture = space.mixture()
    for selection in selections(mixture, 20):
        genotype = mixture.genotype(selection)
        assert space.from_json(space.to_json(genotype)) == genotype
        assert graph_hash(mixture.reduced(selection)[0]) == graph_hash(space.graph(genotype))


def test_every_genotype_of_cells_is_one_selection():
    mixture = CellSpace(
        (8, 1, 1), 2, layers=3, nodes=2, concat=2, primitives=("skip_connect", "max_pool_3x1")
    ).mixture()
    every = list(product(*(range(len(d.options)) for d in mixture.decisions)))
    assert len({mixture.genotype(selection) for selection in every}) == len(every) == (2 * 4) ** 2


def mixture_of(*decisions):
    space = SPACES[0].mixture()
    return Mixture(space.graph, decisions, lambda selection: selection)


def test_probabilities_are_softmaxes_by_group_and_nothing_takes_its_share():
    mixture = mixture_of(Decision("a", ("x", "y", "z"), (2, 1), none=True), Decision("b", ("u", "v"), (2,)))
    chances = mixture.probabilities(np.log([1.0, 2.0, 1.0, 3.0, 1.0, 5.0, 15.0]))
    np.testing.assert_allclose(chances[0], [0.5, 0.25, 0.25])
    np.testing.assert_allclose(chances[1], [0.25, 0.75])


def test_logits_of_another_space_are_refused():
    with pytest.raises(ValueError, match="of another space"):
        SPACES[0].mixture().probabilities(np.zeros(3))


def test_selections_come_by_falling_probability_and_each_once():
    mixture = mixture_of(*(Decision(f"{i}", tuple("abc"), (3,)) for i in range(4)))
    logits = np.random.default_rng(0).standard_normal(mixture.size)
    selections = list(mixture.best(logits))
    chances = [np.prod([p[i] for p, i in zip(mixture.probabilities(logits), s, strict=True)]) for s in selections]
    assert len(set(selections)) == 3**4
    assert chances == sorted(chances, reverse=True)


def test_no_more_nodes_of_a_cell_than_allowed_do_nothing():
    names = ("normal, node 1", "normal, node 2", "normal, node 3", "reduction, node 1")
    mixture = mixture_of(
        *(Decision(name, ("skip", "conv", "pool"), (3,), skips=(True, False, False)) for name in names)
    )
    logits = np.array([5, 1, 0, 3, 0, 1, 4, 0, 2, 9, 0, 1], float)
    assert next(mixture.best(logits)) == (0, 0, 0, 0)
    assert next(mixture.best(logits, skips=1)) == (0, 2, 2, 0)  # the first node leans most to doing nothing
    assert next(mixture.best(logits, skips=0)) == (1, 2, 2, 2)
    for selection in islice(mixture.best(logits, skips=1), 30):
        assert selection[:3].count(0) <= 1


def test_where_nothing_but_skips_can_be_chosen_they_are():
    mixture = mixture_of(*(Decision(f"cell, {i}", ("skip",), (1,), skips=(True,)) for i in range(3)))
    assert list(mixture.best(np.zeros(3), skips=1)) == [(0, 0, 0)]


def test_options_less_likely_than_a_threshold_are_left_out_but_never_all():
    mixture = mixture_of(Decision("a", tuple("xyz"), (3,)), Decision("b", tuple("uv"), (2,)))
    logits = np.log([0.5, 0.4, 0.1, 0.75, 0.25])
    assert list(mixture.best(logits, threshold=0.2)) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert list(mixture.best(logits, threshold=1.0)) == [(0, 0)]
    idle = mixture_of(Decision("cell, 1", ("skip", "conv"), (2,), skips=(True, False)))
    assert list(idle.best(np.array([3.0, 0.0]), skips=0, threshold=0.5)) == [(1,)]
