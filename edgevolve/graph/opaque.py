"""An operator of a file that the graph has no type for; only its output shapes and costs are known."""

from dataclasses import dataclass

from edgevolve.graph.op import ShapeError, Weight
from edgevolve.graph.tensor import Shape


@dataclass(frozen=True, slots=True)
class Opaque:
    """An operator by its TFLite name, such as `SPLIT`, or a custom operator's own name.

    `shapes` are those of its outputs, any number of them. `multiply_accumulates` is 0 where no formula is known. Such
    a node cannot be built into a Keras model, exported or written as canonical JSON.
    """

    name: str
    shapes: tuple[Shape, ...]
    multiply_accumulates: int = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of its only output."""
        if len(self.shapes) != 1:
            raise ShapeError(f"{self.name} makes {len(self.shapes)} tensors")
        return self.shapes[0]

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """No weights are known here; the node has those of the file."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """`multiply_accumulates`."""
        return self.multiply_accumulates
