"""Splits standardised by constants of the training split, as a front end that the device has too."""

import numpy as np

from edgevolve.data.front_end import FrontEnd, Prepared, Standardise
from edgevolve.data.rows import Rows
from edgevolve.data.split import Split, Splits


def standardised(splits: Splits, *notes: str) -> Splits:
    """Each channel less its mean, over its deviation; `notes` are added to those there are."""
    return with_front_end(splits, Standardise.fit(splits.train.x), *notes)


def with_front_end(splits: Splits, front_end: FrontEnd, *notes: str) -> Splits:
    """The splits' examples through the front end: at once if they are in memory, row by row if in a file."""
    train, validation, test = (
        Split(_prepared(part.x, front_end), part.y, part.groups, part.names)
        for part in (splits.train, splits.validation, splits.test)
    )
    return Splits(train, validation, test, front_end=front_end, raw=splits.test.x, notes=(*splits.notes, *notes))


def _prepared(rows: Rows, front_end: FrontEnd) -> Rows:
    return front_end.apply(rows) if isinstance(rows, np.ndarray) else Prepared(rows, front_end)
