"""Predictions as a CSV: one row a network, to be compared with measurements that come later."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from predictors.features import FloatArray, PredictorError
from predictors.measurements import read_measurements
from predictors.regressor import Prediction

_VALUES = ("latency_ms", "low_ms", "high_ms")


def write_predictions(path: Path, files: Sequence[str], found: Prediction) -> None:
    """Write a row for each of `files`. Raises `PredictorError` where it cannot be written."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", *_VALUES, "in_domain"))
            for row in zip(files, found.value, found.low, found.high, found.in_domain, strict=True):
                writer.writerow((row[0], *(f"{value:.6g}" for value in row[1:4]), "yes" if row[4] else "no"))
    except OSError as error:
        raise PredictorError(f"{path}: {error.strerror or error}") from error


def read_predictions(path: Path, files: Sequence[str]) -> FloatArray:
    """Value, low and high of each of `files`, a row each. Raises `PredictorError` for a bad file or one too few."""
    known = {row.file: row.values for row in read_measurements(path, _VALUES)}
    missing = [file for file in files if file not in known]
    if missing:
        raise PredictorError(f"{path}: no prediction for {missing[0]}")
    return np.array([known[file] for file in files], dtype=np.float64)
