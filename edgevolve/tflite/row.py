"""The declaration of an operator of TensorFlow Lite: one row, from which everything about its files follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edgevolve.graph import Op, Shape, ShapeError, Tensor
from edgevolve.tflite.targets import KernelSet, Target

Options = Mapping[str, float]
"""An operator's options as numbers, by `Field.key`."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as a file holds it, with its inputs in the file's order, None for one that is left out.

    `scales` and `output_scales` are the numbers of quantisation scales of each input and output, 0 for none. `values`
    are those of small constant inputs of int32 or int64, empty for all others. `calls` are the numbers of the subgraphs
    that it runs, in the order in which TensorFlow Lite Micro plans them. `unsized` says that the file leaves the shape
    of an output open, be it only the batch.
    """

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Options
    scales: tuple[int, ...]
    output_scales: tuple[int, ...]
    values: tuple[tuple[int, ...], ...]
    custom: bool = False
    calls: tuple[int, ...] = ()
    unsized: bool = False

    def shape(self, place: int) -> Shape:
        """The shape of the input at `place`, () where there is none."""
        given = self.inputs[place] if place < len(self.inputs) else None
        return given.shape if given else ()

    def constant(self, place: int) -> Tensor:
        """The constant input at `place`. Raises `ShapeError` if there is none."""
        given = self.inputs[place] if place < len(self.inputs) else None
        if given is None or not given.constant:
            raise ShapeError(f"{self.name} has no constant input {place}")
        return given


@dataclass(frozen=True, slots=True)
class Field:
    """One option: its number in the operator's table, its kind (a letter of `struct`) and what its numbers mean.

    The kind "s" is a text; a number stands for it that equal texts of one file share, -1 for none. `name` is the
    attribute of the graph's operator that the option holds, at `place` where the attribute is a pair (height, width).
    `codes` maps the attribute's values to numbers. An option that is no attribute is written as `fixed`. It is read as
    `fixed` or one of `others`; where `others` is None any number is read, and `Row.shaped` judges it. `default` is the
    schema's.
    """

    name: str
    number: int
    kind: str
    place: int | None = None
    codes: Mapping[Any, int] | None = None
    fixed: float | None = None
    others: tuple[float, ...] | None = ()
    default: float = 0

    @property
    def key(self) -> str:
        """The option's name in `Operator.options`."""
        return self.name if self.place is None else f"{self.name}_{'height' if self.place == 0 else 'width'}"

    @property
    def size_bytes(self) -> int:
        """Bytes of the number in a file."""
        return 4 if self.kind in "if" else 1

    def encoded(self, op: Op) -> float:
        """The number to write for the graph's operator."""
        if self.fixed is not None:
            return self.fixed
        value = getattr(op, self.name)
        if self.place is not None:
            value = value[self.place]
        number: float = value if self.codes is None else self.codes[value]
        return number

    def decoded(self, number: float) -> Any:
        """The attribute's value. Raises `ShapeError` for a number that has no meaning in the graph."""
        if self.codes is None:
            return number
        for value, code in self.codes.items():
            if code == number:
                return value
        raise ShapeError(f"option {self.key} is {number}")


class Kept(NamedTuple):
    """Bytes that a kernel keeps: its parameters, how they are aligned, and its data (aligned to 16)."""

    parameters: int
    alignment: int
    data: int


Sizes = Callable[[Operator, Target], tuple[int, ...]]
"""A function to the bytes of each of several buffers."""


def nothing(operator: Operator, target: Target) -> tuple[int, ...]:
    """No buffers."""
    return ()


@dataclass(frozen=True, slots=True)
class Kernel:
    """The memory that TensorFlow Lite Micro's kernel keeps and asks for.

    `host` is for pointers of 8 bytes, `device` for 4; `cmsis_data` is what the CMSIS-NN builds keep in addition.
    `tables` are what it keeps beside its data, such as multipliers by channel. `scratch` is what it asks for while it
    runs, in its order, before alignment.

    While the kernel is set up, the runtime describes tensors for it: all of them where `describes` is set, then those
    at the places `again` (input indices; -1 is the output), which may depend on the operator.
    """

    host: Kept
    device: Kept
    cmsis_data: int = 0
    tables: Sizes = nothing
    scratch: Sizes = nothing
    again: tuple[int, ...] | Callable[[Operator], tuple[int, ...]] = ()
    describes: bool = True

    def needs(self, operator: Operator, target: Target) -> "Needs | None":
        """The memory that the kernel needs on `target`; None for an operator of shapes that it does not take."""
        kept = self.host if target.pointer_bytes == 8 else self.device
        if target.kernels is not KernelSet.REFERENCE:
            kept = kept._replace(data=kept.data + self.cmsis_data)
        try:
            tables, scratch = self.tables(operator, target), self.scratch(operator, target)
            described = self._described(operator)
        except (ArithmeticError, LookupError, ValueError):
            return None
        if min((*tables, *scratch), default=0) < 0:
            return None
        return Needs(kept, tables, scratch, described, not (self.describes and self.again))

    def _described(self, operator: Operator) -> tuple[int, ...]:
        given = [n for x, n in zip(operator.inputs, operator.scales, strict=True) if x is not None]
        once = (*given, *operator.output_scales) if self.describes else ()
        again = self.again(operator) if callable(self.again) else self.again
        twice = [operator.output_scales[0] if i < 0 else operator.scales[i] for i in again if i < len(given)]
        return (*once, *twice)


class Needs(NamedTuple):
    """The memory that the kernel of one operator needs, in bytes.

    `described` holds the number of scales of each tensor that the runtime describes for it, in order. With
    `tables_last` the tables are allocated after all descriptions, otherwise before those of `Kernel.again`.
    """

    kept: Kept
    tables: tuple[int, ...]
    scratch: tuple[int, ...]
    described: tuple[int, ...]
    tables_last: bool


def _no_attributes(operator: Operator) -> dict[str, Any]:
    return {}


def _no_macs(operator: Operator) -> int:
    return 0


def _any_scale(op: Any) -> float:
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operator of TensorFlow Lite.

    Args:
        name: TensorFlow Lite's name of the operator.
        code: its number among the builtin operators.
        method: the method of `MicroMutableOpResolver` that registers it.
        kernel: what TensorFlow Lite Micro's kernel keeps and asks for; None where there is no model of it.
        version: the operator's version in an int8 file.
        packed_version: its version with a kernel of 4 bits an element, 0 where there is none.
        packed_per_tensor: a kernel of 4 bits has one scale for all channels.
        options: the number of its options' table in the schema's union, 0 where it has none.
        fields: the options.
        kind: the class of operators that devices run alike, one of `resource_models.graph_features.KINDS`.
        op: the graph's operator; None where the graph has none and the operator is read as `Opaque`.
        attributes: attributes of `op` that the row stands for, as RELU stands for one function of `Activate`.
        shaped: attributes of `op` that follow from shapes and constants. Raises `ShapeError` where `op` does not fit.
        operands: the fewest inputs that a file lists, left-out ones included.
        contents: the contents of int32 operands that `op` needs (axes, amounts, a shape), by role.
        channel_axis: the axis of the kernel to which scales by channel belong.
        per_tensor: the skeleton gives the kernel one scale for all channels.
        keeps_scale: int8 kernels demand one scale and zero point for all inputs and outputs.
        output_scale: the output's scale and zero point that int8 kernels demand.
        finest: the finest scale of the output, given the inputs' scales: with a finer one a runtime refuses, aborts or
            overflows.
        finest_input: the finest scale of the inputs, given the operator; with a finer one a runtime aborts.
        wide_options: options that differ for int16 activations, by `Field.key`.
        narrow: its integer kernels do not take int16 activations.
        macs: multiply-accumulates where `op` does not describe the operator.
        calls: its options are numbers of subgraphs, which it runs.
    """

    name: str
    code: int
    method: str
    kernel: Kernel | None
    version: int = 1
    packed_version: int = 0
    packed_per_tensor: bool = False
    options: int = 0
    fields: tuple[Field, ...] = ()
    kind: str = "other"
    op: type | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shaped: Callable[[Operator], dict[str, Any]] = _no_attributes
    operands: int = 0
    contents: Mapping[str, Callable[[Any], tuple[int, ...]]] = field(default_factory=dict)
    channel_axis: int = 0
    per_tensor: bool = False
    keeps_scale: bool = False
    output_scale: tuple[float, int] | None = None
    finest: Callable[..., Any] | None = None
    finest_input: Callable[[Any], float] = _any_scale
    wide_options: Mapping[str, float] = field(default_factory=dict)
    narrow: bool = False
    macs: Callable[[Operator], int] = _no_macs
    calls: bool = False

    def one_scale(self, op: Op) -> bool:
        """Whether an exported file gives the kernel of `op` one scale for all channels."""
        return self.packed_per_tensor and getattr(op, "kernel_bits", 8) < 8

    def describes(self, op: Op) -> bool:
        """Whether the row stands for `op`."""
        return type(op) is self.op and all(getattr(op, name) == value for name, value in self.attributes.items())

    def encoded(self, op: Op) -> dict[str, float]:
        """The options of `op`, by `Field.key`."""
        return {option.key: option.encoded(op) for option in self.fields}

    def decoded(self, operator: Operator) -> Op:
        """The graph's operator for a file's. Raises `ShapeError` where none describes it exactly."""
        if self.op is None:
            raise ShapeError(f"{self.name} is no operator of a graph")
        values = {**self.attributes, **self.shaped(operator)}
        pairs: dict[str, list[Any]] = {}
        for option in self.fields:
            number = operator.options[option.key]
            if option.fixed is not None:
                if option.others is not None and number not in (option.fixed, *option.others):
                    raise ShapeError(f"{self.name}: option {option.key} is {number}")
            elif option.place is None:
                values.setdefault(option.name, option.decoded(number))
            else:
                pairs.setdefault(option.name, [None, None])[option.place] = option.decoded(number)
        op: Op = self.op(**values, **{name: tuple(pair) for name, pair in pairs.items()})
        return op
