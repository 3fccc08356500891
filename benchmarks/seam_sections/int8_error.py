"""What scoring in int8 adds to a candidate of the quick start: quantised, written, and run on the validation split."""

import subprocess
import sys
from pathlib import Path

CANDIDATES = 12


def error_int8_share_of_time(candidates: int = CANDIDATES) -> float:
    """Seconds of `ScoreInt8` as a share of all that the worker does for a candidate, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, str(candidates)], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _share(candidates: int) -> float:
    """Random candidates within the quick start's hard bounds; the first is not counted: it loads what it needs."""
    from time import perf_counter

    import numpy as np

    from configs.digits_aging import config
    from edgevolve.data import load_splits
    from edgevolve.data.target import ERROR
    from edgevolve.engine.train_task import Train
    from edgevolve.metric import int8_metric
    from edgevolve.quantisation import ScoreInt8
    from edgevolve.runs import Job, measure
    from edgevolve.training import TrainState, unreported
    from search_algorithms import Completed

    splits = load_splits(config.data)
    task = Train(config.training, (ERROR, int8_metric(ERROR)), (ScoreInt8(),))
    task.prepare()
    rng = np.random.default_rng(0)
    job_s, score_s = [], []
    while len(job_s) <= candidates:
        measured = measure(config.space, config.providers, config.space.sample(rng))
        if config.problem.broken(measured.metrics):
            continue
        start = perf_counter()
        outcome = task(Job(0, None, measured.graph, 0, measured.metrics), splits)
        trained = perf_counter()
        if isinstance(outcome, Completed):
            ScoreInt8()(TrainState(measured.graph, outcome.weights), splits, rng, unreported)
            job_s.append(trained - start)
            score_s.append(perf_counter() - trained)
    return sum(score_s[1:]) / sum(job_s[1:])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    print(_share(int(sys.argv[1])))
