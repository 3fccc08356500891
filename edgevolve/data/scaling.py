"""Standardises splits by constants of the training split, as a front end that the device has too."""

import numpy as np

from edgevolve.data.front_end import FrontEnd, Prepared, Standardise
from edgevolve.data.rows import Rows
from edgevolve.data.split import Split, Splits


def standardised(splits: Splits, *notes: str) -> Splits:
    """The splits with each channel standardised; `notes` are added to their notes."""
    return with_front_end(splits, Standardise.fit(splits.train.x), *notes)


def with_front_end(splits: Splits, front_end: FrontEnd, *notes: str) -> Splits:
    """The splits' features by the front end: computed at once for arrays in memory, on demand for those in files."""
    train, validation, test = (
        Split(_prepared(part.x, front_end), part.y, part.groups, part.names)
        for part in (splits.train, splits.validation, splits.test)
    )
    return Splits(train, validation, test, front_end=front_end, raw=splits.test.x, notes=(*splits.notes, *notes))


def _prepared(rows: Rows, front_end: FrontEnd) -> Rows:
    return front_end.apply(rows) if isinstance(rows, np.ndarray) else Prepared(rows, front_end)
