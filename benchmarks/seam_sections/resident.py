"""The memory of a worker that trains on images which stay on the disk.

    python benchmarks/seam_sections/resident.py [MEGABYTES]

Makes random images of 32×32×3 bytes, brighter by class, in a file of that size (2000 unless given), searches on them
with one worker of a real pool, and prints the largest resident memory that the worker had, in megabytes of 10⁶ bytes,
and the seconds that the search took.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from edgevolve import Problem, RandomSearch, SearchConfig, Split, Splits, TrainingSettings, minimise, search
from edgevolve.data import hold_out
from edgevolve.engine import Train
from edgevolve.runs import Job
from search_algorithms import Completed, Outcome
from search_space import MlpSpace

SHAPE, CLASSES = (32, 32, 3), 4


@dataclass(frozen=True)
class OnDisk:
    """The images of a file, memory-mapped, as a user's own data set would have them."""

    folder: str
    input_shape = SHAPE
    classes = CLASSES

    def load(self) -> Splits:
        """A tenth each for validation and test."""
        x = np.load(Path(self.folder) / "x.npy", mmap_mode="r")
        rest, test = hold_out(Split(x, np.load(Path(self.folder) / "y.npy")), 0.1, 0)
        return Splits(*hold_out(rest, 0.1, 0), test)


@dataclass(frozen=True)
class WatchedTrain:
    """Training, and how much memory its process has had at most."""

    train: Train
    metric_names = ("error", "resident_mb")

    def prepare(self) -> None:
        """As training does."""
        self.train.prepare()

    def __call__(self, job: Job, splits: Splits) -> Outcome:
        """Train, then look."""
        outcome = self.train(job, splits)
        if isinstance(outcome, Completed):
            return Completed({**outcome.metrics, "resident_mb": _peak_mb()})
        return outcome


def worker_resident_mb(disk_mb: int = 2000) -> float:
    """Largest resident memory of a worker, in 10⁶ bytes, in a search of two candidates on `disk_mb` of images."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), disk_mb)
        config = SearchConfig(
            data=OnDisk(folder),
            space=MlpSpace(SHAPE, CLASSES, max_layers=1, max_units=16),
            problem=Problem([minimise("error", scale=0.5)]),
            algorithm=RandomSearch(),
            task=WatchedTrain(Train(TrainingSettings(epochs=1, batch_size=512, learning_rate=0.001))),
            evaluations=2,
            workers=1,
        )
        run = search(config, "resident", out=Path(folder) / "artifacts")
        outcomes: Sequence[Outcome | None] = [record.outcome for record in run.records.values()]
        peaks = [outcome.metrics["resident_mb"] for outcome in outcomes if isinstance(outcome, Completed)]
        if not peaks:
            raise SystemExit(f"no candidate completed: {run.failures[0].reason}")
        return max(peaks)


def _write(folder: Path, disk_mb: int) -> None:
    number = disk_mb * 1_000_000 // int(np.prod(SHAPE))
    y = np.arange(number) % CLASSES
    np.save(folder / "y.npy", y)
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.uint8, shape=(number, *SHAPE))
    for begin in range(0, number, 10_000):
        labels = y[begin : begin + 10_000]
        noise = np.random.default_rng(begin).integers(0, 128, (len(labels), *SHAPE), np.uint8)
        x[begin : begin + 10_000] = noise + (30 * labels[:, None, None, None]).astype(np.uint8)
    x.flush()


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = [line for line in lines if line.startswith("VmHWM")]
    return int(peak.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    begun = time.monotonic()
    size_mb = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print(f"{size_mb} MB on disk: {worker_resident_mb(size_mb):.0f} MB resident, {time.monotonic() - begun:.0f} s")
