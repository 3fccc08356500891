"""The answers of an exported model for new files, as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from edgevolve.printable import printable

Answers = Sequence[tuple[str, NDArray[np.float64]]]
"""Pairs: the name of a file or recording, and the model's answers for its examples, (number, outputs)."""


def class_table(classes: Sequence[str], answers: Answers) -> Table:
    """A row a file: the class of the highest mean probability, the next one, and how many windows have which class."""
    table = _table("class", "probability", "next", "windows")
    for name, each in answers:
        mean = each.mean(axis=0)
        first, second = np.argsort(mean)[::-1][:2]
        votes = Counter(classes[label] for label in each.argmax(axis=1))
        windows = ", ".join(f"{word}: {count}" for word, count in votes.most_common(3)) if len(each) > 1 else ""
        cells = (classes[first], f"{mean[first]:.1%}", f"{classes[second]} {mean[second]:.1%}", windows)
        table.add_row(*(escape(printable(cell)) for cell in (name, *cells)))
    return table


def value_table(units: Mapping[str, str], answers: Answers) -> Table:
    """A row a file and a column a value, with its unit; several windows are averaged."""
    table = _table(*(f"{name}, {unit}" if unit else name for name, unit in units.items()))
    for name, each in answers:
        table.add_row(escape(printable(name)), *(f"{value:.4g}" for value in each.mean(axis=0)))
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("file", *names):
        table.add_column(escape(printable(name)), overflow="fold")
    return table
