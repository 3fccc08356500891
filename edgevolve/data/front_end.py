"""Front ends: what a device computes from its readings before the network, in Python and the same in C."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from string import Template
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.cost import Cost, table_bytes
from edgevolve.data.rows import Rows, chunks


@runtime_checkable
class FrontEnd(Protocol):
    """A function from raw examples to features; its constants are chosen, or fitted to the training split."""

    @property
    def name(self) -> str:
        """The name in journal and manifest."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything that decides `apply`, as plain JSON values."""

    @property
    def raw_type(self) -> str:
        """NumPy's name of the type of raw examples: float32, int16, uint8 or int8."""

    @property
    def work_bytes(self) -> int:
        """Bytes of RAM that the C code needs beside the raw example and the features."""

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """The features of (number, ...) raw examples, float32 as the network takes them."""

    def c_source(self) -> str:
        """A self-contained header in C99 that does the same for one example.

        It defines `static inline void front_end(const RAW* raw, float scale, int zero_point, signed char* features)`,
        where scale and zero point are those of the model's int8 input. Features differ from Python's by one step at
        most.
        """


@runtime_checkable
class Fittable(FrontEnd, Protocol):
    """A front end for data sets: it gives the shape of its features, and can be fitted to data.

    It may have an attribute `cost`, an `edgevolve.data.cost.Cost`.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, channels) of the features of an example."""

    def fitted(self, rows: Rows, /) -> FrontEnd:
        """The front end with constants fitted to these raw examples, of the training split; itself if it has none."""


@dataclass(frozen=True, slots=True)
class Standardise:
    """(value − mean) / deviation, with constants for each channel (the last axis of an example).

    `shape` is that of an example. Constants are float32 values; without them, values stay as they are.
    """

    shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    name, raw_type, work_bytes = "standardise", "float32", 0

    def fitted(self, rows: Rows) -> "Standardise":
        """The front end with the mean and deviation of these examples."""
        return Standardise.fit(rows)

    @classmethod
    def fit(cls, rows: Rows) -> "Standardise":
        """The front end fitted to mean and deviation of `rows`, (number, ..., channels); 1 for a constant channel."""
        number, mean, squares = 0, np.zeros(rows.shape[-1]), np.zeros(rows.shape[-1])
        for chunk in chunks(rows):
            values = chunk.reshape(-1, rows.shape[-1]).astype(np.float64)
            there = values.mean(axis=0)
            shift, before, number = there - mean, number, number + len(values)
            squares += ((values - there) ** 2).sum(axis=0) + shift**2 * (before * len(values) / number)
            mean = mean + shift * (len(values) / number)
        deviation = np.sqrt(squares / max(number, 1)).astype(np.float32)
        deviation[deviation == 0] = 1
        return cls(tuple(rows.shape[1:]), tuple(mean.astype(np.float32).tolist()), tuple(deviation.tolist()))

    @property
    def cost(self) -> Cost:
        """What the C code needs for an example."""
        return _elementwise_cost(self)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Shape, means and deviations."""
        return parameters_of(self)

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """Standardised values, float32."""
        if not self.mean:
            return raw.astype(np.float32)
        features: NDArray[np.float32] = raw.astype(np.float32) - np.array(self.mean, np.float32)
        features /= np.array(self.deviation, np.float32)
        return features

    def c_source(self) -> str:
        """C code that does the same for an example of `shape`, channels last."""
        if not self.mean:
            return Unchanged(self.shape).c_source()
        constants = "\n".join(
            f"static const float kFrontEnd{name}[{len(values)}] = {{{', '.join(f'{value!r}f' for value in values)}}};"
            for name, values in (("Mean", self.mean), ("Deviation", self.deviation))
        )
        channel = f"i % {len(self.mean)}"
        value = f"(raw[i] - kFrontEndMean[{channel}]) / kFrontEndDeviation[{channel}]"
        return _elementwise("(value - mean) / deviation of each channel, channels last", self, constants, value)


@dataclass(frozen=True, slots=True)
class _Divided:
    """Each value divided by `divisor`; there are no fitted constants. `shape` is that of an example."""

    shape: tuple[int, ...]
    work_bytes = 0
    name: ClassVar[str]
    raw_type: ClassVar[str]
    divisor: ClassVar[float]
    words: ClassVar[str]

    def fitted(self, rows: Rows) -> Self:
        """The front end itself, which has no fitted constants."""
        return self

    @property
    def cost(self) -> Cost:
        """What the C code needs for an example."""
        return _elementwise_cost(self)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The shape of an example."""
        return {"shape": list(self.shape)}

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """Values of the same shape, float32."""
        return raw.astype(np.float32) / np.float32(self.divisor)

    def c_source(self) -> str:
        """C code that does the same for an example of `shape`."""
        value = "raw[i]" if self.divisor == 1 else f"(float)raw[i] / {self.divisor:.1f}f"
        return _elementwise(self.words, self, "", value)


class Pixels(_Divided):
    """value / 255 for uint8, from 0 to 1."""

    __slots__ = ()
    name, raw_type, divisor, words = "pixels", "uint8", 255.0, "value / 255 of each byte"


class Samples(_Divided):
    """value / 32768 for int16, from -1 to below 1."""

    __slots__ = ()
    name, raw_type, divisor, words = "samples", "int16", 32768.0, "value / 32768 of each sample"


class Unchanged(_Divided):
    """Floating point as it is."""

    __slots__ = ()
    name, raw_type, divisor, words = "unchanged", "float32", 1.0, "each value as it is"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows on demand: the features of raw rows by a front end."""

    raw: Rows
    front_end: FrontEnd

    @property
    def shape(self) -> tuple[int, ...]:
        """(number, ...) of the features."""
        return (len(self.raw), *self[:1].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the features, float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """The features of these rows."""
        return self.front_end.apply(self.raw[index])


_RAW = {"float32": "float", "int16": "short", "uint8": "unsigned char"}


def parameters_of(front_end: Any) -> Mapping[str, Any]:
    """All fields of a front end that is a dataclass, as JSON values."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(front_end).items()}


def _elementwise(title: str, front_end: "Standardise | _Divided", constants: str, value: str) -> str:
    """The header of a front end that gives one feature for each value."""
    names = {"title": title, "constants": constants + "\n" * bool(constants), "value": value}
    return _HEADER.substitute(names, raw=_RAW[front_end.raw_type], values=prod(front_end.shape))


_CODE_BYTES = 170
"""Bytes of Thumb-2 code of `front_end`, gcc -Os for a Cortex-M4, rounded up (`benchmarks/front_ends.py`)."""


def _elementwise_cost(front_end: "Standardise | _Divided") -> Cost:
    constants = 0 if not isinstance(front_end, Standardise) or front_end.mean else 8 * front_end.shape[-1]
    return Cost(0, table_bytes(front_end.c_source()) + constants + _CODE_BYTES, 6 * prod(front_end.shape))


_HEADER = Template("""\
// What the network takes of what the device reads: $title. Stored as the model's int8 input.
#ifndef EDGEVOLVE_FRONT_END_H_
#define EDGEVOLVE_FRONT_END_H_

enum { kFrontEndValues = $values };
$constants
// raw: kFrontEndValues values; scale and zero_point: of the model's input.
static inline void front_end(const $raw* raw, float scale, int zero_point, signed char* features) {
  int i;
  for (i = 0; i < kFrontEndValues; ++i) {
    const float value = ($value) / scale + (float)zero_point;
    if (value <= -128.0f) {
      features[i] = -128;
    } else if (value >= 127.0f) {
      features[i] = 127;
    } else {
      features[i] = (signed char)(value < 0.0f ? value - 0.5f : value + 0.5f);
    }
  }
}

#endif  // EDGEVOLVE_FRONT_END_H_
""")
