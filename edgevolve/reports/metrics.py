"""The metrics that a run has and shows, the candidates beyond soft bounds, and the interval of the error."""

from collections.abc import Collection, Sequence

from edgevolve.metric import SHARE
from edgevolve.printable import printable
from edgevolve.reports.quantities import interval, quantity
from edgevolve.runs import Run
from edgevolve.runs.events import DeviceUsed
from resource_models import MODEL_SIZE


def front_metrics(run: Run) -> list[str]:
    """The metrics that get a column: the main one, then the other objectives, then bounded metrics."""
    named = [*(o.metric for o in run.problem.objectives), *(c.metric for c in run.problem.constraints)]
    main = run.main.name
    return sorted(dict.fromkeys(named), key=lambda name: name != main)


def metric_names(run: Run) -> list[str]:
    """Every metric of the run: those of `front_metrics`, then the others by name."""
    first = front_metrics(run)
    known = {name for record in run.records.values() for name in record.metrics}
    return [*first, *sorted(known.difference(first))]


def beyond_soft(run: Run) -> set[int]:
    """The numbers of the candidates that break a soft bound; empty if the whole front breaks one."""
    if all(run.problem.shortfall(record.metrics) for record in run.front):
        return set()
    return {number for number, record in run.records.items() if run.problem.shortfall(record.metrics)}


def plotted_metrics(run: Run) -> tuple[str, str, str]:
    """The default metrics of a picture: horizontal axis, vertical axis, colour.

    These are a resource, a learned metric and a second resource. Objectives come before other metrics, and the model
    size, if the run has it, before other resources.
    """
    objectives = [objective.metric for objective in run.problem.objectives]
    upwards = run.main.name if run.main.name in objectives else objectives[0]
    resources = [name for name in objectives if name != upwards]
    rest = [name for name in metric_names(run) if name not in objectives]
    candidates = resources or rest or [upwards]
    across = MODEL_SIZE.name if MODEL_SIZE.name in candidates else candidates[0]
    others = [name for name in (*rest[::-1], *resources) if name != across]
    return across, upwards, others[-1] if others else across


def provenance(devices: Sequence[DeviceUsed]) -> dict[str, str]:
    """For each predicted metric, the device and the provenance of its figures, in words."""
    return {metric: f"{device.name}, {device.provenance}" for device in devices for metric in device.metrics}


def sources(devices: Sequence[DeviceUsed], names: Collection[str]) -> list[str]:
    """A line for each device that predicts any of the metrics `names`: which of them, and their provenance."""
    lines = []
    for device in devices:
        given = [metric for metric in device.metrics if metric in names]
        if given:
            lines.append(f"{printable(', '.join(given))}: {device.name}, {device.provenance}")
    return lines


_MOST_EXAMPLES = 10**9


def luck(run: Run) -> list[str]:
    """A line on how well the error of the best candidate is known; empty if it is no error.

    It is also empty for a mean over several divisions of the data. The interval is the exact 95 % interval of a share
    counted on the validation split (Clopper and Pearson 1934).
    """
    number, best, main = run.started.data.get("validation"), run.best, run.main
    if not isinstance(number, int) or not 1 <= number <= _MOST_EXAMPLES or best is None:
        return []
    share = best.metrics[main.name]
    if main != run.score or main.unit != SHARE or main.better != "lower" or not 0 <= share <= 1:
        return []
    from scipy.special import betaincinv

    wrong = round(share * number)
    low = float(betaincinv(wrong, number - wrong + 1, 0.025)) if wrong else 0.0
    high = float(betaincinv(wrong + 1, number - wrong, 0.975)) if wrong < number else 1.0
    known = f"{quantity(main, share)} on {number} validation examples {interval(main, low, high)}"
    return [f"{main.title} of the best: {known}, 95 %; the best of many is partly lucky"]
