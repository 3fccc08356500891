"""How a candidate is trained: plain data, without TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgevolve.spelling import suggestion

OPTIMISERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "constant")
MIXUP = "mixup"
AUGMENTATIONS: Mapping[str, tuple[float, float, float]] = {
    "flip": (1, 1, 1),
    "flip_vertical": (1, 1, 1),
    "shift": (1, 1, 1),
    "crop": (0.8, 0.1, 1),
    "time_shift": (0.1, 0, 1),
    "gain": (6, 0, 60),
    "noise": (0.1, 0, 10),
    "mix": (0.1, 0, 1),
    "mask_time": (0.2, 0, 1),
    "mask_frequency": (0.2, 0, 1),
    MIXUP: (0.2, 0.01, 10),
}
"""(default, least, greatest) amount of each augmentation by name."""


class TrainingDiverged(ArithmeticError):
    """The loss is no longer a finite number; `epoch` counts from 1."""

    def __init__(self, epoch: int) -> None:
        """Say in which epoch."""
        super().__init__(epoch)
        self.epoch = epoch

    def __str__(self) -> str:
        return f"the loss is not finite in epoch {self.epoch}; a lower learning rate may help"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of one training; raises `ValueError` for values that cannot work.

    - `optimiser` is "sgd" (momentum 0.9) or "adamw" (Loshchilov & Hutter, 2019; betas 0.9 and 0.999).
    - `weight_decay` acts on kernels alone: added to the gradient for "sgd", decoupled for "adamw".
    - `schedule` "cosine" lowers the learning rate from `learning_rate` to 0, step by step.
    - `batch_size` is the largest number of examples in a step: an epoch visits each example once, in batches of
      nearly equal size.
    - `clip_norm` scales the gradient of a step down to this Euclidean length over all parameters if it is longer
      (Pascanu, Mikolov & Bengio, 2013, algorithm 1), before weight decay; None leaves it as it is.
    - `average` above 0 evaluates and keeps a running mean of the weights instead of the last ones. After each step the
      mean is `average` times itself plus 1 - `average` times the weights (Polyak and Juditsky, 1992, with exponential
      weights): 0.99 averages over some 100 steps, fewer at the beginning. Statistics of batch norm are averaged alike.
    - `inherited_epochs`: a child starts from its parent's weights, as far as both agree (`training.inheritance`), and
      is trained for this many epochs; None trains all candidates from scratch.
    - `augment` holds names, some with an amount as in `"gain=3"`. In every step each of them, in order, changes every
      example at random. For signals and features, height is time and width is frequency.

    Names of `augment` for images: "flip" (left to right, one in two), "flip_vertical" (upside down, one in two),
    "shift" (up to `shift_pixels` in both directions, zeros enter), "crop" (a part of at least 0.8 of each side, scaled
    back). For signals: "time_shift" (up to 0.1 of the length, zeros enter), "gain" (up to 6 dB louder or quieter),
    "noise" (normal, of up to 0.1 of the example's deviation), "mix" (another example of the batch, at up to 0.1 of its
    level). For features: "mask_time" and "mask_frequency" (up to 0.2 of rows or columns become 0; Park et al., 2019).
    For all: "mixup" mixes pairs and their losses by a share of Beta(0.2, 0.2) (Zhang et al., 2018).
    """

    epochs: int = 20
    batch_size: int = 64
    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.05
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    label_smoothing: float = 0.0
    augment: tuple[str, ...] = ()
    shift_pixels: int = 2
    clip_norm: float | None = 1.0
    average: float = 0.0
    inherited_epochs: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "shift_pixels", "inherited_epochs"):
            value = getattr(self, name)
            if value is None and name == "inherited_epochs":
                continue
            _require(isinstance(value, int) and not isinstance(value, bool) and value >= 1, name, value, "at least 1")
        _require(0 < _number(self, "learning_rate") < float("inf"), "learning_rate", self.learning_rate, "above 0")
        _require(0 <= _number(self, "average") < 1, "average", self.average, "from 0 to below 1")
        _require(0 <= _number(self, "weight_decay") < 1, "weight_decay", self.weight_decay, "from 0 to below 1")
        _require(
            0 <= _number(self, "label_smoothing") < 1, "label_smoothing", self.label_smoothing, "from 0 to below 1"
        )
        if self.clip_norm is not None:
            _require(0 < _number(self, "clip_norm") < float("inf"), "clip_norm", self.clip_norm, "above 0, or None")
        _require(self.optimiser in OPTIMISERS, "optimiser", self.optimiser, f"one of {', '.join(OPTIMISERS)}")
        _require(self.schedule in SCHEDULES, "schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")
        entries = isinstance(self.augment, tuple) and all(isinstance(entry, str) for entry in self.augment)
        _require(entries, "augment", self.augment, f"a tuple of {', '.join(AUGMENTATIONS)}")
        for entry in self.augment:
            augmentation(entry)


def augmentation(entry: str) -> tuple[str, float]:
    """The name of an entry of `augment`, and its amount. Raises `ValueError` for anything else."""
    name, given, text = entry.partition("=")
    _require(name in AUGMENTATIONS, "augment", entry, f"of {', '.join(AUGMENTATIONS)}{suggestion(name, AUGMENTATIONS)}")
    usual, least, most = AUGMENTATIONS[name]
    if not given:
        return name, usual
    try:
        amount = float(text)
    except ValueError:
        amount = float("nan")
    wanted = f"{name} without an amount" if least == most else f"{name}=AMOUNT, from {least:g} to {most:g}"
    _require(least <= amount <= most and least < most, "augment", entry, wanted)
    return name, amount


def _number(settings: TrainingSettings, name: str) -> float:
    value = getattr(settings, name)
    _require(isinstance(value, (int, float)) and not isinstance(value, bool), name, value, "a number")
    return float(value)


def _require(good: bool, name: str, value: object, wanted: str) -> None:
    if not good:
        raise ValueError(f"training: {name} must be {wanted}, not {value!r}")
