"""What the seams cost: the present checkout against an earlier one, and what each new seam takes by itself.

    python benchmarks/seams.py [--before CHECKOUT] [--repeats 3] [--disk-mb 2000] [--quick]

`--before` names a checkout of an earlier version: both run in turn, one process at a time, and a ratio is the present
median over the earlier one. Without it the three ratios are null. `demo_ratio` is the wall time of the quick start,
`loop_ratio` the loop's time a candidate (`loop_overhead.py`), `throughput_ratio` the seconds that a candidate trains
(`training_throughput.py`). `error_int8_share_of_time` is what the int8 error adds to a digits candidate;
`worker_resident_mb` the largest resident memory of a worker that trains on `--disk-mb` of images on the disk;
`checkpoint_resume_equal` whether a training that is killed at every checkpoint ends with the weights of an undisturbed
one. Prints a table, then one line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_THROUGHPUT = "import training_throughput as t; print(3600 / t.measure('digits', ('ours', 1, 1), {number}, None)[0])"


def run(checkout: Path, *command: str) -> str:
    """What a Python command prints, run in a checkout with its own modules first."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{checkout / 'benchmarks'}"}
    done = subprocess.run([sys.executable, *command], cwd=checkout, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(command)[:80]}: {done.stderr[-500:]}")
    return done.stdout


def demo_s(checkout: Path, quick: bool) -> float:
    """Wall seconds of the quick start's search with two workers."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        budget = ("--evaluations", "40") if quick else ()
        run(checkout, "driver.py", "configs/digits_aging.py", "--out", folder, "--workers", "2", *budget)
        return time.monotonic() - begun


def loop_ms(checkout: Path, quick: bool) -> float:
    """Milliseconds a candidate in the loop, journal included."""
    printed = run(checkout, "benchmarks/loop_overhead.py", "--candidates", "1000" if quick else "5000")
    return float(json.loads(printed.splitlines()[-1])["loop_ms_per_candidate"])


def candidate_s(checkout: Path, quick: bool) -> float:
    """Seconds of a candidate's training on digits, one thread."""
    return float(run(checkout, "-c", _THROUGHPUT.format(number=3 if quick else 10)))


FIGURES: dict[str, Callable[[Path, bool], float]] = {
    "demo_ratio": demo_s,
    "loop_ratio": loop_ms,
    "throughput_ratio": candidate_s,
}


def ratios(before: Path, repeats: int, quick: bool) -> dict[str, tuple[float, float]]:
    """Medians (before, now) of each figure; the two checkouts take turns, so that noise is shared."""
    medians = {}
    for name, measure in FIGURES.items():
        runs = [(measure(before, quick), measure(ROOT, quick)) for _ in range(repeats)]
        medians[name] = (statistics.median(a for a, _ in runs), statistics.median(b for _, b in runs))
    return medians


def main() -> None:
    """Measure, print a table, then the figures as JSON."""
    from seam_sections import checkpoint_resume_equal, error_int8_share_of_time, worker_resident_mb

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--disk-mb", type=int, default=2000, help="images on the disk that a worker trains on")
    parser.add_argument("--quick", action="store_true", help="one repeat of shorter runs, 200 MB on the disk")
    options = parser.parse_args()
    repeats, disk_mb = (1, 200) if options.quick else (options.repeats, options.disk_mb)
    table = Table("figure", "before", "now", "ratio")
    figures: dict[str, float | bool | None] = dict.fromkeys(FIGURES)
    if options.before:
        for name, (earlier, now) in ratios(options.before.resolve(), repeats, options.quick).items():
            figures[name] = round(now / earlier, 3)
            table.add_row(name, f"{earlier:.4g}", f"{now:.4g}", f"{now / earlier:.3f}")
    figures["error_int8_share_of_time"] = round(error_int8_share_of_time(), 3)
    figures["worker_resident_mb"] = round(worker_resident_mb(disk_mb))
    figures["checkpoint_resume_equal"] = checkpoint_resume_equal()
    for name in list(figures)[len(FIGURES) :]:
        table.add_row(name, "", str(figures[name]), "")
    Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
