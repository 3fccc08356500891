"""The command line, in this process or in one of its own, and a search that takes seconds."""

import io
import os
import signal
import subprocess
import sys
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import driver
from edgevolve import beside

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


@contextmanager
def as_before():
    """As in a new process, and what a configuration adds is gone afterwards: folders, modules beside it, signals."""
    loaded = set(sys.modules)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with patch.object(sys, "path", list(sys.path)), patch.object(beside, "_FOLDERS", []):
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for name in set(sys.modules) - loaded:
                path = getattr(sys.modules[name], "__file__", None)
                if path and not any(part in path for part in (str(ROOT), "site-packages", "lib/python")):
                    del sys.modules[name]


def edgevolve(*arguments, cwd=ROOT):
    """What the command line gives with these arguments, in this process: for what does not search."""
    out, errors, status = io.StringIO(), io.StringIO(), 0
    words = ["driver.py", *map(str, arguments)]
    with as_before(), chdir(cwd), redirect_stdout(out), redirect_stderr(errors), patch.object(sys, "argv", words):
        try:
            driver.main()
        except SystemExit as end:
            status = end.code or 0
    return subprocess.CompletedProcess(words, status, out.getvalue(), errors.getvalue())


def edgevolve_process(*arguments, cwd=None, timeout=180, **environment):
    """What `python driver.py` gives with these arguments."""
    return subprocess.run(
        [sys.executable, str(ROOT / "driver.py"), *map(str, arguments)],
        cwd=cwd or ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )
