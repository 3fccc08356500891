"""Genes of training, in addition to the genes of any space."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy import float64
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.graph import Graph, bits_in, with_bits
from search_space.genome import Choice
from search_space.space import DegenerateSpaceError, Elastic, GenotypeError, Json, SearchSpace, WithFrontEnd, WithRecipe
from search_space.variables import Change, check_keys, shown

G = TypeVar("G")

Value = bool | int | float | str
Values = tuple[Value, ...]
"""One option of each gene, in the order of the genes."""

_GENES_SHARE = 0.25
"""The share of mutations that change a gene of the recipe, not the network, which has about a hundred times as many
neighbours."""


@dataclass(frozen=True, slots=True, init=False)
class Genes:
    """A `Variable` of named choices: `Genes(sparsity=(0, 0.25, 0.5), schedule=("cosine", "constant"))`; uniform.

    Numbers are ordered by size, and a morphism goes to the next one; other options have no order, and a morphism goes
    to any. Raises `ValueError` for equal options, and for options that are not text, numbers, true or false.
    """

    choices: tuple[tuple[str, Choice[Any]], ...]
    width: int

    def __init__(self, **options: tuple[Value, ...]) -> None:
        """Take the options of each gene by its name."""
        if not options:
            raise ValueError("name at least one gene, as sparsity=(0, 0.5)")
        choices = tuple((name, _choice(name, values)) for name, values in options.items())
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "width", sum(choice.width for _, choice in choices))

    def sample(self, rng: Generator) -> Values:
        """Draw each gene."""
        return tuple(choice.sample(rng) for _, choice in self.choices)

    def neighbours(self, value: Values, rng: Generator) -> Iterator[Values]:
        """Change one gene by one step."""
        for place, (_, choice) in enumerate(self.choices):
            for other in choice.neighbours(value[place], rng):
                yield (*value[:place], other, *value[place + 1 :])

    def crossover(self, a: Values, b: Values, rng: Generator) -> Values:
        """Mix gene by gene."""
        each = zip(self.choices, a, b, strict=True)
        return tuple(choice.crossover(first, other, rng) for (_, choice), first, other in each)

    def encode(self, value: Values) -> list[float]:
        """The genes' encodings in a row."""
        return [x for (_, choice), chosen in zip(self.choices, value, strict=True) for x in choice.encode(chosen)]

    def to_json(self, value: Values) -> dict[str, Json]:
        """An object with one key for each gene."""
        return {name: choice.to_json(chosen) for (name, choice), chosen in zip(self.choices, value, strict=True)}

    def from_json(self, value: object, path: str) -> Values:
        """Read an object with exactly these keys."""
        names = tuple(name for name, _ in self.choices)
        check_keys(value, names, path)
        assert isinstance(value, dict)
        return tuple(choice.from_json(value[name], f"{path}.{name}") for name, choice in self.choices)

    def difference(self, before: Values, after: Values, name: str) -> list[Change]:
        """`sparsity 0 → 0.25`."""
        each = zip(self.choices, before, after, strict=True)
        where = (name,) if name else ()
        return [
            Change(where + change.where, change.what)
            for (gene, choice), old, new in each
            for change in choice.difference(old, new, gene.replace("_", " "))
        ]


@dataclass(frozen=True, slots=True)
class Trained(Generic[G]):
    """A genotype of the inner space, and the options of the recipe's genes."""

    network: G
    recipe: Values


@dataclass(frozen=True, init=False)  # with slots, properties could be assigned
class Recipes(Generic[G]):
    """The networks of `space`, each with choices for its training.

    With `Recipes(space, sparsity=(0, 0.25, 0.5, 0.75), bits=(8, 4))` the recipe of a candidate is, for example,
    `{"sparsity": 0.5, "bits": 8}`, added to the recipe of the space itself. Stages of training read their own keys;
    names of `TrainingSettings`, as in `learning_rate=(0.01, 0.05)`, replace these settings. One mutation in four
    changes the recipe, and children of two parents mix both. Raises `ValueError` for impossible choices.
    """

    space: SearchSpace[G]
    genes: Genes

    def __init__(self, space: SearchSpace[G], /, **choices: tuple[Value, ...]) -> None:
        """Take the options of each choice by its name."""
        if isinstance(space, type) or not isinstance(space, SearchSpace):
            raise ValueError(f"Recipes: write Recipes(space, sparsity=(0, 0.5)); {shown(space)} is not a search space")
        object.__setattr__(self, "space", space)
        object.__setattr__(self, "genes", Genes(**choices))

    def as_json(self) -> dict[str, Any]:
        """The space's JSON form, for the journal."""
        return {"space": self.space, "choices": {name: choice.options for name, choice in self.genes.choices}}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The input shape of the space."""
        return self.space.input_shape

    @property
    def classes(self) -> int | None:
        """The classes of the space."""
        return self.space.classes

    @property
    def outputs(self) -> int | None:
        """The number of values that a network gives, if these are not classes."""
        return getattr(self.space, "outputs", None)

    def networks(self, recipe: Values) -> SearchSpace[G]:
        """The space of the networks for these genes; here the same for all genes."""
        return self.space

    def network_shape(self, genotype: Trained[G]) -> tuple[int, ...]:
        """The shape of the network's input: an example's, or that of the features that the inner space computes."""
        inner = self.space
        return inner.network_shape(genotype.network) if isinstance(inner, WithFrontEnd) else inner.input_shape

    def beside(self, genotype: Trained[G]) -> Mapping[str, float]:
        """The costs that the inner space adds on the device beside the network; empty for most spaces."""
        return self.space.beside(genotype.network) if isinstance(self.space, WithFrontEnd) else {}

    def recipe(self, genotype: Trained[G]) -> Mapping[str, Json]:
        """The recipe of the training, by name. Raises `ValueError` if the inner space gives the same key."""
        inner = dict(self.space.recipe(genotype.network)) if isinstance(self.space, WithRecipe) else {}
        chosen = self.genes.to_json(genotype.recipe)
        if twice := inner.keys() & chosen.keys():
            raise ValueError(f"Recipes: {min(twice)} is a gene of the space already")
        return {**inner, **chosen}

    def sample(self, rng: Generator) -> Trained[G]:
        """Draw a network, then each gene."""
        return Trained(self.space.sample(rng), self.genes.sample(rng))

    def mutate(self, genotype: Trained[G], rng: Generator) -> Trained[G]:
        """Change a gene of the recipe one time in four, else the network; if one cannot change, the other does."""
        others = list(self.genes.neighbours(genotype.recipe, rng))
        try:
            network = self.networks(genotype.recipe).mutate(genotype.network, rng)
        except DegenerateSpaceError:
            if not others:
                raise
            network = genotype.network
        if others and (network == genotype.network or rng.random() < _GENES_SHARE):
            return Trained(genotype.network, others[int(rng.integers(len(others)))])
        return Trained(network, genotype.recipe)

    def crossover(self, a: Trained[G], b: Trained[G], rng: Generator) -> Trained[G]:
        """Mix the networks, and the recipes gene by gene."""
        network = self.space.crossover(a.network, b.network, rng)
        return Trained(network, self.genes.crossover(a.recipe, b.recipe, rng))

    def neighbours(self, genotype: Trained[G], rng: Generator) -> Iterator[Trained[G]]:
        """The changes of the network, then those of the recipe."""
        for network in self.space.neighbours(genotype.network, rng):
            yield Trained(network, genotype.recipe)
        for recipe in self.genes.neighbours(genotype.recipe, rng):
            yield Trained(genotype.network, recipe)

    def graph(self, genotype: Trained[G]) -> Graph:
        """The network before training; it has the bits that genes choose, so that bounds hold for the exported file."""
        chosen = self.genes.to_json(genotype.recipe)
        graph = self.networks(genotype.recipe).graph(genotype.network)
        bits = bits_in(chosen)
        return with_bits(graph, **bits) if bits else graph

    def encode(self, genotype: Trained[G]) -> NDArray[float64]:
        """The network's encoding, then the recipe's."""
        return np.concatenate([self.space.encode(genotype.network), self.genes.encode(genotype.recipe)])

    def describe(self, genotype: Trained[G]) -> str:
        """`dense 64 → 10 logits; sparsity 0.5, bits 8`."""
        chosen = (f"{name.replace('_', ' ')} {value}" for name, value in self.genes.to_json(genotype.recipe).items())
        return f"{self.networks(genotype.recipe).describe(genotype.network)}; {', '.join(chosen)}"

    def difference(self, before: Trained[G], after: Trained[G]) -> str:
        """What changed in the network and in the recipe, in words."""
        network = self.space.difference(before.network, after.network)
        words = [str(change) for change in self.genes.difference(before.recipe, after.recipe, "")]
        return "; ".join([*([network] if before.network != after.network else []), *words]) or "no change"

    def to_json(self, genotype: Trained[G]) -> Json:
        """An object of the network and the recipe."""
        return {"network": self.space.to_json(genotype.network), "recipe": self.genes.to_json(genotype.recipe)}

    def from_json(self, value: object) -> Trained[G]:
        """Read what `to_json` wrote. Raises `GenotypeError`, with the path to the fault, for anything else."""
        check_keys(value, ("network", "recipe"), "genotype")
        assert isinstance(value, dict)
        try:
            network = self.space.from_json(value["network"])
        except GenotypeError as error:
            raise GenotypeError(f"genotype.network{str(error).removeprefix('genotype')}") from error
        return Trained(network, self.genes.from_json(value["recipe"], "genotype.recipe"))


def networks_of(space: Any) -> Any:
    """The space of the networks alone: the one inside `Recipes`, whose weights are shared, else the space itself."""
    while type(space) is Recipes:
        space = space.space
    return space


def inherited_by(space: Any, genotype: Any, weights: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The genotype's own weights made of `weights`, where the space is `Elastic`; else `weights` unchanged."""
    while type(space) is Recipes:
        space, genotype = space.space, genotype.network
    return space.inherit(genotype, weights) if isinstance(space, Elastic) else weights


def _choice(name: str, values: object) -> Choice[Any]:
    """An ordered choice for numbers, else one without order."""
    if not isinstance(values, tuple) or not values:
        raise ValueError(f"gene {name}: give a tuple of options, as {name}=(0, 0.5), not {shown(values)}")
    for value in values:
        if type(value) not in (bool, int, float, str) or (type(value) is float and not math.isfinite(value)):
            raise ValueError(f"gene {name}: {shown(value)} is not a text, number, true or false")
    if len(set(values)) != len(values):
        raise ValueError(f"gene {name}: some of its options are equal")
    if all(type(value) in (int, float) for value in values):
        return Choice(tuple(sorted(values)), ordered=True)
    return Choice(values)
