"""The end of a network: hidden layers and linear outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from edgevolve.graph import Activation, Dense, GraphBuilder, Tensor
from search_space.genome import IntRange, Record


@dataclass(frozen=True, slots=True)
class Hidden:
    """A fully connected layer of `units` with ReLU."""

    units: int


def hidden_layer(max_units: int, moves: tuple[int, ...]) -> Record[Hidden]:
    """A hidden layer of 10 to `max_units`, changed by `moves`."""
    return Record(Hidden, units=IntRange(10, max_units, moves=moves))


def add_head(net: GraphBuilder, x: Tensor, hidden: Iterable[Hidden], outputs: int) -> Tensor:
    """Flatten `x`, add the hidden layers and linear outputs, (1, outputs)."""
    x = net.flatten(x)
    for layer in hidden:
        x = net.add(Dense(layer.units, activation=Activation.RELU), x)
    return net.add(Dense(outputs), x)


def logits(classes: int) -> int:
    """The number of outputs of a classifier: one for two classes, else one a class."""
    return 1 if classes == 2 else classes


def describe_hidden(hidden: Iterable[Hidden]) -> list[str]:
    """The layers in words."""
    return [f"dense {layer.units}" for layer in hidden]
