"""Costs of the networks of a mixture, from exact figures of the likeliest one and of each swap of one option in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.runs.measure import measure
from edgevolve.runs.task import MetricProvider
from edgevolve.training.linear_costs import ABOVE_ZERO, ABSOLUTE, LOGARITHM, PLAIN, Costs
from search_algorithms import Constraint, Objective, Problem
from search_space import SearchSpace
from search_space.mixture import Mixture, Selection


class LogarithmError(ValueError):
    """A reference figure whose logarithm is not above 0."""


@dataclass(frozen=True, slots=True)
class MixtureCosts:
    """The metrics of `problem` that are known before training, and their values over the mixture.

    Any metric of any device can be used, as it only has to be measured.
    """

    space: SearchSpace[Any]
    mixture: Mixture[Any]
    objectives: tuple[Objective, ...]
    bounds: tuple[Constraint, ...]
    providers: tuple[MetricProvider, ...]

    @classmethod
    def of(
        cls, space: SearchSpace[Any], mixture: Mixture[Any], problem: Problem, providers: Sequence[MetricProvider]
    ) -> "MixtureCosts":
        """The objectives and bounds of `problem` whose metrics a provider gives."""
        known = {name for provider in providers for name in provider.metric_names}
        objectives = tuple(aim for aim in problem.objectives if aim.metric in known)
        bounds = tuple(aim for aim in problem.constraints if aim.hard and aim.metric in known)
        wanted = {aim.metric for aim in objectives} | {aim.metric for aim in bounds}
        asked = tuple(provider for provider in providers if wanted & set(provider.metric_names))
        return cls(space, mixture, objectives, bounds, asked)

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that objectives and bounds name."""
        return tuple(dict.fromkeys(term.metric for term in self.terms))

    @property
    def terms(self) -> tuple[Objective | Constraint, ...]:
        """The terms of the loss, objectives first."""
        return (*self.objectives, *self.bounds)

    def figures(self, selection: Selection) -> NDArray[np.float64]:
        """The metrics of the selected network, (names,); NaN where a device cannot run it."""
        metrics = measure(self.space, self.providers, self.mixture.genotype(selection)).metrics
        return np.array([metrics.get(name, np.nan) for name in self.names])

    def off(self, figures: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a network with these figures misses each term, (terms,): a hard bound, or a target by over 5 %.

        It misses the terms of a device that cannot run it.
        """
        known = dict(zip(self.names, figures, strict=True))
        refused = [bool(np.isnan(known[term.metric])) for term in self.terms]
        missed = [term.broken(known) if isinstance(term, Constraint) else term.missed(known) > 0 for term in self.terms]
        return np.array(refused, np.bool_) | np.array(missed, np.bool_)

    def around(
        self,
        selection: Selection,
        reference: NDArray[np.float64],
        weight: float,
        ramp: NDArray[np.float64],
        multiply: bool = False,
    ) -> tuple[Costs, NDArray[np.float64]]:
        """The costs, linear around a selection, and the selection's figures.

        An objective counts `weight` times its ratio to `reference`, or times its distance from a target as a share of
        the target. A bound counts the share of it by which it is broken. Each is multiplied by its `ramp`. With
        `multiply`, objectives to be minimised without a target multiply the loss instead: (ln figure / ln reference) to
        the power of `weight`.
        """
        figures = self.figures(selection)
        columns = [
            self.figures((*selection[:place], option, *selection[place + 1 :])) - figures
            if option != selection[place]
            else np.zeros(len(figures))
            for place, decision in enumerate(self.mixture.decisions)
            for option in range(len(decision.options))
        ]
        slopes = np.stack(columns, axis=1)
        slopes = np.where(np.isnan(slopes), np.abs(np.nan_to_num(figures))[:, None], slopes)  # a device refuses: avoid
        rows = [self.names.index(term.metric) for term in self.terms]
        parts = [self._term(term, reference[row], multiply) for term, row in zip(self.terms, rows, strict=True)]
        scales, offsets, kinds = (list(part) for part in zip(*parts, strict=True)) if parts else ([], [], [])
        weights = np.array([weight] * len(self.objectives) + [1.0] * len(self.bounds)) * ramp
        floats = (np.nan_to_num(figures)[rows], slopes[rows], scales, offsets, weights)
        arrays = [np.asarray(part, np.float32) for part in floats]
        return Costs(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], np.asarray(kinds, np.int32)), figures

    def _term(self, aim: Objective | Constraint, reference: float, multiply: bool) -> tuple[float, float, int]:
        """Scale, offset and kind. Raises `LogarithmError` for a reference of at most 1."""
        if isinstance(aim, Constraint):
            scale = (1.0 if aim.sense == "at_most" else -1.0) / (abs(aim.bound) or 1.0)
            return scale, -scale * aim.bound, ABOVE_ZERO
        if aim.target is not None:
            scale = 1.0 / (abs(aim.target) or 1.0)
            return scale, -scale * aim.target, ABSOLUTE
        if multiply and aim.direction == "minimise":
            if not reference > 1:
                words = f"{aim.metric} of the first network is {reference:.4g}: its logarithm must be above 0"
                raise LogarithmError(f'{words} for form="multiply"; add is for any')
            return 1.0, reference, LOGARITHM
        return (-1.0 if aim.direction == "maximise" else 1.0) / (abs(reference) or 1.0), 0.0, PLAIN
