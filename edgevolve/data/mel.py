"""Sound as bands of the mel scale, or as cepstral coefficients: what a device computes of a clip before the network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.rows import Rows, chunks

_FLOOR = 1e-6
"""Added to every band before its logarithm, as MLPerf Tiny does; silence becomes ln(1e-6)."""

_CLIPS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Mel:
    """Logarithms of `bands` of the mel scale, a row for each window; with `coefficients` their cosine transform.

    A clip is `samples` int16 at `rate` Hz. Windows of `window_ms`, a new one each `stride_ms`, are weighted by Hann's
    function and padded to a power of two. Bands are triangles between `low_hz` and `high_hz`, evenly spaced in
    mel = 2595 log10(1 + f / 700), over the magnitudes of a sample of 1.0 for 32 768. The first `coefficients` of the
    DCT-II, scaled by sqrt(2 / bands), are the MFCC (Davis & Mermelstein 1980); 0 leaves the bands. `fitted` sets the
    `mean` and `deviation` of each column over the training split, by which the features are standardised.

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

    def __post_init__(self) -> None:
        if min(self.rate, self.samples, self.bands) < 1 or min(self.window_ms, self.stride_ms) <= 0:
            raise DataError("Mel: rate, samples, bands, window and stride must be above 0")
        if not 0 <= self.low_hz < self.high_hz <= self.rate / 2:
            raise DataError(
                f"Mel: bands from {self.low_hz:g} to {self.high_hz:g} Hz do not lie between 0 and half of "
                f"the rate, {self.rate / 2:g} Hz"
            )
        if not 0 <= self.coefficients <= self.bands:
            raise DataError(f"Mel: {self.coefficients} coefficients of {self.bands} bands")
        if not self.window <= self.samples or self.stride < 1 or self.window < 2:
            raise DataError(f"Mel: a window of {self.window_ms:g} ms does not fit {self.samples} samples")
        empty = [str(i) for i, (_, weights) in enumerate(self._filters()) if not weights]
        if empty:
            raise DataError(
                f"Mel: bands {', '.join(empty[:3])} lie between two frequencies of a window; take fewer bands"
            )

    @property
    def window(self) -> int:
        """Samples of a window."""
        return round(self.rate * self.window_ms / 1000)

    @property
    def stride(self) -> int:
        """Samples from one window to the next."""
        return round(self.rate * self.stride_ms / 1000)

    @property
    def points(self) -> int:
        """Points of the Fourier transform: the power of two that holds a window."""
        return max(4, 1 << (self.window - 1).bit_length())

    @property
    def shape(self) -> tuple[int, int, int]:
        """(windows, columns, 1) of the features of a clip."""
        return (1 + (self.samples - self.window) // self.stride, self.coefficients or self.bands, 1)

    @property
    def name(self) -> str:
        """`mfcc` or `log mel`."""
        return "mfcc" if self.coefficients else "log mel"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All fields."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def raw_type(self) -> str:
        """`int16`."""
        return "int16"

    @property
    def work_bytes(self) -> int:
        """RAM that the C code keeps beside clip and features: a transform and the bands, in single precision."""
        return 4 * (self.points + self.bands)

    def fitted(self, rows: Rows) -> "Mel":
        """With mean and standard deviation of each column over `rows`, (number, samples); 1 for a constant column."""
        plain = replace(self, mean=(), deviation=())
        parts = [plain.apply(chunk).reshape(-1, self.shape[1]).astype(np.float64) for chunk in chunks(rows)]
        number = sum(map(len, parts))
        mean = sum(part.sum(axis=0) for part in parts) / number
        deviation = np.sqrt(sum(((part - mean) ** 2).sum(axis=0) for part in parts) / number)
        deviation[deviation < _FLOOR] = 1
        means, deviations = (tuple(values.astype(np.float32).tolist()) for values in (mean, deviation))
        return replace(self, mean=means, deviation=deviations)

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """(number, windows, columns, 1) features of (number, samples[, 1, 1]) clips, computed in double precision."""
        if raw.shape[1:] not in ((self.samples,), (self.samples, 1, 1)):
            raise DataError(f"Mel: clips must be (number, {self.samples}), they are {raw.shape}")
        raw = raw.reshape(len(raw), self.samples)
        features = np.empty((len(raw), *self.shape), np.float32)
        for begin in range(0, len(raw), _CLIPS_AT_ONCE):
            part = raw[begin : begin + _CLIPS_AT_ONCE].astype(np.float64) / 32_768
            features[begin : begin + len(part), :, :, 0] = self._features(part)
        return features

    def _features(self, clips: NDArray[np.float64]) -> NDArray[np.float64]:
        frames = np.lib.stride_tricks.sliding_window_view(clips, self.window, axis=1)[:, :: self.stride]
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
        """The first frequency of each band, and its weights from there on."""
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
        """The same for one clip, in single precision."""
        half, columns = self.points // 2, self.shape[1]
        angles = 2 * np.pi * np.arange(half) / self.points
        firsts, weights = zip(*self._filters(), strict=True)
        tables: dict[str, Sequence[float] | NDArray[np.float64]] = {
            "Hann": self._hann() / 32_768,
            "Cosine": np.cos(angles),
            "Sine": np.sin(angles),
            "Weights": [weight for band in weights for weight in band],
            "Mean": self.mean or [0.0] * columns,
            "Deviation": self.deviation or [1.0] * columns,
        }
        if self.coefficients:
            tables["Dct"] = self._cosines().ravel()
        constants = [_floats(name, values) for name, values in tables.items()]
        constants += [_shorts("First", firsts), _shorts("Count", [len(band) for band in weights])]
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
            column=_CEPSTRUM if self.coefficients else "    const float value = front_end_bands[i];",
        )


def _floats(name: str, values: Sequence[float] | NDArray[np.float64]) -> str:
    texts = (f"{float(np.float32(value))!r}f" for value in values)
    return f"static const float kFrontEnd{name}[{len(values)}] = {{{', '.join(texts)}}};"


def _shorts(name: str, values: Sequence[int]) -> str:
    return f"static const short kFrontEnd{name}[{len(values)}] = {{{', '.join(map(str, values))}}};"


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

// The Fourier transform, in place, of kFrontEndPoints / 2 complex numbers.
static inline void front_end_transform(float* z) {
  const int count = kFrontEndPoints / 2;
  int i, j = 0, length, begin, k;
  for (i = 1; i < count; ++i) {  // order of reversed bits
    int bit = count >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      const float re = z[2 * i], im = z[2 * i + 1];
      z[2 * i] = z[2 * j];
      z[2 * i + 1] = z[2 * j + 1];
      z[2 * j] = re;
      z[2 * j + 1] = im;
    }
  }
  for (length = 2; length <= count; length *= 2) {
    const int step = kFrontEndPoints / length;
    for (begin = 0; begin < count; begin += length) {
      for (k = 0; k < length / 2; ++k) {
        float* a = z + 2 * (begin + k);
        float* b = a + length;
        const float c = kFrontEndCosine[k * step], s = kFrontEndSine[k * step];
        const float re = b[0] * c + b[1] * s, im = b[1] * c - b[0] * s;
        b[0] = a[0] - re;
        b[1] = a[1] - im;
        a[0] += re;
        a[1] += im;
      }
    }
  }
}

// Magnitude of the real signal at frequency k from 1 to kFrontEndPoints / 2, of its halves' transform.
static inline float front_end_magnitude(const float* z, int k) {
  const int count = kFrontEndPoints / 2, other = (count - k) % count;
  float even_re, even_im, odd_re, odd_im, re, im;
  if (k == count) {
    re = z[0] - z[1];
    return re < 0.0f ? -re : re;
  }
  even_re = 0.5f * (z[2 * k] + z[2 * other]);
  even_im = 0.5f * (z[2 * k + 1] - z[2 * other + 1]);
  odd_re = 0.5f * (z[2 * k + 1] + z[2 * other + 1]);
  odd_im = 0.5f * (z[2 * other] - z[2 * k]);
  re = even_re + kFrontEndCosine[k] * odd_re + kFrontEndSine[k] * odd_im;
  im = even_im + kFrontEndCosine[k] * odd_im - kFrontEndSine[k] * odd_re;
  return sqrtf(re * re + im * im);
}

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
        sum += *weight++ * front_end_magnitude(front_end_work, kFrontEndFirst[i] + j);
      }
      front_end_bands[i] = logf(sum + $floor);
    }
    at = row * kFrontEndColumns;
    for (i = 0; i < kFrontEndColumns; ++i) {
$column
      const float stored =
          (value - kFrontEndMean[i]) / kFrontEndDeviation[i] / scale + (float)zero_point;
      if (stored <= -128.0f) {
        features[at + i] = -128;
      } else if (stored >= 127.0f) {
        features[at + i] = 127;
      } else {
        features[at + i] = (signed char)(stored < 0.0f ? stored - 0.5f : stored + 0.5f);
      }
    }
  }
}

#endif  // EDGEVOLVE_FRONT_END_H_
""")
