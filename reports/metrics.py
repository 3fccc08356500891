"""Which metrics a run has, in which order, and which of them a picture shows."""

from collections.abc import Sequence

from runs import Run
from runs.events import DeviceUsed


def metric_names(run: Run) -> list[str]:
    """Every metric of the run: error, the objectives, what is bounded, then the others by name."""
    problem = run.problem
    named = [*(o.metric for o in problem.objectives), *(c.metric for c in problem.constraints)]
    known = dict.fromkeys(name for record in run.records.values() for name in record.metrics)
    ordered = sorted(dict.fromkeys(named), key=lambda name: name != "error")
    return [*ordered, *sorted(name for name in known if name not in named)]


def plotted_metrics(run: Run) -> tuple[str, str, str]:
    """What a picture shows unless told: a resource across, what is learnt upwards, a second resource as colour."""
    names = [objective.metric for objective in run.problem.objectives]
    names += [name for name in metric_names(run) if name not in names]
    upwards = "error" if "error" in names else names[0]
    others = [name for name in names if name != upwards] or [upwards]
    across = "model_size_bytes" if "model_size_bytes" in others else others[0]
    return across, upwards, next((name for name in others[::-1] if name != across), across)


def provenance(devices: Sequence[DeviceUsed]) -> dict[str, str]:
    """Of each predicted metric, the device and where its figures come from, in words."""
    return {metric: f"{one.name}, {one.provenance}" for one in devices for metric in one.metrics}
