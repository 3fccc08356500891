"""μNAS's space of multi-layer perceptrons (Liberis et al. 2021, arXiv 2010.14246)."""

from dataclasses import dataclass
from functools import cache

from edgevolve.graph import Graph, GraphBuilder
from search_space.declared import DeclaredSpace
from search_space.genome import Items, Record
from search_space.head import Hidden, add_head, describe_hidden, hidden_layer


@dataclass(frozen=True, slots=True)
class Mlp:
    """Hidden layers between Flatten and the logits."""

    hidden: tuple[Hidden, ...]


@dataclass(frozen=True, slots=True)
class MlpSpace(DeclaredSpace[Mlp]):
    """Flatten, `min_layers` to `max_layers` hidden layers of 10 to `max_units` with ReLU, linear logits.

    Morphisms remove any layer, append one, or change units by 1 or 5.
    """

    max_layers: int = 7
    max_units: int = 256
    min_layers: int = 1

    @property
    def genome(self) -> Record[Mlp]:
        """All genotypes."""
        return _genome(self.min_layers, self.max_layers, self.max_units)

    def graph(self, genotype: Mlp) -> Graph:
        """The network."""
        net = GraphBuilder()
        return net.build(add_head(net, net.input((1, *self.input_shape)), genotype.hidden, self.units))

    def describe(self, genotype: Mlp) -> str:
        """`dense 64 → dense 32 → 10 logits`."""
        return " → ".join([*describe_hidden(genotype.hidden), self.ending])


@cache
def _genome(least: int, most: int, max_units: int) -> Record[Mlp]:
    return Record(Mlp, hidden=Items("hidden layer", hidden_layer(max_units, (1, 5)), least, most, insert="end"))
