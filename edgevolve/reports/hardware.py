"""Whether a network still keeps the bounds of its run after its final training, and its costs on each device."""

from collections.abc import Mapping

from rich.table import Table

from edgevolve.metric import metric
from edgevolve.reports.quantities import count, quantity
from edgevolve.runs import Run
from edgevolve.runs.task import DeviceMemory, Resources
from predictors import PredictorError, device
from resource_models import MACS, TARGETS


def hardware_table(run: Run, number: int) -> Table:
    """Every bound of the run with the value now; then memory, work, and operations a second and power by device."""
    values = measured(run, number)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("hardware", "now", "bound", ""):
        table.add_column(title, justify="left" if title == "hardware" else "right")
    bound = set()
    for one in run.problem.constraints:
        bound.add(one.metric)
        about = metric(one.metric, run.metrics)
        limit = f"{'at most' if one.sense == 'at_most' else 'at least'} {quantity(about, one.bound)}"
        if one.metric not in values:
            table.add_row(about.title, "not known here", limit, "")
            continue
        verdict = "kept" if not one.broken(values) else "broken" if one.hard else "beyond the soft bound"
        table.add_row(about.title, quantity(about, values[one.metric]), limit, verdict)
    for name, value in values.items():
        if name not in bound:
            about = metric(name, run.metrics)
            table.add_row(about.title, quantity(about, value), "", "")
    for used in run.devices:
        for title, figure in rates(used.name, values).items():
            table.add_row(title, figure, "", used.provenance)
    return table


def measured(run: Run, number: int) -> dict[str, float]:
    """The metrics of the exported network: resources, scores of its final training, predictions by device.

    A device that is not packaged is left out, as its predictor is not available here.
    """
    graph, final = run.final_graph(number), run.final(number)
    values: dict[str, float] = {**Resources()(graph), **DeviceMemory()(graph)}
    named = {one.metric for one in run.problem.constraints}
    for name, target in TARGETS.items():
        if any(metric_name.endswith(f"@{name}") for metric_name in named):
            values |= DeviceMemory(target)(graph)
    for one in run.devices:
        try:
            predicted = device(one.name).predict(graph)
        except PredictorError:
            continue
        values |= {f"{name}@{one.name}": estimated.value for name, estimated in predicted.items()}
    return values | {name: value for name, value in (final.metrics if final else {}).items() if name in named}


def rates(name: str, values: Mapping[str, float]) -> dict[str, str]:
    """Operations a second (a multiply-accumulate is two) and mean power of a device, from latency and energy."""
    latency, energy = values.get(f"latency_ms@{name}"), values.get(f"energy_uj@{name}")
    rates = {}
    if latency:
        rates[f"operations/s@{name}"] = count(2 * values[MACS.name] / latency * 1e3)
        if energy is not None:
            rates[f"power@{name}"] = f"{energy / latency:.4g} mW"
    return rates
