"""Functions that front ends of sound share: clips of samples, cut into windows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError


def check_frequencies(name: str, what: str, low_hz: float, high_hz: float, rate: int) -> None:
    """Raise `DataError` unless the frequencies are from 0 to half of the rate."""
    if not 0 <= low_hz < high_hz <= rate / 2:
        raise DataError(
            f"{name}: {what} from {low_hz:g} to {high_hz:g} Hz do not lie between 0 and half of "
            f"the rate, {rate / 2:g} Hz"
        )


def flat_clips(name: str, raw: NDArray[Any], samples: int) -> NDArray[Any]:
    """(number, samples) of clips that may have two more axes of size 1. Raises `DataError` for another shape."""
    if raw.shape[1:] not in ((samples,), (samples, 1, 1)):
        raise DataError(f"{name}: clips must be (number, {samples}), they are {raw.shape}")
    return raw.reshape(len(raw), samples)


def windows_of(clips: NDArray[Any], window: int, stride: int) -> NDArray[Any]:
    """The windows of clips, one every `stride` samples, without a copy: (number, windows, samples of a window)."""
    return np.lib.stride_tricks.sliding_window_view(clips, window, axis=1)[:, ::stride]
