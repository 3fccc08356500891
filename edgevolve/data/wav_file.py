"""Reads any WAV file as int16: 8, 16, 24 or 32 bits, floats, several channels."""

import warnings
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError

_RATES = (1_000, 400_000)


@dataclass(frozen=True, slots=True)
class Wav:
    """The samples of a file in its own type, (number, channels), at `rate` Hz."""

    rate: int
    samples: NDArray[Any]

    @classmethod
    def opened(cls, path: str) -> "Wav":
        """Open a file; samples stay in it where they can be mapped. Raises `DataError` without the path."""
        from scipy.io import wavfile

        try:
            if not Path(path).stat().st_size:
                raise DataError("is empty")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about chunks that are not sound
                try:
                    rate, samples = wavfile.read(path, mmap=True)
                except ValueError as error:
                    if "3-byte" not in str(error):  # 24 bits cannot be mapped; other files are broken
                        raise
                    rate, samples = wavfile.read(path)
        except DataError:
            raise
        except OSError as error:
            raise DataError(error.strerror or "cannot be read") from error
        except Exception as error:  # SciPy raises a dozen kinds for broken files
            raise DataError(f"not a WAV that can be read ({_reason(error)})") from error
        if not _RATES[0] <= rate <= _RATES[1]:
            raise DataError(f"has a rate of {rate} Hz; it must be from {_RATES[0]} to {_RATES[1]} Hz")
        if not samples.size:
            raise DataError("holds no sample")
        return cls(int(rate), samples.reshape(len(samples), -1))

    def mono(self, mix: bool) -> NDArray[Any]:
        """The samples of one channel, (number,); the mean of several with `mix`. Raises `DataError` without it."""
        channels = self.samples.shape[1]
        if channels == 1:
            return self.samples[:, 0]
        if not mix:
            raise DataError(f"has {channels} channels; mix=True takes their mean")
        mean: NDArray[np.int16] = np.round(_int16(self.samples).mean(axis=1)).astype(np.int16)
        return mean

    def at(self, rate: int, mix: bool) -> NDArray[np.int16]:
        """The samples at `rate`, (number,) int16, by SciPy's polyphase filter."""
        samples = _int16(self.mono(mix))
        if rate == self.rate:
            return samples
        from scipy.signal import resample_poly

        common = gcd(rate, self.rate)
        resampled = resample_poly(samples.astype(np.float32), rate // common, self.rate // common)
        return _rounded(resampled)


def _reason(error: Exception) -> str:
    if "mmap length" in str(error):
        return "it is shorter than its header says"
    return "it holds no sound" if isinstance(error, UnboundLocalError) else " ".join(str(error).split())[:100]


def _int16(samples: NDArray[Any]) -> NDArray[np.int16]:
    """Samples of any WAV type as int16, with 32 768 for full scale."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.int16) - 128) << 8
    if samples.dtype.kind == "f":
        if not np.isfinite(samples).all():
            raise DataError("holds a value that is not a finite number")
        return _rounded(samples.clip(-1, 1) * 32_768.0)
    bits = 8 * samples.dtype.itemsize
    return np.asarray(samples >> (bits - 16) if bits > 16 else samples).astype(np.int16)


def _rounded(samples: NDArray[Any]) -> NDArray[np.int16]:
    return np.round(samples).clip(-32_768, 32_767).astype(np.int16)
