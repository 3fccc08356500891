"""The C99 code of `Micro`: fixed point, without a heap."""

from collections.abc import Mapping
from string import Template

from edgevolve.data import micro_tables
from edgevolve.data.c_parts import STORED, Table, integers
from edgevolve.data.columns import column_constants, column_value


def header(
    title: str,
    sizes: Mapping[str, int],
    tables: Mapping[str, Table],
    mean: tuple[float, ...],
    deviation: tuple[float, ...],
) -> str:
    """The header that computes the features of a clip."""
    names = ",\n".join(f"  kFrontEnd{name} = {size}" for name, size in sizes.items())
    constants = [integers(name, values) for name, values in tables.items()] + [*column_constants(mean, deviation)]
    value = column_value("0.0390625f * (float)front_end_logarithm(value)", "i", mean)
    channel = Template(_CHANNEL).substitute(
        even=micro_tables.EVEN_SMOOTHING,
        odd=micro_tables.ODD_SMOOTHING,
        least=micro_tables.LEAST_REMAINING,
        smoothing_bits=micro_tables.SMOOTHING_BITS,
        ratio_bits=micro_tables.GAIN_BITS - micro_tables.SNR_BITS,
        ln_2=micro_tables.LN_2,
    )
    return _HEADER.substitute(
        title=title,
        sizes=names,
        constants="\n".join(constants),
        stored=STORED,
        transform=_TRANSFORM,
        channel=channel,
        value=value,
    )


_TRANSFORM = """\
// As 16 bits hold it.
static inline int front_end_short(int x) { return ((x + 32768) & 0xFFFF) - 32768; }

static inline int front_end_rounded(int x) { return front_end_short((x + (1 << 14)) >> 15); }

// z[0] + i z[1] = (a[0] + i a[1]) (c[0] + i c[1]), 15 bits after the point.
static inline void front_end_times(const int* a, const short* c, int* z) {
  z[0] = front_end_rounded(a[0] * c[0] - a[1] * c[1]);
  z[1] = front_end_rounded(a[0] * c[1] + a[1] * c[0]);
}

// The complex number at z[0] and z[1], divided by 2 or 4.
static inline void front_end_divided(const int16_t* z, int number, int* a) {
  a[0] = front_end_rounded(z[0] * (32767 / number));
  a[1] = front_end_rounded(z[1] * (32767 / number));
}

static inline void front_end_put(int16_t* z, int re, int im) {
  z[0] = (int16_t)front_end_short(re);
  z[1] = (int16_t)front_end_short(im);
}

// Where the number at place i comes from, when a transform of radix 4, and 2 at last, leaves its results in order.
static inline int front_end_place(int i) {
  int place = 0, size = kFrontEndPoints / 2, step = 1;
  while (size > 1) {
    const int radix = size % 4 == 0 ? 4 : 2;
    size /= radix;
    place += i / size * step;
    i %= size;
    step *= radix;
  }
  return place;
}

static inline void front_end_quarter(int16_t* z, int m, int step) {
  int k;
  for (k = 0; k < m; ++k) {
    int part[4][2], turned[4][2], i, re, im;
    for (i = 0; i < 4; ++i) {
      front_end_divided(z + 2 * (i * m + k), 4, part[i]);
      if (i) front_end_times(part[i], kFrontEndTwiddles + 2 * i * k * step, turned[i]);
    }
    part[1][0] = front_end_short(part[0][0] - turned[2][0]);
    part[1][1] = front_end_short(part[0][1] - turned[2][1]);
    part[0][0] = front_end_short(part[0][0] + turned[2][0]);
    part[0][1] = front_end_short(part[0][1] + turned[2][1]);
    re = front_end_short(turned[1][0] + turned[3][0]);
    im = front_end_short(turned[1][1] + turned[3][1]);
    front_end_put(z + 2 * k, part[0][0] + re, part[0][1] + im);
    front_end_put(z + 2 * (2 * m + k), part[0][0] - re, part[0][1] - im);
    re = front_end_short(turned[1][0] - turned[3][0]);
    im = front_end_short(turned[1][1] - turned[3][1]);
    front_end_put(z + 2 * (m + k), part[1][0] + im, part[1][1] - re);
    front_end_put(z + 2 * (3 * m + k), part[1][0] - im, part[1][1] + re);
  }
}

static inline void front_end_half(int16_t* z) {
  int a[2], b[2], turned[2];
  front_end_divided(z, 2, a);
  front_end_divided(z + 2, 2, b);
  front_end_times(b, kFrontEndTwiddles, turned);
  front_end_put(z, a[0] + turned[0], a[1] + turned[1]);
  front_end_put(z + 2, a[0] - turned[0], a[1] - turned[1]);
}

// In place, of kFrontEndPoints / 2 complex numbers that lie where front_end_place says.
static inline void front_end_transform(int16_t* z) {
  const int count = kFrontEndPoints / 2;
  int m = 1, begin;
  while (4 * m <= count) m *= 4;
  if (m < count) {
    for (begin = 0; begin < count; begin += 2) front_end_half(z + 2 * begin);
    m = 2;
  } else {
    m = 1;
  }
  for (; m < count; m *= 4) {
    for (begin = 0; begin < count; begin += 4 * m) front_end_quarter(z + 2 * begin, m, count / (4 * m));
  }
}

// From the transform of its halves to the real signal's, at frequencies 1 to kFrontEndPoints / 2 - 1.
static inline void front_end_joined(int16_t* z) {
  const int count = kFrontEndPoints / 2;
  int k;
  for (k = 1; k <= count / 2; ++k) {
    int16_t* there = z + 2 * (count - k);
    int16_t mirrored[2];
    int a[2], b[2], even[2], odd[2], turned[2];
    front_end_put(mirrored, there[0], -there[1]);
    front_end_divided(z + 2 * k, 2, a);
    front_end_divided(mirrored, 2, b);
    even[0] = front_end_short(a[0] + b[0]);
    even[1] = front_end_short(a[1] + b[1]);
    odd[0] = front_end_short(a[0] - b[0]);
    odd[1] = front_end_short(a[1] - b[1]);
    front_end_times(odd, kFrontEndHalves + 2 * (k - 1), turned);
    front_end_put(z + 2 * k, (even[0] + turned[0]) >> 1, (even[1] + turned[1]) >> 1);
    front_end_put(there, (even[0] - turned[0]) >> 1, (turned[1] - even[1]) >> 1);
  }
}
"""

_CHANNEL = """\
static inline int front_end_bits(uint32_t x) {
  int bits = 0;
  for (; x; x >>= 1) ++bits;
  return bits;
}

// Windows a clip into front_end_work, as loud as 16 bits allow; gives by how many bits it was made louder.
static inline int front_end_window(const short* raw) {
  int i, part, largest = 0, shift;
  for (i = 0; i < kFrontEndWindow; ++i) {
    const int value = (raw[i] * kFrontEndHann[i]) >> 12;
    const int size = value < 0 ? -value : value;
    if (size > largest && size < 32768) largest = size;
  }
  shift = 15 - front_end_bits((uint32_t)largest);
  for (i = 0; i < kFrontEndPoints / 2; ++i) {
    const int from = 2 * front_end_place(i);
    for (part = 0; part < 2; ++part) {
      const int at = from + part;
      const int value = at < kFrontEndWindow ? (raw[at] * kFrontEndHann[at]) >> 12 : 0;
      front_end_work[2 * i + part] = (int16_t)front_end_short((int)((uint32_t)value << shift & 0xFFFF));
    }
  }
  return shift;
}

// The square root, rounded; at most 65535 of 32 bits.
static inline uint32_t front_end_root(uint64_t x) {
  const uint64_t most = x >> 32 ? 0xFFFFFFFFu : 0xFFFFu;
  uint64_t root = 0, bit = (uint64_t)1 << 62;
  while (bit > x) bit >>= 2;
  for (; bit; bit >>= 2) {
    if (x >= root + bit) {
      x -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  }
  return (uint32_t)(x > root && root != most ? root + 1 : root);
}

// What the noise of a channel is multiplied by: a table of octaves with slope and curvature.
static inline int front_end_gain(uint32_t noise) {
  const int octave = front_end_bits(noise) - 1;
  const short* row;
  int inside, change;
  if (octave < 0) return kFrontEndLeastGain;
  row = kFrontEndGains + 3 * octave;
  inside = (int)((octave < 10 ? noise << (10 - octave) : noise >> (octave - 10)) & 0x3FF);
  change = (((row[2] * inside) >> 5) + row[1] * 32) * inside;
  return front_end_short(row[0] + ((change + (1 << 14)) >> 15));
}

// A channel less its noise, which is followed from window to window, and normalised by it.
static inline uint32_t front_end_suppressed(uint32_t signal, int i) {
  const uint32_t smoothing = i % 2 ? $odd : $even, scaled = signal << $smoothing_bits;
  const uint32_t noise =
      (uint32_t)(((uint64_t)scaled * smoothing + (uint64_t)front_end_noise[i] * ((1 << 14) - smoothing)) >> 14);
  const uint32_t floor = (uint32_t)(((uint64_t)signal * $least) >> 14);
  const uint32_t less = (scaled - (noise < scaled ? noise : scaled)) >> $smoothing_bits;
  const uint32_t kept = less > floor ? less : floor;
  const uint64_t gained = (uint64_t)kept * (uint32_t)front_end_gain(noise);
  const uint32_t ratio = (uint32_t)(gained >> ($ratio_bits - kFrontEndCorrectionBits));
  front_end_noise[i] = noise;
  return ratio < 8192 ? (ratio * ratio) >> 20 : (ratio >> 6) - 64;
}

// The natural logarithm with 6 bits after the point; 0 of 0 and 1.
static inline int front_end_logarithm(uint32_t value) {
  const uint32_t x = kFrontEndCorrectionBits < 0 ? value >> (kFrontEndCorrectionBits < 0 ? -kFrontEndCorrectionBits : 0)
                                                 : value << (kFrontEndCorrectionBits < 0 ? 0 : kFrontEndCorrectionBits);
  const int whole = front_end_bits(x) - 1;
  uint32_t fraction, segment, natural;
  int low, high;
  if (x < 2) return 0;
  fraction = x - ((uint32_t)1 << whole);
  fraction = whole < 16 ? fraction << (16 - whole) : fraction >> (whole - 16);
  segment = fraction >> 9;
  low = kFrontEndLogarithms[segment];
  high = kFrontEndLogarithms[segment + 1];
  fraction += (uint32_t)(low + (((high - low) * (int)(fraction - (segment << 9))) >> 16));
  natural = (uint32_t)(((uint64_t)$ln_2 * (((uint32_t)whole << 16) + fraction) + 32768) >> 16);
  natural = ((natural << 6) + 32768) >> 16;
  return natural < 65535 ? (int)natural : 65535;
}
"""

_HEADER = Template("""\
// What the network takes of a clip of sound: TensorFlow Lite Micro's audio front end, $title. Stored as the
// model's int8 input.
#ifndef EDGEVOLVE_FRONT_END_H_
#define EDGEVOLVE_FRONT_END_H_

#include <stdint.h>

enum {
$sizes
};
$constants

static int16_t front_end_work[kFrontEndPoints];
static uint32_t front_end_noise[kFrontEndBands];

$stored
$transform
$channel
// raw: kFrontEndValues samples; scale and zero_point: of the model's input.
static inline void front_end(const short* raw, float scale, int zero_point, signed char* features) {
  int row, i, j;
  for (i = 0; i < kFrontEndBands; ++i) front_end_noise[i] = 0;
  for (row = 0; row < kFrontEndWindows; ++row) {
    const int shift = front_end_window(raw + row * kFrontEndStride);
    const int16_t* z = front_end_work + 2 * kFrontEndFirst;
    const short* weight = kFrontEndWeights;
    uint64_t sum = 0;
    front_end_transform(front_end_work);
    front_end_joined(front_end_work);
    for (i = -1; i < kFrontEndBands; ++i) {
      uint64_t next = 0;
      for (j = 0; j < kFrontEndCounts[i + 1]; ++j, z += 2, weight += 2) {
        const uint32_t energy = (uint32_t)(z[0] * z[0]) + (uint32_t)(z[1] * z[1]);
        sum += (uint64_t)energy * (uint32_t)weight[0];
        next += (uint64_t)energy * (uint32_t)weight[1];
      }
      if (i >= 0) {
        const uint32_t value = front_end_suppressed(front_end_root(sum) >> shift, i);
        features[row * kFrontEndBands + i] = front_end_stored($value, scale, zero_point);
      }
      sum = next;
    }
  }
}

#endif  // EDGEVOLVE_FRONT_END_H_
""")
