"""Journals that anybody may have written: shown, reported, watched and resumed, or refused in one line?

    nice python benchmarks/hostile_journals.py [--journals 2000] [--seed 0]

Journals of this version and of earlier ones, each with one to three changes (`tests/hostile_journals.py`). Prints a
traceback for each that ends otherwise, with its seed, then one line of JSON: `journals`, how many gave a result in
each of `show`, `report`, `watch` and `resume`, `tracebacks`, and `slowest_s`.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
from hostile_journals import answers, mutated, sources

from edgevolve.training.session import configure_tensorflow


def main() -> None:
    """Change, look, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--journals", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first journal; the others count up")
    options = parser.parse_args()
    configure_tensorflow(threads=1)
    results: Counter[str] = Counter()
    tracebacks, slowest = 0, 0.0
    with tempfile.TemporaryDirectory() as name:
        made = sources(Path(name))
        for seed in range(options.seed, options.seed + options.journals):
            content, config = made[seed % len(made)]
            folder = Path(name) / f"m{seed}"
            folder.mkdir()
            (folder / "journal.jsonl").write_bytes(mutated(content, np.random.default_rng(seed)))
            began = time.monotonic()
            try:
                results.update(answers(folder, config))
            except Exception:
                tracebacks += 1
                print(f"--- seed {seed}", traceback.format_exc(), sep="\n", flush=True)
            slowest = max(slowest, time.monotonic() - began)
    print(json.dumps({"journals": options.journals, **results, "tracebacks": tracebacks, "slowest_s": slowest}))


if __name__ == "__main__":
    main()
