"""The accuracy of an exported model for each class, read from the manifest in the run's folder.

The data set is not loaded.
"""

import json
from dataclasses import dataclass
from typing import Any

from edgevolve.printable import printable
from edgevolve.reports.quantities import PERCENTAGE, quantity, short
from edgevolve.runs import Record, Run

_MOST_BYTES = 32 << 20
_MOST_CLASSES = 1000
_MOST_CONFUSED = 100


@dataclass(frozen=True, slots=True)
class ExportedClasses:
    """The classes: their names, numbers of test examples and accuracies, 0 to 1 (None for a class without examples).

    `confusion` counts the examples of each class (row) by the answer (column); it is empty if the manifest has none.
    """

    names: tuple[str, ...]
    examples: tuple[int, ...]
    accuracies: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]


def exported_classes(run: Run, record: Record) -> ExportedClasses | None:
    """The test answers in `RUN/export/NUMBER`, the candidate's export; None if there is none or it is damaged."""
    path = run.folder / "export" / str(record.number) / "manifest.json"
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["run"] != run.started.name or manifest["number"] != record.number:
            return None
        return _classes(manifest["classes"], manifest["confusion"])
    except (OSError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError):
        return None


def class_rows(classes: ExportedClasses) -> list[list[str]]:
    """A row a class: name, number of examples, accuracy, and the class that it is most often mistaken for."""
    rows = []
    for place, name in enumerate(classes.names):
        wrong = list(classes.confusion[place]) if classes.confusion else [0]
        wrong[place if classes.confusion else 0] = 0
        most, accuracy = max(wrong), classes.accuracies[place]
        taken = f"{classes.names[wrong.index(most)]} ({most})" if most else ""
        right = "–" if accuracy is None else quantity(PERCENTAGE, accuracy)
        rows.append([name, str(classes.examples[place]), right, taken])
    return rows


def _classes(entries: Any, confusion: Any) -> ExportedClasses | None:
    """Raises `TypeError`, `LookupError` or `ValueError` for values that no export writes."""
    if not isinstance(entries, list) or not 0 < len(entries) <= _MOST_CLASSES:
        return None
    names = tuple(short(printable(str(entry["name"])), 60) for entry in entries)
    examples = tuple(int(entry["examples"]) for entry in entries)
    accuracies = tuple(None if entry["accuracy"] is None else float(entry["accuracy"]) for entry in entries)
    counts = tuple(tuple(map(int, row)) for row in confusion or ())
    if counts and (len(counts) > _MOST_CONFUSED or {len(names), *map(len, counts)} != {len(counts)}):
        return None
    if any(not 0 <= number < 1 << 53 for row in (*counts, examples) for number in row):
        return None
    return ExportedClasses(names, examples, accuracies, counts)
