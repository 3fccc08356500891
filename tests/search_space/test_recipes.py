"""Recipes: genes of training beside the genes of a network."""

import numpy as np
import pytest

from edgevolve.graph import graph_hash, kernel_bits
from search_space import GenotypeError, MlpSpace, NasBench201Space, Recipes
from search_space.recipes import Genes

SPACE = Recipes(MlpSpace((8, 8, 1), 10), sparsity=(0.5, 0, 0.75, 0.25), schedule=("cosine", "constant", "step"))


def test_a_recipe_has_one_option_of_each_gene_and_what_the_space_within_says():
    around = Recipes(SPACE, bits=(8, 4))
    genotype = around.sample(np.random.default_rng(0))
    recipe = around.recipe(genotype)
    assert set(recipe) == {"sparsity", "schedule", "bits"}
    assert around.graph(genotype) == SPACE.space.graph(genotype.network.network)


def test_numbers_change_to_the_next_one_and_words_to_any_other():
    genes = Genes(sparsity=(0.5, 0, 0.75, 0.25), schedule=("cosine", "constant", "step"))
    rng = np.random.default_rng(0)
    assert set(genes.neighbours((0.25, "step"), rng)) == {
        (0, "step"),
        (0.5, "step"),
        (0.25, "cosine"),
        (0.25, "constant"),
    }


def test_one_mutation_in_four_changes_the_recipe_and_the_others_the_network():
    rng = np.random.default_rng(1)
    parent = SPACE.sample(rng)
    children = [SPACE.mutate(parent, rng) for _ in range(400)]
    changed = [child for child in children if child.recipe != parent.recipe]
    assert all(child.network == parent.network for child in changed)
    assert all(child.network != parent.network for child in children if child.recipe == parent.recipe)
    assert 60 < len(changed) < 140


def test_where_the_network_cannot_change_the_recipe_does():
    space = Recipes(MlpSpace((4,), 2, max_layers=1, max_units=10), sparsity=(0, 0.5))
    rng = np.random.default_rng(0)
    parent = space.sample(rng)
    child = space.mutate(parent, rng)
    assert child.recipe != parent.recipe
    assert graph_hash(space.graph(child)) == graph_hash(space.graph(parent))


def test_children_mix_networks_and_recipes():
    rng = np.random.default_rng(2)
    a, b = SPACE.sample(rng), SPACE.sample(rng)
    children = [SPACE.crossover(a, b, rng) for _ in range(50)]
    assert {child.recipe for child in children} == {
        (s, t) for s in (a.recipe[0], b.recipe[0]) for t in (a.recipe[1], b.recipe[1])
    }


def test_words_hold_the_recipe():
    before = SPACE.from_json({"network": {"hidden": [{"units": 20}]}, "recipe": {"sparsity": 0, "schedule": "step"}})
    after = SPACE.from_json({"network": {"hidden": [{"units": 21}]}, "recipe": {"sparsity": 0.25, "schedule": "step"}})
    assert SPACE.describe(after) == "dense 21 → 10 logits; sparsity 0.25, schedule step"
    assert SPACE.difference(before, after) == "hidden layer 1: units 20 → 21; sparsity 0 → 0.25"


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({}, r"name at least one gene, as sparsity=\(0, 0.5\)"),
        ({"sparsity": [0, 0.5]}, r"gene sparsity: give a tuple of options, as sparsity=\(0, 0.5\), not a list of 2"),
        ({"sparsity": ()}, "give a tuple of options"),
        ({"sparsity": (0, 0.0)}, "gene sparsity: some of its options are equal"),
        ({"sparsity": (0, float("nan"))}, "gene sparsity: nan is not a text, number, true or false"),
        ({"sparsity": (0, None)}, "gene sparsity: None is not a text"),
    ],
)
def test_impossible_choices_are_refused_in_one_line(choices, words):
    with pytest.raises(ValueError, match=words):
        Recipes(MlpSpace((8, 8, 1), 10), **choices)


def test_a_class_in_place_of_a_space_is_refused():
    with pytest.raises(ValueError, match=r"write Recipes\(space, sparsity"):
        Recipes(MlpSpace, sparsity=(0, 0.5))


def test_a_gene_that_the_space_has_already_is_refused():
    twice = Recipes(SPACE, sparsity=(0, 0.5))
    with pytest.raises(ValueError, match="sparsity is a gene of the space already"):
        twice.recipe(twice.sample(np.random.default_rng(0)))


def test_a_fault_of_the_network_is_named_by_its_place():
    value = SPACE.to_json(SPACE.sample(np.random.default_rng(0)))
    value["network"]["hidden"][0]["units"] = -3
    with pytest.raises(GenotypeError, match=r"^genotype\.network\.hidden\[0\]\.units: expected a whole number"):
        SPACE.from_json(value)


def test_bits_are_in_the_network_before_it_is_trained():
    """So that a bound on its size is about what is exported."""
    space = Recipes(MlpSpace((8, 8, 1), 10), bits=(4,), first_bits=(8,))
    genotype = space.sample(np.random.default_rng(0))
    bits = list(kernel_bits(space.graph(genotype)).values())
    assert bits[1:] == [4] * (len(bits) - 1) and bits[0] == (8 if len(bits) > 1 else 4)
    assert space.recipe(genotype) == {"bits": 4, "first_bits": 8}
    with pytest.raises(ValueError, match="8 or 4 bits"):
        odd = Recipes(MlpSpace((8, 8, 1), 10), bits=(3,))
        odd.graph(odd.sample(np.random.default_rng(0)))


def test_each_layer_may_have_a_gene_of_its_bits_which_counts_for_more_than_those_of_all():
    space = Recipes(NasBench201Space((8, 8, 1), 10), bits=(4,), bits_1=(8,), bits_3=(8,), bits_60=(8, 4))
    genotype = space.sample(np.random.default_rng(1))
    bits = list(kernel_bits(space.graph(genotype)).values())
    assert 3 < len(bits) < 60 and bits == [8, 4, 8, *[4] * (len(bits) - 3)]
    assert space.recipe(genotype).keys() == {"bits", "bits_1", "bits_3", "bits_60"}
    with pytest.raises(ValueError, match="8 or 4 bits"):
        odd = Recipes(MlpSpace((8, 8, 1), 10), bits_1=(16,))
        odd.graph(odd.sample(np.random.default_rng(0)))
