"""What a network is to answer, which loss it learns by, and how well it answers.

`score` is NumPy alone and the same for the float network, the int8 file, TensorFlow Lite Micro and C.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.rows import chunks
from edgevolve.data.split import Split, as_float
from edgevolve.metric import SHARE, Metric, register

ERROR = Metric("error", "error", SHARE, learned=True)
BALANCED_ACCURACY = Metric("balanced_accuracy", "balanced accuracy", SHARE, "higher", learned=True)
MACRO_F1 = Metric("macro_f1", "macro F1", SHARE, "higher", learned=True)
AUC = Metric("auc", "AUC", SHARE, "higher", learned=True)
RMSE = Metric("rmse", "RMSE", learned=True)
MAE = Metric("mae", "mean absolute error", learned=True)
R2 = Metric("r2", "R²", better="higher", learned=True)
MSE = Metric("mse", "mean squared error", learned=True)

register(ERROR, BALANCED_ACCURACY, MACRO_F1, AUC, RMSE, MAE, R2, MSE)

Loss = Literal["cross-entropy", "squared error"]


@runtime_checkable
class Target(Protocol):
    """What the examples of a data set are answered with. Outputs are (number, outputs) float, before any softmax."""

    @property
    def outputs(self) -> int:
        """How many values a network gives."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What `score` gives; the first is the one that a candidate is best by."""

    @property
    def loss(self) -> Loss:
        """What training makes small."""

    def check(self, split: Split) -> None:
        """Raise `DataError` for labels that are none of this target."""

    def fitted(self, train: Split) -> "Target":
        """The target with the constants that follow from the training split."""

    def answers(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """What a network is to give for the labels `y`; None where that is its input."""

    def constants(self) -> dict[str, Any]:
        """Everything that decides it, as plain JSON values."""

    def mean_loss(self, outputs: NDArray[Any], split: Split) -> float:
        """The loss over a split, as in training without smoothing."""

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """Each of `metrics` by name."""


@dataclass(frozen=True, slots=True)
class Classes:
    """One class an example; labels are whole numbers from 0.

    `names` are the classes in the order of their labels, or their number. `weights` say how much an example of each
    class counts in the loss; "balanced" gives all classes the same total. Two classes need one output, a logit of class
    1; a network with two outputs is accepted.
    """

    names: tuple[str, ...] | int
    weights: tuple[float, ...] | Literal["balanced"] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.names, list):
            object.__setattr__(self, "names", tuple(self.names))
        if isinstance(self.weights, tuple) and (len(self.weights) != self.number or min(self.weights) <= 0):
            raise DataError(f"Classes: weights must be {self.number} numbers above 0, not {self.weights!r}")

    @property
    def number(self) -> int:
        """How many classes there are."""
        return self.names if isinstance(self.names, int) else len(self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes; their numbers where they have none."""
        return tuple(map(str, range(self.number))) if isinstance(self.names, int) else self.names

    @property
    def outputs(self) -> int:
        """One logit a class, and one for two classes."""
        return 1 if self.number == 2 else self.number

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Error, balanced accuracy, macro F1; of two classes also the area under the curve."""
        return (ERROR, BALANCED_ACCURACY, MACRO_F1, *([AUC] if self.number == 2 else []))

    @property
    def loss(self) -> Loss:
        """Cross-entropy of the classes."""
        return "cross-entropy"

    def check(self, split: Split) -> None:
        """Labels are whole numbers from 0 to below the number of classes."""
        y = np.asarray(split.y[:])
        if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
            raise DataError(f"class labels must be whole numbers, one an example; they are {y.dtype} {y.shape}")
        if y.min() < 0 or y.max() >= self.number:
            raise DataError(f"labels from {y.min()} to {y.max()} do not fit {self.number} classes")

    def fitted(self, train: Split) -> "Classes":
        """With the weights in numbers: those of the training examples are one on average."""
        if self.weights is None:
            return self
        counts = np.bincount(train.y[:], minlength=self.number)[: self.number]
        given = 1 / np.maximum(counts, 1) if self.weights == "balanced" else np.array(self.weights)
        scaled = given * counts.sum() / (given * counts).sum()
        return replace(self, weights=tuple(map(float, scaled)))

    def answers(self, y: NDArray[Any]) -> NDArray[np.int32]:
        """The labels as int32."""
        return y.astype(np.int32)

    def constants(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)

    def mean_loss(self, outputs: NDArray[Any], split: Split) -> float:
        """Cross-entropy in nats, weighted."""
        y = np.asarray(split.y[:])
        of = -np.take_along_axis(_log_probabilities(outputs), y[:, np.newaxis], axis=1)[:, 0]
        return float(np.mean(of if self.weights is None else of * np.array(self.weights)[y]))

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """The fraction answered wrongly, the mean of the classes' recalls, the mean of their F1, and the AUC of two.

        The F1 of a class is 2 · right / (labelled + answered). Classes that the split lacks are left aside.
        """
        y, answered = np.asarray(split.y[:]), self.predicted(outputs)
        labelled, given, right = (
            np.bincount(labels, minlength=self.number)[: self.number] for labels in (y, answered, y[answered == y])
        )
        there = labelled > 0
        scores = {
            ERROR.name: float(np.mean(answered != y)),
            BALANCED_ACCURACY.name: float(np.mean(right[there] / labelled[there])),
            MACRO_F1.name: float(np.mean(2 * right[there] / (labelled + given)[there])),
        }
        if self.number == 2:
            ranks = outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]
            scores[AUC.name] = area_under_curve(ranks, y == 1)
        return scores

    def confusion(self, outputs: NDArray[Any], split: Split) -> NDArray[np.int64]:
        """How many examples of each class (row) were answered with each class (column)."""
        matrix = np.zeros((self.number, self.number), np.int64)
        np.add.at(matrix, (np.asarray(split.y[:]), self.predicted(outputs)), 1)
        return matrix

    def predicted(self, outputs: NDArray[Any]) -> NDArray[np.int64]:
        """The class of each row: the largest output, or whether a single one is above 0."""
        chosen = outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return np.asarray(chosen, np.int64)


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers to estimate: `y` is (number,) or (number, values) floating point, in `units`.

    A network gives them standardised: (value − mean) / deviation, by constants of the training split, which `fitted`
    sets. Scores are of the values themselves.
    """

    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("names", "units"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        if not self.names or (self.units and len(self.units) != len(self.names)):
            raise DataError(f"Values: give a name for each value, and a unit for each or none: {self.names}")

    @property
    def outputs(self) -> int:
        """One output for each value."""
        return len(self.names)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Root mean squared error, mean absolute error, R²; of several values also the absolute error of each.

        Of several values the first two are in standard deviations of each value, and R² is their mean.
        """
        units = self.units or ("",) * len(self.names)
        if len(self.names) == 1:
            return (replace(RMSE, unit=units[0]), replace(MAE, unit=units[0]), R2)
        each = (
            Metric(f"{MAE.name}_{name}", f"{MAE.title} of {name}", unit, learned=True)
            for name, unit in zip(self.names, units, strict=True)
        )
        return (replace(RMSE, unit="σ"), replace(MAE, unit="σ"), R2, *each)

    @property
    def loss(self) -> Loss:
        """Squared error of the standardised values."""
        return "squared error"

    def check(self, split: Split) -> None:
        """Values are finite numbers, as many an example as there are names."""
        y = np.asarray(split.y[:])
        if y.shape not in {(len(y), len(self.names)), (len(y),) if len(self.names) == 1 else ()}:
            raise DataError(f"y must hold {len(self.names)} values an example, it is {y.shape}")
        if not np.issubdtype(y.dtype, np.number) or not np.isfinite(y).all():
            raise DataError("y must hold finite numbers")

    def fitted(self, train: Split) -> "Values":
        """With mean and standard deviation of each value; 1 for the deviation of a constant."""
        y = self._columns(train.y[:])
        deviation = y.std(axis=0)
        deviation[deviation == 0] = 1
        return replace(self, mean=tuple(y.mean(axis=0).tolist()), deviation=tuple(deviation.tolist()))

    def answers(self, y: NDArray[Any]) -> NDArray[np.float32]:
        """Standardised values, (number, values)."""
        return ((self._columns(y) - self.mean) / self.deviation).astype(np.float32)

    def real(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs of the network in the units of the values."""
        values: NDArray[np.float64] = outputs.astype(np.float64) * self.deviation + self.mean
        return values

    def constants(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)

    def mean_loss(self, outputs: NDArray[Any], split: Split) -> float:
        """Mean squared error of the standardised values."""
        return float(np.mean((outputs.astype(np.float64) - self.answers(split.y[:])) ** 2))

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """R² is 1 − Σ (y − ŷ)² / Σ (y − mean of the split)²; 0 of values that are constant."""
        y = self._columns(split.y[:])
        off = self.real(outputs) - y
        scale = np.ones(1) if len(self.names) == 1 else np.array(self.deviation)
        absolute, squares, spread = np.abs(off).mean(axis=0), (off**2).mean(axis=0), y.var(axis=0)
        r2 = np.where(spread > 0, 1 - squares / np.where(spread > 0, spread, 1), 0)
        several = dict(zip((f"{MAE.name}_{name}" for name in self.names), map(float, absolute), strict=True))
        return {
            RMSE.name: float(np.mean(np.sqrt(squares) / scale)),
            MAE.name: float(np.mean(absolute / scale)),
            R2.name: float(r2.mean()),
            **(several if len(self.names) > 1 else {}),
        }

    def _columns(self, y: Any) -> NDArray[np.float64]:
        return np.asarray(y, np.float64).reshape(len(y), len(self.names))


@dataclass(frozen=True, slots=True)
class Itself:
    """The input itself, to be reconstructed: `values` numbers an example.

    A network that was trained on usual examples reconstructs unusual ones worse. The mean squared error of an example
    is its score. In validation and test, label 1 marks unusual examples and 0 usual ones; training examples are all
    usual.
    """

    values: int

    @property
    def outputs(self) -> int:
        """One output for each number of the input."""
        return self.values

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The area under the curve of the scores, and the mean score of what is usual."""
        return (AUC, MSE)

    @property
    def loss(self) -> Loss:
        """Squared error of the reconstruction."""
        return "squared error"

    def check(self, split: Split) -> None:
        """Labels are 0 and 1, and examples have as many numbers as there are outputs."""
        y, size = np.asarray(split.y[:]), int(np.prod(split.x.shape[1:]))
        if not np.isin(y, (0, 1)).all():
            raise DataError(f"labels of Itself must be 0 (usual) or 1 (unusual); these are {np.unique(y)[:5].tolist()}")
        if size != self.values:
            raise DataError(f"Itself({self.values}) does not fit examples of {size} numbers")

    def fitted(self, train: Split) -> "Itself":
        """The target itself. Raises `DataError` if the training split holds unusual examples."""
        if np.any(train.y[:]):
            raise DataError("the training split of Itself must hold usual examples alone: labels of 0")
        return self

    def answers(self, y: NDArray[Any]) -> None:
        """The input, which the network reconstructs."""
        return None

    def each(self, outputs: NDArray[Any], split: Split) -> NDArray[np.float64]:
        """The score of each example."""
        begin, scores = 0, np.empty(len(split))
        for rows in chunks(split.x):
            off = outputs[begin : begin + len(rows)] - as_float(rows).reshape(len(rows), -1)
            scores[begin : begin + len(rows)] = (off.astype(np.float64) ** 2).mean(axis=1)
            begin += len(rows)
        return scores

    def constants(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)

    def mean_loss(self, outputs: NDArray[Any], split: Split) -> float:
        """The mean score of what is usual."""
        usual = np.asarray(split.y[:]) == 0
        return float(self.each(outputs, split)[usual].mean()) if usual.any() else 0.0

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """How well scores tell apart what is usual and what is not."""
        each, unusual = self.each(outputs, split), np.asarray(split.y[:]) == 1
        usual = float(each[~unusual].mean()) if not unusual.all() else 0.0
        return {AUC.name: area_under_curve(each, unusual), MSE.name: usual}


def target_of(data: Any) -> Target:
    """The target of a data set; one that has only `classes` is of `Classes`. Raises `DataError` for neither."""
    target = getattr(data, "target", None)
    if isinstance(target, Target):
        return target
    classes = getattr(data, "classes", None)
    if not isinstance(classes, int | np.integer):
        raise DataError(f"{type(data).__name__} needs `target`, such as Classes(10), or `classes`, how many there are")
    return Classes(int(classes))


def classes_of(outputs: int) -> Classes:
    """As many classes as a network has outputs; two classes for one output."""
    return Classes(max(2, outputs))


def area_under_curve(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """The share of pairs whose positive example has the higher score, ties counted half (Mann and Whitney, 1947).

    One half where all examples are of one kind.
    """
    pairs = int(positive.sum()) * int((~positive).sum())
    if not pairs:
        return 0.5
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    least = int(positive.sum()) * (int(positive.sum()) + 1) / 2
    return float((ranks[positive].sum() - least) / pairs)


def _log_probabilities(logits: NDArray[Any]) -> NDArray[np.float64]:
    values = logits.astype(np.float64)
    if values.shape[1] == 1:
        values = np.concatenate([np.zeros_like(values), values], axis=1)
    top = values.max(axis=1, keepdims=True)
    logarithms: NDArray[np.float64] = values - top - np.log(np.exp(values - top).sum(axis=1, keepdims=True))
    return logarithms
