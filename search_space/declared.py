"""Spaces declared by a genome: everything but the genome, the graph and the words follows from it."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy import float64
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.graph import Graph, graph_hash
from search_space.genome import Variable
from search_space.head import logits
from search_space.space import DegenerateSpaceError, Json

G = TypeVar("G")

_FRESH_SAMPLES = 100
_CHANGES_TOLD = 3


@dataclass(frozen=True, slots=True)
class DeclaredSpace(ABC, Generic[G]):
    """A `SearchSpace` that follows from its `genome`; a subclass adds `genome`, `graph` and `describe`.

    `input_shape` is (height, width, channels), without the batch. A network has one logit for two `classes`, else one a
    class; with `outputs` in place of `classes` it has `outputs` values. Raises `ValueError` for sizes below 1.
    """

    input_shape: tuple[int, ...]
    classes: int | None = None
    outputs: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.input_shape, tuple) or not self.input_shape:
            raise ValueError(
                f"the input shape must be a tuple such as (height, width, channels), not {self.input_shape}"
            )
        if (self.classes is None) == (self.outputs is None):
            raise ValueError("give classes, how many there are, or outputs=, how many values a network gives")
        ends, what = (self.classes, "classes") if self.outputs is None else (self.outputs, "outputs")
        if not all(type(size) is int and size >= 1 for size in (*self.input_shape, ends)):
            raise ValueError(f"input shape {self.input_shape} and {ends} {what} must be whole and at least 1")
        _ = self.genome  # raises for impossible bounds now, not at the first draw

    @property
    def units(self) -> int:
        """The number of outputs of a network."""
        return logits(self.classes) if self.classes is not None else self.outputs or 0

    @property
    def ending(self) -> str:
        """The last layer in words."""
        what = "logit" if self.classes is not None else "output"
        return f"{self.units} {what}{'s' if self.units > 1 else ''}"

    @property
    @abstractmethod
    def genome(self) -> Variable[G]:
        """All genotypes."""

    @abstractmethod
    def graph(self, genotype: G) -> Graph:
        """The network. Every genotype has one."""

    @abstractmethod
    def describe(self, genotype: G) -> str:
        """The network in words, one line."""

    def sample(self, rng: Generator) -> G:
        """Draw a genotype; every genotype can be reached."""
        return self.genome.sample(rng)

    def neighbours(self, genotype: G, rng: Generator) -> Iterator[G]:
        """Every one-step change once, never the genotype itself; `rng` draws new parts."""
        return self.genome.neighbours(genotype, rng)

    def mutate(self, genotype: G, rng: Generator) -> G:
        """Choose uniformly among the one-step neighbours whose phenotype differs from the parent's.

        Where no neighbour differs, it draws new genotypes, and raises `DegenerateSpaceError` after 100 with the
        parent's phenotype.
        """
        parent = self.graph(genotype)
        children = list(self.neighbours(genotype, rng))
        for index in rng.permutation(len(children)):
            child = children[int(index)]
            if not _same_phenotype(parent, self.graph(child)):
                return child
        for _ in range(_FRESH_SAMPLES):
            child = self.sample(rng)
            if not _same_phenotype(parent, self.graph(child)):
                return child
        raise DegenerateSpaceError(f"{self} has only one network: {self.describe(genotype)}; give it more choices")

    def crossover(self, a: G, b: G, rng: Generator) -> G:
        """Mix two genotypes; every part of the child is a part of a parent."""
        return self.genome.crossover(a, b, rng)

    def encode(self, genotype: G) -> NDArray[float64]:
        """A vector of `genome.width` numbers in [0, 1], different for different genotypes."""
        return np.array(self.genome.encode(genotype), dtype=float64)

    def difference(self, before: G, after: G) -> str:
        """The changes in words; for more than three, their number and the first two."""
        changes = [str(change) for change in self.genome.difference(before, after, "")]
        if len(changes) > _CHANGES_TOLD:
            return f"{len(changes)} changes: {'; '.join(changes[: _CHANGES_TOLD - 1])}; ..."
        return "; ".join(changes) or "no change"

    def to_json(self, genotype: G) -> Json:
        """The genotype as JSON; `from_json` gives an equal one back."""
        return self.genome.to_json(genotype)

    def from_json(self, value: object) -> G:
        """Read what `to_json` wrote. Raises `GenotypeError`, with the path to the fault, for anything else."""
        return self.genome.from_json(value, "genotype")


def _same_phenotype(a: Graph, b: Graph) -> bool:
    """Whether two graphs have the same `graph_hash`, which is computed only where their operators are the same."""
    if Counter(node.op for node in a.nodes) != Counter(node.op for node in b.nodes):
        return False
    return a == b or graph_hash(a) == graph_hash(b)
