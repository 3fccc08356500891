"""A run for TensorBoard: scalars of the search and of every training, and HParams from the genotypes.

Needs `pip install 'edgevolve[tensorboard]'`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgevolve.reports.boards import hyperparameters
from edgevolve.runs import ConfigError, Record
from search_algorithms import Completed


class TensorBoard:
    """Writes `folder`/search with scalars by evaluation, and a folder for each completed candidate.

    A candidate's folder has its training curves by epoch, its genotype as hyperparameters and its metrics: one session
    a folder, as the HParams dashboard expects. Raises `ConfigError` if tensorboardX is not installed.
    """

    def __init__(self, folder: Path) -> None:
        """Write nothing before the first evaluation."""
        try:
            import tensorboardX
        except ImportError as error:
            raise ConfigError("--tensorboard needs tensorboardX: pip install 'edgevolve[tensorboard]'") from error
        self._folder = folder
        self._writer = tensorboardX.SummaryWriter
        self._search: Any = None

    def search(self, scalars: Mapping[str, float], evaluation: int, time: float) -> None:
        """Write scalars of the whole search after an evaluation; `time` is in seconds since 1970."""
        self._search = self._search or self._writer(str(self._folder / "search"))
        for name, value in scalars.items():
            self._search.add_scalar(f"search/{name}", value, evaluation, time)
        self._search.flush()

    def candidate(self, record: Record) -> None:
        """Write the session of a completed candidate; ignore any other."""
        from tensorboardX.summary import hparams

        if not isinstance(record.outcome, Completed):
            return
        with self._writer(str(self._folder / f"candidate-{record.number}")) as writer:
            for summary in hparams(hyperparameters(record.genotype), dict.fromkeys(record.metrics)):
                writer.file_writer.add_summary(summary)
            for name, value in record.metrics.items():
                writer.add_scalar(name, value, 0, record.ended)
            for name, values in record.outcome.curves.items():
                for epoch, value in enumerate(values, start=1):
                    writer.add_scalar(f"training/{name}", value, epoch, record.ended)

    def close(self) -> None:
        """Flush to the disk."""
        if self._search:
            self._search.close()
