"""Candidates of a run by a word: the best, the smallest that is as good within noise, the knee of the front."""

import math
from collections.abc import Callable, Mapping

from edgevolve.metric import SHARE
from edgevolve.runs.record import Record
from edgevolve.runs.run import Run
from resource_models import FLASH, MODEL_SIZE


def small(run: Run) -> Record | None:
    """The smallest model of the front within one standard error of the best; None while the front is empty.

    A share p of n validation examples has the standard error sqrt(p (1 - p) / n). Where the main metric is not a share,
    it is the best model. Source: the one-standard-error rule of Breiman et al. 1984, "Classification and Regression
    Trees", §3.4.3.
    """
    best, name = run.best, run.main.name
    number = int(run.started.data.get("validation") or 0)
    if best is None or name not in best.metrics or run.main.unit != SHARE or number < 1:
        return best
    share = min(max(best.metrics[name], 0.0), 1.0)
    most = run.cost(name, best.metrics[name]) + math.sqrt(share * (1 - share) / number)
    as_good = [one for one in run.front if name in one.metrics and run.cost(name, one.metrics[name]) <= most]
    return min(as_good, key=_size)


def _size(record: Record) -> tuple[float, int]:
    bytes_used = record.metrics.get(FLASH.name, record.metrics.get(MODEL_SIZE.name, math.inf))
    return bytes_used, record.number


PICKS: Mapping[str, Callable[[Run], Record | None]] = {
    "best": lambda run: run.best,
    "small": small,
    "knee": lambda run: run.knee,
}
"""The choice for each word of `--pick`."""
