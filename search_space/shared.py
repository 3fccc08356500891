"""One set of weights for all networks of a space (Cai et al. 2020, Once-for-All, arXiv 1908.09791), as plain data.

A `Program` says which layers there can be and how they are connected. A network of the space is a path through it: a
vector of whole numbers that says which layers run and how much of their kernels they use.
`edgevolve.training.shared_forward` runs a program; `search_space.shared_path` reads a path from a network.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Conv2D, Dense, DepthwiseConv2D, Graph, Shape, canonical

FUNCTIONS = ("none", "relu", "relu6", "hard_swish", "swish")
"""The functions that may follow a layer; a path holds the index in this tuple."""

G_in = TypeVar("G_in", contravariant=True)
G = TypeVar("G")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer whose weights all networks share; a path takes a part of its kernel.

    `kernel` is the shape of the largest kernel: (height, width, channels, filters), for a depthwise layer (height,
    width, channels, 1), for a dense one (height, width, channels, units) of the map that it flattens. Of height and
    width a convolution takes the middle, a dense layer the upper left; of channels and filters both take the first.
    `norm` says whether batch norm follows or a bias; None leaves it to the network. A path holds for a layer: whether
    it runs, height, width, channels, filters, stride, norm, function.
    """

    name: str
    kind: Literal["conv", "depthwise", "dense"]
    kernel: tuple[int, int, int, int]
    norm: bool | None = True
    strides: tuple[int, ...] = (1,)
    functions: tuple[str, ...] = ("none",)
    same: bool = True
    optional: bool = False
    on: str = "x"

    @property
    def filters(self) -> int:
        """The largest number of output channels."""
        return self.kernel[2] if self.kind == "depthwise" else self.kernel[3]


@dataclass(frozen=True, slots=True)
class Excite:
    """Squeeze and excite of `x`, by two 1×1 convolutions with a bias; a path holds whether it runs."""

    name: str
    squeeze: Layer
    excite: Layer


@dataclass(frozen=True, slots=True)
class Keep:
    """Copy `x` into another register."""

    register: str


@dataclass(frozen=True, slots=True)
class Recall:
    """Copy one of some registers into `x`; a path holds which one, counted from 1, or 0 for `x` itself."""

    name: str
    registers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddUp:
    """Add a register to `x`; a path holds whether it runs, and the function that follows."""

    name: str
    register: str
    functions: tuple[str, ...] = ("none",)


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of `x` whose windows do not overlap; a path holds height and width of the window."""

    name: str
    kind: Literal["average", "max"]


@dataclass(frozen=True, slots=True)
class Gather:
    """Pool `x` by windows that do not overlap, pad it at the bottom and right, and add it to a register or start one.

    A path holds height and width of the window, rows at the bottom, columns on the right, and whether it starts the
    register.
    """

    name: str
    register: str


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of each channel of `x`, as a map of one pixel."""


@dataclass(frozen=True, slots=True)
class Either:
    """One of several sequences of steps, or none; a path holds which one, counted from 1."""

    name: str
    branches: tuple[tuple[str, tuple["Step", ...]], ...]


Step = Layer | Excite | Keep | Recall | AddUp | Pool | Gather | Mean | Either

WIDTHS: Mapping[type, int] = {Layer: 8, Excite: 1, Keep: 0, Recall: 1, AddUp: 2, Pool: 2, Gather: 5, Mean: 0, Either: 1}
"""The number of whole numbers that a path holds for a step, without those of steps inside it."""

Settings = dict[str, tuple[int, ...]]
"""A path by the names of its steps; a step that does not run is left out."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Channels that only layers within one block see, so that their order does not matter.

    `by` is the kernel that reads them, along axis 2; `arrays` are all arrays that have them, each with its axis.
    """

    by: str
    arrays: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """All networks of a space: steps on registers, of which `x` holds the input at the start."""

    steps: tuple[Step, ...]
    hidden: tuple[Hidden, ...] = ()

    def __iter__(self) -> Iterator[Step]:
        return _every(self.steps)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that have weights."""
        return tuple(step for step in self if isinstance(step, Layer))

    @property
    def offsets(self) -> dict[str, int]:
        """The index in a path of the first number of each step, by name; steps without a name have none."""
        offsets, begin = {}, 0
        for step in self:
            if width := WIDTHS[type(step)]:
                name = step.name  # type: ignore[union-attr]
                if name in offsets:
                    raise ValueError(f"two steps are named {name}")
                offsets[name] = begin
                begin += width
        return offsets

    @property
    def width(self) -> int:
        """The length of a path."""
        return sum(WIDTHS[type(step)] for step in self)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every shared array: kernels, and biases and the four vectors of batch norm where possible."""
        shapes: dict[str, Shape] = {}
        for layer in self.layers:
            shapes[f"{layer.name}/kernel"] = layer.kernel
            roles = ["bias"] if not layer.norm else []
            roles += ["gamma", "beta", "mean", "variance"] if layer.norm is not False else []
            shapes |= {f"{layer.name}/{role}": (layer.filters,) for role in roles}
        return shapes

    @property
    def size(self) -> int:
        """The number of elements of all shared arrays."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def vector(self, settings: Settings) -> NDArray[np.int32]:
        """A path as one vector. Raises `ValueError` for a step that the program does not have."""
        offsets = self.offsets
        row = np.zeros(self.width, np.int32)
        for name, numbers in settings.items():
            if name not in offsets:
                raise ValueError(f"the program has no step {name}")
            row[offsets[name] : offsets[name] + len(numbers)] = numbers
        return row


@dataclass(frozen=True, slots=True)
class Use:
    """The part of a layer that a network uses: height, width, channels and filters, and whether batch norm."""

    layer: Layer
    height: int
    width: int
    channels: int
    filters: int
    norm: bool

    def parts(self) -> dict[str, tuple[slice, ...]]:
        """The used part of each shared array, by role."""
        tall, wide = self.layer.kernel[:2]
        top, left = (0, 0) if self.layer.kind == "dense" else ((tall - self.height) // 2, (wide - self.width) // 2)
        window = slice(top, top + self.height), slice(left, left + self.width)
        last = slice(None) if self.layer.kind == "depthwise" else slice(self.filters)
        roles = ("gamma", "beta", "mean", "variance") if self.norm else ("bias",)
        return {"kernel": (*window, slice(self.channels), last), **{role: (slice(self.filters),) for role in roles}}


@dataclass(frozen=True, slots=True)
class Path:
    """A network's path through the program: its `vector`, and what its nodes with a kernel use, in their order."""

    vector: NDArray[np.int32]
    uses: tuple[Use, ...]


@runtime_checkable
class Sharing(Protocol[G]):
    """A space whose networks can all share one set of weights."""

    @property
    def program(self) -> Program:
        """All networks as one program."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a genotype that slices make larger or smaller, in the order in which shrinking frees them."""

    def path(self, genotype: G) -> Path:
        """The genotype's way through the program."""

    def largest(self, genotype: G, parts: tuple[str, ...]) -> G:
        """The genotype with these parts as large as possible; choices without a size stay."""

    def smallest(self, genotype: G) -> G:
        """The genotype with every part as small as possible."""


def inherited(
    path: Path, graph: Graph, program: Program, shared: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """A network's weights, cut from the shared ones, by the names of its canonical form.

    Raises `ValueError` where `shared` are not the arrays of the program.
    """
    check_shared(program, shared)
    numbers = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, Conv2D | DepthwiseConv2D | Dense)]
    _, names = canonical(graph)
    weights: dict[str, NDArray[Any]] = {}
    for number, use in zip(numbers, path.uses, strict=True):
        node = names[graph.nodes[number].name]
        for role, part in use.parts().items():
            value = transformed(use, shared) if role == "kernel" else shared[f"{use.layer.name}/{role}"]
            chosen = value[part]
            if role == "kernel" and use.layer.kind == "dense":
                chosen = chosen.reshape(-1, use.filters)
            weights[f"{node}/{role}"] = np.ascontiguousarray(chosen, np.float32)
    return weights


def transformed(use: Use, shared: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The layer's kernel for windows of this size, in an array of the shape of the largest kernel.

    Where there are matrices `NAME/5x5` and so on, a smaller kernel is the middle of the next larger one times the
    matrix, as in Once-for-All; else all sizes share the middle.
    """
    name, kernel = use.layer.name, shared[f"{use.layer.name}/kernel"]
    side = max(use.height, use.width)
    for smaller in range(use.layer.kernel[0] - 2, max(side, 3) - 1, -2):
        if (matrix := shared.get(f"{name}/{smaller}x{smaller}")) is not None:
            top = (use.layer.kernel[0] - smaller) // 2
            middle = kernel[top : top + smaller, top : top + smaller]
            flat = np.einsum("ab,bcd->acd", matrix, middle.reshape(smaller * smaller, *middle.shape[2:]))
            kernel = kernel.copy()
            kernel[top : top + smaller, top : top + smaller] = flat.reshape(middle.shape)
    return kernel


def transforms(program: Program) -> dict[str, Shape]:
    """The shapes (side², side²) of the matrices of `transformed`, for every square kernel of more than 3 pixels."""
    shapes: dict[str, Shape] = {}
    for layer in program.layers:
        if layer.kind != "dense" and layer.kernel[0] == layer.kernel[1]:
            for side in range(layer.kernel[0] - 2, 2, -2):
                shapes[f"{layer.name}/{side}x{side}"] = (side * side, side * side)
    return shapes


def check_shared(program: Program, shared: Mapping[str, NDArray[Any]]) -> None:
    """Raise `ValueError` unless these are the arrays of the program; those of `transforms` are optional."""
    wanted = program.shapes
    optional = transforms(program)
    for name, shape in wanted.items():
        if name not in shared:
            raise ValueError(f"these shared weights are of another space: they have no {name}")
        if shared[name].shape != shape:
            raise ValueError(f"these shared weights are of another space: {name} is {shared[name].shape}, not {shape}")
    for name in shared:
        if name not in wanted and name not in optional and name != ABOUT:
            raise ValueError(f"these shared weights are of another space: they have {name}")


ABOUT = "about"
"""The name of the array, among shared weights, that says in JSON what they were trained for."""


def _every(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, Excite):
            yield from (step.squeeze, step.excite)
        elif isinstance(step, Either):
            for _, branch in step.branches:
                yield from _every(branch)
