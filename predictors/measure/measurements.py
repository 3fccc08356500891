"""Measurements in CSV: one row a network, only ever appended.

The column `file` names the network, a `.tflite` or a graph's canonical JSON in the folder of the CSV, so that its
features can be computed again. `latency_ms` is the measurement; other columns say how it was made. Predictions are
written to a CSV of the same kind, to be compared with later measurements.
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgevolve.graph import Graph, ShapeError, from_json
from edgevolve.tflite import TfliteError, TfliteModel, load_tflite
from predictors.files import read_text
from predictors.values import Estimates, FloatArray, PredictorError

NETWORK = "file"
"""The column that names the network."""

_PREDICTED = ("latency_ms", "low_ms", "high_ms")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A row: the network's file, and the values of the requested columns."""

    file: str
    values: tuple[float, ...]


def read_measurements(path: Path | str, columns: Sequence[str], device: str | None = None) -> list[Measurement]:
    """The rows of a CSV with `columns` as numbers; only those of `device` where it is given.

    Cells are separated by commas, or by semicolons where numbers have a decimal comma. A last line that was cut off
    while it was written is left out. Raises `PredictorError`, in one line, for a missing file or column, two columns of
    one name, a cell that is missing or not a number, rows of several devices or numbers of threads, and where no row is
    left.
    """
    rows = _rows(Path(path), (NETWORK, *columns, *(["device"] if device else [])))
    devices = sorted({row["device"] for _, row in rows}) if device else []
    rows = [(number, row) for number, row in rows if device is None or row["device"] == device]
    for name, advice in (("device", "choose one with --device"), ("threads", "keep them in files of their own")):
        kinds = sorted({row.get(name, "") for _, row in rows})
        if columns and len(kinds) > 1:
            raise PredictorError(f"{path}: rows of {name} {' and '.join(kinds[:4])}: {advice}")
    measurements = []
    for number, row in rows:
        if not row[NETWORK]:
            raise PredictorError(f"{path}: line {number}: {NETWORK} is missing")
        measurements.append(
            Measurement(row[NETWORK], tuple(_number(path, number, name, row[name]) for name in columns))
        )
    if not measurements:
        others = f" of device {device}; it has rows of {', '.join(devices[:4])}" if devices else " below its header"
        raise PredictorError(f"{path}: no row{others}")
    return measurements


def read_network(csv_path: Path | str, file: str) -> Graph:
    """The network that a row names: a regular file in the folder of the CSV.

    Raises `PredictorError`, `TfliteError` or `ShapeError`, with the file's name.
    """
    folder = Path(csv_path).parent
    path = folder / file
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise PredictorError(f"{csv_path}: {file[:200]}: lies outside the folder of the CSV; move it there")
        if path.suffix.lower() == ".tflite":
            return _first_of(path, load_tflite(path))
        return from_json(json.loads(read_text(path)))
    except OSError as error:
        raise PredictorError(f"{csv_path}: {str(path)[:300]}: {error.strerror or error}") from error
    except (PredictorError, TfliteError):
        raise
    except (ValueError, RecursionError, ShapeError) as error:
        raise PredictorError(f"{str(path)[:300]!s}: not a network: {' '.join(str(error).split())[:200]}") from error


def _first_of(path: Path, model: TfliteModel) -> Graph:
    """The first subgraph. Raises `PredictorError` where it runs others, such as loops, which no predictor counts."""
    if len(model.reached) > 1:
        callers = dict.fromkeys(operator.name for operator in model.operators if operator.calls)
        raise PredictorError(f"{path}: {', '.join(callers)} runs further subgraphs, which predictors do not know")
    return model.graph


def read_networks(csv_path: Path | str, files: Sequence[str]) -> list[Graph]:
    """The networks of some rows; each file is read once."""
    graphs = {file: read_network(csv_path, file) for file in dict.fromkeys(files)}
    return [graphs[file] for file in files]


def write_predictions(path: Path, files: Sequence[str], estimates: Estimates) -> None:
    """Write the prediction of each of `files` as a row. Raises `PredictorError` where that fails."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((NETWORK, *_PREDICTED, "in_domain"))
            for row in zip(files, estimates.value, estimates.low, estimates.high, estimates.in_domain, strict=True):
                writer.writerow((row[0], *(f"{value:.6g}" for value in row[1:4]), "yes" if row[4] else "no"))
    except OSError as error:
        raise PredictorError(f"{path}: {error.strerror or error}") from error


def read_predictions(path: Path, files: Sequence[str]) -> FloatArray:
    """Value, low and high of each of `files`, (files, 3). Raises `PredictorError` for a bad CSV or a missing row."""
    known = {row.file: row.values for row in read_measurements(path, _PREDICTED)}
    missing = [file for file in files if file not in known]
    if missing:
        raise PredictorError(f"{path}: no prediction for {missing[0]}")
    return np.array([known[file] for file in files], dtype=np.float64)


def _rows(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        lines = read_text(path).splitlines(keepends=True)
    except (OSError, ValueError) as error:
        reason = "not text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        raise PredictorError(f"{path}: cannot be read ({reason})") from error
    try:
        return list(_split(path, lines, needed))
    except csv.Error as error:
        raise PredictorError(f"{path}: not a CSV: {error}") from error


def _split(path: Path, lines: list[str], needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row's line and its cells by column; in a CSV with semicolons decimal commas become points."""
    torn = bool(lines) and not lines[-1].endswith(("\n", "\r"))
    semicolons = bool(lines) and ";" in lines[0] and "," not in lines[0]
    reader = csv.reader(lines, delimiter=";" if semicolons else ",")
    header = next(reader, [])
    missing = [name for name in needed if name not in header]
    if missing:
        raise PredictorError(f"{path}: no column {missing[0]}; it has {', '.join(header)[:200] or 'nothing'}")
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise PredictorError(f"{path}: two columns are named {twice[0][:100]}; remove or rename one")
    for cells in reader:
        last = reader.line_num == len(lines)
        if len(cells) != len(header):
            if not cells or (last and torn):
                continue
            raise PredictorError(f"{path}: line {reader.line_num}: {len(cells)} cells, the header has {len(header)}")
        row = dict(zip(header, cells, strict=True))
        if semicolons:
            row |= {name: row[name].replace(",", ".") for name in needed if name not in (NETWORK, "device")}
        yield reader.line_num, row


def _number(path: Path | str, line: int, name: str, cell: str) -> float:
    if not cell.strip():
        raise PredictorError(f"{path}: line {line}: {name} is missing")
    try:
        value = float(cell)
    except ValueError:
        raise PredictorError(f"{path}: line {line}: {name} is not a number: {cell[:40]!r}") from None
    if not (math.isfinite(value) and value > 0):
        raise PredictorError(f"{path}: line {line}: {name} must be positive and finite, not {cell[:40]}")
    if not 1e-9 <= value <= 1e12:
        raise PredictorError(f"{path}: line {line}: {name} must be from 1e-9 to 1e12, not {cell[:40]}")
    return value
