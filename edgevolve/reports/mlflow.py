"""A run for MLflow: an experiment with a run for the search and one for every completed candidate.

It is written to an SQLite file, the store that MLflow recommends. This shows it:
`mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db`

Needs `pip install 'edgevolve[mlflow]'`; nothing is sent anywhere.
"""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgevolve.reports.boards import hyperparameters
from edgevolve.reports.quantities import short
from edgevolve.runs import ConfigError, Record
from search_algorithms import Completed

_LONGEST_NAME = 200
_MOST_PARAMETERS = 100
_MOST_METRICS = 1000
"""The most metrics that MLflow takes in one call."""


class MlflowBoard:
    """Writes `folder`/mlflow.db; earlier contents are kept.

    The experiment has the name of the search. Its run "search" has scalars by evaluation. Each completed candidate has
    a run with its genotype as parameters, its metrics, and its training curves by epoch. Characters that MLflow does
    not allow in a name are replaced by `_`. Raises `ConfigError` if MLflow is not installed or cannot write.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Create the database if there is none."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            from mlflow import MlflowClient, entities
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError
        except ImportError as error:
            raise ConfigError("--mlflow needs MLflow: pip install 'edgevolve[mlflow]'") from error
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._entities: Any = entities
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._client: Any = MlflowClient(tracking_uri=f"sqlite:///{folder.resolve() / 'mlflow.db'}")
            experiment = self._client.get_experiment_by_name(_allowed(name))
            artifacts = (folder.resolve() / "artifacts").as_uri()
            self._experiment = (
                experiment.experiment_id if experiment else self._client.create_experiment(_allowed(name), artifacts)
            )
        except (OSError, MlflowException, SQLAlchemyError) as error:
            raise ConfigError(f"--mlflow {folder}: {str(error).splitlines()[0]}") from error
        self._search = ""
        self._last_ms = 0

    def search(self, scalars: Mapping[str, float], evaluation: int, time: float) -> None:
        """Write scalars of the whole search after an evaluation; `time` is in seconds since 1970."""
        self._last_ms = round(1000 * time)
        if not self._search:
            self._search = self._client.create_run(self._experiment, self._last_ms, run_name="search").info.run_id
        self._log(self._search, [(name, value, self._last_ms, evaluation) for name, value in scalars.items()])

    def candidate(self, record: Record) -> None:
        """Write the run of a completed candidate; ignore any other."""
        if not isinstance(record.outcome, Completed):
            return
        began, ended = round(1000 * record.started), round(1000 * record.ended)
        title = f"candidate {record.number}"
        made = self._client.create_run(self._experiment, began, run_name=title).info.run_id
        parameters = {_allowed(name): str(value) for name, value in hyperparameters(record.genotype).items()}
        entries = [self._entities.Param(name, value) for name, value in parameters.items()]
        for first in range(0, len(entries), _MOST_PARAMETERS):
            self._client.log_batch(made, params=entries[first : first + _MOST_PARAMETERS])
        rows = [(name, value, ended, 0) for name, value in record.metrics.items()]
        for name, values in record.outcome.curves.items():
            rows += [(f"training/{name}", value, ended, epoch) for epoch, value in enumerate(values, start=1)]
        self._log(made, rows)
        self._client.set_terminated(made, end_time=ended)

    def close(self) -> None:
        """Mark the run of the search as finished."""
        if self._search:
            self._client.set_terminated(self._search, end_time=self._last_ms)

    def _log(self, run: str, rows: list[tuple[str, float, int, int]]) -> None:
        metrics = [self._entities.Metric(_allowed(name), value, time_ms, step) for name, value, time_ms, step in rows]
        for first in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(run, metrics=metrics[first : first + _MOST_METRICS])


def _allowed(name: str) -> str:
    """A name as MLflow takes it: letters, digits, `_-. :/`, and no path that leads upwards or from the root."""
    parts = re.sub(r"[^\w\-. :/]", "_", short(name, _LONGEST_NAME).replace("…", "_")).split("/")
    return "/".join(part if part.strip(".") else "_" for part in parts)
