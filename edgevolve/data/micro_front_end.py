"""TensorFlow Lite Micro's audio front end: fixed point, with noise suppression and gain control of each channel.

The stages are those of its `microfrontend` library: Hann's window, a 16-bit Fourier transform, triangular filters,
noise suppression, per-channel normalisation of energy (PCEN: Wang et al. 2016, arXiv 1607.05666) and a logarithm.
`codes` are equal to its outputs to the bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import micro_c, micro_tables
from edgevolve.data.c_parts import Table
from edgevolve.data.clips import check_frequencies, flat_clips, windows_of
from edgevolve.data.columns import constant_bytes, standardised_columns, with_statistics
from edgevolve.data.cost import Cost, table_bytes
from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import parameters_of
from edgevolve.data.micro_tables import GAIN_BITS, GAINED_BITS, LOG_BITS, LOG_SEGMENT_BITS, NOISE_BITS, SMOOTHING_BITS
from edgevolve.data.rows import Rows

_Whole = TypeVar("_Whole", np.int32, np.int64)

_STEP = 0.0390625
"""The factor from a code to a feature, as its users apply it."""

_CLIPS_AT_ONCE = 32
_CODE_BYTES = 1_750
"""Bytes of Thumb-2 code, with what it calls, gcc -Os for a Cortex-M4, rounded up (`benchmarks/front_ends.py`)."""


@dataclass(frozen=True, slots=True)
class Micro:
    """Logarithms of `bands` channels of each window, as computed by TensorFlow Lite Micro's fixed-point front end.

    A clip is `samples` int16 at `rate` Hz; the noise estimate starts anew with each clip. Windows of `window_ms` follow
    every `stride_ms`. Channels lie between `low_hz` and `high_hz`. The defaults are those of micro_speech with 40
    channels of 30 ms. A feature is a code from 0 to about 670, divided by 25.6. `fitted` sets the `mean` and
    `deviation` of each channel over the training split, by which features are standardised. Raises `DataError` for
    parameters that its tables or 16 bits do not allow.
    """

    rate: int
    samples: int
    window_ms: int = 30
    stride_ms: int = 20
    bands: int = 40
    low_hz: float = 125
    high_hz: float = 7_500
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    name, raw_type = "micro", "int16"

    def __post_init__(self) -> None:
        whole = (self.rate, self.samples, self.window_ms, self.stride_ms, self.bands)
        if not all(type(value) is int and value >= 1 for value in whole):
            raise DataError("Micro: rate, samples, bands, window_ms and stride_ms must be whole and above 0")
        check_frequencies("Micro", "channels", self.low_hz, self.high_hz, self.rate)
        if self.stride < 1 or not 2 <= self.window <= self.samples or self.stride > self.window:
            raise DataError(
                f"Micro: a window of {self.window_ms} ms each {self.stride_ms} does not fit {self.samples} samples; "
                "a stride is at most a window"
            )
        if not 64 <= self.points <= 4_096:
            raise DataError(f"Micro: a transform of {self.points} points: take windows of 33 to 4096 samples")
        first, counts, _ = self._filters()
        if first + sum(counts) > self.points // 2:
            raise DataError(f"Micro: {self.high_hz:g} Hz is too near half of the rate, {self.rate / 2:g} Hz")

    @property
    def window(self) -> int:
        """The number of samples in a window."""
        return self.window_ms * self.rate // 1000

    @property
    def stride(self) -> int:
        """The number of samples from one window to the next."""
        return self.stride_ms * self.rate // 1000

    @property
    def points(self) -> int:
        """The number of points of the Fourier transform: the power of two that holds a window."""
        return 1 << (self.window - 1).bit_length()

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a clip's features, (windows, channels, 1)."""
        return (1 + (self.samples - self.window) // self.stride, self.bands, 1)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All fields, as JSON values."""
        return parameters_of(self)

    @property
    def work_bytes(self) -> int:
        """Bytes of RAM of the C code beside clip and features: a 16-bit transform and the noise of each channel."""
        return 2 * self.points + 4 * self.bands

    @property
    def cost(self) -> Cost:
        """What the C code needs for a clip."""
        butterflies = self.points // 2 * max(1, (self.points // 2).bit_length() - 1) // 2
        window = 4 * self.window + 18 * butterflies + 22 * self.points // 2 + 7 * sum(self._filters()[1])
        each = self.shape[0] * (window + 150 * self.bands)
        flash = _CODE_BYTES + table_bytes(self.c_source()) + constant_bytes(self.bands, self.mean)
        return Cost(self.work_bytes, flash, 5 * self.shape[0] * self.bands, each)

    def fitted(self, rows: Rows) -> "Micro":
        """Fit to mean and deviation of each channel over `rows`, (number, samples); deviation 1 for a constant one."""
        return with_statistics(self, rows)

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """The features, (number, windows, channels, 1), of clips (number, samples[, 1, 1])."""
        features = self.codes(raw).astype(np.float32)[..., np.newaxis] * np.float32(_STEP)
        return standardised_columns(features, self.mean, self.deviation)

    def codes(self, raw: NDArray[Any]) -> NDArray[np.uint16]:
        """The library's outputs for each clip alone, (number, windows, channels)."""
        raw = flat_clips("Micro", raw, self.samples)
        codes = np.empty((len(raw), *self.shape[:2]), np.uint16)
        for begin in range(0, len(raw), _CLIPS_AT_ONCE):
            part = raw[begin : begin + _CLIPS_AT_ONCE]
            codes[begin : begin + len(part)] = self._logarithms(self._suppressed(self._channels(part)))
        return codes

    @property
    def _correction_bits(self) -> int:
        """The bits by which the transform's values exceed the filters' weights."""
        return self.points.bit_length() - 1 - micro_tables.WEIGHT_BITS // 2

    def _filters(self) -> tuple[int, list[int], NDArray[np.int64]]:
        return micro_tables.filters(self.rate, self.points, self.bands, self.low_hz, self.high_hz)

    def _channels(self, clips: NDArray[np.int16]) -> NDArray[np.int64]:
        """The root of each channel's energy, (clips, windows, channels)."""
        frames = windows_of(clips, self.window, self.stride)
        window = micro_tables.hann(self.window).astype(np.int32)
        weighted = (frames.astype(np.int32) * window) >> micro_tables.WINDOW_BITS
        largest = np.where(weighted > -32_768, np.abs(weighted), 0).max(axis=-1)
        shift = 15 - _bits(largest)
        padded = np.zeros((*weighted.shape[:2], self.points), np.int32)
        padded[..., : self.window] = _int16(weighted << shift[..., np.newaxis].astype(np.int32))
        spectrum = _spectrum(padded)
        first, counts, weights = self._filters()
        used = spectrum[..., first : first + len(weights), :].astype(np.int64)
        energy: NDArray[np.int64] = np.square(used).sum(axis=-1)
        edges = np.concatenate([[0], np.cumsum(counts)])
        both = energy[..., np.newaxis] * weights
        totals = np.concatenate([np.zeros((*both.shape[:2], 1, 2), np.int64), np.cumsum(both, axis=2)], axis=2)
        sums = totals[..., edges[1:], :] - totals[..., edges[:-1], :]
        channels = sums[..., 1:, 0] + sums[..., :-1, 1]
        return _root(channels) >> shift[..., np.newaxis]

    def _suppressed(self, channels: NDArray[np.int64]) -> NDArray[np.int64]:
        """The channels without their noise, which is tracked from window to window, and normalised by it."""
        smoothing = np.where(np.arange(self.bands) % 2, micro_tables.ODD_SMOOTHING, micro_tables.EVEN_SMOOTHING)
        noise = np.zeros((len(channels), self.bands), np.int64)
        table, least = micro_tables.gains(self._correction_bits), micro_tables.least_gain(self._correction_bits)
        result = np.empty_like(channels)
        for row in range(channels.shape[1]):
            signal = channels[:, row]
            scaled = _uint32(signal << SMOOTHING_BITS)
            noise = _uint32((scaled * smoothing + noise * ((1 << NOISE_BITS) - smoothing)) >> NOISE_BITS)
            floor = (signal * micro_tables.LEAST_REMAINING) >> NOISE_BITS
            signal = np.maximum((scaled - np.minimum(noise, scaled)) >> SMOOTHING_BITS, floor)
            gain = np.where(noise > 0, _interpolated(noise, table), least)
            ratio = _uint32((signal * gain) >> (GAIN_BITS - self._correction_bits - micro_tables.SNR_BITS))
            result[:, row] = _shrunk(ratio)
        return result

    def _logarithms(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The natural logarithm of each value with 6 bits after the point; 0 for 0 and 1."""
        bits = self._correction_bits
        x = np.maximum(_uint32(values << bits) if bits >= 0 else values >> -bits, 1)
        whole = _bits(x) - 1
        above = x - (1 << whole)
        fraction = np.where(
            whole < LOG_BITS, above << np.maximum(LOG_BITS - whole, 0), above >> np.maximum(whole - LOG_BITS, 0)
        )
        corrections = micro_tables.log_corrections()
        segment = fraction >> (LOG_BITS - LOG_SEGMENT_BITS)
        inside = fraction - (segment << (LOG_BITS - LOG_SEGMENT_BITS))
        low, high = corrections[segment], corrections[segment + 1]
        log2 = (whole << LOG_BITS) + fraction + low + (((high - low) * inside) >> LOG_BITS)
        half = 1 << (LOG_BITS - 1)
        natural = (micro_tables.LN_2 * log2 + half) >> LOG_BITS
        codes: NDArray[np.int64] = np.minimum(((natural << micro_tables.LOG_SHIFT) + half) >> LOG_BITS, 65_535)
        return codes

    def c_source(self) -> str:
        """C code that does the same for a clip, in fixed point up to the codes."""
        first, counts, weights = self._filters()
        gains = micro_tables.gains(self._correction_bits)
        sizes = {
            "Values": self.samples,
            "Window": self.window,
            "Stride": self.stride,
            "Points": self.points,
            "Windows": self.shape[0],
            "Bands": self.bands,
            "First": first,
            "CorrectionBits": self._correction_bits,
            "LeastGain": micro_tables.least_gain(self._correction_bits),
        }
        tables: dict[str, Table] = {
            "Hann": micro_tables.hann(self.window),
            "Twiddles": micro_tables.twiddles(self.points // 2).ravel(),
            "Halves": micro_tables.halves(self.points // 2).ravel(),
            "Counts": counts,
            "Weights": weights.ravel(),
            "Gains": gains.ravel(),
            "Logarithms": micro_tables.log_corrections(),
        }
        return micro_c.header(f"{self.shape[0]} windows of {self.bands}", sizes, tables, self.mean, self.deviation)


def _spectrum(signal: NDArray[np.int32]) -> NDArray[np.int32]:
    """The frequencies up to half of the points, (..., points / 2, 2), of real 16-bit signals, halved at each step of 2.

    Frequency 0 is not corrected, since no channel uses it.
    """
    points = signal.shape[-1]
    count = points // 2
    packed = signal.reshape(*signal.shape[:-1], count, 2)
    z = _transformed(packed, micro_tables.twiddles(count).astype(np.int32), 1)
    k = np.arange(1, count // 2 + 1)
    a = _divided(z[..., k, :], 2)
    b = _divided(_int16(z[..., count - k, :] * np.array([1, -1], np.int32)), 2)
    even, odd = _int16(a + b), _int16(a - b)
    turned = _product(odd, micro_tables.halves(count).astype(np.int32))
    spectrum = z.copy()
    spectrum[..., k, :] = (even + turned) >> 1
    spectrum[..., count - k, :] = np.stack(
        [(even[..., 0] - turned[..., 0]) >> 1, (turned[..., 1] - even[..., 1]) >> 1], -1
    )
    return _int16(spectrum)


def _transformed(z: NDArray[np.int32], twiddles: NDArray[np.int32], step: int) -> NDArray[np.int32]:
    """The transform of (..., number, 2) complex values, number a power of two: radix 4, and 2 where one is left."""
    number = z.shape[-2]
    if number == 1:
        return z
    radix = 4 if number % 4 == 0 else 2
    m = number // radix
    parts = [_divided(_transformed(z[..., i::radix, :], twiddles, step * radix), radix) for i in range(radix)]
    turned = [parts[0]] + [_product(parts[i], twiddles[i * step * np.arange(m)]) for i in range(1, radix)]
    if radix == 2:
        return _int16(np.concatenate([turned[0] + turned[1], turned[0] - turned[1]], axis=-2))
    plus, minus = _int16(turned[0] + turned[2]), _int16(turned[0] - turned[2])
    odd_plus, odd_minus = _int16(turned[1] + turned[3]), _int16(turned[1] - turned[3])
    across = np.stack([odd_minus[..., 1], -odd_minus[..., 0]], axis=-1)  # times -i
    return _int16(np.concatenate([plus + odd_plus, minus + across, plus - odd_plus, minus - across], axis=-2))


def _product(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.int32]:
    """The rounded product of complex numbers with 15 bits after the point."""
    re = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    im = a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]
    return _int16((np.stack([re, im], axis=-1) + (1 << 14)) >> 15)


def _divided(values: NDArray[np.int32], number: int) -> NDArray[np.int32]:
    return _int16((values * (32_767 // number) + (1 << 14)) >> 15)


def _interpolated(x: NDArray[np.int64], table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Interpolate a table of octaves by the slope and curvature of each; valid for x of at least 1."""
    octave = np.maximum(_bits(x) - 1, 0)
    inside = np.where(octave < 10, x << np.maximum(10 - octave, 0), x >> np.maximum(octave - 10, 0)) & 0x3FF
    value, slope, curve = (table[octave, column] for column in range(3))
    change = (((curve * inside) >> 5) + (slope << 5)) * inside
    return _int16(value + ((change + (1 << 14)) >> 15))


def _shrunk(ratio: NDArray[np.int64]) -> NDArray[np.int64]:
    """The square of small ratios of signal and noise, linear beyond 2."""
    snr, out = micro_tables.SNR_BITS, GAINED_BITS
    square = (ratio * ratio) >> (2 + 2 * snr - out)
    return np.where(ratio < (2 << snr), square, (ratio >> (snr - out)) - (1 << out))


def _root(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rounded square roots of numbers below 2^63; for 32-bit numbers at most 65 535."""
    root = np.sqrt(values.astype(np.float64)).astype(np.int64)
    root -= root * root > values
    root += (root + 1) * (root + 1) <= values
    most = np.where(values >> 32 == 0, 0xFFFF, 0xFFFF_FFFF)
    rounded: NDArray[np.int64] = root + ((values - root * root > root) & (root != most))
    return rounded


def _bits(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of bits of numbers below 2^52; 0 for 0."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _int16(values: NDArray[_Whole]) -> NDArray[_Whole]:
    """The low 16 bits of each number, signed."""
    return values.astype(np.int16).astype(values.dtype)


def _uint32(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return values & 0xFFFF_FFFF
