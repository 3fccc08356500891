"""The stage that quantises a network, and trains it further through the rounding where that is needed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits, Target, classes_of
from edgevolve.graph import (
    BITS,
    LAYER_BITS,
    Graph,
    activation_bits,
    bits_in,
    canonical,
    with_activation_bits,
    with_bits,
)
from edgevolve.metric import QUANTISATION_DROP, Metric, int8_metric
from edgevolve.quantisation.calibrate import calibration_examples
from edgevolve.quantisation.int8_network import int8_network
from edgevolve.quantisation.litert import int8_scores
from edgevolve.quantisation.quantise import check_activations
from edgevolve.training import Distil, Progress, TrainingSettings, TrainState
from edgevolve.training.weights import Weights

Bits = Literal[4, 8]
ActivationBits = Literal[8, 16]

_SETTINGS = TrainingSettings(epochs=10, learning_rate=0.01, weight_decay=0.0)


@dataclass(frozen=True, slots=True)
class Quantise:
    """A stage: kernels of `bits` bits, and quantisation-aware training if rounding alone loses too much.

    `activations=16` gives activations 16 bits and kernels 8: activations take twice the memory, and biases have 64
    bits. LiteRT and TensorFlow Lite Micro run all operators of a graph like this, except HARD_SWISH. With None
    activations keep the bits that the network has, 8 unless a stage changed them.

    With `bits=None` kernels keep the bits that the network has. `first` and `last` are the bits of the first and the
    last layer with a kernel, which suffer most from few bits; None means `bits`. A candidate's recipe may set `bits`,
    `first_bits` and `last_bits`. Where it sets `bits_1`, `bits_2` and so on, one for each layer, `Recipes` has put all
    bits into the network, which keeps them.

    The network is rounded to integers first (post-training quantisation). If its main metric on the validation split is
    worse than the float network's by more than `threshold`, training continues for `settings.epochs` through the
    rounding, and the better integer network is kept. With `distil` it also learns from a teacher. The state's metrics
    are those of the float weights, those of the int8 file (`NAME_int8`), and `quantisation_drop`: by how much the
    file's main metric is worse than that of the float network before this stage. Raises `ValueError` for settings that
    cannot work.
    """

    bits: Bits | None = 8
    first: Bits | None = None
    last: Bits | None = None
    threshold: float = 0.003
    settings: TrainingSettings = _SETTINGS
    checkpoint_s: float = 60.0
    distil: Distil | None = None
    activations: ActivationBits | None = None

    def __post_init__(self) -> None:
        for name in ("bits", "first", "last"):
            value = getattr(self, name)
            if value not in (4, 8, None) or isinstance(value, bool | float):
                raise ValueError(f"Quantise: {name} must be 4 or 8, not {value!r}")
        if self.activations not in (8, 16, None) or isinstance(self.activations, bool | float):
            raise ValueError(f"Quantise: activations must be 8 or 16, not {self.activations!r}")
        if self.activations == 16 and 4 in (self.bits, self.first, self.last):
            raise ValueError("Quantise: no runtime runs 4-bit kernels with 16-bit activations; choose one")
        if not isinstance(self.threshold, int | float) or not self.threshold >= 0:
            raise ValueError(f"Quantise: threshold must be at least 0, not {self.threshold!r}")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that the stage adds to the target's scores."""
        return (QUANTISATION_DROP,)

    @property
    def recipe_keys(self) -> Collection[str]:
        """The keys of a recipe that set bits."""
        return BITS + LAYER_BITS

    def under(self, recipe: Mapping[str, Any]) -> "Quantise":
        """The stage with the bits that the recipe names."""
        chosen = bits_in(recipe)
        return replace(self, **(dict.fromkeys(("bits", "first", "last")) if "each" in chosen else chosen))

    def foreseen(self, graph: Graph) -> Graph:
        """The network with its bits, which decide size and memory. Raises `ValueError` if no runtime runs it."""
        narrowed = with_bits(graph, self.bits, self.first, self.last)
        narrowed = with_activation_bits(narrowed, self.activations or activation_bits(graph))
        check_activations(narrowed)
        return narrowed

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """The network with these bits and its weights.

        Raises `ValueError` for a network without weights, and `QuantisationError` for one without an integer form.
        """
        from edgevolve.training.trainer import check_fit, evaluate, train_on

        if state.weights is None:
            raise ValueError("a network is quantised after it was trained")
        target = data.target or classes_of(state.graph.outputs[0].shape[-1])
        main, seed = target.metrics[0], int(rng.integers(2**63))
        before = evaluate(state.graph, state.weights, data.validation, target).metrics[main.name]
        graph, weights = self._packed(state.graph, state.weights)
        examples = calibration_examples(data.train)
        scores, curves = _scores(graph, weights, examples, data, target), dict(state.curves)
        if main.sign * (scores[main.name] - before) > self.threshold:
            from edgevolve.quantisation.fake_quant import FakeQuantised

            lowering = FakeQuantised(graph, check_fit(graph, target, data.train, data.validation), examples)
            lesson = self.distil.lesson(graph, data, self.settings) if self.distil else None
            packed = replace(state, graph=graph, weights=weights)
            trained = train_on(packed, data, self.settings, seed, progress, self.checkpoint_s, lowering, lesson)
            curves = state.continued(trained.curves)
            again = _scores(graph, trained.weights, examples, data, target)
            if main.sign * (again[main.name] - scores[main.name]) < 0:
                weights, scores = trained.weights, again
        metrics = evaluate(graph, weights, data.validation, target).metrics
        metrics |= {int8_metric(metric).name: scores[metric.name] for metric in target.metrics}
        metrics[QUANTISATION_DROP.name] = main.sign * (scores[main.name] - before)
        return TrainState(graph, weights, curves, {**state.metrics, **metrics})

    def _packed(self, graph: Graph, weights: Mapping[str, NDArray[Any]]) -> tuple[Graph, Weights]:
        """The network with these bits, in canonical order, and its weights by the new names."""
        chosen = self.foreseen(graph)
        if chosen == graph:
            return graph, dict(weights)
        packed, names = canonical(chosen)
        parts = ((name.rpartition("/"), value) for name, value in weights.items())
        return packed, {f"{names[node]}/{role}": value for (node, _, role), value in parts}


def _scores(
    graph: Graph, weights: Mapping[str, NDArray[Any]], examples: NDArray[np.float32], data: Splits, target: Target
) -> dict[str, float]:
    """The scores of the int8 file on the validation split."""
    return int8_scores(int8_network(graph, weights, examples).tflite(), data.validation, target)
