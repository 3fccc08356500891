"""Front end for vibration and motion: the spectrum of a window of sensor readings."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.c_parts import STORED, TRANSFORM, circle, floats, integers
from edgevolve.data.clips import windows_of
from edgevolve.data.columns import (
    column_constants,
    column_value,
    constant_bytes,
    standardised_columns,
    with_statistics,
)
from edgevolve.data.cost import LOG_OPERATIONS, ROOT_OPERATIONS, Cost, table_bytes
from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import parameters_of
from edgevolve.data.rows import Rows

_FLOOR = 1e-6
"""Added to every power before its logarithm: an amplitude of 0.001."""

_CODE_BYTES = 900
"""Bytes of Thumb-2 code, with what it calls, gcc -Os for a Cortex-M4, rounded up (`benchmarks/front_ends.py`)."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The power of each frequency or band, for each channel, in a row for each part of the window.

    An example is (`steps`, 1, `channels`) float32. A part has `window` steps (default: the whole example); parts follow
    every `stride` steps (default: half a part). The mean of each part is subtracted; then it is weighted by Hann's
    periodic window, and padded to a power of two. Power is (2 |X| / Σ weights)² in the one-sided spectrum without
    frequency 0, so that a sine of amplitude A gives A². `bands` are means over equally many frequencies; 0 keeps all
    frequencies. Features, (parts, bands, channels), are ln(power + 1e-6) with `logarithm`, else the square root of
    power. `fitted` sets the `mean` and `deviation` of each band of each channel over the training split, by which
    features are standardised. Raises `DataError` for impossible parameters.
    """

    steps: int
    channels: int
    window: int = 0
    stride: int = 0
    bands: int = 0
    logarithm: bool = True
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    name, raw_type = "spectrum", "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", self.window or self.steps)
        object.__setattr__(self, "stride", self.stride or max(1, self.window // 2))
        whole = (self.steps, self.channels, self.window, self.stride)
        if not all(type(value) is int and value >= 1 for value in whole):
            raise DataError("Spectrum: steps, channels, window and stride must be whole and above 0")
        if not 4 <= self.window <= self.steps:
            raise DataError(f"Spectrum: parts of {self.window} steps must be from 4 to the {self.steps} of an example")
        if not 0 <= self.bands <= self.points // 2:
            raise DataError(
                f"Spectrum: bands must be from 0 to the number of frequencies, {self.points // 2}, not {self.bands}"
            )

    @property
    def points(self) -> int:
        """The number of points of the Fourier transform: the power of two that holds a part."""
        return 1 << (self.window - 1).bit_length()

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an example's features, (parts, bands, channels)."""
        return (1 + (self.steps - self.window) // self.stride, self.bands or self.points // 2, self.channels)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All fields, as JSON values."""
        return parameters_of(self)

    @property
    def work_bytes(self) -> int:
        """Bytes of RAM of the C code beside example and features: a transform in single precision."""
        return 4 * self.points

    @property
    def cost(self) -> Cost:
        """What the C code needs for an example."""
        half, bands = self.points // 2, self.shape[1]
        transform = 10 * (half // 2) * max(1, half.bit_length() - 1)
        each = 4 * self.window + transform + 21 * half + bands * (LOG_OPERATIONS if self.logarithm else ROOT_OPERATIONS)
        operations = self.shape[0] * self.channels * (each + 6 * bands)
        flash = _CODE_BYTES + table_bytes(self.c_source()) + constant_bytes(bands * self.channels, self.mean)
        return Cost(self.work_bytes, flash, operations)

    def fitted(self, rows: Rows) -> "Spectrum":
        """The front end fitted to mean and deviation of each band of each channel over `rows`; 1 for a constant one."""
        return with_statistics(self, rows)

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """The features, (number, parts, bands, channels), of (number, steps, 1, channels), in double precision."""
        if raw.shape[1:] not in ((self.steps, 1, self.channels), (self.steps, self.channels)):
            raise DataError(f"Spectrum: examples must be ({self.steps}, 1, {self.channels}), they are {raw.shape[1:]}")
        values = raw.reshape(len(raw), self.steps, self.channels).astype(np.float64)
        parts = windows_of(values, self.window, self.stride)
        weighted = (parts - parts.mean(axis=-1, keepdims=True)) * self._hann()
        power = np.abs(np.fft.rfft(weighted, self.points))[..., 1:] ** 2 * self._scale
        edges = self._edges()
        if self.bands:
            sums = np.add.reduceat(power, edges[:-1], axis=-1)
            power = sums / np.diff(edges)
        levels = np.log(power + _FLOOR) if self.logarithm else np.sqrt(power)
        features = np.moveaxis(levels, 2, 3).astype(np.float32)
        return standardised_columns(features, self.mean, self.deviation)

    def _hann(self) -> NDArray[np.float64]:
        """Hann's window, periodic."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)

    @property
    def _scale(self) -> float:
        """The factor from |X|² to the power of a sine."""
        return float((2 / self._hann().sum()) ** 2)

    def _edges(self) -> NDArray[np.int64]:
        """The begin and end of each band, as indices of the frequencies from 1."""
        return np.linspace(0, self.points // 2, self.shape[1] + 1).round().astype(np.int64)

    def c_source(self) -> str:
        """C code that does the same for an example, in single precision."""
        parts, bands, channels = self.shape
        constants = [
            floats("Hann", self._hann()),
            *circle(self.points),
            integers("Edges", self._edges()),
            *column_constants(self.mean, self.deviation),
        ]
        power = f"sum / (float)(kFrontEndEdges[i + 1] - kFrontEndEdges[i]) * {float(np.float32(self._scale))!r}f"
        value = f"logf({power} + {_FLOOR}f)" if self.logarithm else f"sqrtf({power})"
        return _HEADER.substitute(
            title=f"{parts} spectra of {bands} bands, {channels} channels",
            values=self.steps * channels,
            window=self.window,
            stride=self.stride,
            points=self.points,
            parts=parts,
            bands=bands,
            channels=channels,
            constants="\n".join(constants),
            transform=TRANSFORM,
            stored=STORED,
            power=value,
            value=column_value("value", "(i * kFrontEndChannels + channel)", self.mean),
        )


_HEADER = Template("""\
// What the network takes of a window of readings: $title. Stored as the model's int8 input.
#ifndef EDGEVOLVE_FRONT_END_H_
#define EDGEVOLVE_FRONT_END_H_

#include <math.h>

enum {
  kFrontEndValues = $values,
  kFrontEndWindow = $window,
  kFrontEndStride = $stride,
  kFrontEndPoints = $points,
  kFrontEndParts = $parts,
  kFrontEndBands = $bands,
  kFrontEndChannels = $channels
};
$constants

static float front_end_work[kFrontEndPoints];

$stored
$transform
// raw: kFrontEndValues readings, channels last; scale and zero_point: of the model's input.
static inline void front_end(const float* raw, float scale, int zero_point, signed char* features) {
  int part, channel, i, j;
  for (part = 0; part < kFrontEndParts; ++part) {
    for (channel = 0; channel < kFrontEndChannels; ++channel) {
      const float* from = raw + part * kFrontEndStride * kFrontEndChannels + channel;
      float mean = 0.0f;
      for (i = 0; i < kFrontEndWindow; ++i) mean += (from[i * kFrontEndChannels] - from[0]) / (float)kFrontEndWindow;
      for (i = 0; i < kFrontEndPoints; ++i) front_end_work[i] = 0.0f;
      for (i = 0; i < kFrontEndWindow; ++i) {
        front_end_work[i] = (from[i * kFrontEndChannels] - from[0] - mean) * kFrontEndHann[i];
      }
      front_end_transform(front_end_work);
      for (i = 0; i < kFrontEndBands; ++i) {
        float sum = 0.0f, value;
        for (j = kFrontEndEdges[i]; j < kFrontEndEdges[i + 1]; ++j) sum += front_end_square(front_end_work, j + 1);
        value = $power;
        features[(part * kFrontEndBands + i) * kFrontEndChannels + channel] =
            front_end_stored($value, scale, zero_point);
      }
    }
  }
}

#endif  // EDGEVOLVE_FRONT_END_H_
""")
