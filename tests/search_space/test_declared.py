"""Spaces of one's own, from a genome and a graph."""

from dataclasses import dataclass

import numpy as np
import pytest

from edgevolve.graph import Activation, Add, Conv2D, GraphBuilder, MaxPool2D, graph_hash
from search_space import DeclaredSpace, DegenerateSpaceError, SearchSpace
from search_space.genome import Flag, IntRange, Record


@dataclass(frozen=True, slots=True)
class Pair:
    swapped: bool
    filters: int


@dataclass(frozen=True, slots=True)
class PairSpace(DeclaredSpace[Pair]):
    """Two parallel convolutions in either order, which makes no difference."""

    max_filters: int = 2

    @property
    def genome(self):
        return Record(Pair, swapped=Flag(), filters=IntRange(1, self.max_filters))

    def graph(self, genotype):
        net = GraphBuilder()
        x = net.add(MaxPool2D((2, 2), (2, 2)), net.input((1, *self.input_shape)))
        functions = [Activation.RELU, Activation.NONE]
        if genotype.swapped:
            functions.reverse()
        return net.build(
            net.add(Add(), *(net.add(Conv2D(genotype.filters, (3, 3), activation=f), x) for f in functions))
        )

    def describe(self, genotype):
        return f"pair of {genotype.filters}"


def test_a_genome_and_a_graph_make_a_search_space():
    assert isinstance(PairSpace((8, 8, 1), 2), SearchSpace)


def test_a_mutation_is_never_the_same_network_in_another_order():
    space, rng = PairSpace((8, 8, 1), 2), np.random.default_rng(0)
    graphs = [space.graph(Pair(swapped, 1)) for swapped in (False, True)]
    assert graphs[0] != graphs[1] and graph_hash(graphs[0]) == graph_hash(graphs[1])
    assert {space.mutate(Pair(False, 1), rng) for _ in range(50)} == {Pair(False, 2)}


def test_a_space_of_one_phenotype_cannot_be_mutated():
    space = PairSpace((8, 8, 1), 2, max_filters=1)
    with pytest.raises(DegenerateSpaceError, match="has only one network: pair of 1"):
        space.mutate(Pair(False, 1), np.random.default_rng(0))
