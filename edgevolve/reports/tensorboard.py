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
    """Writes `folder`/search with scalars an evaluation, and a folder a completed candidate.

    A candidate's folder has its training curves by epoch, its genotype as hyperparameters and its metrics, as the
    HParams dashboard expects them: one session a folder. Raises `ConfigError` where tensorboardX is not installed.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is written before the first evaluation."""
        try:
            import tensorboardX
        except ImportError as error:
            raise ConfigError("--tensorboard needs tensorboardX: pip install 'edgevolve[tensorboard]'") from error
        self._folder = folder
        self._writer = tensorboardX.SummaryWriter
        self._search: Any = None

    def search(self, scalars: Mapping[str, float], evaluation: int, time: float) -> None:
        """Scalars of the search as a whole after an evaluation, at `time` in seconds since 1970."""
        self._search = self._search or self._writer(str(self._folder / "search"))
        for name, value in scalars.items():
            self._search.add_scalar(f"search/{name}", value, evaluation, time)
        self._search.flush()

    def candidate(self, record: Record) -> None:
        """The session of a candidate; nothing of one that did not complete."""
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
        """Put what was written on the disk."""
        if self._search:
            self._search.close()
