"""The command line in a process of its own, and a search that takes seconds."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


TINY = """
from edgevolve.data import Digits
from edgevolve.runs import SearchConfig
from search_algorithms import AgingEvolution, Problem, at_most, minimise
from search_space import MlpSpace
from edgevolve.training import TrainingSettings

data = Digits()
config = SearchConfig(
    data=data,
    space=MlpSpace(data.input_shape, data.classes, max_layers=2, max_units=24),
    problem=Problem(
        [minimise("error"), minimise("model_size_bytes")],
        [at_most("error", 0.1, soft=True), at_most("model_size_bytes", 4000)],
    ),
    algorithm=AgingEvolution(population=3, sample_size=2),
    training=TrainingSettings(epochs=4),
    evaluations=6,
    workers=1,
)
"""


def edgevolve(*arguments, cwd=None, timeout=180, **environment):
    """What `python driver.py` gives with these arguments."""
    return subprocess.run(
        [sys.executable, str(ROOT / "driver.py"), *map(str, arguments)],
        cwd=cwd or ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )
