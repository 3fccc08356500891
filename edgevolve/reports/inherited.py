"""Shared weights in words: how they were trained, and inherited scores compared with training from scratch."""

import statistics

from edgevolve.printable import printable
from edgevolve.reports.quantities import duration, quantity
from edgevolve.runs import Run


def inherited_lines(run: Run) -> list[str]:
    """A line on the job before the search, and one for each candidate scored both by inheritance and from scratch."""
    if run.prepared is None or run.prepared.artefact is None:
        return []
    about, main = run.prepared.metrics, run.score
    earlier = (run.started.config.get("prepare") or {}).get("run")
    spent = duration(run.prepared.ended - run.prepared.started)
    words = [
        f"shared weights are those of {printable(str(earlier))}"
        if earlier
        else f"shared weights were prepared in {spent}"
    ]
    if {"steps", "networks"} <= about.keys():
        words.append(f"{about['steps']:.0f} steps of {about['networks']:.0f} networks")
    for name in ("largest", "smallest"):
        if (value := about.get(f"{main.name}_of_{name}")) is not None:
            words.append(f"{main.title} of the {name} {quantity(main, value)}")
    inherits = any(record.inherits for record in run.records.values())
    lines = [f"{', '.join(words)}; scores of candidates are those of inherited weights"] if inherits else []
    for number, trained in sorted(run.retrained.items()):
        record = run.records[number]
        values = [retrained.metrics[main.name] for retrained in trained if main.name in retrained.metrics]
        if record.inherits and values and main.name in record.metrics:
            inherited, scratch = (quantity(main, v) for v in (record.metrics[main.name], statistics.mean(values)))
            lines.append(
                f"candidate {number}: {main.title} {inherited} inherited, {scratch} from scratch "
                f"(mean of {len(values)} of {trained[0].epochs} epochs)"
            )
    return lines
