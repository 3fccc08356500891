"""The parts of C front ends: tables, the Fourier transform, the conversion to the model's int8."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = Sequence[Any] | NDArray[Any]


def floats(name: str, values: Table) -> str:
    """A constant array of single precision, `kFrontEndNAME`."""
    texts = (f"{float(np.float32(value))!r}f" for value in values)
    return f"static const float kFrontEnd{name}[{len(values)}] = {{{', '.join(texts)}}};"


def integers(name: str, values: Table, kind: str = "short") -> str:
    """A constant array of whole numbers, `kFrontEndNAME`."""
    texts = ", ".join(str(int(value)) for value in values)
    return f"static const {kind} kFrontEnd{name}[{len(values)}] = {{{texts}}};"


STORED = """\
// A feature as the model's input holds it: rounded half away from zero, at most one step of int8 from half to even.
static inline signed char front_end_stored(float value, float scale, int zero_point) {
  const float stored = value / scale + (float)zero_point;
  if (stored <= -128.0f) return -128;
  if (stored >= 127.0f) return 127;
  return (signed char)(stored < 0.0f ? stored - 0.5f : stored + 0.5f);
}
"""

TRANSFORM = """\
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

// Square of the real signal's magnitude at frequency k from 0 to kFrontEndPoints / 2, of its halves' transform.
static inline float front_end_square(const float* z, int k) {
  const int count = kFrontEndPoints / 2, other = (count - k) % count;
  float even_re, even_im, odd_re, odd_im, re, im;
  if (k == count || k == 0) {
    re = k == 0 ? z[0] + z[1] : z[0] - z[1];
    return re * re;
  }
  even_re = 0.5f * (z[2 * k] + z[2 * other]);
  even_im = 0.5f * (z[2 * k + 1] - z[2 * other + 1]);
  odd_re = 0.5f * (z[2 * k + 1] + z[2 * other + 1]);
  odd_im = 0.5f * (z[2 * other] - z[2 * k]);
  re = even_re + kFrontEndCosine[k] * odd_re + kFrontEndSine[k] * odd_im;
  im = even_im + kFrontEndCosine[k] * odd_im - kFrontEndSine[k] * odd_re;
  return re * re + im * im;
}
"""
"""C code that needs kFrontEndPoints, and kFrontEndPoints / 2 values of kFrontEndCosine and kFrontEndSine."""


def circle(points: int) -> tuple[str, str]:
    """The tables that `TRANSFORM` needs."""
    angles = 2 * np.pi * np.arange(points // 2) / points
    return floats("Cosine", np.cos(angles)), floats("Sine", np.sin(angles))
