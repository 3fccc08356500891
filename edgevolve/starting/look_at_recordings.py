"""Look at recordings of sensors: files in one folder for each class, or all in one file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import DataError, SensorFolder, SensorTable
from edgevolve.data.csv_file import opened
from edgevolve.data.folder import Listing, listed
from edgevolve.data.sensor_folder import SENSOR_SUFFIXES
from edgevolve.data.time_column import rate_of, time_column
from edgevolve.data.unreadable import Unreadable, shown
from edgevolve.starting.group_names import group_in_names
from edgevolve.starting.kinds import is_signal_a_line
from edgevolve.starting.reading import SKIPPED, Reading, Wishes, check_classes, classes_in_words

_MOST_LOOKED_AT = 300
_LONGEST_WHOLE = 256
"""In steps; recordings of equal length up to this are not cut into windows."""
_WINDOWS = (32, 64, 128, 256)
_SECONDS = 2.0
"""The length of a window of movement or vibration, as in most published studies of wearable sensors."""
_UNKNOWN_RATE = 64
_NEARLY_NONE = 0.05
_OTHER_RATE = 0.05
_FLOAT_BYTES = 4


def recordings_in_files(path: str, wishes: Wishes) -> Reading:
    """Choose the reading of CSV or `.npy` files in folders. Raises `DataError`."""
    unreadable = Unreadable(wishes.skip_unreadable)
    listing = listed(path, SENSOR_SUFFIXES, None, unreadable)
    check_classes(path, listing)
    csv = next((file.path for file in listing.files if not file.path.lower().endswith(".npy")), None)
    settings: dict[str, Any] = {}
    why: dict[str, str] = {}
    if csv is not None and is_signal_a_line(csv):
        settings["axes"], why["axes"] = _axes(csv)
        steps = len(opened(csv).names) // settings["axes"]
        settings["window"], why["window"] = steps, "a line is a recording"
    else:
        lengths, rates = _lengths(path, listing, unreadable)
        settings, why = _windowing(lengths, rates)
    group = group_in_names(listing)
    if group:
        settings["group"] = group[0]
        why["group"] = f"{group[1]}: each stays in one split"
    data = SensorFolder(path, **settings, **wishes.reading)
    return _reading(data, f"{len(listing.files)} files of sensor recordings", why)


def recordings_in_one_file(path: str, wishes: Wishes) -> Reading:
    """Choose the reading of a `.ts` file, an `.npz` or a CSV with time. Raises `DataError`."""
    label: dict[str, Any] = {} if wishes.label is None else {"label": wishes.label}
    lengths = SensorTable(path, **label).lengths()
    if not lengths:
        raise DataError(f"{shown(path)}: holds no recording that can be read")
    settings, why = _windowing(lengths, _rates(path))
    settings.pop("rate", None)
    if label:
        why["label"] = "as --label said"
    data = SensorTable(path, **label, **settings, **wishes.reading)
    return _reading(data, f"{len(lengths)} recordings of sensors", why)


def _reading(data: SensorFolder | SensorTable, what: str, why: Mapping[str, str]) -> Reading:
    steps, _, channels = data.input_shape
    seen = f"{what}, windows of {steps} steps of {channels} channels, in {classes_in_words(data.target.labels)}"
    return Reading(data, seen, {**why, "skip_unreadable": SKIPPED}, _FLOAT_BYTES * prod(data.input_shape))


def _windowing(lengths: Sequence[int], rates: Counter[float]) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings and reasons: whole recordings if they are short and equally long, else windows of about two seconds."""
    settings: dict[str, Any] = {}
    why: dict[str, str] = {}
    if len(set(lengths)) == 1 and lengths[0] <= _LONGEST_WHOLE:
        settings["window"], why["window"] = lengths[0], "the steps of every recording"
    else:
        short = max(1, int(np.quantile(lengths, _NEARLY_NONE)))
        rate = rates.most_common(1)[0][0] if rates else None
        wanted = _SECONDS * rate if rate else _UNKNOWN_RATE
        fits = [window for window in _WINDOWS if window <= short]
        settings["window"] = min(fits, key=lambda window: abs(window - wanted)) if fits else short
        about = f"{settings['window'] / rate:.2g} s at {rate:.4g} Hz" if rate else "no column says the rate"
        have = f"{min(lengths)} to {max(lengths)}" if len(set(lengths)) > 1 else f"{lengths[0]}"
        why["window"] = f"{about}; recordings have {have} steps"
    if rates and max(rates) > (1 + _OTHER_RATE) * min(rates):
        settings["rate"] = rates.most_common(1)[0][0]
        why["rate"] = f"files have {min(rates):.4g} to {max(rates):.4g} Hz; all are resampled to the usual one"
    return settings, why


def _lengths(path: str, listing: Listing, unreadable: Unreadable) -> tuple[list[int], Counter[float]]:
    """Numbers of steps and rates in Hz of the files; of very many files, an even sample."""
    number = min(len(listing.files), _MOST_LOOKED_AT)
    lengths: list[int] = []
    rates: Counter[float] = Counter()
    for place in np.linspace(0, len(listing.files) - 1, number).round().astype(int):
        file = listing.files[place].path
        try:
            if file.lower().endswith(".npy"):
                array: NDArray[Any] = np.load(file, allow_pickle=False, mmap_mode="r")
                lengths.append(array.shape[0] if array.ndim else 0)
                continue
            steps, rate = _steps(file)
            lengths.append(steps)
            if rate:
                rates[rate] += 1
        except DataError as error:
            unreadable(file, str(error).removeprefix(f"{shown(file)}: "))
        except Exception as error:  # NumPy raises several classes for files that are no arrays
            unreadable(file, f"is not an array ({' '.join(str(error).split())[:100]})")
    if not lengths:
        raise DataError(f"{shown(path)}: no recording can be read: {unreadable.seen[0]}")
    return lengths, rates


def _steps(path: str) -> tuple[int, float | None]:
    table = opened(path)
    time = time_column(table.names)
    values = table.array([time] if time else table.names[:1])[:, 0]
    if not len(values):
        raise DataError("has no row below its header")
    rate = rate_of(time, values) if time else None
    return len(values), rate and float(f"{rate:.3g}")


def _rates(path: str) -> Counter[float]:
    """The rate in Hz of a CSV, by its first rows; empty for other files."""
    if Path(path).suffix.lower() not in (".csv", ".tsv", ".txt"):
        return Counter()
    table = opened(path)
    time = time_column(table.names)
    for cells in table.cells([time] if time else table.names[:1]):
        steps = np.diff(table.numbers(cells)[:, 0])
        usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
        rate = rate_of(time, np.array([0.0, usual, 2 * usual])) if time and usual else None
        return Counter([float(f"{rate:.3g}")] if rate else [])
    return Counter()


def _axes(path: str) -> tuple[int, str]:
    """How many axes alternate on a line, the number at which neighbours of an axis differ least; and the reason."""
    table = opened(path)
    lines = table.array(table.names)
    possible = [axes for axes in (1, 2, 3, 6, 9) if lines.shape[1] % axes == 0]
    differences = [float(np.mean((lines[:, axes:] - lines[:, :-axes]) ** 2)) for axes in possible]
    axes = possible[int(np.argmin(differences))]
    return axes, f"neighbours on a line are most alike {axes} apart" if axes > 1 else "one signal a line"
