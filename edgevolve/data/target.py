"""Targets: what a network should give, by which loss it is trained, and how it is scored.

`score` is pure NumPy, and the same for the float network, the int8 file, TensorFlow Lite Micro and C.
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
    """The meaning of a network's outputs. Outputs are (number, outputs) float, before any softmax."""

    @property
    def outputs(self) -> int:
        """The number of outputs of a network."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that `score` gives; the first one decides the best candidate."""

    @property
    def loss(self) -> Loss:
        """The loss that training minimises."""

    def check(self, split: Split) -> None:
        """Raise `DataError` for labels that do not fit this target."""

    def fitted(self, train: Split) -> "Target":
        """The target with constants fitted to the training split."""

    def answers(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """The outputs that a network should give for the labels `y`; None if these are its input."""

    def constants(self) -> dict[str, Any]:
        """Everything that decides the target, as plain JSON values."""

    def mean_loss(self, outputs: NDArray[Any], split: Split) -> float:
        """The mean loss over a split, as in training without label smoothing."""

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """The value of each of `metrics` by name."""


@dataclass(frozen=True, slots=True)
class Classes:
    """One class an example; labels are whole numbers from 0.

    `names` are the classes in the order of their labels, or their number. `weights` are the weights of an example of
    each class in the loss; "balanced" gives all classes the same total. Two classes need one output, the logit of class
    1; a network with two outputs is accepted as well.
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
        """The number of classes."""
        return self.names if isinstance(self.names, int) else len(self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, or their numbers where they have none."""
        return tuple(map(str, range(self.number))) if isinstance(self.names, int) else self.names

    @property
    def outputs(self) -> int:
        """One logit for each class; a single one for two classes."""
        return 1 if self.number == 2 else self.number

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Error, balanced accuracy, macro F1; for two classes also the area under the ROC curve."""
        return (ERROR, BALANCED_ACCURACY, MACRO_F1, *([AUC] if self.number == 2 else []))

    @property
    def loss(self) -> Loss:
        """Cross-entropy of the classes."""
        return "cross-entropy"

    def check(self, split: Split) -> None:
        """Raise `DataError` unless labels are integers from 0 to below the number of classes."""
        y = np.asarray(split.y[:])
        if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
            raise DataError(f"class labels must be whole numbers, one an example; they are {y.dtype} {y.shape}")
        if y.min() < 0 or y.max() >= self.number:
            raise DataError(f"labels from {y.min()} to {y.max()} do not fit {self.number} classes")

    def fitted(self, train: Split) -> "Classes":
        """The target with weights as numbers, whose mean over the training examples is 1."""
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
        """The weighted cross-entropy in nats."""
        y = np.asarray(split.y[:])
        of = -np.take_along_axis(_log_probabilities(outputs), y[:, np.newaxis], axis=1)[:, 0]
        return float(np.mean(of if self.weights is None else of * np.array(self.weights)[y]))

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """The share of wrong answers, the mean recall and the mean F1 of the classes, and the AUC of two classes.

        The F1 of a class is 2 · right / (labelled + answered). Classes without examples in the split do not count.
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
        """The number of examples by class (row) and answer (column)."""
        matrix = np.zeros((self.number, self.number), np.int64)
        np.add.at(matrix, (np.asarray(split.y[:]), self.predicted(outputs)), 1)
        return matrix

    def predicted(self, outputs: NDArray[Any]) -> NDArray[np.int64]:
        """The class of each row: that of the largest output, or whether a single output is above 0."""
        chosen = outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return np.asarray(chosen, np.int64)


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers to estimate: `y` is (number,) or (number, values) floating point, in `units`.

    A network gives them standardised: (value − mean) / deviation, with constants of the training split, which `fitted`
    sets. Scores are those of the values themselves.
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
        """Root mean squared error, mean absolute error, R²; for several values also the absolute error of each.

        For several values the first two are in standard deviations of each value, and R² is their mean.
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
        """Raise `DataError` unless values are finite, and each example has one for each name."""
        y = np.asarray(split.y[:])
        if y.shape not in {(len(y), len(self.names)), (len(y),) if len(self.names) == 1 else ()}:
            raise DataError(f"y must hold {len(self.names)} values an example, it is {y.shape}")
        if not np.issubdtype(y.dtype, np.number) or not np.isfinite(y).all():
            raise DataError("y must hold finite numbers")

    def fitted(self, train: Split) -> "Values":
        """The target with mean and standard deviation of each value; a constant has deviation 1."""
        y = self._columns(train.y[:])
        deviation = y.std(axis=0)
        deviation[deviation == 0] = 1
        return replace(self, mean=tuple(y.mean(axis=0).tolist()), deviation=tuple(deviation.tolist()))

    def answers(self, y: NDArray[Any]) -> NDArray[np.float32]:
        """Standardised values, (number, values)."""
        return ((self._columns(y) - self.mean) / self.deviation).astype(np.float32)

    def real(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs of the network in the units of the values, (number, values)."""
        values: NDArray[np.float64] = outputs.astype(np.float64) * self.deviation + self.mean
        return values

    def constants(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)

    def mean_loss(self, outputs: NDArray[Any], split: Split) -> float:
        """Mean squared error of the standardised values."""
        return float(np.mean((outputs.astype(np.float64) - self.answers(split.y[:])) ** 2))

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """The value of each metric. R² is 1 − Σ (y − ŷ)² / Σ (y − mean of the split)²; 0 for constant values."""
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
    """The input itself, to be reconstructed: `values` numbers for each example.

    A network trained on normal examples reconstructs anomalies worse. The mean squared error of an example is its
    score. In validation and test, label 1 marks anomalies and 0 normal examples; all training examples are normal.
    """

    values: int

    @property
    def outputs(self) -> int:
        """One output for each number of the input."""
        return self.values

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The area under the ROC curve of the scores, and the mean score of normal examples."""
        return (AUC, MSE)

    @property
    def loss(self) -> Loss:
        """Squared error of the reconstruction."""
        return "squared error"

    def check(self, split: Split) -> None:
        """Raise `DataError` unless labels are 0 and 1, and examples have as many numbers as there are outputs."""
        y, size = np.asarray(split.y[:]), int(np.prod(split.x.shape[1:]))
        if not np.isin(y, (0, 1)).all():
            raise DataError(f"labels of Itself must be 0 (usual) or 1 (unusual); these are {np.unique(y)[:5].tolist()}")
        if size != self.values:
            raise DataError(f"Itself({self.values}) does not fit examples of {size} numbers")

    def fitted(self, train: Split) -> "Itself":
        """The target itself. Raises `DataError` if the training split holds anomalies."""
        if np.any(train.y[:]):
            raise DataError("the training split of Itself must hold usual examples alone: labels of 0")
        return self

    def answers(self, y: NDArray[Any]) -> None:
        """None: the network reconstructs its input."""
        return None

    def each(self, outputs: NDArray[Any], split: Split) -> NDArray[np.float64]:
        """The score of each example, its mean squared error: (number,)."""
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
        """The mean score of normal examples."""
        usual = np.asarray(split.y[:]) == 0
        return float(self.each(outputs, split)[usual].mean()) if usual.any() else 0.0

    def score(self, outputs: NDArray[Any], split: Split) -> dict[str, float]:
        """The area under the ROC curve of anomalies against normal examples, and the mean score of normal ones."""
        each, unusual = self.each(outputs, split), np.asarray(split.y[:]) == 1
        usual = float(each[~unusual].mean()) if not unusual.all() else 0.0
        return {AUC.name: area_under_curve(each, unusual), MSE.name: usual}


def target_of(data: Any) -> Target:
    """The target of a data set; `Classes` for one that has only `classes`. Raises `DataError` for neither."""
    target = getattr(data, "target", None)
    if isinstance(target, Target):
        return target
    classes = getattr(data, "classes", None)
    if not isinstance(classes, int | np.integer):
        raise DataError(f"{type(data).__name__} needs `target`, such as Classes(10), or `classes`, how many there are")
    return Classes(int(classes))


def classes_of(outputs: int) -> Classes:
    """The `Classes` of a network with this number of outputs; one output means two classes."""
    return Classes(max(2, outputs))


def area_under_curve(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """The share of pairs whose positive example has the higher score, ties counted half (Mann and Whitney, 1947).

    It is one half where all examples are of one kind.
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
