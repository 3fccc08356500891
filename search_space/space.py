"""What a search space answers, and how it refuses."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from numpy import float64
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.graph import Graph

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What `json.dumps` writes and `json.loads` reads."""

G = TypeVar("G")
G_in = TypeVar("G_in", contravariant=True)


class GenotypeError(ValueError):
    """A JSON value is no genotype of the space; the message says where and why."""


class DegenerateSpaceError(RuntimeError):
    """The space seems to hold one phenotype only, so nothing can be mutated."""


@runtime_checkable
class SearchSpace(Protocol[G]):
    """A set of networks with a neighbourhood; `G` is its genotype, frozen and hashable.

    A genotype is what algorithms handle, its graph is the phenotype; two phenotypes are the same when
    their `graph_hash` is, and the recipe of a space that has some (`WithRecipe`). All randomness comes from `rng`;
    equal generators give equal results.
    """

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The network's input: (height, width, channels), without the batch."""

    @property
    def classes(self) -> int | None:
        """Number of classes; a network has one logit for two classes, else one a class.

        None of a space of networks that give values; then `outputs` says how many.
        """

    def sample(self, rng: Generator) -> G:
        """Draw a genotype; every genotype can be reached."""

    def mutate(self, genotype: G, rng: Generator) -> G:
        """Choose uniformly among the one-step neighbours whose phenotype differs from the parent's.

        Raises `DegenerateSpaceError` where there is no other phenotype.
        """

    def crossover(self, a: G, b: G, rng: Generator) -> G:
        """Mix two genotypes; every part of the child stands in a parent."""

    def neighbours(self, genotype: G, rng: Generator) -> Iterator[G]:
        """Every one-step morphism once, never the genotype itself; `rng` draws the parts that are new."""

    def graph(self, genotype: G) -> Graph:
        """The network. Every genotype has one."""

    def encode(self, genotype: G) -> NDArray[float64]:
        """A vector for surrogate models, of the same length for every genotype, in [0, 1], one to one."""

    def describe(self, genotype: G) -> str:
        """One line for people."""

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
        """What training does to the network beside its shape: sparsity, bits, learning rate; empty for nothing.

        It is part of the phenotype, and travels to the task in `Job.recipe`.
        """


@runtime_checkable
class WithFrontEnd(Protocol[G_in]):
    """A space whose genotypes also say what is computed of an example before the network."""

    def network_shape(self, genotype: G_in) -> tuple[int, ...]:
        """(height, width, channels) of what the network takes."""

    def beside(self, genotype: G_in) -> Mapping[str, float]:
        """What else the device needs, to be added to the network's metrics; empty for nothing.

        Bytes under `arena_bytes` and `flash_bytes`; under `float_operations` and `integer_operations` how many there
        are for an example, which take time where a device says how much.
        """


@runtime_checkable
class Elastic(Protocol[G_in]):
    """A space whose genotypes can take over weights of another, or weights that all share."""

    def inherit(self, genotype: G_in, weights: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """First weights for the genotype's network. Raises `ValueError` where these hold none for it."""
