"""Reads recordings of equal length from an `.npz`: examples, labels, groups."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import layout
from edgevolve.data.data_error import DataError
from edgevolve.data.folder import Place
from edgevolve.data.npz_file import read_npz
from edgevolve.data.recordings import Piece
from edgevolve.data.rows import Rows, chunks
from edgevolve.data.unreadable import Unreadable, shown

GROUPS = ("groups", "session", "subject", "person", "user", "participant", "speaker", "recording")
"""Names of the array of groups, in the order of preference."""
_NAMES = ("x_train", "y_train", "x_test", "y_test", "x", "y", "is_test", "class_names", "groups_train", *GROUPS)


@dataclass(frozen=True, slots=True, eq=False)
class NpzSignals:
    """A file with `x` (or `x_train`, `x_test`), (number, steps[, channels]) or (number, channels, steps).

    The longer of the two axes is taken for the steps.
    """

    path: str
    classes: tuple[str, ...]
    channels: int
    channels_first: bool
    grouped_by: str
    notes: tuple[str, ...]
    parts: tuple[tuple[str, Rows, NDArray[Any], NDArray[Any] | None], ...] = field(repr=False)
    given: NDArray[Any] | None = field(repr=False)

    @classmethod
    def opened(cls, path: str, group: str | None) -> "NpzSignals":
        """Read labels, groups and shapes. Raises `DataError` with the path."""
        content = read_npz(path, (*_NAMES, *([group] if group else [])))
        arrays = content.arrays
        here = shown(path)
        x_name, y_name = ("x_train", "y_train") if "x_train" in arrays else ("x", "y")
        for name in (x_name, y_name):
            if name not in arrays:
                has = ", ".join((*arrays, *content.others)) or "nothing"
                raise DataError(f"{here}: has no {name}; it has {has}: save x, y and groups by these names")
        names: tuple[str, ...] = (group,) if group else ("groups_train", *GROUPS)
        by = next((name for name in names if name in arrays), "")
        if group and not by:
            raise DataError(f"{here}: has no {group}; it has {', '.join((*arrays, *content.others))}")
        words, labels = _labels(here, arrays, y_name, len(arrays[x_name]))
        groups = np.asarray(arrays[by][:]) if by else None
        given = np.asarray(arrays["is_test"][:]).astype(bool) if "is_test" in arrays and x_name == "x" else None
        for name, values in ((by, groups), ("is_test", given)):
            if values is not None and values.shape != labels.shape:
                raise DataError(f"{here}: {name} must be one for each of {len(labels)} examples, it is {values.shape}")
        parts = [("train" if "x_test" in arrays else "", arrays[x_name], labels, groups)]
        if given is not None and "x_test" in arrays:
            raise DataError(f"{here}: has both is_test and x_test: keep one of them")
        if "x_test" in arrays and "y_test" in arrays:
            x_test = arrays["x_test"]
            parts.append(("test", x_test, _labels(here, arrays, "y_test", len(x_test), words)[1], None))
        first = parts[0][1].shape
        for _, x, *_ in parts:
            if len(x.shape) not in (2, 3) or x.dtype.kind not in "uif" or x.shape[1:] != first[1:]:
                raise DataError(f"{here}: x must be numbers of (number, steps, channels), it is {x.dtype} {x.shape}")
        turned = len(first) == 3 and first[1] < first[2]
        channels = 1 if len(first) == 2 else first[1] if turned else first[2]
        notes = [f"x is {tuple(first)}, read as {channels} channels of {max(first[1:])} steps"] if turned else []
        if "x_test" in arrays and "y_test" not in arrays:
            notes.append("x_test is left aside: there is no y_test")
        by_word = "group" if by.startswith("groups") else by
        return cls(path, words, channels, turned, by_word, tuple(notes), tuple(parts), given)

    def pieces(self, unreadable: Unreadable) -> Iterator[Piece]:
        """Each example; one with a value that is not finite is refused or left out."""
        for part, x, labels, groups in self.parts:
            number = 0
            for chunk in chunks(x):
                for values in chunk.reshape(*chunk.shape, 1) if chunk.ndim == 2 else chunk:
                    yield from self._example(part, number, values, labels, groups, unreadable)
                    number += 1

    def _example(
        self, part: str, number: int, values: Any, labels: Any, groups: Any, unreadable: Unreadable
    ) -> Iterator[Piece]:
        name = f"example {number}"
        steps = np.asarray(values.T if self.channels_first else values, np.float32)
        if not np.isfinite(steps).all():
            unreadable(self.path, f"{name} holds a value that is not a finite number")
            return
        if self.given is not None:
            part = "test" if self.given[number] else "train"
        group = f"{part} {name}" if groups is None else str(groups[number])
        yield Place(self.path, name, self.classes[int(labels[number])], part, group), steps


def _labels(
    here: str, arrays: dict[str, Rows], name: str, number: int, words: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], NDArray[Any]]:
    """The names of the classes, and labels from 0; names from text are sorted."""
    y = np.asarray(arrays[name][:])
    if y.dtype.kind in "US" and y.shape == (number,):
        text = y.astype(str)
        words = words or tuple(sorted(set(text.tolist())))
        other = sorted(set(text.tolist()) - set(words))
        if other:
            raise DataError(f"{here}: {name} holds {other[0]!r}, which the training labels do not")
        return words, np.searchsorted(np.array(words), text)
    labels = layout.labels(here, name, y, number)
    if words or "class_names" not in arrays:
        words = words or tuple(map(str, range(int(labels.max()) + 1)))
    else:
        words = tuple(np.asarray(arrays["class_names"][:]).astype(str).ravel().tolist())
    if labels.max() >= len(words):
        raise DataError(f"{here}: {name} holds label {labels.max()}, there are {len(words)} classes")
    return words, labels
