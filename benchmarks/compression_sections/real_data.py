"""The three real tasks: 12 000 digits of MNIST, spoken digits as log mel bands, activities from phone sensors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgevolve.data import Classes, Mel, Split, Splits, hold_out, with_front_end

_VALIDATION = 0.15


def mnist(folder: Path) -> Splits:
    """28 × 28 pixels; 10 200 to train on, 1 800 for validation, 2 000 for the test."""
    with np.load(folder / "mnist_12k2k.npz") as stored:
        train = Split(stored["x_train"][..., np.newaxis], stored["y_train"].astype(np.int64))
        test = Split(stored["x_test"][..., np.newaxis], stored["y_test"].astype(np.int64))
    return _splits(train, test, 10)


def spoken_digits(folder: Path) -> Splits:
    """3 000 clips of a second at 8 kHz by six speakers, as 49 rows of 20 bands; the set's own test split."""
    with np.load(folder / "fsdd_8k.npz") as stored:
        x, y, test = stored["x"], stored["y"].astype(np.int64), stored["is_test"]
    whole = _splits(Split(x[~test], y[~test]), Split(x[test], y[test]), 10)
    front_end = Mel(8_000, 8_000, bands=20).fitted(whole.train.x)
    return _with_target(with_front_end(whole, front_end), 10)


def phone_sensors(folder: Path) -> Splits:
    """7 569 windows of 64 steps and six channels, five activities; people of one split are in no other."""
    with np.load(folder / "har_phone.npz") as stored:
        x = np.moveaxis(stored["x"].astype(np.float32), 1, -1)[:, :, np.newaxis]
        y, test, person = stored["y"].astype(np.int64), stored["is_test"], stored["subject"]
    x = (x - x[~test].mean((0, 1, 2))) / x[~test].std((0, 1, 2))
    return _splits(Split(x[~test], y[~test], person[~test]), Split(x[test], y[test], person[test]), 5)


def _splits(train: Split, test: Split, classes: int) -> Splits:
    rest, validation = hold_out(train, _VALIDATION, 0)
    return _with_target(Splits(rest, validation, test), classes)


def _with_target(splits: Splits, classes: int) -> Splits:
    from dataclasses import replace

    return replace(splits, target=Classes(classes).fitted(splits.train))


TASKS: dict[str, Callable[[Path], Splits]] = {
    "mnist": mnist,
    "digits_spoken": spoken_digits,
    "har": phone_sensors,
}
