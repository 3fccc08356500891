"""The share of a space within the bounds: a dry run of a configuration."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgevolve.runs.config import ConfigError, SearchConfig
from edgevolve.runs.measure import measure
from search_space.shared import Sharing


@dataclass(frozen=True, slots=True)
class Feasibility:
    """Numbers of networks, of `samples` random ones, within every bound known before training, and beyond each bound.

    `lowest` and `highest` are the extremes over the samples of bounded metrics and of those that devices give.
    `refused` holds the first reason of each device that cannot run one of the networks. `intervals` holds, by metric,
    the number of networks for which it has an interval.
    """

    samples: int
    feasible: int
    broken: Mapping[str, int]
    lowest: Mapping[str, float]
    highest: Mapping[str, float]
    refused: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, int] = field(default_factory=dict)


def feasibility(config: SearchConfig, samples: int = 1000, seconds: float = 60) -> Feasibility:
    """Sample the space from the configuration's seed, and measure without training.

    Sampling stops after `seconds`, since a device's compiler may take that long for a single network.
    """
    deadline = time.monotonic() + seconds
    rng = np.random.default_rng([config.seed])
    broken: Counter[str] = Counter()
    intervals: Counter[str] = Counter()
    feasible = 0
    values: dict[str, list[float]] = {}
    refused: dict[str, str] = {}
    wanted = {constraint.metric for constraint in config.problem.constraints}
    wanted |= {name for device in config.device_metrics for name in device.metric_names}
    for sampled in range(samples):
        if sampled and time.monotonic() > deadline:
            samples = sampled
            break
        measured = measure(config.space, config.providers, config.space.sample(rng), beside=config.beside)
        metrics = measured.metrics
        names = [*(str(constraint) for constraint in config.problem.broken(metrics)), *measured.refusals]
        broken.update(names)
        intervals.update(measured.intervals.keys())
        refused = {**measured.refused, **refused}
        feasible += not names
        for name in wanted & metrics.keys():
            values.setdefault(name, []).append(metrics[name])
    lowest, highest = ({name: pick(seen) for name, seen in values.items()} for pick in (min, max))
    return Feasibility(samples, feasible, broken, lowest, highest, refused, intervals)


def require_feasible(config: SearchConfig, samples: int = 1000, seconds: float = 30) -> None:
    """Raise `ConfigError`, which names the tightest bound, where no network is within the bounds; for long jobs.

    It tries the networks of `start`, then random ones, each together with the smallest of its kind where the space
    gives that, until one is within the bounds.
    """
    deadline = time.monotonic() + seconds
    rng = np.random.default_rng([config.seed])
    broken: Counter[str] = Counter()
    nearest: dict[str, float] = {}
    start, tried = config.start_genotypes, 0
    while tried < samples and (not tried or time.monotonic() < deadline):
        genotype = start[tried] if tried < len(start) else config.space.sample(rng)
        smallest = [config.space.smallest(genotype)] if isinstance(config.space, Sharing) else []
        for candidate in (genotype, *smallest):
            measured = measure(config.space, config.providers, candidate, config.problem)
            bounds = config.problem.broken(measured.metrics)
            if not bounds and not measured.refused:
                return
            broken.update([*map(str, bounds), *measured.refusals])
            for bound in bounds:
                known = measured.metrics[bound.metric]
                nearer = min if bound.sense == "at_most" else max
                nearest[str(bound)] = nearer(known, nearest.get(str(bound), known))
        tried += 1
    binding, count = broken.most_common(1)[0]
    value = f", the nearest has {nearest[binding]:g}" if binding in nearest else ""
    networks = tried * (2 if isinstance(config.space, Sharing) else 1)
    raise ConfigError(
        f"problem: none of {networks} networks is within the bounds, {count / networks:.0%} break {binding}{value}; "
        "loosen it before weights are trained for them"
    )
