"""Your own images, in a NumPy archive."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.beside import located
from edgevolve.data import layout
from edgevolve.data.data_error import DataError
from edgevolve.data.npz_file import Archive, read_npz
from edgevolve.data.rows import Rows
from edgevolve.data.scaling import standardised
from edgevolve.data.split import Split, Splits, hold_out
from edgevolve.data.target import Classes


@dataclass(frozen=True, slots=True)
class NpzImages:
    """An `.npz` with `x_train`, `y_train` and, optionally, `x_val`, `y_val`, `x_test` and `y_test`.

    `x` is (number, height, width) or (number, height, width, channels), uint8 (read as value / 255) or floating point;
    `y` holds whole numbers from 0. Without a test set, `test_fraction` of the examples is held out; without `x_val`,
    `validation_fraction` of the rest. Examples with the same value in `groups_train`, if the file has it, stay in one
    split. `class_names`, text, are the classes in the order of their labels.

    Floating point that is neither within −1…1 nor of mean 0 and deviation 1 is standardised by constants of each
    channel, which reach the journal and the C code; `normalise` True or False overrides this. `channels_first` says how
    to read an `x` of four axes whose shape is ambiguous. An uncompressed array of more than 64 MiB stays in the file
    and is read in pieces.

    Raises `DataError` for any other file or arrays.
    """

    path: str
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0
    normalise: bool | None = None
    channels_first: bool | None = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        _, height, width, channels = self._parts().train.x.shape
        return height, width, channels

    @property
    def classes(self) -> int:
        """The number of classes: the highest label plus one, or the number of names."""
        return self.target.number

    @property
    def target(self) -> Classes:
        """The classes, by name where the file has them."""
        parts = self._parts()
        return Classes(parts.names or int(parts.train.y.max()) + 1)

    def load(self) -> Splits:
        """Read and split; the same arrays each time."""
        parts = self._parts()
        train, test, notes = parts.train, parts.test, parts.notes
        if test is None:
            train, test = hold_out(train, self.test_fraction, self.seed)
        validation = parts.validation
        if validation is None:
            train, validation = hold_out(train, self.validation_fraction, self.seed)
        splits = Splits(train, validation, test, notes=notes)
        return _standardised(splits) if layout.needs_standardising(train.x, self.normalise) else splits

    def _parts(self) -> "_Parts":
        try:
            path = str(located(self.path))
            status = Path(path).stat()
        except (OSError, ValueError):
            return _read.__wrapped__(self.path, 0, self.channels_first)
        return _read(path, status.st_mtime_ns, self.channels_first)


@dataclass(frozen=True, slots=True)
class _Parts:
    train: Split
    validation: Split | None
    test: Split | None
    notes: tuple[str, ...]
    names: tuple[str, ...]


_NAMES = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "groups_train", "class_names")


@lru_cache(maxsize=1)
def _read(path: str, modified_ns: int, channels_first: bool | None) -> _Parts:
    archive = read_npz(path, _NAMES)
    arrays = archive.arrays
    missing = [name for name in _NAMES[:2] if name not in arrays]
    if missing:
        has = f"; it has {', '.join(archive.others)}: save them again by these names" if archive.others else ""
        signals = "; of signals SensorTable reads x, y, groups, is_test" if {"x", "y"} <= set(archive.others) else ""
        raise DataError(f"{path}: has no {' and no '.join(missing)}{has}{signals}")
    notes = _left_aside(archive)
    train = _split(path, "train", arrays, channels_first, notes)
    names = _class_names(path, arrays, int(train.y.max()) + 1)
    others = {part: _split(path, part, arrays, channels_first, []) for part in _APART if _is_given(part, arrays)}
    for part, split in others.items():
        layout.check_match(path, train, split, part)
    return _Parts(train, others.get("val"), others.get("test"), tuple(notes), names)


_APART = {"val": "validation", "test": "test"}
"""The splits other than training, by their names in an archive."""


def _is_given(part: str, arrays: dict[str, Rows]) -> bool:
    return f"x_{part}" in arrays and f"y_{part}" in arrays


def _left_aside(archive: Archive) -> list[str]:
    notes = []
    for part, split in _APART.items():
        names = {f"x_{part}", f"y_{part}"}
        here = names & archive.arrays.keys()
        if len(here) == 1:
            absent = names - here
            notes.append(
                f"{here.pop()} is left aside: there is no {absent.pop()}; the {split} split is held out of x_train"
            )
    if archive.others:
        hint = "persons or sessions named groups_train stay whole in every split"
        notes.append(f"left aside: {', '.join(archive.others)}; {hint}")
    return notes


def _class_names(path: str, arrays: dict[str, Rows], least: int) -> tuple[str, ...]:
    if "class_names" not in arrays:
        return ()
    names = np.asarray(arrays["class_names"][:])
    if names.ndim != 1 or names.dtype.kind not in "US" or len(names) < least:
        raise DataError(f"{path}: class_names must be {least} words or more, it is {names.dtype} {names.shape}")
    return tuple(names.astype(str).tolist())


def _split(path: str, part: str, arrays: dict[str, Rows], channels_first: bool | None, notes: list[str]) -> Split:
    x = layout.images(path, f"x_{part}", arrays[f"x_{part}"], channels_first, notes)
    y = layout.labels(path, f"y_{part}", arrays[f"y_{part}"][:], len(x))
    groups: NDArray[Any] | None = arrays["groups_train"][:] if part == "train" and "groups_train" in arrays else None
    if groups is not None and groups.shape != y.shape:
        raise DataError(f"{path}: groups_train must be one for each of {len(y)} images, it is {groups.shape}")
    return Split(x, y, groups)


def _standardised(splits: Splits) -> Splits:
    lowest, highest = layout.value_range(splits.train.x)
    note = (
        f"x_train holds floats from {lowest:g} to {highest:g}: standardised, each channel by its mean and deviation, "
        "which reach the journal, the manifest and the C code; NpzImages(…, normalise=False) takes them as they are"
    )
    return standardised(splits, note)
