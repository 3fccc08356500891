"""The interface of search spaces, and their errors."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from numpy import float64
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.graph import Graph

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A value that `json.dumps` writes and `json.loads` reads."""

G = TypeVar("G")
G_in = TypeVar("G_in", contravariant=True)


class GenotypeError(ValueError):
    """A JSON value is not a genotype of the space; the message says where and why."""


class DegenerateSpaceError(RuntimeError):
    """The space seems to have only one phenotype, so that nothing can be mutated."""


@runtime_checkable
class SearchSpace(Protocol[G]):
    """A set of networks with a neighbourhood; `G` is its genotype, frozen and hashable.

    Algorithms handle genotypes; the graph of a genotype is its phenotype. Two phenotypes are the same if their
    `graph_hash` and, in a space with recipes (`WithRecipe`), their recipes are. All randomness comes from `rng`; equal
    generators give equal results.
    """

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The network's input: (height, width, channels), without the batch."""

    @property
    def classes(self) -> int | None:
        """The number of classes; a network has one logit for two classes, else one a class.

        None for networks that give values; then `outputs` is their number.
        """

    def sample(self, rng: Generator) -> G:
        """Draw a genotype; every genotype can be reached."""

    def mutate(self, genotype: G, rng: Generator) -> G:
        """Choose uniformly among the one-step neighbours whose phenotype differs from the parent's.

        Raises `DegenerateSpaceError` where there is no other phenotype.
        """

    def crossover(self, a: G, b: G, rng: Generator) -> G:
        """Mix two genotypes; every part of the child is a part of a parent."""

    def neighbours(self, genotype: G, rng: Generator) -> Iterator[G]:
        """Every one-step change once, never the genotype itself; `rng` draws new parts."""

    def graph(self, genotype: G) -> Graph:
        """The network. Every genotype has one."""

    def encode(self, genotype: G) -> NDArray[float64]:
        """A vector in [0, 1] for surrogate models, of one length, different for different genotypes."""

    def describe(self, genotype: G) -> str:
        """The network in words, one line."""

    def difference(self, before: G, after: G) -> str:
        """What changed, in words: `block 2, layer 1: filters 12 → 15`."""

    def to_json(self, genotype: G) -> Json:
        """The genotype as JSON; `from_json` gives an equal one back."""

    def from_json(self, value: object) -> G:
        """Read what `to_json` wrote. Raises `GenotypeError`, with the path to the fault, for anything else."""


@runtime_checkable
class WithRecipe(Protocol[G_in]):
    """A space whose genotypes also say how a network is trained."""

    def recipe(self, genotype: G_in) -> Mapping[str, Json]:
        """How the network is trained: sparsity, bits, learning rate and the like; empty for the configuration's way.

        It is part of the phenotype, and reaches the task as `Job.recipe`.
        """


@runtime_checkable
class WithFrontEnd(Protocol[G_in]):
    """A space whose genotypes also choose the front end before the network."""

    def network_shape(self, genotype: G_in) -> tuple[int, ...]:
        """The shape of the network's input, (height, width, channels)."""

    def beside(self, genotype: G_in) -> Mapping[str, float]:
        """The front end's costs, which are added to the network's metrics; empty for none.

        `arena_bytes` and `flash_bytes` are bytes; `float_operations` and `integer_operations` are numbers of operations
        for an example, which take time where the device predicts it.
        """


@runtime_checkable
class Elastic(Protocol[G_in]):
    """A space whose genotypes can inherit weights of another genotype, or shared weights."""

    def inherit(self, genotype: G_in, weights: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Initial weights for the genotype's network. Raises `ValueError` where `weights` have none for it."""
