"""Sheets, boards and predictors that anybody may have written: finite figures, or refused in one line?

    python benchmarks/hostile_sheets.py [--number 2000] [--seed 0]

Packaged files and a fitted predictor, each with one to three changes (`tests/hostile_devices.py`). Prints a traceback
for each that ends otherwise, then one line of JSON: of each kind how many were tried and gave figures, `tracebacks`,
and `slowest_s`.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import hostile_devices as hostile


def main() -> None:
    """Change, read, ask, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=2000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    payload = hostile.fitted_predictor()
    kinds = {
        "sheets": (hostile.mutated_sheets(options.number, options.seed), hostile.sheet_is_refused_or_gives_numbers),
        "boards": (hostile.mutated_boards(options.number, options.seed), hostile.board_is_refused_or_gives_bounds),
        "predictors": (
            hostile.mutated_predictors(options.number, payload, options.seed),
            hostile.predictor_is_refused_or_gives_numbers,
        ),
    }
    counts: dict[str, float] = {}
    tracebacks, slowest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind, (texts, taken) in kinds.items():
            figures = 0
            for text in texts:
                began = time.monotonic()
                try:
                    figures += taken(Path(folder) / ("f.json" if kind == "predictors" else "f.yaml"), text)
                except Exception:
                    tracebacks += 1
                    print(f"--- {kind}", text[:2000], traceback.format_exc(), sep="\n", flush=True)
                slowest = max(slowest, time.monotonic() - began)
            counts |= {kind: options.number, f"{kind}_with_figures": figures}
    print(json.dumps({**counts, "tracebacks": tracebacks, "slowest_s": round(slowest, 2)}))


if __name__ == "__main__":
    main()
