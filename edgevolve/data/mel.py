"""Front end for sound: bands of the mel scale, or cepstral coefficients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.c_parts import STORED, TRANSFORM, circle, floats, integers
from edgevolve.data.clips import check_frequencies, flat_clips, windows_of
from edgevolve.data.columns import column_constants, column_value, constant_bytes, with_statistics
from edgevolve.data.cost import LOG_OPERATIONS, ROOT_OPERATIONS, Cost, table_bytes
from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import parameters_of
from edgevolve.data.rows import Rows

_FLOOR = 1e-6
"""Added to every band before its logarithm, as in MLPerf Tiny; silence becomes ln(1e-6)."""

_CLIPS_AT_ONCE = 64
_CODE_BYTES = 850
"""Bytes of Thumb-2 code, with what it calls, gcc -Os for a Cortex-M4, rounded up (`benchmarks/front_ends.py`)."""


@dataclass(frozen=True, slots=True)
class Mel:
    """Logarithms of `bands` of the mel scale, a row for each window; or MFCC if `coefficients` is above 0.

    A clip is `samples` int16 at `rate` Hz. Windows of `window_ms`, one every `stride_ms`, are weighted by Hann's
    function and padded to a power of two. Bands are triangles between `low_hz` and `high_hz`, evenly spaced in mel =
    2595 log10(1 + f / 700), over the magnitudes, where 32 768 is a sample of 1.0. The first `coefficients` of the
    DCT-II, scaled by sqrt(2 / bands), are the MFCC (Davis & Mermelstein 1980); with 0 the features are the bands.
    `fitted` sets the `mean` and `deviation` of each column over the training split, by which features are standardised.

    The defaults are those of MLPerf Tiny's keyword spotting with `coefficients=10` at 16 kHz: 49 rows of 10.
    """

    rate: int
    samples: int
    window_ms: float = 30
    stride_ms: float = 20
    bands: int = 40
    low_hz: float = 20
    high_hz: float = 4_000
    coefficients: int = 0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    raw_type = "int16"

    def __post_init__(self) -> None:
        if min(self.rate, self.samples, self.bands) < 1 or min(self.window_ms, self.stride_ms) <= 0:
            raise DataError("Mel: rate, samples, bands, window and stride must be above 0")
        check_frequencies("Mel", "bands", self.low_hz, self.high_hz, self.rate)
        if not 0 <= self.coefficients <= self.bands:
            raise DataError(
                f"Mel: coefficients must be from 0 to the number of bands, {self.bands}, not {self.coefficients}"
            )
        if not self.window <= self.samples or self.stride < 1 or self.window < 2:
            raise DataError(f"Mel: a window of {self.window_ms:g} ms does not fit {self.samples} samples")
        empty = [str(i) for i, (_, weights) in enumerate(self._filters()) if not weights]
        if empty:
            raise DataError(
                f"Mel: bands {', '.join(empty[:3])} lie between two frequencies of a window; take fewer bands"
            )

    @property
    def window(self) -> int:
        """The number of samples in a window."""
        return round(self.rate * self.window_ms / 1000)

    @property
    def stride(self) -> int:
        """The number of samples from one window to the next."""
        return round(self.rate * self.stride_ms / 1000)

    @property
    def points(self) -> int:
        """The number of points of the Fourier transform: the power of two that holds a window."""
        return max(4, 1 << (self.window - 1).bit_length())

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a clip's features, (windows, columns, 1)."""
        return (1 + (self.samples - self.window) // self.stride, self.coefficients or self.bands, 1)

    @property
    def name(self) -> str:
        """The name in journal and manifest, `mfcc` or `log mel`."""
        return "mfcc" if self.coefficients else "log mel"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All fields, as JSON values."""
        return parameters_of(self)

    @property
    def work_bytes(self) -> int:
        """Bytes of RAM of the C code beside clip and features: a transform and the bands, in single precision."""
        return 4 * (self.points + self.bands)

    @property
    def cost(self) -> Cost:
        """What the C code needs for a clip."""
        half = self.points // 2
        transform = 10 * (half // 2) * max(1, half.bit_length() - 1)
        weights = sum(len(band) for _, band in self._filters())
        window = self.window + transform + weights * (20 + ROOT_OPERATIONS) + self.bands * LOG_OPERATIONS
        each = window + 2 * self.bands * self.coefficients + 6 * self.shape[1]
        flash = _CODE_BYTES + table_bytes(self.c_source()) + constant_bytes(self.shape[1], self.mean)
        return Cost(self.work_bytes, flash, self.shape[0] * each)

    def fitted(self, rows: Rows) -> "Mel":
        """Fit to mean and deviation of each column over `rows`, (number, samples); deviation 1 for a constant one."""
        return with_statistics(self, rows)

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """The features, (number, windows, columns, 1), of clips (number, samples[, 1, 1]), in double precision."""
        raw = flat_clips("Mel", raw, self.samples)
        features = np.empty((len(raw), *self.shape), np.float32)
        for begin in range(0, len(raw), _CLIPS_AT_ONCE):
            part = raw[begin : begin + _CLIPS_AT_ONCE].astype(np.float64) / 32_768
            features[begin : begin + len(part), :, :, 0] = self._features(part)
        return features

    def _features(self, clips: NDArray[np.float64]) -> NDArray[np.float64]:
        frames = windows_of(clips, self.window, self.stride)
        magnitudes = np.abs(np.fft.rfft(frames * self._hann(), self.points))
        bands = [
            (magnitudes[..., first : first + len(weights)] * weights).sum(axis=-1) for first, weights in self._filters()
        ]
        features = np.log(np.stack(bands, axis=-1) + _FLOOR)
        if self.coefficients:
            features = np.stack([(features * row).sum(axis=-1) for row in self._cosines()], axis=-1)
        return (features - self.mean) / self.deviation if self.mean else features

    def _hann(self) -> NDArray[np.float64]:
        """Hann's window, periodic."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)

    def _filters(self) -> Iterator[tuple[int, tuple[float, ...]]]:
        """For each band, the index of its first frequency, and the weights from there on."""
        frequencies = np.arange(1, self.points // 2 + 1) * self.rate / self.points  # without the mean
        mel = 2595 * np.log10(1 + frequencies / 700)
        low, high = 2595 * np.log10(1 + np.array([self.low_hz, self.high_hz]) / 700)
        edges = np.linspace(low, high, self.bands + 2)
        for left, centre, right in zip(edges, edges[1:], edges[2:], strict=False):
            weights = np.minimum((mel - left) / (centre - left), (right - mel) / (right - centre))
            (inside,) = np.nonzero(weights > 0)
            first = int(inside[0]) if len(inside) else 0
            yield first + 1, tuple(weights[inside].tolist())

    def _cosines(self) -> NDArray[np.float64]:
        """Rows of the DCT-II, (coefficients, bands)."""
        angles = np.outer(np.arange(self.coefficients), np.arange(self.bands) + 0.5) * np.pi / self.bands
        rows: NDArray[np.float64] = np.cos(angles) * np.sqrt(2 / self.bands)
        return rows

    def c_source(self) -> str:
        """C code that does the same for a clip, in single precision."""
        columns = self.shape[1]
        firsts, weights = zip(*self._filters(), strict=True)
        constants = [
            floats("Hann", self._hann() / 32_768),
            *circle(self.points),
            floats("Weights", [weight for band in weights for weight in band]),
            integers("First", firsts),
            integers("Count", [len(band) for band in weights]),
            *([floats("Dct", self._cosines().ravel())] if self.coefficients else []),
            *column_constants(self.mean, self.deviation),
        ]
        return _HEADER.substitute(
            title=f"{self.name}, {self.shape[0]} windows of {columns}",
            samples=self.samples,
            window=self.window,
            stride=self.stride,
            points=self.points,
            windows=self.shape[0],
            bands=self.bands,
            columns=columns,
            floor=f"{_FLOOR}f",
            constants="\n".join(constants),
            transform=TRANSFORM,
            stored=STORED,
            column=_CEPSTRUM if self.coefficients else "      const float value = front_end_bands[i];",
            value=column_value("value", "i", self.mean),
        )


_CEPSTRUM = """\
      float value = 0.0f;
      for (j = 0; j < kFrontEndBands; ++j) value += kFrontEndDct[i * kFrontEndBands + j] * front_end_bands[j];"""

_HEADER = Template("""\
// What the network takes of a clip of sound: $title. Stored as the model's int8 input.
#ifndef EDGEVOLVE_FRONT_END_H_
#define EDGEVOLVE_FRONT_END_H_

#include <math.h>

enum {
  kFrontEndValues = $samples,
  kFrontEndWindow = $window,
  kFrontEndStride = $stride,
  kFrontEndPoints = $points,
  kFrontEndWindows = $windows,
  kFrontEndBands = $bands,
  kFrontEndColumns = $columns
};
$constants

static float front_end_work[kFrontEndPoints];
static float front_end_bands[kFrontEndBands];

$stored
$transform
// raw: kFrontEndValues samples; scale and zero_point: of the model's input.
static inline void front_end(const short* raw, float scale, int zero_point, signed char* features) {
  int at, i, j, row;
  for (row = 0; row < kFrontEndWindows; ++row) {
    const float* weight = kFrontEndWeights;
    for (i = 0; i < kFrontEndPoints; ++i) front_end_work[i] = 0.0f;
    for (i = 0; i < kFrontEndWindow; ++i) front_end_work[i] = raw[row * kFrontEndStride + i] * kFrontEndHann[i];
    front_end_transform(front_end_work);
    for (i = 0; i < kFrontEndBands; ++i) {
      float sum = 0.0f;
      for (j = 0; j < kFrontEndCount[i]; ++j) {
        sum += *weight++ * sqrtf(front_end_square(front_end_work, kFrontEndFirst[i] + j));
      }
      front_end_bands[i] = logf(sum + $floor);
    }
    at = row * kFrontEndColumns;
    for (i = 0; i < kFrontEndColumns; ++i) {
$column
      features[at + i] = front_end_stored($value, scale, zero_point);
    }
  }
}

#endif  // EDGEVOLVE_FRONT_END_H_
""")
