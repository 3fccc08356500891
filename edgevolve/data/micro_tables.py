"""Constants of TensorFlow Lite Micro's audio front end, in the form of its fixed-point code.

The original computes its tables in single precision, so every step here is rounded to it. Tests compare with a wheel of
the original.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_F = np.float32

WINDOW_BITS, WEIGHT_BITS, NOISE_BITS, SMOOTHING_BITS = 12, 12, 14, 10
EVEN_SMOOTHING, ODD_SMOOTHING, LEAST_REMAINING = (int(_F(x) * (1 << NOISE_BITS)) for x in (0.025, 0.06, 0.05))
STRENGTH, OFFSET, GAIN_BITS = _F(0.95), _F(80), 21
SNR_BITS, GAINED_BITS = 12, 6
LOG_BITS, LOG_SEGMENT_BITS, LOG_SHIFT, LN_2 = 16, 7, 6, 45_426
"""Constants of the logarithm; `LN_2` is ln 2 with `LOG_BITS` bits after the point."""


def hann(size: int) -> NDArray[np.int64]:
    """Hann's window at the middles of samples, with `WINDOW_BITS` bits after the point."""
    step = _F(np.pi) * _F(2) / _F(size)
    angles = step * (np.arange(size, dtype=np.float32) + _F(0.5))
    values = _F(0.5) - _F(0.5) * np.cos(angles.astype(np.float64)).astype(np.float32)
    return _rounded(values, WINDOW_BITS)


def twiddles(count: int) -> NDArray[np.int64]:
    """exp(−2πi k / count) for each k below `count`, (count, 2), with 32 767 for 1."""
    return _circle(-2 * np.pi * np.arange(count) / count)


def halves(count: int) -> NDArray[np.int64]:
    """exp(−πi ((k + 1) / count + 1/2)) for each k below `count` / 2, which joins the halves of a real signal."""
    return _circle(-np.pi * ((np.arange(count // 2) + 1) / count + 0.5))


def _circle(phases: NDArray[np.float64]) -> NDArray[np.int64]:
    values = np.stack([np.cos(phases), np.sin(phases)], axis=-1)
    return np.floor(0.5 + 32_767 * values).astype(np.int64)


def filters(
    rate: int, points: int, bands: int, low_hz: float, high_hz: float
) -> tuple[int, list[int], NDArray[np.int64]]:
    """The first frequency, the numbers of frequencies up to each of `bands` + 1 centres, and weights (number, 2).

    The first weight of a frequency is for the band with the next centre, the second for the band before it. Centres are
    evenly spaced in mel = 1127 ln(1 + f / 700).
    """
    low, high = (_mel(np.array([hertz], np.float32))[0] for hertz in (low_hz, high_hz))
    spacing = (high - low) / _F(bands + 1)
    centres = low + spacing * np.arange(1, bands + 2, dtype=np.float32)
    hertz = _F(0.5) * _F(rate) / _F(points // 2)
    first = int(_F(1.5) + _F(low_hz) / hertz)
    mels = _mel(np.arange(points, dtype=np.float32) * hertz)
    ends = [int(np.argmax(mels > centre)) for centre in centres]
    bounds = np.maximum.accumulate([first, *ends])
    weights = []
    for band, (begin, end) in enumerate(pairwise(bounds)):
        below = centres[band - 1] if band else low
        weights.append((centres[band] - mels[begin:end]) / (centres[band] - below))
    rising = np.concatenate(weights)
    both = [_rounded(values, WEIGHT_BITS) for values in (rising, _F(1) - rising)]
    return first, np.diff(bounds).tolist(), np.stack(both, axis=-1)


def _mel(hertz: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel by the C library's logarithm, as in the original: another last bit would change a weight by one."""
    mel: NDArray[np.float32] = _F(1127) * np.log1p(hertz / _F(700))
    return mel


def gains(correction_bits: int) -> NDArray[np.int64]:
    """(noise + offset)^−strength as a table of octaves: row k holds (value, slope, curvature) for noise from 2^k.

    Noise has the input's bits less `correction_bits`.
    """
    rows = []
    for octave in range(32):
        start = 1 << octave
        end = 2 * start if octave < 31 else 2 * start - 1
        at, middle, last = (_gain(x, SMOOTHING_BITS - correction_bits) for x in (start, start + start // 2, end))
        slope = 4 * (middle - at) - (last - at)
        rows.append((at, _int16(slope), _int16(last - at - slope)))
    return np.array(rows)


def least_gain(correction_bits: int) -> int:
    """The gain without noise."""
    return _gain(0, SMOOTHING_BITS - correction_bits)


def _gain(noise: int, bits: int) -> int:
    base = float(_F(noise) / _F(1 << bits) + OFFSET)
    gain = _F(1 << GAIN_BITS) * _F(base ** -float(STRENGTH))
    return 32_767 if gain > 32_767 else int(gain + _F(0.5))


def _int16(value: int) -> int:
    return (value + 32_768) % 65_536 - 32_768


def log_corrections() -> NDArray[np.int64]:
    """log2(1 + f) − f at the 129 ends of 128 segments of f from 0 to 1, with `LOG_BITS` bits after the point."""
    segments = 1 << LOG_SEGMENT_BITS
    f = np.arange(segments + 1) / segments
    return np.round((np.log2(1 + f) - f) * (1 << LOG_BITS)).astype(np.int64)


def _rounded(values: NDArray[np.float32], bits: int) -> NDArray[np.int64]:
    whole: NDArray[np.int64] = np.floor(values * _F(1 << bits) + _F(0.5)).astype(np.int64)
    return whole
